//! Hands the canaries of a run to the mail exchanger of the probe domain, as any client would.
//!
//! Rules:
//! - A canary takes the way that every message to the probe domain takes: the DNS, the MX, port 25.
//!   The receiver's own address is not used, even if norelay knows it.
//! - The exchangers are tried in their order (RFC 5321 section 5.1) until one accepts the canary.
//! - A canary is no test: the run's log has its outcome alone, not its dialogue.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use norelay_core::{
    asking::{PlannedCanary, PlannedDialogue},
    event::{CanaryExchanger, CanaryFailure, Event, MailExchanger, Path, Record},
    octets::Octets,
    path::PathId,
    report::{Dialogue, Report},
    smtp::{Cause, End, Hello, Purpose, Reply, Security, Stage, Step, Transaction},
};
use tokio::time::timeout;

use crate::{
    drive::{Alone, drive},
    network::Network,
    record::Recorder,
    resolve::{ResolveError, Resolver},
    target::{Host, Target},
};

/// RFC 5321 section 2.3.4: mail between hosts is exchanged at port 25.
const PORT: u16 = 25;
/// A domain with more addresses than these has a farm of exchangers, and all of them fail alike.
const MAX_TRIED: usize = 6;
/// The longest that one canary may take, over all exchangers.
const PATIENCE: Duration = Duration::from_secs(60);

/// The future of a canary that is being handed over.
pub type Handing<'a> = Pin<Box<dyn Future<Output = HandedCanary> + Send + 'a>>;

/// What hands canaries over: the real one is [`CanaryMail`].
pub trait CanaryPost: Send + Sync {
    /// Hands a canary to an exchanger of its domain.
    fn hand_over(&self, canary: PlannedCanary) -> Handing<'_>;
}

/// What became of a canary at the exchangers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandedCanary {
    /// The exchanger that was tried last.
    pub exchanger: Option<CanaryExchanger>,
    /// Why no exchanger accepted the canary, if none did.
    pub failure: Option<CanaryFailure>,
}

impl HandedCanary {
    fn failed(exchanger: Option<CanaryExchanger>, failure: CanaryFailure) -> Self {
        Self { exchanger, failure: Some(failure) }
    }

    /// The event that records the canary with this number.
    #[must_use]
    pub fn event(self, canary: u8) -> Event {
        Event::CanarySent { canary, exchanger: self.exchanger, failure: self.failure }
    }
}

/// Hands canaries over by the DNS and SMTP.
pub struct CanaryMail<N> {
    /// The DNS that leads to the exchangers, if this machine has a resolver.
    pub resolver: Option<Resolver>,
    /// The network to connect through.
    pub network: Arc<N>,
}

impl<N: Network> CanaryPost for CanaryMail<N> {
    fn hand_over(&self, canary: PlannedCanary) -> Handing<'_> {
        Box::pin(async move {
            let took_too_long = || {
                let why = format!("it took longer than {} seconds", PATIENCE.as_secs());
                HandedCanary::failed(None, CanaryFailure::Interrupted { why })
            };
            let handed = timeout(PATIENCE, self.try_exchangers(&canary)).await;
            handed.unwrap_or_else(|_| took_too_long())
        })
    }
}

impl<N: Network> CanaryMail<N> {
    async fn try_exchangers(&self, canary: &PlannedCanary) -> HandedCanary {
        let exchangers = match self.exchangers(&canary.domain).await {
            Ok(exchangers) => exchangers,
            Err(why) => return HandedCanary::failed(None, CanaryFailure::NoExchanger { why }),
        };
        let mut last = HandedCanary::default();
        for exchanger in addresses(&exchangers).take(MAX_TRIED) {
            let failure = self.offer(canary, &exchanger).await;
            let is_accepted = failure.is_none();
            last = HandedCanary { exchanger: Some(exchanger), failure };
            if is_accepted {
                break;
            }
        }
        last
    }

