//! The test tries an odd order of commands, and the server rejected the order.
//!
//! Source: RFC 5321 section 4.1.4. Commands that are too far out of order to be processed get 503.

use crate::{
    catalogue::Group,
    check::{
        circumstances::{Circumstances, may_pass_later},
        judgement::{TestJudgement, Weight},
    },
    smtp::Stage,
};

/// The reply to a command that is out of order.
const BAD_SEQUENCE: u16 = 503;

/// Answers for refusals of the order.
pub(in crate::check) fn weigh(_: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, reason, reply) = judged.outcome.refusal()?;
    // A 503 at another stage is about an order that the test does not try.
    let is_in_order_that_is_tried = matches!(
        (judged.test.group, stage),
        (Group::State, Stage::Rcpt) | (Group::Hello, Stage::Mail)
    );
    (reply.code == BAD_SEQUENCE && is_in_order_that_is_tried && !may_pass_later(reason))
        .then_some(Weight::Denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;

    #[test]
    fn only_503_refuses_the_order() {
        for (asked, expected) in [
            (&[("rcpt-before-mail", Stage::Rcpt, "503 MAIL first")][..], Some(Weight::Denial)),
            (&[("no-helo", Stage::Mail, "503 EHLO first")][..], Some(Weight::Denial)),
            (&[("rcpt-before-mail", Stage::Rcpt, "550 no")][..], None),
            (&[("foreign-to-foreign", Stage::Rcpt, "503 MAIL first")][..], None),
        ] {
            check(weigh, asked, expected);
        }
    }
}
