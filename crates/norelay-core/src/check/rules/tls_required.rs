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

/// True if the test is asked after STARTTLS at the endpoint of this path in the clear.
fn is_asked_under_tls(clear: PathView<'_>, test: &RelayTest) -> bool {
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
        smtp::Stage,
    };

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
