//! The test tries made-up credentials, or fails to authenticate first, and AUTH was rejected.
//!
//! Source: RFC 4954 section 4 (504, the mechanism is not supported) and section 6 (535, the
//! credentials are invalid). A rejection that asks for TLS or is about our address does not answer
//! the test.

use crate::{
    catalogue::Group,
    check::{
        circumstances::{Circumstances, may_pass_later},
        judgement::{TestJudgement, Weight},
        reason::Reason,
    },
    smtp::Stage,
};

/// Answers for refusals of AUTH.
pub(in crate::check) fn weigh(_: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, reason, _) = judged.outcome.refusal()?;
    let is_answer =
        !may_pass_later(reason) && !matches!(reason, Reason::Reputation | Reason::TlsRequired);
    // Tests about a session's state log in first, and ask nothing if the login fails.
    let is_about_auth = matches!(judged.test.group, Group::Auth | Group::State);
    (stage == Stage::Auth && is_answer && is_about_auth).then_some(Weight::Denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::weigh::rules::rows::{story::Story, told},
        smtp::{End, Security},
    };

    #[test]
    fn a_final_refusal_of_auth_counts() {
        for (test, stage, reply, expected) in [
            ("auth-plain-random", Stage::Auth, "535 5.7.8 no", Some(Weight::Denial)),
            ("auth-plain-random", Stage::Auth, "504 no such mechanism", Some(Weight::Denial)),
            ("after-failed-auth", Stage::Auth, "535 5.7.8 no", Some(Weight::Denial)),
            ("auth-plain-random", Stage::Auth, "454 4.7.0 temporary failure", None),
            ("auth-plain-random", Stage::Auth, "538 5.7.11 encryption required", None),
            ("auth-plain-random", Stage::Rcpt, "550 no", None),
            ("foreign-to-foreign", Stage::Auth, "535 5.7.8 no", None),
        ] {
            let mut story = Story::begin(false);
            let path = story.path("192.0.2.7", 25, Security::Plain, &[test]);
            story.dialogue_ending(path, test, &[(stage, "…", reply)], End::Answered);
            assert_eq!(told(weigh, story, path, test), expected, "{test} {stage} {reply}");
        }
    }
}
