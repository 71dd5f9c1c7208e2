//! What makes the tests: the probe, or a double in the service's own tests.

use std::{net::SocketAddr, sync::Arc};

use futures_util::future::BoxFuture;
use norelay_core::{
    event::{MailExchanger, Receipt},
    report::Report,
};
use norelay_probe::{
    canary::CanaryMail,
    defaults,
    errand::Errand,
    network::Internet,
    record::Sink,
    resolve::Resolver,
    scan::{self, Inbox},
    surroundings::{LookupSelection, Surroundings},
};
use tokio::sync::{mpsc, watch};

use crate::rules::fence::Fence;

/// Makes tests. Every fact goes to the sink; the last fact is the end of the run.
pub trait Tester: Send + Sync + 'static {
    /// Makes an assignment until its end, or until it is stopped.
    fn test(&self, assignment: Assignment) -> BoxFuture<'static, ()>;
}

/// One test to be made.
pub struct Assignment {
    /// The scan's request.
    pub request: scan::Request,
    /// The exchangers. Only their addresses are connected to.
    pub exchangers: Vec<MailExchanger>,
    /// True if blacklists and posture are looked up as well, unless an attempt before this one
    /// has done so.
    pub surroundings: bool,
    /// What an earlier attempt has recorded: the empty report for a new run.
    pub known: Report,
    /// Where every fact goes.
    pub sink: Arc<dyn Sink>,
    /// The messages that come back. `None` if the test may send no messages.
    pub receipts: Option<mpsc::Receiver<Receipt>>,
    /// Becomes true when the test is to end.
    pub stop: watch::Receiver<bool>,
}

/// The probe, over the real network.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The network to connect through.
    pub network: Internet,
    /// The DNS resolver; the machine's own where none is given.
    pub resolver: Option<SocketAddr>,
    /// What is looked up beside a test.
    pub wanted: LookupSelection,
}

impl Probe {
    /// The DNS for the mail domain that the server hosts.
    fn resolver(&self) -> Option<Resolver> {
        Resolver::new(self.resolver, defaults::LONGEST_LOOK_UP)
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
            // The scan can't connect to anything else, whatever it may be led to.
            let network = Arc::new(Fence::around(probe.network.clone(), &exchangers));
            let resolver = probe.resolver();
            let surroundings = if surroundings { probe.surroundings() } else { None };
            // Canaries go to our own receiver, so the fence around the target does not hold for
            // them.
            let canaries = Arc::new(CanaryMail {
                resolver: resolver.clone(),
                network: Arc::new(probe.network.clone()),
            });
            let errand = Errand {
                request,
                exchangers,
                known,
                client_identity: None,
                network,
                resolver: resolver.as_ref(),
                surroundings: surroundings.as_ref(),
                sink,
                inbox: receipts.map(|receipts| Inbox { receipts, canaries }),
                stop,
            };
            errand.run().await;
        })
    }
}
