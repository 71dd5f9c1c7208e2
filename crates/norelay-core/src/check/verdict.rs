//! The verdict of a path and of a server, from the weights of the tests.
//!
//! Rules:
//! - One proof makes it [`Verdict::OpenRelay`], and nothing that comes later unmakes it.
//! - [`Verdict::Closed`] needs an answer to every scored test: each a refusal of relaying, in words
//!   or by comparison, or an acceptance that a control explains as local delivery.
//! - A server that accepts mail for another foreign domain than ours is no better than
//!   [`Verdict::Suspect`].
//! - Everything else is [`Verdict::Suspect`] or [`Verdict::Inconclusive`], with the reason.

use super::{
    judgement::{PathJudgement, TestJudgement, Verdict, Weight},
    offered::not_offered,
    summary::by_clause,
};
use crate::{
    report::{Dialogue, PathView},
    smtp::End,
};

/// Returns the verdict of a server: that of its worst path.
pub(super) fn worst(paths: &[PathJudgement]) -> Verdict {
    paths
        .iter()
        .map(|path| path.verdict)
        .min()
        .unwrap_or(Verdict::Unreachable)
}

/// Returns the verdict of a path from the weights of its tests.
pub(super) fn verdict_of(path: PathView<'_>, tests: &[&TestJudgement]) -> Verdict {
    let has_spoken = path.dialogues().any(Dialogue::has_spoken);
    let worst = tests.iter().map(|judged| judged.weight).min();
    // A port of another protocol that was not asked may be any service at all.
    let is_untried = tests
        .iter()
        .any(|judged| judged.test.protocol().is_some() && judged.dialogues.is_empty());
    match worst {
        Some(Weight::Proof) => Verdict::OpenRelay,
        // Nobody can relay over a path that the server does not offer.
        _ if !is_untried && (!has_spoken || not_offered(path).is_some()) => Verdict::Unreachable,
        Some(Weight::Suspicion) => Verdict::Suspect,
        // A retest asks what failed before. What the server no longer offers can no longer relay.
        Some(Weight::NotOffered) if path.report.retested().is_some() => Verdict::Closed,
        Some(Weight::Unknown | Weight::NotOffered) | None => Verdict::Inconclusive,
        Some(Weight::Denial | Weight::LocalDelivery) => Verdict::Closed,
    }
}

/// Returns why the verdict is no better: the worst tests, grouped by what became of them.
pub(super) fn reasons_why(
    path: PathView<'_>,
    verdict: Verdict,
    tests: &[&TestJudgement],
) -> Vec<String> {
    let weight = match verdict {
        Verdict::OpenRelay => Weight::Proof,
        Verdict::Suspect => Weight::Suspicion,
        Verdict::Inconclusive => Weight::Unknown,
        Verdict::Closed => return Vec::new(),
        Verdict::Unreachable => {
            let not_offered =
                not_offered(path).map(|keyword| format!("the server does not offer {keyword}"));
            return not_offered
                .or_else(|| last_cause(path))
                .into_iter()
                .collect();
        }
    };
    by_clause(
        tests
            .iter()
            .copied()
            .filter(|judged| judged.weight == weight),
    )
}

/// Returns why the path has no answer: why the run gave the path up, or how its last connection
/// ended.
fn last_cause(path: PathView<'_>) -> Option<String> {
    if let Some(cause) = &path.facts.given_up {
        return Some(cause.to_string());
    }
    let mut ends = path
        .dialogues()
        .filter_map(|dialogue| dialogue.end.as_ref());
    match ends.next_back()? {
        End::Interrupted(cause) => Some(cause.to_string()),
        _ => None,
    }
}
