//! Servers that accept every recipient and reject every message.
//!
//! Rules:
//! - The server rejected the message of the plain test as relaying, and so it did with every other
//!   message of the path that was answered.
//! - At least one of these messages had several recipients: a check that looks at one recipient
//!   alone would have accepted such a message.

use super::{judgement::TestJudgement, outcome::Outcome, reason::Reason};
use crate::{
    catalogue::Group,
    report::{Dialogue, Exchange, PathView},
    smtp::{Reply, Stage},
};

/// True for a reason that denies relaying.
fn denies(reason: Reason) -> bool {
    matches!(reason, Reason::RelayDenied | Reason::AuthRequired)
}

/// True if the server denies relaying on this path after every message, and never before.
pub(super) fn refuses_every_message(path: PathView<'_>, tests: &[TestJudgement]) -> bool {
    let is_plain = |judged: &&TestJudgement| judged.test.group == Group::Plain;
    let plain = tests.iter().find(is_plain).map(|judged| &judged.outcome);
    let is_at_message = plain.is_some_and(|outcome| match outcome {
        Outcome::Refused { stage, reason, .. } => {
            matches!(stage, Stage::Data | Stage::EndOfData) && denies(*reason)
        }
        _ => false,
    });
    // Messages for proof are sent past RCPT, so they show the check that comes after RCPT.
    let sent = path.dialogues().filter(|dialogue| dialogue.proof);
    let answered: Vec<_> = sent
        .filter_map(|dialogue| Some((dialogue, is_refused(dialogue)?)))
        .collect();
    is_at_message
        && answered.iter().all(|(_, is_refused)| *is_refused)
        && answered
            .iter()
            .any(|(dialogue, _)| recipients(dialogue) > 1)
}

/// Returns how many recipients of a message the server accepted.
fn recipients(dialogue: &Dialogue) -> usize {
    let taken = |exchange: &&Exchange| {
        exchange.stage == Stage::Rcpt && exchange.reply.as_ref().is_some_and(Reply::is_positive)
    };
    dialogue.exchanges.iter().filter(taken).count()
}

/// Returns whether the server rejected a message as relaying; `None` if the message was not
/// answered.
fn is_refused(dialogue: &Dialogue) -> Option<bool> {
    let mut answers = [Stage::EndOfData, Stage::Data]
        .into_iter()
        .filter_map(|stage| Some((stage, dialogue.reply_at(stage)?)));
    let (stage, reply) = answers.find(|(_, reply)| reply.is_positive() || reply.is_negative())?;
    Some(reply.is_negative() && denies(Reason::of(stage, reply)))
}
