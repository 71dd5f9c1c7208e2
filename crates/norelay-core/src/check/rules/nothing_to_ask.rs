//! The server accepts every recipient and rejects every message as relaying: some tests then ask
//! nothing.
//!
//! Source: no document; the rule follows from `check/message_rejection.rs`. Those tests are:
//! - whether a recipient is checked behind one of the server's own, where none is checked before
//!   the message. No message can ask it, because the message would reach that mailbox;
//! - what comes after a rejected recipient, where no recipient is rejected.

use crate::{
    catalogue::Group,
    check::{
        circumstances::Circumstances,
        judgement::{TestJudgement, Weight},
        outcome::{Outcome, asks_for_text},
    },
    smtp::Stage,
};

/// Answers for tests about the state of a session that were accepted by a server that refuses every
/// message.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let is_early = matches!(judged.outcome, Outcome::Accepted { stage: Stage::Rcpt, .. });
    let is_about_state = judged.test.group == Group::State;
    (on.refuses_every_message && is_early && is_about_state && asks_nothing(on, judged))
        .then_some(Weight::NotOffered)
}

/// True if the test could not ask its question: a message would reach somebody else's mailbox, or
/// the server asked for a message instead of an answer.
fn asks_nothing(on: Circumstances<'_>, judged: &TestJudgement) -> bool {
    let mut dialogues = judged
        .dialogues
        .iter()
        .filter_map(|number| on.path.report.dialogues.get(number));
    !judged.test.spares_bystanders()
        || dialogues.any(|dialogue| dialogue.answers_for(judged.test.id).any(asks_for_text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::weigh::rules::rows::{story::Story, told},
        smtp::Security,
    };

    #[test]
    fn every_message_is_refused_and_no_message_can_ask() {
        const DENIED: &str = "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain";
        for (test, answer, expected) in [
            ("piggyback-recipient", DENIED, Some(Weight::NotOffered)),
            ("piggyback-recipient", "250 queued", None),
            ("piggyback-recipient", "554 5.7.1 spam message rejected", None),
            // A message can ask these.
            ("second-transaction", DENIED, None),
            ("percent-domain", DENIED, None),
        ] {
            let mut story = Story::begin(true);
            let tests = ["foreign-to-foreign", test];
            let path = story.path("192.0.2.7", 25, Security::Plain, &tests);
            let accepted = (Stage::Rcpt, "RCPT TO:<u@probe.example>", "250 ok");
            let message = [
                (Stage::Mail, "MAIL FROM:<s@probe.example>", "250 ok"),
                accepted,
                accepted,
                (Stage::Data, "DATA", "354 go"),
                (Stage::EndOfData, "Subject: x", answer),
            ];
            story.asked(path, test, "250 ok");
            story.dialogue(path, "foreign-to-foreign", true, &message);
            assert_eq!(told(weigh, story, path, test), expected, "{test} {answer}");
        }
    }
}
