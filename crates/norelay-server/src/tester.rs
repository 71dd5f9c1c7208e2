//! Whoever makes the tests: the probe, and in tests of the service another.

use std::{
    collections::HashSet,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use norelay_core::event::{Event, MailExchanger, Receipt, Record, TlsFacts};
use norelay_probe::{
    network::{AnyStream, Internet, Network},
    record::Sink,
    scan,
};
use tokio::sync::{mpsc, watch};

/// Makes a test: every fact goes to the sink, the last one is the end of the run.
pub trait Tester: Send + Sync + 'static {
    /// Tests the exchangers, and nothing but their addresses, until the end or until `stop` becomes true.
    fn test(
        &self,
        request: scan::Request,
        exchangers: Vec<MailExchanger>,
        sink: Arc<dyn Sink>,
        receipts: Option<mpsc::Receiver<Receipt>>,
        stop: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()>;
}

/// A tester that tests nothing: every run ends as it begins.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Tester for Nobody {
    fn test(
        &self,
        _request: scan::Request,
        _exchangers: Vec<MailExchanger>,
        sink: Arc<dyn Sink>,
        _receipts: Option<mpsc::Receiver<Receipt>>,
        _stop: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        sink.record(&Record::new(Timestamp::now(), Event::RunFinished { stopped: false }));
        Box::pin(std::future::ready(()))
    }
}

/// The probe, over the real network.
#[derive(Clone, Debug)]
pub struct Probe(pub Internet);

impl Tester for Probe {
    fn test(
        &self,
        request: scan::Request,
        exchangers: Vec<MailExchanger>,
        sink: Arc<dyn Sink>,
        receipts: Option<mpsc::Receiver<Receipt>>,
        stop: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        let fence = Arc::new(Fence::around(self.0.clone(), &exchangers));
        Box::pin(async move {
            scan::scan(request, exchangers, fence, sink, receipts, stop).await;
        })
    }
}

/// A network that leads to a few addresses only: whatever the scan may come to think, it connects to no other.
#[derive(Debug)]
pub struct Fence<N> {
    network: N,
    allowed: HashSet<IpAddr>,
}

impl<N> Fence<N> {
    /// The network, with a fence around the exchangers' addresses.
    #[must_use]
    pub fn around(network: N, exchangers: &[MailExchanger]) -> Self {
        let allowed = exchangers.iter().flat_map(|exchanger| exchanger.addresses.iter().copied()).collect();
        Self { network, allowed }
    }
}

impl<N: Network> Network for Fence<N> {
    async fn connect(&self, to: SocketAddr) -> io::Result<(AnyStream, SocketAddr)> {
        if !self.allowed.contains(&to.ip()) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "this address was not permitted for the test"));
        }
        self.network.connect(to).await
    }

    fn secure(
        &self,
        stream: AnyStream,
        host: Option<&str>,
        address: IpAddr,
    ) -> impl Future<Output = Result<(AnyStream, TlsFacts), String>> + Send {
        self.network.secure(stream, host, address)
    }

    fn source(&self, to: SocketAddr) -> Option<IpAddr> {
        self.network.source(to)
    }
}
