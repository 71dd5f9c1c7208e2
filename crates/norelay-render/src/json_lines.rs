//! The event log: one record a line. `replay::read_log` reads it back.
//!
//! Rules:
//! - Nothing in the log acts in a terminal, and nothing is lost: what could act has JSON's escapes.

use std::fmt::Write as _;

use norelay_core::{event::Record, octets::is_harmless};

/// A record as its line, without the line's end. Octets from the network are escaped
/// ([`norelay_core::octets::Octets`]), and JSON has no line ends of its own, so a record is always
/// one line.
#[must_use]
pub fn line(record: &Record) -> String {
    let json = serde_json::to_string(record).expect("a record's keys are all strings");
    let mut line = String::with_capacity(json.len());
    // Outside of strings, JSON consists of harmless ASCII.
    for character in json.chars() {
        if is_harmless(character) {
            line.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
    line
}

/// A whole log.
#[must_use]
pub fn render(records: &[Record]) -> String {
    records.iter().map(|record| line(record) + "\n").collect()
}
