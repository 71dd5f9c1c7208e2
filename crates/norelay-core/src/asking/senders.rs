//! Which sender a test is asked from, and what an outcome means for that and for the scheduler.
//!
//! Rules:
//! - A test whose sender is rejected on its own account is asked again from [`FOREIGN_SENDER`],
//!   unless the test is about the sender: otherwise the question would stay unanswered.
//! - What authentication is demanded for, from the foreign sender as well, may be about the
//!   recipient: then the test keeps its own sender.

use std::collections::BTreeSet;

use super::evidence::{self, PlainRefusal};
use crate::{
    catalogue::{FOREIGN_SENDER, RelayTest},
    check::{self, Observation, Outcome, Reason, reason},
    event::Event,
    octets::Octets,
    path::PathId,
    report::Report,
    schedule::Ending,
    smtp::{Cause, Stage},
};

/// The templates of reverse-paths that the server of a path rejects on their own account.
#[derive(Debug, Default)]
pub(super) struct RejectedSenders(BTreeSet<&'static str>);

impl RejectedSenders {
    /// The template of the reverse-path that a test is asked from.
    pub fn sender_for(&self, test: &RelayTest) -> &'static str {
        if self.0.contains(test.reverse_path) && !test.is_about_sender() {
            FOREIGN_SENDER
        } else {
            test.reverse_path
        }
    }

    /// Notes that the server rejects the sender of a test; returns the event that says so the
    /// first time.
    pub fn add(&mut self, path: PathId, test: &RelayTest) -> Option<Event> {
        if !self.0.insert(test.reverse_path) {
            return None;
        }
        let sender = Octets::from(test.reverse_path);
        let substitute = FOREIGN_SENDER.into();
        Some(Observation::SenderRefused { sender, substitute }.event(Some(path)))
    }
}

/// Returns the template of the sender that a test was accepted from on a path, by the run's notes.
pub(super) fn accepted_from(report: &Report, path: PathId, test: &RelayTest) -> &'static str {
    let is_substituted = evidence::is_substituted(report, path, test.reverse_path);
    if is_substituted && !test.is_about_sender() { FOREIGN_SENDER } else { test.reverse_path }
}

/// True if a rejection may be about a sender that the test is not about.
pub(super) fn may_be_about_sender(
    test: &RelayTest,
    sender: &str,
    outcome: &Outcome,
    plain: PlainRefusal,
) -> bool {
    let may_be = match outcome {
        // Nobody has heard of the sender yet, and a login is not tried twice.
        Outcome::Refused { stage: Stage::Auth, .. }
        | Outcome::Deferred { stage: Stage::Auth, .. } => false,
        // If the plain test's MAIL demands authentication, no sender gets further without it.
        Outcome::Refused { stage, reason: Reason::AuthRequired, .. } => {
            plain != Some((Stage::Mail, Reason::AuthRequired))
                && matches!(stage, Stage::Mail | Stage::Rcpt)
        }
        Outcome::Refused { stage: Stage::Mail, .. } => true,
        Outcome::Refused { reason, .. } | Outcome::Deferred { reason, .. } => {
            matches!(reason, Reason::SenderDomain | Reason::Policy | Reason::Unclassified)
        }
        _ => false,
    };
    may_be && !test.is_about_sender() && sender != FOREIGN_SENDER
}

/// True if the server demands authentication at the same stage from the plain test's sender: the
/// demand may be about the recipient in both cases.
pub(super) fn is_said_to_plain(outcome: &Outcome, plain: PlainRefusal) -> bool {
    let Outcome::Refused { stage, reason, .. } = outcome else { return false };
    *reason == Reason::AuthRequired && plain == Some((*stage, *reason))
}

/// What the outcome of a test means for the scheduler: a server that rejects a client certificate
/// in the handshake is there all the same.
pub(super) fn ending_of(test: &RelayTest, outcome: &Outcome) -> Ending {
    match outcome {
        Outcome::Interrupted { cause }
            if test.certificate().is_some() && check::is_of_tls(cause) =>
        {
            Ending::Answered
        }
        // Each attempt may count against the user's account.
        Outcome::Interrupted { cause } if test.is_for_users() && is_at_login(cause) => {
            Ending::Answered
        }
        _ => ending(outcome),
    }
}

/// True if the server left a login unanswered.
pub(super) fn is_at_login(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::Disconnected { stage: Stage::Auth, .. }
            | Cause::TimedOut { stage: Stage::Auth }
            | Cause::Closing { stage: Stage::Auth, .. }
    )
}

/// What the outcomes of all tests on a connection mean for the scheduler: the first that is
/// `open`, unless other tests were answered before the server closed the connection, or the tests
/// were too many for it, or some `are_left` for the next connection.
pub(super) fn ending_of_all(outcomes: &[&Outcome], open: Option<Ending>, are_left: bool) -> Ending {
    let some_are_left =
        are_left || outcomes.len() > 1 && outcomes.iter().any(|outcome| is_too_much(outcome));
    let has_answered = outcomes
        .iter()
        .any(|outcome| outcome.is_answered() && !is_too_much(outcome));
    // A server that closes the connection after some answers limits one connection, and not us.
    let is_closed = matches!(
        open,
        Some(Ending::Interrupted(Cause::Closing { .. } | Cause::Disconnected { .. }))
    );
    match open {
        Some(_) if is_closed && has_answered => Ending::Continued,
        None if some_are_left && has_answered => Ending::Continued,
        open => open.unwrap_or(Ending::Answered),
    }
}

/// True if the rejection is about how much was asked, and not about the test.
fn is_too_much(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused { reason: Reason::RateLimited, .. })
}

/// Returns what an outcome means for the scheduler.
pub(super) fn ending(outcome: &Outcome) -> Ending {
    match outcome {
        Outcome::Deferred { reason, reply, .. } => {
            Ending::Deferred { reason: *reason, retry_after: reason::retry_after(reply) }
        }
        Outcome::Interrupted { cause } => Ending::Interrupted(cause.clone()),
        _ => Ending::Answered,
    }
}
