//! The canaries of a run: messages that norelay hands to the mail exchanger of the probe domain as
//! any client would, to see whether mail for the probe domain reaches the run's receiver.
//!
//! Rules:
//! - Only a canary that arrived makes the silence of the receiver evidence. A run without a canary
//!   has no such evidence, whatever it was told about its receiver.
//! - The last canary counts: a receiver that worked once may have stopped.
//! - A canary that arrived after the run's end came too late: the messages of the run may have been
//!   as late.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::event::{CanaryExchanger, CanaryFailure};

/// More canaries than any run sends, however often the run is resumed.
const MAX_CANARIES: usize = 64;

/// A canary that was handed over, or could not be.
#[derive(Clone, Debug)]
pub struct SentCanary {
    /// The number of the canary in the run.
    pub number: u8,
    /// When the canary was handed over.
    pub at: Timestamp,
    /// The exchanger that the canary was offered to last.
    pub exchanger: Option<CanaryExchanger>,
    /// Why no exchanger accepted the canary, if none did.
    pub failure: Option<CanaryFailure>,
}

/// The canaries of a run, and their arrivals.
#[derive(Clone, Debug, Default)]
pub struct Canaries {
    sent: Vec<SentCanary>,
    /// The arrivals by number. A canary may arrive before its `250` is recorded.
    arrived: BTreeMap<u8, Timestamp>,
}

impl Canaries {
    /// The last canary that was handed over, or could not be.
    #[must_use]
    pub fn last(&self) -> Option<&SentCanary> {
        self.sent.last()
    }

    /// The number of the next canary.
    #[must_use]
    pub fn next_number(&self) -> u8 {
        let after_last = |canary: &SentCanary| canary.number.saturating_add(1);
        self.sent.last().map_or(0, after_last)
    }

    /// When a canary arrived, if it has.
    #[must_use]
    pub fn arrival(&self, number: u8) -> Option<Timestamp> {
        self.arrived.get(&number).copied()
    }

    /// True if the last canary arrived: mail for the probe domain reaches the receiver.
    #[must_use]
    pub fn prove_receiver(&self) -> bool {
        self.last()
            .is_some_and(|canary| self.arrived.contains_key(&canary.number))
    }

    /// Takes a canary that was handed over. Returns whether the canary fitted.
    pub(super) fn sent(&mut self, canary: SentCanary) -> bool {
        let fits = self.sent.len() < MAX_CANARIES && canary.number >= self.next_number();
        if fits {
            self.sent.push(canary);
        }
        fits
    }

    /// Takes the arrival of a canary.
    pub(super) fn arrived(&mut self, number: u8, at: Timestamp) {
        self.arrived.entry(number).or_insert(at);
    }
}
