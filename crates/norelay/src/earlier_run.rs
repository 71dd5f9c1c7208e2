//! What earlier runs left in files: an event log, or a JSON report.

use std::{fs::File, io::Read, path::Path};

use norelay_core::{
    replay,
    retest::{NoPlan, Plan},
};

use crate::{complaint::Complaint, folded_log::FoldedLog};

/// The longest log or report that is read. The bounds of a run keep its log far below, and so do
/// the thousands of transcripts that a report may have.
const MAX_FILE: u64 = 256 << 20;

/// Reads an event log. Damaged lines are left out, and the user is told of them.
pub fn read_log(path: &Path) -> Result<FoldedLog, Complaint> {
    let shown = path.display();
    let log = replay::read_log(&read(path)?);
    if log.records.is_empty() {
        return Err(Complaint::usage(format!(
            "{shown} holds no event: give the log that norelay test --log wrote."
        )));
    }
    if let Some(first) = log.damaged.first() {
        let count = log.damaged.len();
        anstream::eprintln!(
            "norelay: {count} damaged lines of {shown} are left out, the first is line {first}."
        );
    }
    Ok(FoldedLog::of(log.records))
}

/// Reads a JSON report: what failed in its run is asked again.
pub fn read_plan(path: &Path) -> Result<Plan, Complaint> {
    let shown = path.display();
    Plan::of(&read(path)?).map_err(|no_plan| {
        Complaint::usage(match no_plan {
            NoPlan::NotOurs => format!(
                "{shown} is not a report of one target: give what norelay test --output json wrote."
            ),
            NoPlan::NothingFailed => {
                format!("Nothing failed in {shown}, so there is nothing to ask again.")
            }
        })
    })
}

fn read(path: &Path) -> Result<String, Complaint> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_string(&mut text))
        .map_err(|error| Complaint::usage(format!("{} can't be read: {error}.", path.display())))?;
    Ok(text)
}
