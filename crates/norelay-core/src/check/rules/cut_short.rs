//! The test never reached its question: every RCPT was rejected, yet DATA got a 354.
//!
//! Source: RFC 5321 section 3.3. A server may reject DATA if it has accepted no recipient, but need
//! not. After a 354, everything up to the final dot is a message, and the test must not send one.

use crate::{
    check::{
        circumstances::Circumstances,
        judgement::{TestJudgement, Weight},
        outcome::{Outcome, asks_for_text},
    },
    report::Exchange,
    smtp::{Reply, Stage},
};

/// Answers for tests that ended with the request for a message.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let Outcome::NotRun { .. } = judged.outcome else { return None };
    let latest = on.path.report.dialogues.get(judged.dialogues.last()?)?;
    let (mut recipients, mut is_text_wanted) = (0, false);
    for exchange in latest.answers_for(judged.test.id) {
        // An accepted recipient explains the 354, and then the test has its answer.
        if exchange.stage == Stage::Rcpt && !is_refused(exchange) {
            return None;
        }
        recipients += usize::from(exchange.stage == Stage::Rcpt);
        is_text_wanted |= asks_for_text(exchange);
    }
    (recipients > 0 && is_text_wanted).then_some(Weight::NotOffered)
}

/// True if the exchange was answered by a rejection, permanent or temporary.
fn is_refused(exchange: &Exchange) -> bool {
    exchange.reply.as_ref().is_some_and(Reply::is_negative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::weigh::rules::rows::{story::Story, told},
        smtp::{End, Security},
    };

    #[test]
    fn every_recipient_is_refused_and_a_message_is_wanted() {
        for (recipient, data, expected) in [
            ("550 no", "354 go", Some(Weight::NotOffered)),
            ("550 no", "503 no recipients", None),
            ("250 ok", "354 go", None),
        ] {
            let mut story = Story::begin(false);
            let path = story.path("192.0.2.7", 25, Security::Plain, &["data-after-refused"]);
            let lines = [
                (Stage::Mail, "MAIL FROM:<s@probe.example>", "250 ok"),
                (Stage::Rcpt, "RCPT TO:<u@probe.example>", recipient),
                (Stage::Data, "DATA", data),
            ];
            story.attempts(path, "data-after-refused", &lines, End::Answered);
            let weight = told(weigh, story, path, "data-after-refused");
            assert_eq!(weight, expected, "{recipient} {data}");
        }
    }
}
