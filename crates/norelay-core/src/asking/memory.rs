//! What one round on a path has shown, for all its batches.

use super::{senders::RejectedSenders, talk::Round};
use crate::{catalogue::RelayTest, schedule::Pauses};

/// A test, and the template of the sender that the test is asked from.
pub(super) type AskedTest = (&'static RelayTest, &'static str);

/// What all batches of one round on a path share.
#[derive(Debug)]
pub(super) struct Memory {
    pub round: Round,
    /// The senders that the server rejects on their own account.
    pub rejected_senders: RejectedSenders,
    /// Connections at once beside which the server rejected another.
    pub most_at_once: usize,
    /// How long the pauses were after which the server accepted connections again.
    pub pauses: Pauses,
}

impl Memory {
    /// The memory of a round of which nothing is known yet.
    pub fn new(round: Round) -> Self {
        Self {
            round,
            rejected_senders: RejectedSenders::default(),
            most_at_once: usize::MAX,
            pauses: Pauses::default(),
        }
    }

    /// Returns the tests with the senders that they are asked from.
    pub fn with_senders(
        &self,
        tests: impl IntoIterator<Item = &'static RelayTest>,
    ) -> Vec<AskedTest> {
        tests
            .into_iter()
            .map(|test| (test, self.rejected_senders.sender_for(test)))
            .collect()
    }
}
