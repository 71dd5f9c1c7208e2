//! The server took a foreign recipient for a user of its own that does not exist, so the server
//! does not relay to that recipient.
//!
//! Source: RFC 3463 section 3.2 (`X.1.1`). A plain recipient counts only if postmaster is accepted:
//! otherwise the reply may be what this client always gets.

use crate::check::{
    circumstances::{Circumstances, has_odd_recipient, is_at_recipient},
    judgement::{TestJudgement, Weight},
    reason::Reason,
};

/// Answers for recipients that are refused as unknown users.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, reason, _) = on.denial_of(judged)?;
    let is_believed = has_odd_recipient(judged.test) || on.controls.accept_postmaster;
    (reason == Reason::UnknownUser && is_at_recipient(stage) && is_believed)
        .then_some(Weight::Denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;
    use crate::smtp::Stage;

    #[test]
    fn a_plain_recipient_needs_the_comparison_with_postmaster() {
        for (asked, expected) in [
            (&[("percent-host", Stage::Rcpt, "550 5.1.1 User unknown")][..], Some(Weight::Denial)),
            (
                &[
                    ("foreign-to-foreign", Stage::Rcpt, "550 5.1.1 User unknown"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                Some(Weight::Denial),
            ),
            (&[("foreign-to-foreign", Stage::Rcpt, "550 5.1.1 User unknown")][..], None),
            (
                &[
                    ("foreign-to-foreign", Stage::Rcpt, "550 no"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                None,
            ),
        ] {
            check(weigh, asked, expected);
        }
    }
}
