//! Going on with a run whose process died or was stopped, under the same log.
//!
//! The probe goes on where the log ends, with the next dialogue. Only what a first attempt says
//! before its first dialogue may be said twice: then it is left out.
//!
//! Rules:
//! - A message that came is in the log already: the receiver records messages itself.

use norelay_core::{
    event::{Event, Record},
    report::Report,
};

/// Makes the records of an attempt fit the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Continuation {
    paths: usize,
    is_begun: bool,
    is_resolved: bool,
}

impl Continuation {
    /// The continuation of the log that this report is the fold of.
    pub(super) fn of(report: &Report) -> Self {
        Self {
            paths: report.paths().len(),
            is_begun: report.run.is_some(),
            is_resolved: !report.exchangers.is_empty(),
        }
    }

    /// True if a record belongs in the log.
    pub(super) fn fits(&self, record: &Record) -> bool {
        match &record.event {
            // The receiver records what comes, once, whether a scan waits for it or not.
            Event::Received(_) => false,
            Event::RunStarted(_) => !self.is_begun,
            Event::Resolved { .. } => !self.is_resolved,
            // The job's pinned addresses make the same paths in the same order each time.
            Event::PathAdded { path, .. } => path.place() >= self.paths,
            _ => true,
        }
    }
}
