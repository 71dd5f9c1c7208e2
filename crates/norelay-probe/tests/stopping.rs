//! A run that is stopped: its last record is the last one, whatever was under way.

#[path = "simulation/mod.rs"]
mod simulation;

use std::{
    future::pending,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use norelay_core::event::{Event, MailExchanger, Record, TlsFacts};
use norelay_probe::{
    network::{AnyStream, Network},
    scan::Scan,
};
use tokio::sync::watch;

/// A network whose connections never come to anything. The run is stopped with the first one.
struct Unreachable {
    stop: watch::Sender<bool>,
    connecting: Arc<AtomicUsize>,
}

/// One attempt to connect, for as long as somebody waits for it.
struct Attempt(Arc<AtomicUsize>);

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Network for Unreachable {
    async fn connect(&self, _to: SocketAddr) -> io::Result<(AnyStream, SocketAddr)> {
        self.connecting.fetch_add(1, Ordering::Relaxed);
        let _attempt = Attempt(self.connecting.clone());
        self.stop.send_replace(true);
        pending().await
    }

    async fn secure(
        &self,
        _stream: AnyStream,
        _host: Option<&str>,
        _address: IpAddr,
    ) -> Result<(AnyStream, TlsFacts), String> {
        Err("nothing is connected".to_owned())
    }

    fn source(&self, _to: SocketAddr) -> Option<IpAddr> {
        None
    }
}

/// A task that outlives the run could record something after the run's last record.
#[tokio::test(start_paused = true)]
async fn a_stopped_run_ends_after_all_its_connections() {
    let (stop, stopped) = watch::channel(false);
    let connecting = Arc::<AtomicUsize>::default();
    let network = Arc::new(Unreachable { stop, connecting: connecting.clone() });
    let connecting_at_the_end = Arc::<Mutex<Vec<usize>>>::default();
    let noted = connecting_at_the_end.clone();
    let sink = Arc::new(move |record: &Record| {
        if let Event::RunFinished { .. } = record.event {
            let now = connecting.load(Ordering::Relaxed);
            noted.lock().expect("nothing panics").push(now);
        }
    });
    let exchanger = MailExchanger {
        name: Some("mx.target.example".into()),
        preference: None,
        addresses: vec![[192, 0, 2, 7].into()],
    };
    let request = simulation::request();
    let scan = Scan { request, client_identity: None, network, sink, inbox: None, stop: stopped };
    scan.run(vec![exchanger]).await;
    assert_eq!(*connecting_at_the_end.lock().expect("nothing panics"), [0]);
}
