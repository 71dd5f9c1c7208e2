//! The test tries an odd form of recipient, and the server rejected the form.
//!
//! Source: RFC 5321 section 4.2.3 (501, syntax error in parameters; 553, mailbox syntax incorrect)
//! and RFC 3463 section 3.2 (`X.1.3`, bad destination mailbox address syntax).

use crate::check::{
    circumstances::{Circumstances, has_odd_recipient, is_at_recipient},
    judgement::{TestJudgement, Weight},
    reason::Reason,
};

/// Answers for odd recipients that are refused as malformed.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, reason, _) = on.denial_of(judged)?;
    let is_answer =
        reason == Reason::Syntax && is_at_recipient(stage) && has_odd_recipient(judged.test);
    is_answer.then_some(Weight::Denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;
    use crate::smtp::Stage;

    #[test]
    fn only_an_odd_recipient_may_be_malformed() {
        for (asked, expected) in [
            (
                &[("percent-host", Stage::Rcpt, "501 5.1.3 Bad recipient address syntax")][..],
                Some(Weight::Denial),
            ),
            (
                &[("foreign-to-foreign", Stage::Rcpt, "501 5.1.3 Bad recipient address syntax")][..],
                None,
            ),
            (&[("percent-host", Stage::Rcpt, "550 no")][..], None),
        ] {
            check(weigh, asked, expected);
        }
    }
}
