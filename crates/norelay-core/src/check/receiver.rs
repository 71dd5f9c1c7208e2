//! Whether the run's receiver was shown to work, from its canaries.
//!
//! Rules:
//! - A canary that arrived shows that the receiver works, and so does any other message of the run.
//! - The sentence says what happened, and what to correct where the receiver was not reached.

use serde::Serialize;

use crate::{
    event::{CanaryExchanger, CanaryFailure},
    octets::harmless,
    report::{Report, SentCanary},
};

/// Whether the receiver of a run was shown to work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiverCheck {
    /// True if the last canary arrived, or another message of the run did.
    pub works: bool,
    /// The mail exchanger that the last canary was offered to.
    pub exchanger: Option<CanaryExchanger>,
    /// What became of the last canary, and what to correct, in sentences.
    pub says: String,
}

/// Returns whether the receiver of a run was shown to work. `None` if the run has no receiver.
#[must_use]
pub fn check(report: &Report) -> Option<ReceiverCheck> {
    let run = report.run.as_ref().filter(|run| run.receiving)?;
    let works = report.canaries.prove_receiver();
    let domain = harmless(&run.domain);
    let last = report.canaries.last();
    let has_received = !report.receipts.is_empty();
    let says = match last {
        _ if has_received && !works => "A message of this run reached the receiver.".to_owned(),
        Some(canary) => sentence(canary, works, &domain),
        None => "No canary message has shown that the receiver works.".to_owned(),
    };
    let exchanger = last.and_then(|canary| canary.exchanger.clone());
    Some(ReceiverCheck { works: works || has_received, exchanger, says })
}

fn sentence(canary: &SentCanary, works: bool, domain: &str) -> String {
    let exchanger = canary.exchanger.as_ref().map(shown);
    let at = exchanger.unwrap_or_else(|| format!("the mail exchanger of {domain}"));
    if works {
        return format!("A canary message to {domain} reached the receiver through {at}.");
    }
    match &canary.failure {
        None => format!(
            "{} accepted a canary message to {domain}, but the message did not reach the receiver. \
             Check that the MX record of {domain} leads to the receiver.",
            capitalized(&at)
        ),
        Some(CanaryFailure::NoExchanger { why }) => format!(
            "Mail to {domain} cannot reach the receiver: {}. Give {domain} an MX record that leads \
             to the receiver.",
            harmless(why)
        ),
        Some(CanaryFailure::NotConnected { why }) => format!(
            "Mail to {domain} cannot reach the receiver: {at} does not accept connections at port \
             25 ({}). Open port 25 there, or correct the MX record of {domain}.",
            harmless(why)
        ),
        Some(CanaryFailure::Rejected { reply }) => format!(
            "{} rejected a canary message to {domain} with \"{}\". Check that the MX record of \
             {domain} leads to the receiver.",
            capitalized(&at),
            harmless(&reply.to_string())
        ),
        Some(CanaryFailure::Interrupted { why }) => format!(
            "A canary message to {domain} could not be handed to {at}: {}. Check that the MX \
             record of {domain} leads to the receiver.",
            harmless(why)
        ),
    }
}

/// `mail.probe.example (203.0.113.2)`
fn shown(exchanger: &CanaryExchanger) -> String {
    format!("{} ({})", harmless(&exchanger.host), exchanger.address)
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
