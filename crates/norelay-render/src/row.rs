//! What the tabular formats show of a test: one row of words, with nothing left to judge.
//!
//! Rules:
//! - Every string is harmless in a terminal; each format then does what its own medium needs.

use jiff::Timestamp;
use norelay_core::{
    check::{self, Hops, Outcome, PathJudgement, Reason, TestJudgement, Weight},
    event::{Path, Receipt},
    octets::harmless,
    path::PathId,
    report::PathView,
    smtp::Stage,
};

use crate::excerpt::{reply_of, reply_words, stage_of, without_tokens};

/// One test or control on one path.
#[derive(Debug)]
pub struct Row<'a> {
    /// The path's id.
    pub path: PathId,
    /// Where the path leads.
    pub destination: &'a Path,
    /// The test's judgement.
    pub judged: &'a TestJudgement,
    /// The stage at which the test was answered, in JSON's word; empty if it was not answered.
    pub stage: String,
    /// Why the test was rejected, in JSON's word; empty if it was not.
    pub reason: String,
    /// The reply that decided.
    pub reply: Option<Said>,
    /// Why there is no answer; empty if there is one.
    pub why: String,
    /// The arrival that proves relaying.
    pub proof: Option<(Timestamp, &'a Receipt, Hops)>,
}

/// A reply, in words.
#[derive(Clone, Debug)]
pub struct Said {
    /// The reply code.
    pub code: u16,
    /// The enhanced status code; empty where there is none.
    pub enhanced: String,
    /// The text without codes.
    pub text: String,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [&self.enhanced, &self.text];
        write!(f, "{}", self.code)?;
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .try_for_each(|part| write!(f, " {part}"))
    }
}

/// The word that stands for a stage in JSON; its `Display` is for sentences.
fn stage_word(stage: Stage) -> String {
    serde_json::to_value(stage)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

impl<'a> Row<'a> {
    fn of(path: PathView<'a>, judged: &'a TestJudgement) -> Self {
        let reply = reply_of(&judged.outcome).map(|reply| Said {
            code: reply.code,
            enhanced: reply
                .enhanced()
                .map(|code| code.to_string())
                .unwrap_or_default(),
            text: reply_words(reply),
        });
        Self {
            path: path.id,
            destination: path.destination(),
            judged,
            stage: stage_of(&judged.outcome)
                .map(stage_word)
                .unwrap_or_default(),
            reason: reason_of(&judged.outcome)
                .map(|reason| reason.to_string())
                .unwrap_or_default(),
            reply,
            why: why_of(&judged.outcome),
            proof: proof_of(path, judged),
        }
    }

    /// True if the row is a control, or otherwise not scored.
    #[must_use]
    pub fn is_control(&self) -> bool {
        !self.judged.test.is_scored()
    }

    /// Returns what became of the test, in one line, with tokens shortened.
    #[must_use]
    pub fn line(&self) -> String {
        let outcome = self.judged.outcome.word().replace('_', " ");
        match self.detail() {
            detail if detail.is_empty() => outcome,
            detail => format!("{outcome}: {detail}"),
        }
    }

    /// Returns what the outcome rests on, in one line, with tokens shortened.
    #[must_use]
    pub fn detail(&self) -> String {
        let detail = match (&self.proof, &self.reply) {
            (Some((arrived, receipt, _)), _) => {
                format!(
                    "the message came back from {} at {arrived}",
                    receipt.peer.ip().to_canonical()
                )
            }
            (None, _) if !self.why.is_empty() => self.why.clone(),
            (None, Some(said)) => said.to_string(),
            (None, None) => String::new(),
        };
        without_tokens(&detail)
    }

    /// Returns what the outcome contributes to the verdict, as a word for people.
    #[must_use]
    pub fn weight(&self) -> &'static str {
        match self.judged.weight {
            _ if self.is_control() => "control",
            Weight::Proof => "relayed",
            Weight::Suspicion => "accepted",
            Weight::Unknown => "unclear",
            Weight::Denial => "denied",
            Weight::LocalDelivery => "local delivery",
            Weight::NotOffered => "not offered",
        }
    }
}

/// Returns every test of a path in display order, then the path's controls.
pub fn of_path<'a>(path: PathView<'a>, judged: &'a PathJudgement) -> Vec<Row<'a>> {
    judged.all().map(|judged| Row::of(path, judged)).collect()
}

fn reason_of(outcome: &Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Refused { reason, .. } | Outcome::Deferred { reason, .. } => Some(*reason),
        _ => None,
    }
}

fn why_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Interrupted { cause } => harmless(&cause.to_string()),
        Outcome::NotRun { why } => harmless(why),
        _ => String::new(),
    }
}

fn proof_of<'a>(
    path: PathView<'a>,
    judged: &'a TestJudgement,
) -> Option<(Timestamp, &'a Receipt, Hops)> {
    let Outcome::Relayed { from, hops } = judged.outcome else { return None };
    let mut receipts = check::receipts_of(path, judged.test);
    let (at, receipt) = receipts.find(|(_, receipt)| receipt.peer.ip().to_canonical() == from)?;
    Some((*at, receipt, hops))
}
