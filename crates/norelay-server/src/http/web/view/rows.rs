//! The tests of a run: a row for each, over all paths, the failing first.

use norelay_core::{
    catalogue::RelayTest,
    check::{Outcome, PathJudgement, Reason, TestJudgement, WeighingRule, Weight},
    octets::harmless,
    path::PathId,
    report::PathView,
    smtp::Stage,
};

use super::{
    RunPhase, RunView, count,
    evidence::{Evidence, proof_of},
    mark::{self, Mark},
    path_name,
    progress::{is_done, is_silent},
    talk::ShownDialogue,
    time,
};

/// A test or control on all its paths.
#[derive(Clone, Debug)]
pub struct TestRow {
    /// The test.
    pub test: &'static RelayTest,
    /// The mark of its worst path.
    pub mark: Mark,
    /// The words of its worst path.
    pub words: String,
    /// The worst weight on any path. `None` for a control.
    pub weight: Option<Weight>,
    /// Path by path, worst first.
    pub ways: Vec<PathAnswer>,
}

impl TestRow {
    /// True if the test is not refused. False for a control.
    #[must_use]
    pub fn is_ill(&self) -> bool {
        matches!(self.weight, Some(Weight::Proof | Weight::Suspicion | Weight::Unknown))
    }

    /// True if any dialogue was about the test.
    #[must_use]
    pub fn has_talk(&self) -> bool {
        self.ways.iter().any(|way| !way.talks.is_empty())
    }
}

/// A test's answer on one path.
#[derive(Clone, Debug)]
pub struct PathAnswer {
    /// The path's id.
    pub path: PathId,
    /// The path's name.
    pub name: String,
    /// The mark of the answer.
    pub mark: Mark,
    /// The words beside the mark.
    pub words: &'static str,
    /// The server's reply, in one line.
    pub reply: String,
    /// The meaning of the reply.
    pub because: String,
    /// The rule that decided its weight.
    pub rule: Option<&'static WeighingRule>,
    /// How long the answer took.
    pub took: String,
    /// The messages that came back.
    pub proof: Option<Evidence>,
    /// The dialogues.
    pub talks: Vec<ShownDialogue>,
    rank: Option<Weight>,
}

/// Rows under a heading.
#[derive(Clone, Debug)]
pub struct RowGroup {
    /// The heading.
    pub title: &'static str,
    /// The meaning of the heading.
    pub means: &'static str,
    /// The rows.
    pub rows: Vec<TestRow>,
}

/// Every test of the run, in display order.
#[must_use]
pub fn tests(seen: RunView) -> Vec<TestRow> {
    rows(seen, |path| &path.tests, false)
}

/// Every control of the run, in display order.
#[must_use]
pub fn controls(seen: RunView) -> Vec<TestRow> {
    rows(seen, |path| &path.controls, true)
}

fn rows(
    seen: RunView,
    of: fn(&PathJudgement) -> &Vec<TestJudgement>,
    is_control: bool,
) -> Vec<TestRow> {
    let mut every: Vec<&'static RelayTest> = seen
        .judgement()
        .paths
        .iter()
        .flat_map(|path| of(path).iter().map(|judged| judged.test))
        .collect();
    // Paths that behave like the first one have the plain tests alone, so the list is that of all
    // paths together.
    every.sort_by_key(|test| test.number);
    every.dedup_by_key(|test| test.number);
    every
        .into_iter()
        .map(|test| row(seen, of, test, is_control))
        .collect()
}

fn row(
    seen: RunView,
    of: fn(&PathJudgement) -> &Vec<TestJudgement>,
    test: &'static RelayTest,
    is_control: bool,
) -> TestRow {
    let mut ways: Vec<PathAnswer> = seen
        .report
        .paths()
        .zip(&seen.judgement().paths)
        .filter(|(_, judged)| !is_silent(seen, judged))
        .filter_map(|(path, judged)| {
            let judged = of(judged)
                .iter()
                .find(|judged| judged.test.number == test.number)?;
            Some(answer(seen, path, judged, is_control))
        })
        .collect();
    // The worst path comes first, and gives the row its mark.
    ways.sort_by_key(|way| way.rank);
    let (mark, words) = worst_words(&ways);
    let weight = ways
        .first()
        .and_then(|way| way.rank)
        .filter(|_| !is_control);
    TestRow { test, mark, words, weight, ways }
}

/// `Refused`, or `Relayed on 1 of 4 paths`.
fn worst_words(ways: &[PathAnswer]) -> (Mark, String) {
    let Some(worst) = ways.first() else { return (mark::PENDING, String::new()) };
    let alike = ways.iter().filter(|way| way.words == worst.words).count();
    let words = match alike == ways.len() {
        true => worst.words.to_owned(),
        false => format!("{} on {alike} of {}", worst.words, count(ways.len(), "path", "paths")),
    };
    (worst.mark, words)
}

