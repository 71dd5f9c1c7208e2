//! The reply says that relaying is denied, or that only authenticated users may relay.
//!
//! Source: RFC 5321 section 3.6.2 (a server that declines to relay for policy reasons should answer
//! 550), RFC 3463 section 3.8 (`X.7.1`, delivery not authorized), RFC 4954 section 6 (530,
//! authentication required). The wordings of servers are in `check/wording.rs`.

use crate::check::{
    circumstances::{Circumstances, is_about_envelope},
    judgement::{TestJudgement, Weight},
    reason::Reason,
};

/// Answers for refusals in words.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, reason, _) = on.denial_of(judged)?;
    let is_denied = matches!(reason, Reason::RelayDenied | Reason::AuthRequired);
    (is_denied && is_about_envelope(stage)).then_some(Weight::Denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;
    use crate::smtp::Stage;

    #[test]
    fn a_denial_in_words_counts_with_any_code() {
        for (asked, expected) in [
            (
                &[("foreign-to-foreign", Stage::Rcpt, "554 5.7.1 Relay access denied")][..],
                Some(Weight::Denial),
            ),
            (
                &[("foreign-to-foreign", Stage::Rcpt, "454 4.7.1 Relay access denied")][..],
                Some(Weight::Denial),
            ),
            (
                &[(
                    "foreign-to-foreign",
                    Stage::EndOfData,
                    "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
                )][..],
                Some(Weight::Denial),
            ),
            (
                &[("foreign-to-foreign", Stage::Rcpt, "530 5.7.0 Authentication required")][..],
                Some(Weight::Denial),
            ),
            (&[("foreign-to-foreign", Stage::Rcpt, "550 no")][..], None),
            (&[("foreign-to-foreign", Stage::Rcpt, "450 4.2.0 Greylisted")][..], None),
        ] {
            check(weigh, asked, expected);
        }
    }
}
