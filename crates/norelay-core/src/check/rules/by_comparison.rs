//! A rejection without a reason, compared with postmaster: the same client may send mail to
//! postmaster, and may not send to this recipient.
//!
//! Source: no document; the rule follows from the control. The comparison fails if the server
//! rejects everybody but postmaster alike, because blacklists often spare postmaster. After RCPT,
//! the message may be the reason of a rejection.

use crate::{
    check::{
        circumstances::Circumstances,
        judgement::{TestJudgement, Weight},
        reason::Reason,
    },
    smtp::Stage,
};

/// Answers for recipients that are refused without a reason.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, reason, reply) = on.denial_of(judged)?;
    let is_unexplained = matches!(reason, Reason::Policy | Reason::Unclassified);
    let differs =
        on.controls.accept_postmaster && !on.controls.refuse_everybody_alike(judged.test, reply);
    (is_unexplained && stage == Stage::Rcpt && differs).then_some(Weight::Denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;

    #[test]
    fn postmaster_is_accepted_and_this_recipient_is_not() {
        for (asked, expected) in [
            (
                &[
                    ("foreign-to-foreign", Stage::Rcpt, "550 no"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                Some(Weight::Denial),
            ),
            (
                &[
                    ("foreign-to-foreign", Stage::Rcpt, "550 5.7.1 Access denied"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                Some(Weight::Denial),
            ),
            (&[("foreign-to-foreign", Stage::Rcpt, "550 no")][..], None),
            (
                &[
                    ("foreign-to-foreign", Stage::EndOfData, "550 no"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                None,
            ),
            (
                &[
                    ("foreign-to-foreign", Stage::Rcpt, "554 5.7.1 listed in dnsbl"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                None,
            ),
            (
                &[
                    ("foreign-to-foreign", Stage::Rcpt, "550 no"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                    ("ctl-local-nx", Stage::Rcpt, "550 no"),
                ][..],
                None,
            ),
            (
                &[
                    ("postmaster-recipient", Stage::Rcpt, "550 no"),
                    ("foreign-to-foreign", Stage::Rcpt, "554 5.7.1 Relay access denied"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                None,
            ),
        ] {
            check(weigh, asked, expected);
        }
    }
}
