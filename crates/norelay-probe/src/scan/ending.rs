//! What the outcome of a test means for what is asked next.

use norelay_core::{
    catalogue::{FOREIGN_SENDER, RelayTest},
    check::{Outcome, Reason, reason, verdict},
    schedule::Ending,
    smtp::{Cause, Stage},
};

/// Where and why the plain question was refused, which comes from a stranger's address.
pub type Plain = Option<(Stage, Reason)>;

/// Whether a refusal may be about a sender that the test is not about.
pub fn is_about_the_sender(
    test: &RelayTest,
    sender: &str,
    outcome: &Outcome,
    plain: Plain,
) -> bool {
    let may_be = match outcome {
        // Unless nobody gets further there without authentication.
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

/// Whether authentication is asked for where a stranger's address was asked for it as well: it may
/// be the recipient's fault in both, and then this sender stays the one to ask from.
pub fn is_said_of_both(outcome: &Outcome, plain: Plain) -> bool {
    let Outcome::Refused { stage, reason, .. } = outcome else { return false };
    *reason == Reason::AuthRequired && plain == Some((*stage, *reason))
}

/// What the outcome of a test means for the scheduler: a server that wants nothing of a certificate
/// is there all the same.
pub fn ending_of(test: &RelayTest, outcome: &Outcome) -> Ending {
    match outcome {
        Outcome::Interrupted { cause }
            if test.certificate().is_some() && verdict::is_of_tls(cause) =>
        {
            Ending::Answered
        }
        _ => ending(outcome),
    }
}

/// What the outcomes of all the tests on a connection mean for the scheduler: the first that is
/// `open`, unless others were answered before the connection was closed, or it was too much for the
/// server, or some `are_left` for the next.
pub fn ending_of_all(outcomes: &[&Outcome], open: Option<Ending>, are_left: bool) -> Ending {
    let is_too_much = |outcome: &&&Outcome| {
        matches!(outcome, Outcome::Refused { reason: Reason::RateLimited, .. })
    };
    let some_are_left =
        are_left || outcomes.len() > 1 && outcomes.iter().any(|outcome| is_too_much(&outcome));
    let has_answered = outcomes
        .iter()
        .any(|outcome| outcome.is_answered() && !is_too_much(&outcome));
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

/// What an outcome means for the scheduler.
pub fn ending(outcome: &Outcome) -> Ending {
    match outcome {
        Outcome::Deferred { reason, reply, .. } => {
            Ending::Deferred { reason: *reason, retry_after: reason::retry_after(reply) }
        }
        Outcome::Interrupted { cause } => Ending::Interrupted(cause.clone()),
        _ => Ending::Answered,
    }
}
