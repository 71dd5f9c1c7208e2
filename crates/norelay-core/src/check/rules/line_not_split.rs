//! The test sends a line that a lenient server reads as two commands, and the server rejected the
//! line.
//!
//! Source: RFC 5321 section 4.2.4. A command that the server does not recognize gets 500. A line
//! that was rejected because of what it contains was not read as two commands.

use crate::{
    check::{
        circumstances::Circumstances,
        judgement::{TestJudgement, Weight},
    },
    smtp::Stage,
};

/// Answers for ambiguous lines that are refused as malformed.
pub(in crate::check) fn weigh(_: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, _, reply) = judged.outcome.refusal()?;
    // Codes of RFC 5321 section 4.2.3 for a line that the server could not read.
    let is_malformed = stage == Stage::Rcpt && matches!(reply.code, 500..=504 | 555);
    (is_malformed && judged.test.is_ambiguous()).then_some(Weight::Denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;

    #[test]
    fn only_a_malformed_line_counts() {
        for (test, reply, expected) in [
            ("bare-lf-command", "501 5.5.2 bare LF", Some(Weight::Denial)),
            ("bare-lf-command", "555 parameters not known", Some(Weight::Denial)),
            ("bare-lf-command", "550 no", None),
            ("foreign-to-foreign", "501 5.5.2 bare LF", None),
        ] {
            check(weigh, &[(test, Stage::Rcpt, reply)], expected);
        }
    }
}
