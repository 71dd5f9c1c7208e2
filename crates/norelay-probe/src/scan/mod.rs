//! Scans a server: asks what `norelay-core` says, and records what happens.
//!
//! Rules:
//! - [`norelay_core::asking`] decides what to ask, when, and what follows from an answer. This
//!   module gives it the real time.
//! - Stopping a run drops its connections and keeps its events.

mod dialogue;
mod introduction;
mod receipts;
mod run;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

pub use norelay_core::asking::{Family, MAX_PATHS, Request, Traps, exchangers_of};
use norelay_core::{
    asking::{Agenda, Means},
    catalogue::RelayTest,
    event::{Event, MailExchanger, Path, Receipt},
    report::Report,
};
use tokio::sync::{mpsc, watch};

pub use self::introduction::{introduce, own_name};
use crate::{
    canary::CanaryPost,
    network::Network,
    record::{Recorder, Sink},
    secure::client_identity::ClientIdentity,
    target,
};

/// A run that can begin: what is asked, over which network, and where the facts go.
pub struct Scan<N> {
    /// What is asked.
    pub request: Request,
    /// The certificate to show under TLS, where the user has one.
    pub client_identity: Option<Arc<ClientIdentity>>,
    /// The network to connect through.
    pub network: Arc<N>,
    /// Where every fact goes.
    pub sink: Arc<dyn Sink>,
    /// What sees the messages that come back. Without an inbox, nothing is sent past RCPT.
    pub inbox: Option<Inbox>,
    /// Becomes true when the run is to end.
    pub stop: watch::Receiver<bool>,
}

/// What sees the messages that come back to a run, and what shows that it works.
pub struct Inbox {
    /// The messages that the receiver sees.
    pub receipts: mpsc::Receiver<Receipt>,
    /// What sends canaries to the receiver.
    pub canaries: Arc<dyn CanaryPost>,
}

impl<N: Network> Scan<N> {
    /// Runs the tests against the exchangers and returns the facts.
    pub async fn run(self, exchangers: Vec<MailExchanger>) -> Report {
        let recorder = Recorder::new(self.sink.clone());
        run::begin(self, recorder, Agenda::New(exchangers)).await
    }

    /// Asks certain tests on certain paths again, and nothing else. `note` says why in the log.
    pub async fn again(self, paths: Vec<(Path, Vec<&'static RelayTest>)>, note: Event) -> Report {
        let recorder = Recorder::new(self.sink.clone());
        run::begin(self, recorder, Agenda::Again(paths, Box::new(note))).await
    }

    /// Goes on with a run that was stopped. `report` is the fold of the run's log. Its paths, names
    /// and answers are kept.
    pub async fn resume(self, report: Report) -> Report {
        let recorder = Recorder::resuming(self.sink.clone(), report);
        run::begin(self, recorder, Agenda::Resumed).await
    }

    /// Returns what the run can use. `addresses` are the target's.
    fn means(&self, addresses: impl Iterator<Item = IpAddr>) -> Means {
        let source = |address: IpAddr| {
            let own = self.network.source(SocketAddr::new(address, 25))?;
            Some((address, own))
        };
        Means {
            receiving: self.inbox.is_some(),
            has_certificate: self.client_identity.is_some(),
            sources: addresses.filter_map(source).collect::<BTreeMap<_, _>>(),
            host_name,
            registrable,
        }
    }
}

/// Returns a text as a host name in ASCII, if the text is one.
fn host_name(text: &str) -> Option<String> {
    target::host_name(text).ok()
}

/// Returns the registrable domain that a host name belongs to, by the list of public suffixes.
fn registrable(name: &str) -> Option<String> {
    psl::domain_str(name).map(str::to_owned)
}
