//! TLS breaks for a client that shows a certificate, and works for others: the server rejected the
//! certificate.
//!
//! Source: RFC 8446 section 4.4.2.4. A server may abort the handshake over a client's certificate,
//! for example if no trusted CA has signed the certificate.

use crate::{
    catalogue::TestId,
    check::{
        circumstances::Circumstances,
        judgement::{TestJudgement, Weight},
        outcome::{Outcome, is_of_tls},
    },
    report::{Dialogue, PathView},
    smtp::Stage,
};

/// Answers for tests with a certificate whose connection broke in TLS.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let Outcome::Interrupted { cause } = &judged.outcome else { return None };
    // If TLS works for nobody, the certificate explains nothing.
    let mut others = on.path.at_endpoint().flat_map(PathView::dialogues);
    (judged.test.certificate().is_some() && is_of_tls(cause) && others.any(works_without))
        .then_some(Weight::Denial)
}

/// True if a client without a certificate got as far as MAIL under TLS.
fn works_without(dialogue: &Dialogue) -> bool {
    dialogue.tls.is_some()
        && dialogue.tests.iter().all(shows_no_certificate)
        && dialogue.reply_at(Stage::Mail).is_some()
}

/// True for a known test whose client shows no certificate.
fn shows_no_certificate(id: &TestId) -> bool {
    id.test().is_some_and(|test| test.certificate().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::weigh::rules::rows::{story::Story, told},
        event::{Event, TlsFacts},
        smtp::{Cause, End, Security},
    };

    #[test]
    fn tls_works_for_others() {
        for (test, error, has_tls, expected) in [
            ("plain-selfsigned-clientcert", Some("UnknownCA"), true, Some(Weight::Denial)),
            ("plain-selfsigned-clientcert", None, true, None),
            ("plain-selfsigned-clientcert", Some("UnknownCA"), false, None),
            ("null-sender", Some("UnknownCA"), true, None),
        ] {
            let mut story = Story::begin(false);
            let path = story.path("192.0.2.7", 25, Security::Plain, &[test]);
            let secured = story.path("192.0.2.7", 25, Security::StartTls, &["foreign-to-foreign"]);
            story.answered(secured, "foreign-to-foreign", Stage::Rcpt, "550 relaying denied");
            if has_tls {
                story.tell(Event::Secured { dialogue: 0, after_ms: 1, tls: TlsFacts::default() });
            }
            let error = error.map(str::to_owned);
            let end = End::Interrupted(Cause::Disconnected { stage: Stage::Ehlo, error });
            story.dialogue_ending(path, test, &[(Stage::Greeting, "", "220 mx")], end);
            assert_eq!(told(weigh, story, path, test), expected, "{test} {has_tls}");
        }
    }
}
