//! One errand: everything that norelay does at one target, in its order.
//!
//! 1. The server introduces itself, if its name may tell which mail domain it hosts
//!    ([`scan::introduce`]).
//!    The DNS tells which senders the server may trust.
//! 2. The scan asks the tests.
//! 3. Beside the scan, the surroundings are looked up: blacklists and posture.
//!
//! Rules:
//! - The command and the service go the same way. They differ in their network and in what they
//!   look up.
//! - An errand that goes on with an earlier attempt neither introduces the server again nor looks
//!   up the surroundings again.
//! - Stopping ends every part.

use std::sync::Arc;

use norelay_core::{catalogue::TestRole, check::Topic, event::MailExchanger, report::Report};
use tokio::sync::watch;

use crate::{
    network::Network,
    record::Sink,
    resolve::Resolver,
    scan::{self, Inbox, Request, Scan},
    secure::client_identity::ClientIdentity,
    surroundings::Surroundings,
};

/// One target's errand that can begin.
pub struct Errand<'a, N> {
    /// What the scan is asked to do.
    pub request: Request,
    /// The exchangers of the target. Only their addresses are connected to.
    pub exchangers: Vec<MailExchanger>,
    /// What an earlier attempt has recorded: the empty report for a new run.
    pub known: Report,
    /// The certificate to show under TLS, where the user has one.
    pub client_identity: Option<Arc<ClientIdentity>>,
    /// The network to connect through.
    pub network: Arc<N>,
    /// The DNS for the mail domain that the server hosts. Without a resolver, that domain is not
    /// searched for.
    pub resolver: Option<&'a Resolver>,
    /// What looks up the surroundings, if they are wanted.
    pub surroundings: Option<&'a Surroundings>,
    /// Where every fact goes.
    pub sink: Arc<dyn Sink>,
    /// What sees the messages that come back. Without an inbox, nothing is sent past RCPT.
    pub inbox: Option<Inbox>,
    /// Becomes true when the errand is to end.
    pub stop: watch::Receiver<bool>,
}

impl<N: Network> Errand<'_, N> {
    /// Runs the errand to its end, or until it is stopped.
    pub async fn run(mut self) {
        self.find_local_domain().await;
        self.find_senders().await;
        let Self {
            request,
            exchangers,
            known,
            client_identity,
            network,
            surroundings,
            sink,
            inbox,
            stop,
            ..
        } = self;
        let surroundings = surroundings.filter(|_| !has_surroundings(&known));
        let local_domain = request.local_domain.clone();
        let notes = sink.clone();
        let mut stopped = stop.clone();
        let looking = async {
            let Some(surroundings) = surroundings else { return };
            tokio::select! {
                () = surroundings.look(local_domain.as_deref(), &exchangers, notes.as_ref()) => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        };
        let scan = Scan { request, client_identity, network, sink, inbox, stop };
        tokio::join!(scan_from(scan, &exchangers, known), looking);
    }

    /// Fills in domains that the server may trust as senders, if a test asks them.
    async fn find_senders(&mut self) {
        let Some(resolver) = self.resolver else { return };
        let mut tests = self.request.tests.iter();
        if has_begun(&self.known) || !tests.any(|test| test.is(TestRole::ListedSenders)) {
            return;
        }
        let mut addresses = self
            .exchangers
            .iter()
            .flat_map(|exchanger| &exchanger.addresses);
        let address = addresses.next().copied();
        let local_domain = self.request.local_domain.as_deref();
        self.request.found_senders = resolver.trusted_domains(local_domain, address).await;
    }

    /// Fills in the mail domain that the target hosts: as an earlier attempt found it, or by the
    /// name that the server gives itself.
    async fn find_local_domain(&mut self) {
        if has_begun(&self.known) {
            let earlier = self.known.run.as_ref();
            let earlier = earlier.and_then(|run| run.local_domain.clone());
            self.request.local_domain = self.request.local_domain.take().or(earlier);
        } else if let Some(resolver) = self.resolver {
            let (network, stop) = (self.network.clone(), self.stop.clone());
            scan::introduce(&mut self.request, &self.exchangers, network, resolver, stop).await;
        }
    }
}

/// Scans the exchangers, or goes on where an earlier attempt ended.
async fn scan_from<N: Network>(scan: Scan<N>, exchangers: &[MailExchanger], known: Report) {
    match has_begun(&known) {
        true => scan.resume(known).await,
        // An attempt that ended before its first dialogue may not have recorded all paths. The
        // scan plans them anew, in the same order.
        false => scan.run(exchangers.to_vec()).await,
    };
}

/// True if an earlier attempt has had a dialogue with the server.
fn has_begun(known: &Report) -> bool {
    !known.dialogues.is_empty()
}

/// True if an earlier attempt has recorded surroundings.
fn has_surroundings(known: &Report) -> bool {
    known
        .notes
        .iter()
        .any(|note| Topic::of(&note.tag).is_looked_up())
}
