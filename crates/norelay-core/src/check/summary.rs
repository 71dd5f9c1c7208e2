//! The prose of a verdict: clauses about tests, and the sentence that sums up a run.
//!
//! Rules:
//! - Nothing is decided here; every sentence follows from a verdict and its tests.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    judgement::{PathJudgement, TestJudgement, Verdict, Weight},
    outcome::{Hops, Outcome},
};
use crate::{
    report::Report,
    seen::neighbour,
    smtp::{Cause, End, Stage},
};

/// Returns the sentence that sums up a run with this verdict.
pub(super) fn summarise(report: &Report, verdict: Verdict, paths: &[PathJudgement]) -> String {
    let worst = || {
        paths
            .iter()
            .filter(|path| path.verdict == verdict)
            .flat_map(|path| path.why.iter())
    };
    match verdict {
        Verdict::Closed => match report.retested() {
            // What was refused then wasn't asked, so nothing is said of it.
            Some((run, what)) => format!(
                "What failed in {run} was asked again ({what}), and no relay was accepted. \
                 Nothing else was asked: test \
                 the whole to be sure of the rest."
            ),
            None => "All tests performed, no relays accepted.".to_owned(),
        },
        Verdict::Unreachable => unreachable_summary(report, worst().next()),
        Verdict::OpenRelay => match open_to_neighbours(report, paths) {
            Some(ours) => format!(
                "A message to somewhere else came through this server. We sent it from {ours}, \
                 though, which the server may \
                 know: test from outside to be sure that it is open to strangers."
            ),
            None => {
                "This server is an open relay: a message from a stranger to somewhere else came \
                 through it."
                    .to_owned()
            }
        },
        Verdict::Suspect if report.run.as_ref().is_some_and(|run| run.receiving) => {
            "Relaying was accepted, but no message has come back: suspect, not proven.".to_owned()
        }
        Verdict::Suspect => {
            "Relaying was accepted, but without a receiver nothing can prove it: suspect, not \
             proven."
                .to_owned()
        }
        Verdict::Inconclusive => {
            let unclear = paths
                .iter()
                .filter(|path| path.verdict == verdict)
                .flat_map(|path| &path.tests);
            let why = by_clause(unclear.filter(|judged| judged.weight == Weight::Unknown));
            match why.is_empty() {
                true => "Could not tell: no relay test was run.".to_owned(),
                false => format!("Could not tell, because of {}.", why.join("; ")),
            }
        }
    }
}

/// Returns clauses such as `tests 1-9, 11: relaying is denied`: the tests grouped by what became of
/// each. A test that was asked on several paths is named once.
pub(super) fn by_clause<'a>(tests: impl Iterator<Item = &'a TestJudgement>) -> Vec<String> {
    let mut groups: BTreeMap<String, BTreeMap<u8, &TestJudgement>> = BTreeMap::new();
    for judged in tests {
        groups
            .entry(clause(&judged.outcome))
            .or_default()
            .insert(judged.test.number, judged);
    }
    let mut clauses: Vec<_> = groups.into_iter().collect();
    clauses.sort_by_key(|(_, group)| group.keys().next().copied());
    let numbers =
        |group: BTreeMap<u8, &TestJudgement>| numbers(&group.into_values().collect::<Vec<_>>());
    clauses
        .into_iter()
        .map(|(clause, group)| format!("{}: {clause}", numbers(group)))
        .collect()
}

/// Returns `test 3` or `tests 1, 4-6`.
#[must_use]
pub fn numbers(group: &[&TestJudgement]) -> String {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for number in group.iter().map(|judged| judged.test.number) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let shown = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    let plural = if group.len() == 1 { "" } else { "s" };
    format!("test{plural} {}", shown.collect::<Vec<_>>().join(", "))
}

/// Returns what became of a test, as a clause.
#[must_use]
pub fn clause(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Relayed { from, hops: Hops::Direct } => {
            format!("its message came back from {from}")
        }
        Outcome::Relayed { from, hops: Hops::Multihop } => {
            format!("its message came back by way of {from}")
        }
        Outcome::Accepted { stage: Stage::EndOfData, .. } => {
            "the message was accepted and has not come back".to_owned()
        }
        Outcome::Accepted { .. } => "the recipient was accepted".to_owned(),
        Outcome::Refused { stage, reason, .. } => {
            format!("refused during {stage}, not for relaying ({})", reason.clause())
        }
        Outcome::Deferred { stage, reason, .. } => {
            format!("deferred during {stage} ({})", reason.clause())
        }
        Outcome::Interrupted { cause } => cause.to_string(),
        Outcome::NotRun { why } => format!("not run: {why}"),
    }
}

fn unreachable_summary(report: &Report, cause: Option<&String>) -> String {
    let unresolved = report
        .notes
        .iter()
        .find(|note| note.tag == "unresolved")
        .and_then(|note| note.arguments.first());
    let failed = unreachable_words(report);
    match (unresolved, cause) {
        (Some(sentence), _) => format!("{failed}: {sentence}"),
        (None, Some(cause)) => format!("{failed}: {cause}."),
        (None, None) => format!("{failed}."),
    }
}

/// Returns what failed at a server that no test could be asked of, without a full stop.
#[must_use]
pub fn unreachable_words(report: &Report) -> &'static str {
    // The cause that is shown is the first path's.
    let first = report.paths().next();
    let last = first.and_then(|path| path.dialogues().last());
    let has_connected = last.is_some_and(|dialogue| {
        let end = dialogue.end.as_ref();
        let failed = matches!(end, Some(End::Interrupted(Cause::ConnectFailed { .. })));
        dialogue.local.is_some() && !failed
    });
    match has_connected {
        true => "Connected, but no SMTP service answered, test failed",
        false => "Could not connect, test failed",
    }
}

/// Returns our address if every open path was asked from the server's own network.
fn open_to_neighbours(report: &Report, paths: &[PathJudgement]) -> Option<IpAddr> {
    let open = report
        .paths()
        .zip(paths)
        .filter(|(_, judged)| judged.verdict == Verdict::OpenRelay);
    let ours: Option<Vec<_>> = open.map(|(path, _)| neighbour(path)).collect();
    ours?.first().copied()
}
