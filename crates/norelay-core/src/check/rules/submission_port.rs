//! Submission ports are for users who authenticate, and many reject everybody else without saying
//! so.
//!
//! Source: RFC 6409 sections 3.1 and 4.3 (587), RFC 8314 (465). A Postfix with
//! `permit_sasl_authenticated, reject` on that port answers other clients with `Access denied`,
//! whatever the recipient. That alone could be about our address. If another port of the same
//! server accepts our mail to postmaster, the rejection is not about our address.

use crate::{
    catalogue::{self, TestRole},
    check::{
        circumstances::{Circumstances, is_for_users, others_to_host},
        judgement::{TestJudgement, Weight},
        outcome::Outcome,
        reason::Reason,
    },
    report::PathView,
    smtp::{Reply, Stage},
};

/// What Postfix says to a client that `permit_sasl_authenticated, reject` refuses, where it stands
/// among the restrictions on clients.
const ABOUT_THE_CLIENT: &str = "client host rejected: access denied";

/// Answers for refusals on a submission port that say nothing but no.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, reason, reply) = judged.outcome.refusal()?;
    let is_for_everybody = matches!(stage, Stage::Mail | Stage::Rcpt)
        && (500..600).contains(&reply.code)
        && is_bare(reason, reply);
    (is_for_everybody && is_for_users(on.path) && accepts_postmaster_beside(on.path))
        .then_some(Weight::Denial)
}

/// True if the refusal gives no reason but the client.
fn is_bare(reason: Reason, reply: &Reply) -> bool {
    match reason {
        Reason::Policy | Reason::Unclassified => true,
        Reason::Reputation => reply.text().to_lowercase().ends_with(ABOUT_THE_CLIENT),
        _ => false,
    }
}

/// True if the same server accepts our mail to its postmaster at another port.
fn accepts_postmaster_beside(path: PathView<'_>) -> bool {
    let postmaster = catalogue::by_role(TestRole::Postmaster).id;
    let mut asked = others_to_host(path).flat_map(|other| other.dialogues_of(postmaster));
    asked.any(|(_, dialogue)| matches!(Outcome::of(dialogue, postmaster), Outcome::Accepted { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::weigh::rules::rows::{story::Story, told},
        smtp::Security,
    };

    #[test]
    fn another_port_accepts_mail_to_postmaster() {
        const AUTH: &str = "250-mx.target.example / AUTH PLAIN";
        const NO: &str = "554 5.7.1 <u@probe.example>: Recipient address rejected: Access denied";
        const CLIENT: &str = "554 5.7.1 <x.example>: Client host rejected: Access denied";
        for (port, hello, answer, postmaster, expected) in [
            (587, AUTH, NO, "250 ok", Some(Weight::Denial)),
            (465, AUTH, CLIENT, "250 ok", Some(Weight::Denial)),
            (2525, AUTH, NO, "250 ok", None),
            (587, "250 mx.target.example", NO, "250 ok", None),
            (587, AUTH, NO, CLIENT, None),
            (587, AUTH, "554 5.7.1 Client host rejected: listed in dnsbl.example", "250 ok", None),
            (587, AUTH, "450 4.7.1 Client host rejected: Access denied", "250 ok", None),
        ] {
            let mut story = Story::begin(true);
            let first = story.path("192.0.2.7", 25, Security::Plain, &["ctl-postmaster"]);
            story.answered(first, "ctl-postmaster", Stage::Rcpt, postmaster);
            let path = story.path("192.0.2.7", port, Security::Plain, &["foreign-to-foreign"]);
            story.server("220 mx.target.example", hello);
            story.asked(path, "foreign-to-foreign", answer);
            let weight = told(weigh, story, path, "foreign-to-foreign");
            assert_eq!(weight, expected, "{port} {hello} {answer} {postmaster}");
        }
    }
}
