//! How far a test or a path is.

use norelay_core::check::{Outcome, PathJudgement, TestJudgement, Verdict};

use super::{RunPhase, RunView};

/// True if a test has the answer that it will keep, unless the server is asked again.
#[must_use]
pub fn is_done(seen: RunView, judged: &TestJudgement) -> bool {
    let is_asked = judged
        .dialogues
        .last()
        .and_then(|number| seen.report.dialogues.get(number));
    seen.phase == RunPhase::Over
        || judged.outcome.is_answered()
        || match is_asked {
            Some(dialogue) => {
                dialogue.end.is_some()
                    && !matches!(
                        judged.outcome,
                        Outcome::Deferred { .. } | Outcome::Interrupted { .. }
                    )
            }
            None => matches!(&judged.outcome, Outcome::NotRun { .. }) && is_left_out(seen, judged),
        }
}

fn is_left_out(seen: RunView, judged: &TestJudgement) -> bool {
    seen.report
        .paths()
        .any(|path| path.facts.not_run.contains_key(&judged.test.id))
}

/// True if nothing spoke on a path while another did: then its tests were not left without an
/// answer, there was nobody to ask.
#[must_use]
pub fn is_silent(seen: RunView, path: &PathJudgement) -> bool {
    let is_mute = |path: &PathJudgement| path.verdict == Verdict::Unreachable;
    seen.phase == RunPhase::Over && is_mute(path) && !seen.judgement().paths.iter().all(is_mute)
}
