//! The event log: one record a line. `replay::read_log` reads it back.

use crate::event::Record;

/// A record as its line, without the line's end. Octets from the network are escaped ([`crate::octets::Octets`]), and
/// JSON has no line ends of its own, so a record is always one line.
#[must_use]
pub fn line(record: &Record) -> String {
    serde_json::to_string(record).expect("a record's keys are all strings")
}

/// A whole log.
#[must_use]
pub fn render(records: &[Record]) -> String {
    records.iter().map(|record| line(record) + "\n").collect()
}
