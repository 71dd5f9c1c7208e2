//! The test gives an odd name in HELO or EHLO, and the server rejected the name: clients with
//! another name are accepted.
//!
//! Source: Postfix's `reject_invalid_helo_hostname` and `reject_unknown_helo_hostname`. The second
//! defers a name that the DNS does not have with 450 (`unknown_hostname_reject_code`).

use crate::{
    catalogue::Group,
    check::{
        circumstances::{Circumstances, may_pass_later},
        judgement::{TestJudgement, Weight},
        outcome::Outcome,
    },
    smtp::Stage,
};

/// What Postfix says of a name that it refuses.
const ABOUT_THE_NAME: &str = "helo command rejected";

/// Answers for refusals of the name.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, is_answer) = match &judged.outcome {
        Outcome::Refused { stage, reason, .. } => (*stage, !may_pass_later(*reason)),
        // Postfix defers an unknown name with 450 by default, however often the client comes back.
        Outcome::Deferred { stage, reply, .. } => {
            (*stage, reply.text().to_lowercase().contains(ABOUT_THE_NAME))
        }
        _ => return None,
    };
    // Many servers keep the rejection of a name until MAIL or RCPT.
    let is_in_time = matches!(stage, Stage::Helo | Stage::Mail | Stage::Rcpt);
    let is_about_name = judged.test.group == Group::Hello;
    (is_answer && is_in_time && is_about_name && on.controls.accept_postmaster)
        .then_some(Weight::Denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;

    #[test]
    fn others_get_further() {
        for (asked, expected) in [
            (
                &[
                    ("helo-localhost", Stage::Mail, "550 bad name"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                Some(Weight::Denial),
            ),
            (
                &[
                    (
                        "helo-localhost",
                        Stage::Rcpt,
                        "450 4.7.1 <localhost>: Helo command rejected: Host not found",
                    ),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                Some(Weight::Denial),
            ),
            (
                &[
                    ("helo-localhost", Stage::Rcpt, "450 4.7.1 later"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                None,
            ),
            (&[("helo-localhost", Stage::Mail, "550 bad name")][..], None),
            (
                &[
                    ("foreign-to-foreign", Stage::Mail, "550 bad name"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                None,
            ),
        ] {
            check(weigh, asked, expected);
        }
    }
}
