//! The server accepted the made-up credentials of the test and rejected the sender or the recipient
//! all the same: somebody who knows which sender the server wants may relay.
//!
//! Source: RFC 4954 section 4 (235). Postfix rejects the senders of other users
//! (`reject_sender_login_mismatch`). A rejection in the words that the plain test got is no new one:
//! the login made no difference.

use crate::{
    catalogue::Group,
    check::{
        circumstances::Circumstances,
        judgement::{TestJudgement, Weight},
    },
    report::{Dialogue, Report},
    smtp::Stage,
};

/// Answers for tests with credentials that were accepted.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, _, reply) = judged.outcome.refusal()?;
    let is_after_login = judged.test.group == Group::Auth
        && matches!(stage, Stage::Mail | Stage::Rcpt)
        && accepted_login(on.path.report, judged).is_some();
    (is_after_login && !on.controls.plain_is_refused_in_words(reply)).then_some(Weight::Suspicion)
}

/// Returns the dialogue of a test in which the server accepted the credentials, if there is one.
pub(crate) fn accepted_login<'a>(
    report: &'a Report,
    judged: &TestJudgement,
) -> Option<&'a Dialogue> {
    let mut dialogues = judged
        .dialogues
        .iter()
        .filter_map(|number| report.dialogues.get(number));
    dialogues.find(|dialogue| {
        dialogue.answers_for(judged.test.id).any(|exchange| {
            let reply = exchange.reply.as_ref();
            exchange.stage == Stage::Auth && reply.is_some_and(|reply| reply.code == 235)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::weigh::rules::rows::{story::Story, told},
        smtp::Security,
    };

    #[test]
    fn the_login_counts_whatever_comes_after_it() {
        const NOT_OWNED: &str = "553 5.7.1 Sender address rejected: not owned by user alice";
        for (login, plain, reply, expected) in [
            ("235 2.7.0 welcome", "550 no", NOT_OWNED, Some(Weight::Suspicion)),
            ("235 2.7.0 welcome", "550 no", "550 no", None),
            ("334 ", "550 no", NOT_OWNED, None),
        ] {
            let mut story = Story::begin(false);
            let tests = ["auth-plain-user", "foreign-to-foreign"];
            let path = story.path("192.0.2.7", 587, Security::Plain, &tests);
            story.answered(path, "foreign-to-foreign", Stage::Rcpt, plain);
            let lines =
                [(Stage::Auth, "AUTH PLAIN AGFsaWNlAHg=", login), (Stage::Rcpt, "…", reply)];
            story.dialogue(path, "auth-plain-user", false, &lines);
            assert_eq!(told(weigh, story, path, "auth-plain-user"), expected, "{login} {reply}");
        }
    }
}
