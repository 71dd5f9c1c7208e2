//! The keys of lists that answer only holders of a key.
//!
//! Rules:
//! - A key is a secret: no `Debug` text and no error shows it.

use std::{collections::BTreeMap, fmt};

use crate::dns_name::{is_domain, is_label};

/// What stands in the place of a key.
pub(super) const BLACKED_OUT: &str = norelay_smtp::session::BLACKED_OUT;

/// The keys of lists, by zone.
#[derive(Clone, Default)]
pub struct ListKeys(BTreeMap<String, String>);

impl fmt::Debug for ListKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.keys().map(|zone| (zone, BLACKED_OUT)))
            .finish()
    }
}

/// A line of a key file that isn't `zone=KEY`. It carries the line's number only, since the line
/// may hold a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKeyLine(pub usize);

impl fmt::Display for BadKeyLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {} isn't ZONE=KEY, with a key of letters, digits, hyphens and underscores",
            self.0
        )
    }
}

impl std::error::Error for BadKeyLine {}

impl ListKeys {
    /// Reads lines of `zone=KEY`; empty lines and lines that begin with `#` are comments.
    ///
    /// # Errors
    /// Names the first line that is neither.
    pub fn parse(text: &str) -> Result<Self, BadKeyLine> {
        let mut keys = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (zone, key) = line.split_once('=').ok_or(BadKeyLine(number))?;
            let zone = zone.trim().trim_end_matches('.').to_ascii_lowercase();
            // A key is one label: anything else could change which name is asked.
            let key = key.trim();
            if !is_domain(&zone) || !is_label(key) {
                return Err(BadKeyLine(number));
            }
            keys.insert(zone, key.to_owned());
        }
        Ok(Self(keys))
    }

    /// Returns the key of a zone.
    pub(super) fn of(&self, zone: &str) -> Option<&str> {
        self.0.get(zone).map(String::as_str)
    }
}
