//! The test is about the sender, and the server rejected the sender: the test is answered.
//!
//! Source: no document; the rule follows from the question. A server that does not trust such a
//! sender rejects MAIL, in whatever words. A reply that names the sender counts after MAIL, too.

use crate::{
    check::{
        circumstances::{Circumstances, is_about_envelope},
        judgement::{TestJudgement, Weight},
        reason::Reason,
    },
    smtp::Stage,
};

/// Answers for refused senders.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, reason, _) = on.denial_of(judged)?;
    let is_answer = match reason {
        Reason::SenderDomain => is_about_envelope(stage),
        // Without words about the sender, only a rejection of MAIL itself is about the sender.
        Reason::Syntax | Reason::Policy | Reason::Unclassified => stage == Stage::Mail,
        _ => false,
    };
    (is_answer && judged.test.is_about_sender()).then_some(Weight::Denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;

    #[test]
    fn a_refused_sender_answers_only_a_test_about_senders() {
        for (asked, expected) in [
            (&[("null-sender", Stage::Mail, "550 no")][..], Some(Weight::Denial)),
            (
                &[("null-sender", Stage::Mail, "501 5.1.7 Bad sender address syntax")][..],
                Some(Weight::Denial),
            ),
            (&[("null-sender", Stage::Rcpt, "550 no")][..], None),
            (&[("foreign-to-foreign", Stage::Mail, "550 no")][..], None),
        ] {
            check(weigh, asked, expected);
        }
    }
}
