//! The server accepted the test, and nothing explains the acceptance: suspicion.
//!
//! Source: RFC 5321 section 3.3. A server that accepts a recipient answers RCPT with 250.

use crate::check::{
    circumstances::Circumstances,
    judgement::{TestJudgement, Weight},
    outcome::Outcome,
};

/// Answers for accepted tests.
pub(in crate::check) fn weigh(_: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    matches!(judged.outcome, Outcome::Accepted { .. }).then_some(Weight::Suspicion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;
    use crate::smtp::Stage;

    #[test]
    fn an_accepted_recipient_is_a_suspicion() {
        for (asked, expected) in [
            (&[("foreign-to-foreign", Stage::Rcpt, "250 ok")][..], Some(Weight::Suspicion)),
            (
                &[("foreign-to-foreign", Stage::EndOfData, "250 queued")][..],
                Some(Weight::Suspicion),
            ),
            (&[("foreign-to-foreign", Stage::Rcpt, "550 no")][..], None),
        ] {
            check(weigh, asked, expected);
        }
    }
}
