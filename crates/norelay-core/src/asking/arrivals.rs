//! The wait for the messages that were accepted.
//!
//! Rules:
//! - The wait ends when every message has come back, or as late as the user waits.
//! - Once one message has come back the verdict is known; the others get [`GRACE`] for the sake of
//!   the diagnosis.

use std::time::Duration;

use super::turn::{AskingTurn, Awaited, PartStatus};
use crate::{event::Wait, token::TokenRole};

/// How long the other messages are waited for after the first one.
const GRACE: Duration = Duration::from_secs(10);

/// The wait, from its start.
#[derive(Debug)]
pub(super) struct Arrivals {
    deadline: Duration,
    has_seen_one: bool,
}

impl Arrivals {
    /// Begins to wait, if there is something to wait for.
    pub fn new(turn: &mut AskingTurn<'_>) -> Option<Self> {
        if turn.awaited.is_empty() {
            return None;
        }
        let deadline = turn.now.elapsed + turn.request.wait;
        let waiting = turn.waiting(None, deadline, Wait::Arrival);
        turn.record(waiting);
        Some(Self { deadline, has_seen_one: false })
    }

    /// [`PartStatus::Over`] once nothing is waited for any more.
    pub fn poll(&mut self, turn: &mut AskingTurn<'_>) -> PartStatus {
        let receipts = turn.report.receipts.iter();
        let arrived: Awaited = receipts
            .map(|(_, receipt)| receipt.token)
            .map(|token| (token.path, token.test, token.role))
            .collect();
        if turn.awaited.is_subset(&arrived) {
            return PartStatus::Over;
        }
        let has_come = arrived
            .iter()
            .any(|(_, _, role)| *role != TokenRole::Sender);
        if has_come && !self.has_seen_one {
            self.has_seen_one = true;
            self.deadline = self.deadline.min(turn.now.elapsed + GRACE);
        }
        if turn.now.elapsed >= self.deadline {
            return PartStatus::Over;
        }
        turn.wake_at(self.deadline);
        PartStatus::Waits
    }
}
