//! The path in the clear is closed to everybody: the reply asks for STARTTLS first.
//!
//! Source: RFC 3207 section 4 (530). The tests on the twin of this path under TLS are judged there.
//! If the twin does not offer TLS either, nobody can send mail at all.

use crate::{
    catalogue::RelayTest,
    check::{
        circumstances::{Circumstances, is_about_envelope},
        judgement::{TestJudgement, Weight},
        offered::not_offered,
        reason::Reason,
    },
    report::PathView,
    smtp::Security,
};

/// Answers for refusals that ask for TLS, on a path in the clear.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, reason, _) = on.denial_of(judged)?;
    let is_asked = reason == Reason::TlsRequired
        && is_about_envelope(stage)
        && is_asked_under_tls(on.path, judged.test);
    is_asked.then_some(Weight::Denial)
}

/// True if the test is asked after STARTTLS at the endpoint of this path in the clear. A login is
/// asked on one path for the whole host.
fn is_asked_under_tls(clear: PathView<'_>, test: &RelayTest) -> bool {
    let mut secured = clear.others().filter(|other| {
        other.destination().security != Security::Plain
            && other.destination().is_to_host_of(clear.destination())
    });
    let has_test = |path: PathView<'_>| path.facts.tests.contains(&test.id);
    if test.login().is_some() && secured.any(has_test) {
        return clear.destination().security == Security::Plain;
    }
    clear.destination().security == Security::Plain
        && clear
            .twins()
            .filter(|twin| twin.destination().security == Security::StartTls)
            .any(|twin| twin.facts.tests.contains(&test.id) || not_offered(twin).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::weigh::rules::rows::{story::Story, told},
        smtp::{End, Stage},
    };

    #[test]
    fn a_login_is_asked_under_tls_at_another_port_of_the_host() {
        const TLS: &str = "538 5.7.11 Encryption required for requested authentication mechanism";
        for (address, security, expected) in [
            ("192.0.2.7", Security::Tls, Some(Weight::Denial)),
            ("192.0.2.8", Security::Tls, Some(Weight::Denial)),
            ("192.0.2.7", Security::Plain, None),
        ] {
            let mut story = Story::begin(true);
            let plain = story.path("192.0.2.7", 25, Security::Plain, &["auth-plain-random"]);
            story.path(address, 465, security, &["auth-plain-random"]);
            let lines = [(Stage::Auth, "AUTH PLAIN …", TLS)];
            story.dialogue_ending(plain, "auth-plain-random", &lines, End::Answered);
            let weight = told(weigh, story, plain, "auth-plain-random");
            assert_eq!(weight, expected, "{address} {security:?}");
        }
    }

    #[test]
    fn the_same_test_is_asked_under_tls() {
        const TLS: &str = "530 5.7.0 Must issue a STARTTLS command first";
        for (security, port, reply, expected) in [
            (Security::StartTls, 25, TLS, Some(Weight::Denial)),
            (Security::StartTls, 587, TLS, None),
            (Security::Tls, 25, TLS, None),
            (Security::StartTls, 25, "550 no", None),
        ] {
            let mut story = Story::begin(true);
            let plain = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
            story.path("192.0.2.7", port, security, &["foreign-to-foreign"]);
            story.answered(plain, "foreign-to-foreign", Stage::Mail, reply);
            let weight = told(weigh, story, plain, "foreign-to-foreign");
            assert_eq!(weight, expected, "{security:?} {port} {reply}");
        }
    }
}
