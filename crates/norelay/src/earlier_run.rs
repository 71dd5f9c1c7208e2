//! `norelay test --retest REPORT`: the report, read.

use std::{fs::File, io::Read, path::Path};

use norelay_core::retest::{NoPlan, Plan};

use crate::Complaint;

/// The longest report that is read: thousands of transcripts stay below.
const MAX_REPORT: u64 = 256 << 20;

/// Reads what is to be asked again.
pub fn read(path: &Path) -> Result<Plan, Complaint> {
    let shown = path.display();
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_REPORT).read_to_string(&mut text))
        .map_err(|error| Complaint::usage(format!("{shown} can't be read: {error}.")))?;
    Plan::of(&text).map_err(|no| {
        Complaint::usage(match no {
            NoPlan::NotOurs => {
                format!(
                    "{shown} is not a report of one target: give what norelay test --output \
                         json wrote."
                )
            }
            NoPlan::NothingFailed => format!(
                "Nothing failed in {shown}, so there is nothing to \
                                              ask again."
            ),
        })
    })
}
