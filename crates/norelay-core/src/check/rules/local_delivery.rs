//! A recipient that reads as a local part, on a server that accepts any local part: the server
//! delivered the message itself, and nothing came back in all the time that the run waited.
//!
//! The silence of a receiver that was not shown to work says nothing: a canary must have arrived.
//!
//! Source: a control asks the same server for a made-up user. RFC 5321 section 2.3.11: only the
//! host in the domain of an address may interpret the local part.

use crate::{
    catalogue::Strength,
    check::{
        arrival::receipts_of,
        circumstances::Circumstances,
        judgement::{TestJudgement, Weight},
        outcome::Outcome,
    },
    report::PathView,
};

/// Answers for accepted tests whose recipient the server may have taken for one of its own.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    // Only a recipient that reads as the server's own can be local delivery.
    let is_explained = matches!(judged.outcome, Outcome::Accepted { .. })
        && judged.test.strength == Strength::Weak
        && on.controls.accept_any_local_part;
    (is_explained && was_waited_for(on.path) && was_sent(on.path, judged) && !has_come(on, judged))
        .then_some(Weight::LocalDelivery)
}

/// True if a receiver that works waited for messages until the run ended by itself.
fn was_waited_for(path: PathView<'_>) -> bool {
    let report = path.report;
    // In a run that was stopped, a message may still be on its way.
    let receiving = report.run.as_ref().is_some_and(|run| run.receiving);
    receiving && report.canaries.prove_receiver() && report.finished.is_some() && !report.stopped
}

/// True if the server accepted a message for the test.
fn was_sent(path: PathView<'_>, judged: &TestJudgement) -> bool {
    let test = judged.test.id;
    path.dialogues_of(test).any(|(_, dialogue)| {
        dialogue.proof
            && dialogue.has_delivered()
            && matches!(Outcome::of(dialogue, test), Outcome::Accepted { .. })
    })
}

/// True if any message for the test arrived, whatever it proves.
fn has_come(on: Circumstances<'_>, judged: &TestJudgement) -> bool {
    receipts_of(on.path, judged.test).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::Profile,
        check::weigh::rules::rows::{
            story::{Story, reply},
            told,
        },
        event::CanaryFailure,
        smtp::{Security, Stage},
    };

    /// The canaries of a story.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Canaries {
        NoneSent,
        Arrived,
        Refused,
        LastLost,
    }
    use Canaries::*;

    #[test]
    fn the_server_accepts_any_local_part_and_nothing_came() {
        for (test, unknown_user, receiving, canaries, delivered, expected) in [
            ("percent-host", "250 ok", true, Arrived, true, Some(Weight::LocalDelivery)),
            ("percent-host", "550 no such user", true, Arrived, true, None),
            ("percent-host", "250 ok", false, NoneSent, true, None),
            ("percent-host", "250 ok", true, Arrived, false, None),
            ("foreign-to-foreign", "250 ok", true, Arrived, true, None),
            ("percent-host", "250 ok", true, NoneSent, true, None),
            ("percent-host", "250 ok", true, Refused, true, None),
            ("percent-host", "250 ok", true, LastLost, true, None),
        ] {
            let mut story = Story::begin_without_canary(receiving, Profile::Classic);
            match canaries {
                NoneSent => {}
                Arrived => {
                    story.canary(0, None);
                    story.canary_receipt(0);
                }
                Refused => {
                    let reply = reply("550 5.1.1 no such user");
                    story.canary(0, Some(CanaryFailure::Rejected { reply }));
                }
                LastLost => {
                    // An arrival may be recorded before the reply to the text is.
                    story.canary_receipt(0);
                    story.canary(0, None);
                    story.canary(1, None);
                }
            }
            let path = story.path("192.0.2.7", 25, Security::Plain, &[test, "ctl-local-nx"]);
            story.asked(path, test, "250 ok");
            story.asked(path, "ctl-local-nx", unknown_user);
            let message = [
                (Stage::Mail, "MAIL FROM:<s@probe.example>", "250 ok"),
                (Stage::Rcpt, "RCPT TO:<u@probe.example>", "250 ok"),
                (Stage::Data, "DATA", "354 go"),
                (Stage::EndOfData, "Subject: x", "250 queued"),
            ];
            if delivered {
                story.dialogue(path, test, true, &message);
            }
            let weight = told(weigh, story, path, test);
            let row = format!("{test} {unknown_user} {receiving} {canaries:?} {delivered}");
            assert_eq!(weight, expected, "{row}");
        }
    }
}
