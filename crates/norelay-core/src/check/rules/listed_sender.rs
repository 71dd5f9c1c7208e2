//! Senders of other domains that lists of trusted senders contain: large providers, and the senders
//! that the hosted domain's SPF record names.
//!
//! Source: no document. Anybody can name such a sender. No message is sent from one, because its
//! bounce would go to others, so an acceptance is never proof. Yet a server that accepts one is not
//! closed. A server that rejects every message accepts every sender, so there the acceptance means
//! nothing.

use crate::{
    catalogue::TestRole,
    check::{
        circumstances::Circumstances,
        judgement::{TestJudgement, Weight},
        outcome::Outcome,
    },
};

/// Answers for the accepted control of that kind.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let is_accepted = matches!(judged.outcome, Outcome::Accepted { .. });
    (is_accepted && judged.test.is(TestRole::ListedSenders) && !on.refuses_every_message)
        .then_some(Weight::Suspicion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;
    use crate::smtp::Stage;

    #[test]
    fn an_accepted_sender_is_a_suspicion() {
        for (asked, expected) in [
            (&[("ctl-listed-senders", Stage::Rcpt, "250 ok")][..], Some(Weight::Suspicion)),
            (&[("ctl-listed-senders", Stage::Rcpt, "550 no")][..], None),
            (&[("ctl-listed-senders", Stage::Mail, "550 SPF check failed")][..], None),
            (&[("ctl-postmaster", Stage::Rcpt, "250 ok")][..], None),
        ] {
            check(weigh, asked, expected);
        }
    }
}
