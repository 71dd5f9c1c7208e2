//! The log of one run and its report: folded once, while the log grows.
//!
//! The probe's recorder folds the events of a run as well, to decide what to ask next. That report
//! can't stand in for this one:
//! - Some records pass no recorder: what the surroundings show, and a target that was not found.
//! - The live view needs the report with each record. Then the recorder is still locked, so that
//!   records arrive in their order.

use norelay_core::{event::Record, report::Report};

/// A log, with the fold of its records.
#[derive(Default)]
pub struct FoldedLog {
    records: Vec<Record>,
    report: Report,
}

impl FoldedLog {
    /// The fold of these records.
    pub fn of(records: Vec<Record>) -> Self {
        Self { report: Report::of(&records), records }
    }

    /// Adds one more record.
    pub fn add(&mut self, record: &Record) {
        self.report.apply(record);
        self.records.push(record.clone());
    }

    /// The records, in their order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The fold of the records.
    pub fn report(&self) -> &Report {
        &self.report
    }
}
