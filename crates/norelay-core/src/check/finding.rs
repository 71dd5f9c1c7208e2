//! Findings: things worth knowing, each with a tag, a level and arguments; their wording is made from a table.

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Worth a thought.
    Notice,
    /// Should be changed.
    Warning,
    /// Must be changed.
    Error,
}

/// One thing worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its kind; stable.
    pub tag: String,
    /// How much it matters.
    pub level: Level,
    /// The index of the path that it is about, if one.
    pub path: Option<u8>,
    /// The sentence.
    pub text: String,
}
