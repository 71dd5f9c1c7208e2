//! The server rejects every unauthenticated client on its submission ports, whatever the recipient:
//! only users who authenticate may send, so the server denies relaying.
//!
//! Source: RFC 6409 section 4.3 (a submission server requires authentication). A Postfix with
//! `permit_sasl_authenticated, reject` among its restrictions answers other clients with `Client
//! host rejected: Access denied` or `Recipient address rejected: Access denied`. The rule needs:
//! - the same words for postmaster as for the test, and no accepted recipient on any path to the
//!   host: nobody may send, whatever the recipient;
//! - AUTH, or nobody could use the port at all;
//! - no answer on any other port of the host. Such a port shows whether the server rejects our
//!   address alone, and `submission_port.rs` compares the two. A retest leaves out the paths where
//!   no test failed, so a retest cannot tell.

use crate::{
    catalogue::{self, TestRole},
    check::{
        circumstances::{Circumstances, SUBMISSION_PORTS, is_for_users, others_to_host},
        judgement::{TestJudgement, Weight},
        outcome::Outcome,
        reason,
    },
    report::{Dialogue, Exchange, PathView},
    smtp::{Reply, Stage},
};

/// What Postfix says if a bare `reject` ends the restrictions on clients or on recipients. A bare
/// `reject` on senders is left out: an access map with our sender in it says the same.
const ENDS: [&str; 2] =
    ["client host rejected: access denied", "recipient address rejected: access denied"];

/// Answers for rejections of everybody who has not authenticated.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, _, reply) = on.denial_of(judged)?;
    let is_bare = matches!(stage, Stage::Mail | Stage::Rcpt) && is_bare_reject(reply);
    let is_for_everybody = rejects_postmaster_alike(on.path, reply) && accepts_nobody(on.path);
    (is_bare && is_for_everybody && is_for_users(on.path) && is_all_that_answers(on.path))
        .then_some(Weight::Denial)
}

/// True for a permanent rejection in the words of a bare `reject`.
fn is_bare_reject(reply: &Reply) -> bool {
    let text = reply.text().to_lowercase();
    (500..600).contains(&reply.code) && ENDS.iter().any(|end| text.ends_with(end))
}

/// True if the server rejected mail to its own postmaster on this path in the same words.
fn rejects_postmaster_alike(path: PathView<'_>, reply: &Reply) -> bool {
    let postmaster = catalogue::by_role(TestRole::Postmaster).id;
    let outcomes = path
        .dialogues_of(postmaster)
        .map(|(_, dialogue)| Outcome::of(dialogue, postmaster));
    let mut rejections =
        outcomes.filter_map(|outcome| Some(outcome.refusal()?.2.clone()).filter(is_bare_reject));
    rejections.any(|rejection| reason::is_same(&rejection, reply))
}

/// True if no recipient was accepted on this path or on another path to its host.
fn accepts_nobody(path: PathView<'_>) -> bool {
    let is_accepted = |exchange: &Exchange| {
        exchange.stage == Stage::Rcpt && exchange.reply.as_ref().is_some_and(Reply::is_positive)
    };
    let mut dialogues = path
        .dialogues()
        .chain(others_to_host(path).flat_map(PathView::dialogues));
    dialogues.all(|dialogue| !dialogue.exchanges.iter().any(is_accepted))
}

