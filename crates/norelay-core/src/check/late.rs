//! Servers that take every recipient and refuse every message: what they leave to ask.
//!
//! Rules:
//! - The plain question's message was refused as relaying, and so was every other message of the
//!   path that was answered, at least one of them with several recipients: a check that looks at
//!   one recipient alone would have let it pass.
//! - What is let off by that is only what asks nothing of such a server: whether a recipient is
//!   checked behind one of the server's own, where none is checked before the text (no message can
//!   ask it, for it would reach that mailbox), and what comes after a refusal that there wasn't.

use super::{
    outcome::{self, Outcome},
    reason::Reason,
    verdict::TestJudgement,
};
use crate::{
    catalogue::Group,
    report::{Dialogue, Exchange, PathView, Report},
    smtp::{Reply, Stage},
};

fn denies(reason: Reason) -> bool {
    matches!(reason, Reason::RelayDenied | Reason::AuthRequired)
}

/// Whether relaying is refused on a path where it is for all to see: in every message, and not
/// before.
pub(super) fn refuses_every_message(path: PathView<'_>, tests: &[TestJudgement]) -> bool {
    let is_plain = |judged: &&TestJudgement| judged.test.group == Group::Plain;
    let plain = tests.iter().find(is_plain).map(|judged| &judged.outcome);
    let is_late = matches!(
        plain,
        Some(Outcome::Refused { stage: Stage::Data | Stage::EndOfData, reason, .. }) if denies(*reason)
    );
    let sent = path.dialogues().filter(|dialogue| dialogue.proof);
    let answered: Vec<_> = sent
        .filter_map(|dialogue| Some((dialogue, is_refused(dialogue)?)))
        .collect();
    is_late
        && answered.iter().all(|(_, is_refused)| *is_refused)
        && answered
            .iter()
            .any(|(dialogue, _)| recipients(dialogue) > 1)
}

/// How many recipients a message had.
fn recipients(dialogue: &Dialogue) -> usize {
    let taken = |exchange: &&Exchange| {
        exchange.stage == Stage::Rcpt && exchange.reply.as_ref().is_some_and(Reply::is_positive)
    };
    dialogue.exchanges.iter().filter(taken).count()
}

/// Whether a message was refused as relaying; `None` where it wasn't answered.
fn is_refused(dialogue: &Dialogue) -> Option<bool> {
    let mut answers = [Stage::EndOfData, Stage::Data]
        .into_iter()
        .filter_map(|stage| Some((stage, dialogue.reply_at(stage)?)));
    let (stage, reply) = answers.find(|(_, reply)| reply.is_positive() || reply.is_negative())?;
    Some(reply.is_negative() && denies(Reason::of(stage, reply)))
}

/// Whether a test that was accepted asks nothing of a server that refuses late.
pub(super) fn asks_nothing(report: &Report, judged: &TestJudgement) -> bool {
    let dialogues = judged
        .dialogues
        .iter()
        .filter_map(|number| report.dialogues.get(number));
    let mut answers = dialogues.flat_map(|dialogue| dialogue.answers_for(judged.test.id));
    judged.test.group == Group::State
        && matches!(judged.outcome, Outcome::Accepted { stage: Stage::Rcpt, .. })
        && (!judged.test.spares_bystanders() || answers.any(outcome::asks_for_text))
}
