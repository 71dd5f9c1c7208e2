//! Excerpts of a report that several formats show: the word of a verdict, the reply that decided,
//! the dialogues of a test.
//!
//! Rules:
//! - Nothing here judges: each excerpt stands in the report or in the judgement.
//! - Every text is harmless to show.

use norelay_core::{
    check::{self, Outcome, PathJudgement, TestJudgement, Verdict, Weight},
    report::{Dialogue, PathView, Report},
    smtp::{Cause, Reply, Stage},
    token,
};

/// Returns a path's verdict as a word for people. A path that the server does not offer is called
/// so, because "unreachable" would be wrong.
#[must_use]
pub fn verdict_of(path: PathView<'_>, judged: &PathJudgement) -> &'static str {
    match check::not_offered(path) {
        Some(_) if judged.verdict == Verdict::Unreachable => "not offered",
        _ => judged.verdict.word(),
    }
}

/// Returns how many tests of a path have one of these weights.
pub fn tests_of_weight(path: &PathJudgement, weights: &[Weight]) -> usize {
    let tests = path.tests.iter();
    tests
        .filter(|judged| weights.contains(&judged.weight))
        .count()
}

/// Returns a reply's text in one line, without code and enhanced status code, harmless to show.
#[must_use]
pub fn reply_words(reply: &Reply) -> String {
    let enhanced = reply.enhanced().map(|code| code.to_string());
    let lines = reply.lines.iter().map(|line| {
        let line = line.to_string();
        match enhanced.as_deref().and_then(|code| line.strip_prefix(code)) {
            Some(rest) => rest.trim_start().to_owned(),
            None => line,
        }
    });
    lines
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns the stage at which a test was answered or ended; `None` if the test was not begun.
#[must_use]
pub fn stage_of(outcome: &Outcome) -> Option<Stage> {
    match outcome {
        Outcome::Accepted { stage, .. }
        | Outcome::Refused { stage, .. }
        | Outcome::Deferred { stage, .. } => Some(*stage),
        Outcome::Relayed { .. } => Some(Stage::EndOfData),
        Outcome::Interrupted { cause } => match cause {
            Cause::Disconnected { stage, .. }
            | Cause::TimedOut { stage }
            | Cause::Closing { stage, .. }
            | Cause::Violated { stage, .. } => Some(*stage),
            Cause::TlsFailed { .. } => Some(Stage::StartTls),
            Cause::ConnectFailed { .. } | Cause::Blocked { .. } | Cause::Stopped => None,
        },
        Outcome::NotRun { .. } => None,
    }
}

/// Returns the reply that decided a test, if a reply did.
#[must_use]
pub fn reply_of(outcome: &Outcome) -> Option<&Reply> {
    match outcome {
        Outcome::Accepted { reply, .. }
        | Outcome::Refused { reply, .. }
        | Outcome::Deferred { reply, .. } => Some(reply),
        Outcome::Interrupted { cause: Cause::Closing { reply, .. } } => Some(reply),
        Outcome::Relayed { .. } | Outcome::Interrupted { .. } | Outcome::NotRun { .. } => None,
    }
}

/// Returns the dialogue that decided a test, and the test's other dialogues, oldest first.
#[must_use]
pub fn dialogues_of<'a>(
    report: &'a Report,
    judged: &TestJudgement,
) -> (Option<&'a Dialogue>, Vec<&'a Dialogue>) {
    let mut dialogues: Vec<_> = judged
        .dialogues
        .iter()
        .filter_map(|number| report.dialogues.get(number))
        .collect();
    let decides = |dialogue: &&Dialogue| match &judged.outcome {
        Outcome::Relayed { .. } => dialogue.has_delivered(),
        outcome => Outcome::of(dialogue, judged.test.id) == *outcome,
    };
    let decisive = dialogues
        .iter()
        .rposition(decides)
        .or(dialogues.len().checked_sub(1));
    let decisive = decisive.map(|index| dialogues.remove(index));
    (decisive, dialogues)
}

/// Returns the text with each token shortened to `nr…`: a token's thirty-six letters are too long
/// to compare by eye.
#[must_use]
pub fn without_tokens(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(place) = rest.find("nr") {
        let (before, after) = rest.split_at(place);
        let (token, tail) = after.split_at_checked(token::LENGTH).unwrap_or((after, ""));
        let is_token = token.len() == token::LENGTH
            && token.bytes().all(|octet| octet.is_ascii_alphanumeric());
        kept.push_str(before);
        kept.push_str(if is_token { "nr…" } else { "nr" });
        rest = if is_token { tail } else { after.get(2..).unwrap_or_default() };
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_shortened() {
        let token = format!("nr{}", "abcdefghijklmnopqrstuvwxyz234567ab");
        for (text, expected) in [
            (format!("<{token}@a>"), "<nr…@a>"),
            (format!("<nr@a> {token}{token}"), "<nr@a> nr…nr…"),
            ("nr".to_owned(), "nr"),
            (format!("nr{}", "é".repeat(40)), &format!("nr{}", "é".repeat(40))),
        ] {
            assert_eq!(without_tokens(&text), expected);
        }
    }
}
