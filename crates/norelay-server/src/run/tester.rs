//! Whoever makes the tests: the probe, and in tests of the service another.

use std::{
    collections::HashSet,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use norelay_core::{
    event::{Event, MailExchanger, Receipt, Record, TlsFacts},
    report::Report,
};
use norelay_probe::{
    errand::Errand,
    network::{AnyStream, Internet, Network},
    record::Sink,
    resolve::Resolver,
    scan,
    surroundings::{Surroundings, Wanted},
};
use tokio::sync::{mpsc, watch};

/// How long a question to the DNS may take.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Makes a test: every fact goes to the sink, the last one is the end of the run.
pub trait Tester: Send + Sync + 'static {
    /// Makes an assignment until its end, or until it is stopped.
    fn test(&self, assignment: Assignment) -> BoxFuture<'static, ()>;
}

/// One test to be made.
pub struct Assignment {
    /// What is asked.
    pub request: scan::Request,
    /// The exchangers; nothing but their addresses is connected to.
    pub exchangers: Vec<MailExchanger>,
    /// True if blacklists and posture are looked up as well, unless an attempt before this one
    /// has done so.
    pub surroundings: bool,
    /// What an attempt before this one has found out.
    pub known: Report,
    /// Where every fact goes.
    pub sink: Arc<dyn Sink>,
    /// The messages that come, where messages are to be sent.
    pub receipts: Option<mpsc::Receiver<Receipt>>,
    /// Becomes true when it is to end.
    pub stop: watch::Receiver<bool>,
}

/// A tester that tests nothing: every run ends as it begins.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Tester for Nobody {
    fn test(&self, assignment: Assignment) -> BoxFuture<'static, ()> {
        assignment
            .sink
            .record(&Record::new(Timestamp::now(), Event::RunFinished { stopped: false }));
        Box::pin(std::future::ready(()))
    }
}

/// The probe, over the real network.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The way out.
    pub network: Internet,
    /// The DNS resolver; the machine's own where none is given.
    pub resolver: Option<SocketAddr>,
    /// What is looked up beside a test.
    pub wanted: Wanted,
}

impl Probe {
    /// The DNS for the mail domain that the server hosts.
    fn resolver(&self) -> Option<Resolver> {
        Resolver::new(self.resolver, LOOK_UP)
            .inspect_err(|error| tracing::warn!(%error, "the hosted domain is not looked for"))
            .ok()
    }

    /// What looks up blacklists and posture.
    fn surroundings(&self) -> Option<Surroundings> {
        Surroundings::new(self.wanted.clone(), self.resolver)
            .inspect_err(|error| tracing::warn!(%error, "nothing is looked up beside the test"))
            .ok()
    }
}

impl Tester for Probe {
    fn test(&self, assignment: Assignment) -> BoxFuture<'static, ()> {
        let probe = self.clone();
        Box::pin(async move {
            let Assignment { request, exchangers, surroundings, known, sink, receipts, stop } =
                assignment;
            let network = Arc::new(Fence::around(probe.network.clone(), &exchangers));
            let resolver = probe.resolver();
            let surroundings = if surroundings { probe.surroundings() } else { None };
            let errand = Errand {
                request,
                exchangers,
                known,
                client_identity: None,
                network,
                resolver: resolver.as_ref(),
                surroundings: surroundings.as_ref(),
                sink,
                receipts,
                stop,
            };
            errand.run().await;
        })
    }
}

/// A network that leads to a few addresses only: whatever the scan may come to think, it connects
/// to no other.
#[derive(Debug)]
pub struct Fence<N> {
    network: N,
    allowed: HashSet<IpAddr>,
}

impl<N> Fence<N> {
    /// The network, with a fence around the exchangers' addresses.
    #[must_use]
    pub fn around(network: N, exchangers: &[MailExchanger]) -> Self {
        let allowed = exchangers
            .iter()
            .flat_map(|exchanger| exchanger.addresses.iter().copied())
            .collect();
        Self { network, allowed }
    }
}

impl<N: Network> Network for Fence<N> {
    async fn connect(&self, to: SocketAddr) -> io::Result<(AnyStream, SocketAddr)> {
        if !self.allowed.contains(&to.ip()) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "this address was not permitted for the test",
            ));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fence_lets_through_what_was_permitted_alone() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let internet = Internet { source_address: None, connect_timeout: Duration::from_secs(5) };
        let exchanger = |address: &str| MailExchanger {
            name: None,
            preference: None,
            addresses: vec![address.parse().expect("an address")],
        };
        let open =
            Fence::around(internet.clone(), &[exchanger("192.0.2.7"), exchanger("127.0.0.1")]);
        assert!(open.connect(address).await.is_ok());
        for other in ["192.0.2.7", "::ffff:127.0.0.1", "127.0.0.2"] {
            let fence = Fence::around(internet.clone(), &[exchanger(other)]);
            let refused = fence
                .connect(address)
                .await
                .err()
                .expect("it is not permitted");
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{other}");
        }
    }
}
