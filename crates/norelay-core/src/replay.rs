//! Reading an event log back, so that yesterday's evidence can be judged by today's rules.
//!
//! Rules:
//! - A damaged line is counted and its number is kept, but the rest of the log is still evidence.
//! - A record of another version of the event language is kept; the report counts it among its
//!   misfits.

use crate::event::Record;

/// The event log of a run, as far as its lines can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventLog {
    /// The records, in the order of their lines.
    pub records: Vec<Record>,
    /// The numbers of the lines that are no records, counted from 1.
    pub damaged: Vec<usize>,
}

/// Reads a log with one record a line. Empty lines are skipped.
#[must_use]
pub fn read_log(text: &str) -> EventLog {
    let mut log = EventLog::default();
    for (number, line) in (1..).zip(text.lines()) {
        // Editors add byte order marks and line ends of their own.
        let line = line
            .trim_matches(|character: char| character.is_whitespace() || character == '\u{feff}');
        if line.is_empty() {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(record) => log.records.push(record),
            Err(_) => log.damaged.push(number),
        }
    }
    log
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FINISHED: &str =
        r#"{"v":1,"at":"1970-01-01T00:00:00Z","event":"run_finished","stopped":false}"#;

    #[test]
    fn damaged_lines_are_named() {
        let (cut, _) = FINISHED.split_at(30);
        for (text, records, damaged) in [
            (String::new(), 0, vec![]),
            (format!("{FINISHED}\n\n{FINISHED}\r\n"), 2, vec![]),
            (format!("\u{feff}{FINISHED}\n{cut}\n{FINISHED}"), 2, vec![2]),
            (format!("{cut}{FINISHED}\nnull\n[]\n{{}}\n\0\n{FINISHED}"), 1, vec![1, 2, 3, 4, 5]),
            (FINISHED.replace("run_finished", "run_forgotten"), 0, vec![1]),
        ] {
            let log = read_log(&text);
            assert_eq!((log.records.len(), log.damaged), (records, damaged), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let log = read_log(&text);
            prop_assert!(log.records.is_empty());
        }
    }
}