fn answer(
    seen: RunView,
    path: PathView<'_>,
    judged: &TestJudgement,
    is_control: bool,
) -> PathAnswer {
    let dialogues: Vec<_> = judged
        .dialogues
        .iter()
        .filter_map(|number| Some((*number, seen.report.dialogues.get(number)?)))
        .collect();
    // The last dialogue without an end is open now, unless the run broke off in it.
    let is_asking = seen.phase != RunPhase::Over
        && dialogues
            .last()
            .is_some_and(|(_, dialogue)| dialogue.end.is_none());
    let (mark, words) = match () {
        () if judged.outcome.is_answered() => settled(judged, is_control),
        () if is_asking => (mark::BUSY, "Asking"),
        () if is_done(seen, judged) => settled(judged, is_control),
        () if dialogues.is_empty() => (mark::PENDING, "Not yet asked"),
        () => (mark::PENDING, "No answer yet"),
    };
    let is_open_ended = is_asking && !judged.outcome.is_answered();
    // A judgement exists from the start. Before the test is asked, the judgement says only that the
    // test was not asked, which would read like a result.
    let is_asked = !dialogues.is_empty() || is_done(seen, judged);
    let is_known = is_asked && !is_open_ended;
    PathAnswer {
        path: path.id,
        name: path_name(path.destination()),
        mark,
        words,
        reply: if is_open_ended { String::new() } else { reply_line(&judged.outcome) },
        because: if is_known { because(judged, is_control) } else { String::new() },
        rule: judged.rule.filter(|_| is_known),
        took: if judged.elapsed_ms > 0 { time::length(judged.elapsed_ms) } else { String::new() },
        proof: proof_of(path, judged),
        talks: dialogues
            .iter()
            .map(|(number, dialogue)| ShownDialogue::of(seen.report, *number, dialogue))
            .collect(),
        rank: Some(judged.weight),
    }
}

fn settled(judged: &TestJudgement, is_control: bool) -> (Mark, &'static str) {
    if is_control { mark::of_control(judged) } else { mark::of_test(judged) }
}

fn reply_line(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { reply, .. }
        | Outcome::Refused { reply, .. }
        | Outcome::Deferred { reply, .. } => reply.to_string(),
        _ => String::new(),
    }
}

/// Returns the meaning of an answer, as a sentence.
fn because(judged: &TestJudgement, is_control: bool) -> String {
    match &judged.outcome {
        Outcome::Relayed { from, .. } => format!("Its message came back, from {from}."),
        Outcome::Accepted { .. } if is_control => "The server accepts this.".to_owned(),
        Outcome::Accepted { .. } if judged.weight == Weight::LocalDelivery => {
            "Accepted, but no message came back, and the server accepts any local part: it \
             delivered this to itself."
                .to_owned()
        }
        Outcome::Accepted { stage: Stage::EndOfData, .. } => {
            "The server took the message, and it has not come back.".to_owned()
        }
        Outcome::Accepted { .. } => {
            "The server accepted the recipient. Whether it would deliver is not proven.".to_owned()
        }
        Outcome::Refused { stage, reason, .. } if judged.weight == Weight::Denial => {
            denial(*stage, *reason)
        }
        Outcome::Refused { stage, reason, .. } if is_control => {
            format!("At {stage}: {}.", reason.clause())
        }
        Outcome::Refused { stage, reason, .. } => {
            format!("At {stage}: {}. That says nothing about relaying.", reason.clause())
        }
        Outcome::Deferred { stage, reason, .. } => format!(
            "At {stage}, for now: \
            {}.",
            reason.clause()
        ),
        Outcome::Interrupted { cause } => sentence(&harmless(&cause.to_string())),
        Outcome::NotRun { why } => format!("Not run: {}.", harmless(why)),
    }
}

/// Returns the sentence about a rejection that denies relaying. A reason that doesn't say so needs
/// the comparison that does.
fn denial(stage: Stage, reason: Reason) -> String {
    match reason {
        Reason::Policy | Reason::Unclassified | Reason::UnknownUser => format!(
            "At {stage}: {}. It counts as a denial of relaying by comparison with the controls \
             and the form of the address.",
            reason.clause()
        ),
        reason => format!("At {stage}: {}.", reason.clause()),
    }
}

/// Makes a sentence of a clause.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    letters
        .next()
        .map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
        .unwrap_or_default()
}

/// The rows of a run that is over, under headings, the failing first.
#[must_use]
pub fn groups(rows: Vec<TestRow>) -> Vec<RowGroup> {
    let kinds = [
        (
            Weight::Proof,
            "Relayed",
            "The message came back: strangers can send mail through this server.",
        ),
        (
            Weight::Suspicion,
            "Accepted, not proven",
            "Only a message that comes back would prove that these relay.",
        ),
        (
            Weight::Unknown,
            "No answer about relaying",
            "Interrupted, deferred, not run, or refused for a reason that does not concern \
             strangers.",
        ),
        (
            Weight::LocalDelivery,
            "Delivered locally",
            "Accepted as an address of the server's own, as the controls show.",
        ),
        (
            Weight::NotOffered,
            "Not offered",
            "The server does not offer what these try, so nobody can use it.",
        ),
        (Weight::Denial, "Refused", "As it should be."),
    ];
    let mut groups: Vec<RowGroup> = kinds
        .iter()
        .map(|(_, title, means)| RowGroup { title, means, rows: Vec::new() })
        .collect();
    for row in rows {
        // A control has no weight, and stands in no group.
        let place = kinds
            .iter()
            .position(|(weight, ..)| Some(*weight) == row.weight);
        if let Some(group) = place.and_then(|place| groups.get_mut(place)) {
            group.rows.push(row);
        }
    }
    groups.retain(|group| !group.rows.is_empty());
    groups
}
