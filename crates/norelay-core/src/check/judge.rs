//! The walk from a report to its judgement: each test gets its outcome, then its weight; the
//! weights give the verdict of a path, and the worst path decides.

use std::collections::BTreeMap;

use super::{
    arrival, boilerplate,
    circumstances::Circumstances,
    judgement::{Judgement, PathJudgement, TestJudgement, Weight},
    outcome::Outcome,
    summary, verdict, weigh,
};
use crate::{
    catalogue::RelayTest,
    report::{Dialogue, PathView, Report},
    smtp::{Reply, Stage},
};

/// Judges the facts of a run.
#[must_use]
pub fn judge(report: &Report) -> Judgement {
    // Some paths are asked less than others, so the made-up users of all paths count for each.
    let unknown_users = boilerplate::unknown_user_rejections(report);
    let paths: Vec<_> = report
        .paths()
        .map(|path| judge_path(path, &unknown_users))
        .collect();
    let verdict = verdict::worst(&paths);
    let summary = summary::summarise(report, verdict, &paths);
    Judgement { verdict, summary, paths }
}

fn judge_path(path: PathView<'_>, unknown_users: &[Reply]) -> PathJudgement {
    let (mut tests, mut controls) = outcomes(path, unknown_users);
    // Rules compare a test with the others, so all are weighed before the first gets its weight.
    let circumstances = Circumstances::of(path, &tests, &controls, unknown_users);
    let weights: Vec<_> = tests
        .iter()
        .chain(&controls)
        .map(|judged| weigh::weigh(circumstances, judged))
        .collect();
    for (judged, weight) in tests.iter_mut().chain(&mut controls).zip(weights) {
        (judged.weight, judged.rule) = weight;
    }
    // A control counts for the verdict only where a rule answered.
    let counted: Vec<_> = tests
        .iter()
        .chain(controls.iter().filter(|control| control.rule.is_some()))
        .collect();
    let verdict = verdict::verdict_of(path, &counted);
    let why = verdict::reasons_why(path, verdict, &counted);
    PathJudgement { verdict, why, tests, controls }
}

/// Returns what became of the path's scored tests and of its controls, each in display order. No
/// test has a weight yet.
pub(super) fn outcomes(
    path: PathView<'_>,
    unknown_users: &[Reply],
) -> (Vec<TestJudgement>, Vec<TestJudgement>) {
    let (mut tests, mut controls) = (Vec::new(), Vec::new());
    for test in path.facts.tests.iter().filter_map(|id| id.test()) {
        let mut judged = outcome_of(path, test);
        judged.outcome = boilerplate::read_without(judged.outcome, unknown_users);
        if test.is_scored() { tests.push(judged) } else { controls.push(judged) }
    }
    tests.sort_by_key(|judged| judged.test.number);
    controls.sort_by_key(|judged| judged.test.number);
    (tests, controls)
}

/// Returns what became of a test on this path, without a weight.
fn outcome_of(path: PathView<'_>, test: &'static RelayTest) -> TestJudgement {
    let mut outcome = unasked(path, test);
    let (mut dialogues, mut elapsed_ms, mut has_sent) = (Vec::new(), 0_u64, false);
    let mut logins = BTreeMap::new();
    for (number, dialogue) in path.dialogues_of(test.id) {
        // A dialogue without an end, in a log that goes on, is still under way.
        let later = Outcome::of(dialogue, test.id);
        outcome = match dialogue.login.as_deref().filter(|_| !dialogue.proof) {
            Some(user) => {
                let of_user = logins.remove(user);
                let of_user = of_user.map_or(later.clone(), |known: Outcome| known.then(later));
                logins.insert(user, of_user);
                of_all_users(&logins).unwrap_or(outcome)
            }
            None => outcome.then(later),
        };
        has_sent |= has_sent_text(dialogue);
        elapsed_ms = elapsed_ms.saturating_add(dialogue.elapsed_ms);
        dialogues.push(number);
    }
    // A receipt proves nothing if the test's dialogues never sent a text.
    if let Some(relayed) = has_sent.then(|| arrival::proof(path, test)).flatten() {
        outcome = outcome.then(relayed);
    }
    TestJudgement { test, outcome, weight: Weight::Unknown, rule: None, dialogues, elapsed_ms }
}

/// Returns what the outcomes for several users say together: an acceptance, or else an outcome
/// without an answer, because the test is not answered before each user is.
fn of_all_users(logins: &BTreeMap<&str, Outcome>) -> Option<Outcome> {
    let rank = |outcome: &&Outcome| match outcome {
        Outcome::Relayed { .. } => 0,
        Outcome::Accepted { .. } => 1,
        Outcome::Deferred { .. } | Outcome::Interrupted { .. } | Outcome::NotRun { .. } => 2,
        Outcome::Refused { stage, .. } if *stage != Stage::Auth => 3,
        Outcome::Refused { .. } => 4,
    };
    logins.values().min_by_key(rank).cloned()
}

/// Returns what is known of a test without a dialogue.
fn unasked(path: PathView<'_>, test: &RelayTest) -> Outcome {
    match (path.facts.not_run.get(&test.id), &path.facts.given_up) {
        (Some(why), _) => Outcome::NotRun { why: why.clone() },
        (None, Some(cause)) => Outcome::Interrupted { cause: cause.clone() },
        (None, None) => Outcome::NotRun { why: "its turn did not come".to_owned() },
    }
}

/// True if a text was sent to its end in this dialogue.
fn has_sent_text(dialogue: &Dialogue) -> bool {
    dialogue
        .exchanges
        .iter()
        .any(|exchange| exchange.stage == Stage::EndOfData && exchange.sent.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Reason;

    #[test]
    fn a_test_for_several_users_is_answered_when_each_user_is() {
        let reply = |code| Reply { code, lines: vec!["…".into()] };
        let accepted = Outcome::Accepted { stage: Stage::Rcpt, reply: reply(250) };
        let reason = Reason::AuthRequired;
        let refused = Outcome::Refused { stage: Stage::Auth, reason, reply: reply(535) };
        let deferred =
            Outcome::Deferred { stage: Stage::Auth, reason: Reason::Policy, reply: reply(454) };
        for (outcomes, expected) in [
            ([&refused, &refused, &refused], &refused),
            ([&refused, &accepted, &refused], &accepted),
            ([&refused, &deferred, &refused], &deferred),
            ([&deferred, &refused, &accepted], &accepted),
        ] {
            let users = ["alice", "mail", "root"];
            let logins = users.into_iter().zip(outcomes.map(Clone::clone)).collect();
            assert_eq!(of_all_users(&logins).as_ref(), Some(expected));
        }
    }
}
