//! A recipient that reads as one of the server's own domain was rejected in the same words as a
//! made-up user there: the server took the recipient for such a user.
//!
//! Source: Exim calls both `Unrouteable address`, and a domain that accepts no mail as well. RFC
//! 3463 section 3.2 has `X.1.1` for a mailbox that does not exist. Postfix uses that code in
//! temporary replies too (`unknown_local_recipient_reject_code = 450`, `soft_bounce`).

use crate::{
    catalogue::RelayTest,
    check::{
        circumstances::{Circumstances, Controls},
        judgement::{TestJudgement, Weight},
        outcome::Outcome,
        reason,
    },
    smtp::{Reply, Stage},
};

/// Answers for recipients that are refused as a made-up user is.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let reply = match &judged.outcome {
        Outcome::Refused { stage: Stage::Rcpt, reply, .. } => reply,
        Outcome::Deferred { stage: Stage::Rcpt, reply, .. } if is_no_mailbox(reply) => reply,
        _ => return None,
    };
    let controls = on.controls;
    let is_same = unknown_user_beside(controls, judged.test)
        .is_some_and(|unknown| reason::is_same(unknown, reply));
    (is_same && controls.probe_domain_exists && controls.accept_postmaster)
        .then_some(Weight::Denial)
}

/// Returns how a made-up user is refused at the domain that the test's recipient reads as.
fn unknown_user_beside<'a>(controls: Controls<'a>, test: &RelayTest) -> Option<&'a Reply> {
    let [at_domain, at_host] = controls.unknown_users;
    match test.forward_path {
        path if path.ends_with("@{local_domain}>") => at_domain,
        path if path.ends_with("@{host}>") => at_host,
        _ => None,
    }
}

/// True for X.1.1, "bad destination mailbox address".
fn is_no_mailbox(reply: &Reply) -> bool {
    reply
        .enhanced()
        .is_some_and(|code| (code.subject, code.detail) == (1, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;

    #[test]
    fn the_words_are_those_for_an_unknown_user() {
        for (asked, expected) in [
            (
                &[
                    ("percent-domain", Stage::Rcpt, "550 Unrouteable address"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                    ("ctl-local-nx", Stage::Rcpt, "550 Unrouteable address"),
                ][..],
                Some(Weight::Denial),
            ),
            (
                &[
                    ("percent-domain", Stage::Rcpt, "450 4.1.1 no mailbox"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                    ("ctl-local-nx", Stage::Rcpt, "450 4.1.1 no mailbox"),
                ][..],
                Some(Weight::Denial),
            ),
            (
                &[
                    ("percent-domain", Stage::Rcpt, "450 4.7.1 later"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                    ("ctl-local-nx", Stage::Rcpt, "450 4.7.1 later"),
                ][..],
                None,
            ),
            (
                &[
                    ("percent-domain", Stage::Rcpt, "550 Unrouteable address"),
                    ("ctl-local-nx", Stage::Rcpt, "550 Unrouteable address"),
                ][..],
                None,
            ),
            (
                &[
                    ("foreign-to-foreign", Stage::Rcpt, "550 Unrouteable address"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                    ("ctl-local-nx", Stage::Rcpt, "550 Unrouteable address"),
                ][..],
                None,
            ),
        ] {
            check(weigh, asked, expected);
        }
    }
}
