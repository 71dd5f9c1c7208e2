//! Going on with a run whose process died or was stopped, under the same log.
//!
//! The second attempt is a whole scan of what is left. Its records are made to fit the log that is there: its dialogues get
//! the numbers after the last, and what was already said of the run and its paths isn't said again.
//!
//! Rules:
//! - What was refused on every path by a reply is not asked again; everything else is.
//! - A message that came is in the log already, by the receiver's own way.

use norelay_core::{
    catalogue::RelayTest,
    check::{Outcome, verdict},
    event::{Event, Record},
    report::Report,
};

/// Makes the records of an attempt fit the log.
#[derive(Debug, Default)]
pub(super) struct Continuation {
    dialogues: u32,
    paths: usize,
    is_begun: bool,
}

impl Continuation {
    /// After this log.
    pub(super) fn of(report: &Report) -> Self {
        Self {
            dialogues: report.dialogues.keys().next_back().copied().unwrap_or(0),
            paths: report.paths.len(),
            is_begun: report.run.is_some(),
        }
    }

    /// The record as it fits, or none.
    pub(super) fn fit(&self, mut record: Record) -> Option<Record> {
        match &mut record.event {
            // The receiver records what comes, once, whether a scan waits for it or not.
            Event::Received(_) => return None,
            Event::RunStarted(_) | Event::Resolved { .. } if self.is_begun => return None,
            // What was pinned makes the same paths in the same order.
            Event::PathAdded { path, .. } if usize::from(*path) < self.paths => return None,
            Event::Opened { dialogue, .. }
            | Event::Connected { dialogue, .. }
            | Event::Secured { dialogue, .. }
            | Event::Sent { dialogue, .. }
            | Event::Replied { dialogue, .. }
            | Event::Ended { dialogue, .. } => *dialogue = dialogue.saturating_add(self.dialogues),
            _ => {}
        }
        Some(record)
    }
}

/// The tests that still have to be asked.
pub(super) fn left(report: &Report, tests: Vec<&'static RelayTest>) -> Vec<&'static RelayTest> {
    let judged = verdict::judge(report);
    let is_refused = |test: &RelayTest| {
        !judged.paths.is_empty()
            && judged.paths.iter().all(|path| {
                let mut all = path.tests.iter().chain(&path.controls);
                all.any(|one| one.test.number == test.number && matches!(one.outcome, Outcome::Refused { .. }))
            })
    };
    tests.into_iter().filter(|test| !is_refused(test)).collect()
}
