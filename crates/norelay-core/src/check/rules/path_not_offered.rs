//! The server does not offer what the whole path needs, so its tests have nothing to ask.
//!
//! Source: RFC 3207 section 2. A server that can do TLS announces STARTTLS in its reply to EHLO.

use crate::check::{
    circumstances::Circumstances,
    judgement::{TestJudgement, Weight},
    offered,
    outcome::Outcome,
};

/// Answers for tests that were not run on a path that does not exist.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let is_missing =
        matches!(judged.outcome, Outcome::NotRun { .. }) && offered::not_offered(on.path).is_some();
    is_missing.then_some(Weight::NotOffered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::weigh::rules::rows::{story::Story, told},
        smtp::{End, Security, Stage},
    };

    #[test]
    fn starttls_is_not_offered() {
        for (keyword, expected) in [("STARTTLS", Some(Weight::NotOffered)), ("XCLIENT", None)] {
            let mut story = Story::begin(false);
            let path = story.path("192.0.2.7", 25, Security::StartTls, &["foreign-to-foreign"]);
            let greeting = [(Stage::Greeting, "", "220 mx.target.example")];
            let end = End::NotOffered(keyword.to_owned());
            story.dialogue_ending(path, "foreign-to-foreign", &greeting, end);
            assert_eq!(told(weigh, story, path, "foreign-to-foreign"), expected, "{keyword}");
        }
    }
}
