//! The wait for the messages that were accepted.
//!
//! Rules:
//! - The wait ends when every message has come back, or as late as the user waits.
//! - Once one message has come back the verdict is known; the others get [`GRACE`] for the sake of
//!   the diagnosis.
//! - Silence is evidence only while the receiver works. Where nothing came back, a last canary
//!   shows that the receiver works at the end of the wait as well.

use std::time::Duration;

use super::{
    canary::LAST_CANARY,
    turn::{AskingTurn, Awaited, PartStatus},
};
use crate::{event::Wait, token::TokenRole};

/// How long the other messages are waited for after the first one.
const GRACE: Duration = Duration::from_secs(10);

/// The wait, from its start.
#[derive(Debug)]
pub(super) struct Arrivals {
    deadline: Duration,
    has_seen_one: bool,
    last_canary: Option<LastCanary>,
}

/// The canary that is sent when the wait for the messages is over.
#[derive(Clone, Copy, Debug)]
struct LastCanary {
    number: u8,
    deadline: Duration,
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
        Some(Self { deadline, has_seen_one: false, last_canary: None })
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
        if let Some(canary) = self.last_canary {
            return canary.poll(turn);
        }
        let has_come = arrived
            .iter()
            .any(|(_, _, role)| *role != TokenRole::Sender);
        if has_come && !self.has_seen_one {
            self.has_seen_one = true;
            self.deadline = self.deadline.min(turn.now.elapsed + GRACE);
        }
        if turn.now.elapsed < self.deadline {
            turn.wake_at(self.deadline);
            return PartStatus::Waits;
        }
        // A receiver that no canary has reached so far will not be reached now, and a message that
        // came back has shown more than a canary can.
        if has_come || !turn.report.canaries.prove_receiver() {
            return PartStatus::Over;
        }
        let (number, deadline) = (turn.send_canary(), turn.now.elapsed + LAST_CANARY);
        self.last_canary = Some(LastCanary { number, deadline });
        PartStatus::Waits
    }
}

impl LastCanary {
    /// [`PartStatus::Over`] once the canary has arrived, or will not.
    fn poll(self, turn: &mut AskingTurn<'_>) -> PartStatus {
        let canaries = &turn.report.canaries;
        let has_failed = canaries
            .last()
            .is_some_and(|sent| sent.number == self.number && sent.failure.is_some());
        let has_arrived = canaries.prove_receiver() && canaries.next_number() > self.number;
        if has_arrived || has_failed || turn.now.elapsed >= self.deadline {
            return PartStatus::Over;
        }
        turn.wake_at(self.deadline);
        PartStatus::Waits
    }
}
