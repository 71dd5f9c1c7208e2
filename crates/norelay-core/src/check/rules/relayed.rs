//! A message of the test came to the receiver: proof of an open relay.
//!
//! Source: no document; `check/arrival.rs` says what counts as arrival.

use crate::check::{
    circumstances::Circumstances,
    judgement::{TestJudgement, Weight},
    outcome::Outcome,
};

/// Answers for tests whose message came back.
pub(in crate::check) fn weigh(_: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    matches!(judged.outcome, Outcome::Relayed { .. }).then_some(Weight::Proof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::weigh::rules::rows::{story::Story, told},
        smtp::Security,
    };

    #[test]
    fn only_what_came_back_is_proof() {
        for (peer, expected) in
            [("192.0.2.7:40000", Some(Weight::Proof)), ("203.0.113.8:40000", Some(Weight::Proof))]
        {
            let mut story = Story::begin(true);
            let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
            story.relayed(path, "foreign-to-foreign", peer, "from us");
            assert_eq!(told(weigh, story, path, "foreign-to-foreign"), expected, "{peer}");
        }
        let mut story = Story::begin(true);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
        story.asked(path, "foreign-to-foreign", "250 ok");
        assert_eq!(told(weigh, story, path, "foreign-to-foreign"), None);
    }
}
