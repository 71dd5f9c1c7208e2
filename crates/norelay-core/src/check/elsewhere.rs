//! Recipients elsewhere whom no scored test asks for: a second foreign domain, and one that cannot
//! exist.
//!
//! A server can turn down the probe domain alone (an entry in an access map, a route that ends
//! there) and relay to all others. No message may go to them, so this is never proof; but a server
//! that takes them isn't closed, whatever it says to the tests.

use super::{outcome::Outcome, verdict::TestJudgement};
use crate::catalogue::{RelayTest, TestRole};

/// The controls that ask for a recipient in another domain than the server's and ours.
pub(crate) const FOREIGN: [TestRole; 2] = [TestRole::SecondForeign, TestRole::ImpossibleForeign];

/// True if a test is such a control.
pub(crate) fn is_foreign(test: &RelayTest) -> bool {
    FOREIGN.into_iter().any(|role| test.is(role))
}

/// True if a control shows that the server accepts mail for other domains.
pub(super) fn is_taken(judged: &TestJudgement) -> bool {
    is_foreign(judged.test) && matches!(judged.outcome, Outcome::Accepted { .. })
}