/// True if the run tested all that the user named, and only submission ports of the host answered.
fn is_all_that_answers(path: PathView<'_>) -> bool {
    let mut beside =
        others_to_host(path).filter(|other| !SUBMISSION_PORTS.contains(&other.destination().port));
    let is_quiet = beside.all(|other| !other.dialogues().any(Dialogue::has_spoken));
    is_quiet && path.report.retested().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::weigh::rules::rows::{story::Story, told},
        event::Event,
        report::RETESTED,
        smtp::Security,
    };

    const AUTH: &str = "250-mx.target.example / AUTH PLAIN";
    const CLIENT: &str = "554 5.7.1 <x.example[198.51.100.9]>: Client host rejected: Access denied";
    const RECIPIENT: &str =
        "554 5.7.1 <u@probe.example>: Recipient address rejected: Access denied";
    const SENDER: &str = "554 5.7.1 <s@probe.example>: Sender address rejected: Access denied";

    #[test]
    fn everybody_is_rejected_alike() {
        for (port, hello, answer, postmaster, expected) in [
            (587, AUTH, CLIENT, CLIENT, Some(Weight::Denial)),
            (465, AUTH, RECIPIENT, RECIPIENT, Some(Weight::Denial)),
            // No port for users.
            (25, AUTH, CLIENT, CLIENT, None),
            (587, "250 mx.target.example", CLIENT, CLIENT, None),
            // Not everybody, or not in the same words.
            (587, AUTH, CLIENT, "250 ok", None),
            (587, AUTH, CLIENT, RECIPIENT, None),
            (587, AUTH, "250 ok", CLIENT, None),
            // Words that may be about our address, our sender or the moment.
            (587, AUTH, SENDER, SENDER, None),
            (587, AUTH, "554 5.7.1 blocked using b.example", "554 5.7.1 blocked", None),
            (587, AUTH, "550 no", "550 no", None),
            (
                587,
                AUTH,
                "450 4.7.1 Client host rejected: Access denied",
                "450 4.7.1 Client host rejected: Access denied",
                None,
            ),
        ] {
            let mut story = Story::begin(true);
            let tests = ["foreign-to-foreign", "ctl-postmaster"];
            let path = story.path("192.0.2.7", port, Security::Plain, &tests);
            story.server("220 mx.target.example", hello);
            for (test, answer) in tests.into_iter().zip([answer, postmaster]) {
                story.asked(path, test, answer);
            }
            let weight = told(weigh, story, path, "foreign-to-foreign");
            assert_eq!(weight, expected, "{port} {hello} {answer} {postmaster}");
        }
    }

    #[test]
    fn what_else_the_host_answers_counts() {
        for (address, port, security, answer, expected) in [
            ("192.0.2.7", 465, Security::Tls, CLIENT, Some(Weight::Denial)),
            // Another address of the host says the same.
            ("192.0.2.8", 587, Security::Plain, CLIENT, Some(Weight::Denial)),
            // Another submission port accepts somebody.
            ("192.0.2.7", 465, Security::Tls, "250 ok", None),
            ("192.0.2.7", 587, Security::StartTls, "250 ok", None),
            // Port 25 rejects our address, or accepts mail: `submission_port` compares with it.
            ("192.0.2.7", 25, Security::Plain, CLIENT, None),
            ("192.0.2.7", 25, Security::Plain, "250 ok", None),
            ("192.0.2.7", 25, Security::Plain, "554 5.7.1 blocked using b.example", None),
        ] {
            let mut story = Story::begin(true);
            let tests = ["foreign-to-foreign", "ctl-postmaster"];
            story.server("220 mx.target.example", AUTH);
            let path = story.path("192.0.2.7", 587, Security::Plain, &tests);
            for test in tests {
                story.asked(path, test, CLIENT);
            }
            let beside = story.path(address, port, security, &["ctl-postmaster"]);
            story.asked(beside, "ctl-postmaster", answer);
            let weight = told(weigh, story, path, "foreign-to-foreign");
            assert_eq!(weight, expected, "{address} {port} {answer}");
        }
    }

    #[test]
    fn a_retest_cannot_tell() {
        let mut story = Story::begin(true);
        let tests = ["foreign-to-foreign", "ctl-postmaster"];
        story.server("220 mx.target.example", AUTH);
        let path = story.path("192.0.2.7", 587, Security::Plain, &tests);
        for test in tests {
            story.asked(path, test, CLIENT);
        }
        story.tell(Event::Noted {
            path: None,
            tag: RETESTED.to_owned(),
            arguments: vec!["the run of yesterday".into(), "1 test on 1 path".into()],
        });
        assert_eq!(told(weigh, story, path, "foreign-to-foreign"), None);
    }

    #[test]
    fn postmaster_must_have_been_asked() {
        let mut story = Story::begin(true);
        story.server("220 mx.target.example", AUTH);
        let path = story.path("192.0.2.7", 587, Security::Plain, &["foreign-to-foreign"]);
        story.asked(path, "foreign-to-foreign", CLIENT);
        assert_eq!(told(weigh, story, path, "foreign-to-foreign"), None);
    }
}