    /// The mail exchangers of a domain, or the clause that says why there are none.
    async fn exchangers(&self, domain: &str) -> Result<Vec<MailExchanger>, String> {
        let Some(resolver) = &self.resolver else {
            return Err("this machine has no DNS resolver".to_owned());
        };
        let target = Target { host: Host::MailDomain(domain.to_owned()), port: None };
        resolver
            .exchangers(&target)
            .await
            .map_err(|error| clause(error, domain))
    }

    /// Offers the canary to one exchanger. Returns why it was not accepted, if it wasn't.
    async fn offer(
        &self,
        canary: &PlannedCanary,
        exchanger: &CanaryExchanger,
    ) -> Option<CanaryFailure> {
        let destination = Path {
            host: Some(exchanger.host.clone()),
            address: exchanger.address,
            port: PORT,
            security: Security::Plain,
        };
        let transaction = transaction(canary);
        let planned =
            PlannedDialogue::alone(destination.clone(), transaction.clone(), canary.reply_timeout);
        // The dialogue has a report of its own, of which the run gets the outcome alone.
        let recorder = Recorder::new(Arc::new(|_: &Record| {}));
        let path = PathId::FIRST;
        recorder.record(Event::PathAdded { path, destination, tests: Vec::new() });
        let network = self.network.clone();
        drive(network, &recorder, &Alone, &planned, (transaction, Vec::new())).await;
        recorder.look(failure)
    }
}

/// Why a domain has no exchanger, as a clause.
fn clause(error: ResolveError, domain: &str) -> String {
    match error {
        ResolveError::NotFound(name) if name == domain => {
            "it has no MX record and no address".to_owned()
        }
        ResolveError::NotFound(_) => "its mail exchangers have no address".to_owned(),
        ResolveError::MadeUp { .. } => "the domain does not exist".to_owned(),
        ResolveError::NullMx(_) => {
            "its MX record says that it accepts no mail (RFC 7505)".to_owned()
        }
        error => error.to_string().trim_end_matches('.').to_owned(),
    }
}

/// The addresses of the exchangers, in their order.
fn addresses(exchangers: &[MailExchanger]) -> impl Iterator<Item = CanaryExchanger> {
    exchangers.iter().flat_map(|exchanger| {
        let host = exchanger.name.clone().unwrap_or_default();
        let of_host = move |address| CanaryExchanger { host: host.clone(), address };
        exchanger.addresses.iter().copied().map(of_host)
    })
}

/// What is said to an exchanger: a message from the null reverse-path to the canary's recipient.
fn transaction(canary: &PlannedCanary) -> Transaction {
    let recipient = Octets::from(format!("RCPT TO:<{}>", canary.recipient));
    Transaction {
        preface: Octets::default(),
        hello: Hello::Ehlo(canary.helo.clone()),
        security: Security::Plain,
        steps: vec![
            Step::mail(&Octets::from("<>")),
            Step::new(Stage::Rcpt, Purpose::Question, recipient),
        ],
        message: Some(canary.text.clone()),
        pipelining: true,
        awaits_quit_reply: false,
        chunking: false,
        injects: false,
        ambiguous: false,
    }
}

/// Returns why the only dialogue of a report did not hand its message over, if it didn't.
fn failure(report: &Report) -> Option<CanaryFailure> {
    let dialogue = report.dialogues.values().next()?;
    if dialogue.has_delivered() {
        return None;
    }
    Some(match (last_rejection(dialogue), &dialogue.end) {
        (Some(reply), _) => CanaryFailure::Rejected { reply: reply.clone() },
        (None, Some(End::Interrupted(Cause::ConnectFailed { error, .. }))) => {
            CanaryFailure::NotConnected { why: error.clone() }
        }
        (None, Some(End::Interrupted(cause))) => {
            CanaryFailure::Interrupted { why: cause.to_string() }
        }
        (None, _) => {
            CanaryFailure::Interrupted { why: "the dialogue ended without a reply".to_owned() }
        }
    })
}

/// The last reply that rejects or defers something.
fn last_rejection(dialogue: &Dialogue) -> Option<&Reply> {
    let replies = dialogue.exchanges.iter().rev();
    replies
        .filter_map(|exchange| exchange.reply.as_ref())
        .find(|reply| reply.code >= 400)
}
