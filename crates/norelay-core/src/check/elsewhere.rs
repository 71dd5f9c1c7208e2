//! Recipients elsewhere whom no scored test asks for: a second foreign domain, and one that cannot
//! exist.
//!
//! A server can turn down the probe domain alone (an entry in an access map, a route that ends
//! there) and relay to all others. No message may go to them, so this is never proof; but a server
//! that takes them isn't closed, whatever it says to the tests.

use super::{outcome::Outcome, verdict::TestJudgement};

/// The controls whose recipients are nobody's here.
pub(crate) const FOREIGN: [&str; 2] = ["ctl-second-foreign", "ctl-foreign-invalid"];

/// Whether a control shows that the server takes mail for somewhere else.
pub(super) fn is_taken(judged: &TestJudgement) -> bool {
    FOREIGN.contains(&judged.test.id) && matches!(judged.outcome, Outcome::Accepted { .. })
}
