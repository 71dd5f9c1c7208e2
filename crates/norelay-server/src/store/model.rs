//! What the store keeps, as types.

use std::fmt;

use data_encoding::{BASE32_NOPAD, Encoding};
use jiff::Timestamp;
use norelay_core::{catalogue::Profile, check::Verdict, event::Record, token::RunId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const TEXT: Encoding = BASE32_NOPAD;

/// The public name of a job: 128 random bits, shown as 26 letters of base32 in lower case. Who knows it may read the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub [u8; 16]);

impl JobId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&TEXT.encode(&self.0).to_ascii_lowercase())
    }
}

/// The text isn't a job's name.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAJobId;

impl fmt::Display for NotAJobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a test's name has 26 letters and digits")
    }
}

impl std::str::FromStr for JobId {
    type Err = NotAJobId;

    fn from_str(text: &str) -> Result<Self, NotAJobId> {
        let octets = TEXT.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| NotAJobId)?;
        octets.try_into().map(Self).map_err(|_| NotAJobId)
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a user asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// A host name, a mail domain, a mail address, an address, each with `:PORT` if wanted.
    pub target: String,
    /// The tests.
    pub profile: Profile,
    /// Only these tests, by id; none: all of the profile.
    pub only: Vec<String>,
    /// Not these tests, by id.
    pub skip: Vec<String>,
    /// The ports; none: 25.
    pub ports: Vec<u16>,
    /// Whether messages are sent for proof (needs a receiver and, in public mode, proof of control).
    pub proof: bool,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// It ran to its end.
    Finished,
    /// It ended before its end: stopped, or its process died and it couldn't be resumed.
    Interrupted,
}

impl State {
    /// Whether nothing more will come, but for late receipts.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Interrupted)
    }
}

/// A test of a target: asked for, running or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its public name.
    pub id: JobId,
    /// The name of its run, which its tokens carry.
    pub run: RunId,
    /// What was asked.
    pub request: Request,
    /// How far it is.
    pub state: State,
    /// The verdict so far; none before the first judgement.
    pub verdict: Option<Verdict>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it began to run.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// When it will be deleted.
    pub expires: Timestamp,
}

/// A record of a job's log with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number in the job's log: 1, 2, 3 …
    pub seq: i64,
    /// The record.
    pub record: Record,
}
