//! The test speaks QMTP or QMQP, and the server rejected the message.
//!
//! Source: the QMTP and QMQP specifications (Bernstein, 1997). A server that queues for some
//! clients only says so with `D`, in whatever words.

use crate::check::{
    circumstances::{Circumstances, may_pass_later},
    judgement::{TestJudgement, Weight},
    reason::Reason,
};

/// Answers for refusals in another protocol than SMTP.
pub(in crate::check) fn weigh(_: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (_, reason, _) = judged.outcome.refusal()?;
    // These protocols have one reply for everything, so only the reason tells a denial apart.
    let is_final = !may_pass_later(reason) && reason != Reason::Reputation;
    (is_final && judged.test.protocol().is_some()).then_some(Weight::Denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;
    use crate::smtp::Stage;

    #[test]
    fn any_final_refusal_counts_but_one_about_us() {
        for (asked, expected) in [
            (&[("qmqp-open", Stage::Rcpt, "550 not you")][..], Some(Weight::Denial)),
            (&[("qmqp-open", Stage::Rcpt, "554 5.7.1 listed in dnsbl")][..], None),
            (&[("foreign-to-foreign", Stage::Rcpt, "550 not you")][..], None),
        ] {
            check(weigh, asked, expected);
        }
    }
}
