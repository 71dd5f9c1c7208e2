//! Recipients in other domains that no scored test asks for: a second foreign domain, and a domain
//! that cannot exist.
//!
//! Source: no document. A server can reject the probe's domain alone (by an entry in an access map,
//! or a route that ends there) and relay to all others. No message may go to those domains, so an
//! acceptance is never proof. Yet a server that accepts such a recipient is not closed, whatever it
//! says to the tests. A server that rejects every message accepts every recipient, so there the
//! acceptance means nothing.

use crate::{
    catalogue::{RelayTest, TestRole},
    check::{
        circumstances::Circumstances,
        judgement::{TestJudgement, Weight},
        outcome::Outcome,
    },
};

/// The controls that ask for a recipient in another domain than the server's and ours.
pub(crate) const FOREIGN: [TestRole; 3] =
    [TestRole::SecondForeign, TestRole::ImpossibleForeign, TestRole::ProviderRecipients];

/// True if a test is such a control.
pub(crate) fn is_foreign(test: &RelayTest) -> bool {
    FOREIGN.into_iter().any(|role| test.is(role))
}

/// Answers for accepted controls of that kind.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let is_accepted = matches!(judged.outcome, Outcome::Accepted { .. });
    (is_accepted && is_foreign(judged.test) && !on.refuses_every_message)
        .then_some(Weight::Suspicion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;
    use crate::smtp::Stage;

    #[test]
    fn an_accepted_domain_is_a_suspicion() {
        for (asked, expected) in [
            (&[("ctl-foreign-invalid", Stage::Rcpt, "250 ok")][..], Some(Weight::Suspicion)),
            (&[("ctl-foreign-invalid", Stage::Rcpt, "550 no")][..], None),
            (&[("ctl-provider-recipients", Stage::Rcpt, "250 ok")][..], Some(Weight::Suspicion)),
            (&[("ctl-postmaster", Stage::Rcpt, "250 ok")][..], None),
        ] {
            check(weigh, asked, expected);
        }
    }
}
