//! What the store keeps, as types.

use std::{fmt, net::IpAddr, sync::Arc};

use data_encoding::{BASE32_NOPAD, Encoding};
use ipnet::IpNet;
use jiff::Timestamp;
use norelay_core::{
    catalogue::Profile,
    check::Verdict,
    event::{MailExchanger, Record},
    smtp::Security,
    token::RunId,
};
use norelay_probe::scan::Traps;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

const TEXT: Encoding = BASE32_NOPAD;

/// The public name of a job: 128 random bits, shown as 26 letters of base32 in lower case. Who
/// knows it may read the result.
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
        let octets = TEXT
            .decode(text.to_ascii_uppercase().as_bytes())
            .map_err(|_| NotAJobId)?;
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
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What a user asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Request)]
pub struct TestRequest {
    /// A host name, a mail domain, a mail address, an address, each with `:PORT` if wanted.
    #[schema(example = "mail.example.net")]
    pub target: String,
    /// The tests; none: the standard ones.
    #[schema(value_type = String, example = "standard")]
    pub profile: Profile,
    /// Only these tests, by id; none: all of the profile.
    pub only: Vec<String>,
    /// Not these tests, by id.
    pub skip: Vec<String>,
    /// The ports; none: 25, 465 and 587, and 25 alone for the classic tests.
    pub ports: Vec<u16>,
    /// Only this path; none: all of the target's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<OnePath>,
    /// True to send messages for proof (needs a receiver; in public mode, proof of control too).
    pub proof: bool,
}

/// One of the paths to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OnePath {
    /// One of its addresses.
    #[schema(value_type = String, example = "192.0.2.7")]
    pub address: IpAddr,
    /// One of its ports.
    pub port: u16,
    /// How the connection is protected: `plain`, `starttls` or `tls`.
    #[schema(value_type = String, example = "starttls")]
    pub security: Security,
}

/// What was found about a target when its test was permitted. It is not looked up again: a name
/// can't point elsewhere later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The mail exchangers, with the addresses that may be tested.
    pub exchangers: Vec<MailExchanger>,
    /// Addresses that were found and may not be tested, with the clause that says why.
    pub refused: Vec<(IpAddr, String)>,
    /// A mail domain that the target hosts.
    pub local_domain: Option<String>,
    /// Whether an address was typed.
    pub address_typed: bool,
    /// The ports, as they were permitted, and how each is protected.
    pub ways: Vec<(u16, Security)>,
    /// Domains of ours that name the target as a mail exchanger.
    pub traps: Traps,
}

impl Pinned {
    /// Every address that may be tested.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.exchangers
            .iter()
            .flat_map(|exchanger| exchanger.addresses.iter().copied())
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// It ran to its end.
    Finished,
    /// It ended before its end: stopped, or its process died and it couldn't be resumed.
    Interrupted,
}

impl JobState {
    /// Whether nothing more will come, but for late receipts.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Interrupted)
    }
}

impl JobState {
    /// The word that stands for it in JSON and in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Finished, Self::Interrupted]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// Who tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// This service.
    Here,
    /// Somebody else, for whom we only receive.
    Elsewhere,
}

impl Origin {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Elsewhere => "elsewhere",
        }
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
    pub request: TestRequest,
    /// Who tests.
    pub origin: Origin,
    /// The bucket of who asked: `net:` and a network, or `key:` and the id of an API key.
    pub asker: String,
    /// How far it is.
    pub state: JobState,
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
    /// How often it was begun.
    pub attempt: u32,
    /// The number of the last record of its log.
    pub last: i64,
}

/// A record of a job's log with its number; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number in the job's log: 1, 2, 3 …
    pub seq: i64,
    /// The record.
    pub record: Arc<Record>,
    /// The record as a line of JSON, without a line break.
    pub line: Arc<str>,
}

impl Stored {
    /// A record with its number.
    #[must_use]
    pub fn new(seq: i64, record: Record) -> Self {
        let line = norelay_render::json_lines::line(&record);
        Self { seq, record: Arc::new(record), line: line.into() }
    }
}

/// What an API key may be used for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Start tests.
    Test,
    /// Have messages sent for proof, and every profile and port, at targets within the key's
    /// networks.
    Prove,
    /// Use the service as the receiver of tests that run elsewhere.
    Receive,
    /// Make and revoke keys, and change opt-outs.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Test, Self::Prove, Self::Receive, Self::Admin];

    /// The word that stands for the scope in JSON, and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Prove => "prove",
            Self::Receive => "receive",
            Self::Admin => "admin",
        }
    }
}

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public part.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// The networks whose servers it may test with all rights.
    pub networks: Vec<IpNet>,
    /// Tests an hour.
    pub hourly: u32,
    /// When it was made.
    pub created: Timestamp,
    /// When it ceases to work.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

impl ApiKey {
    /// The tests an hour of a key for which nothing else was said.
    pub const HOURLY: u32 = 60;
}

/// A network whose owner doesn't want tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// The network.
    pub network: IpNet,
    /// How control was shown, such as `connect-back 192.0.2.7`.
    pub proof: String,
    /// Since when.
    pub created: Timestamp,
}

/// Over what somebody has shown control.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProofSubject {
    /// A domain, in lower case.
    Domain(String),
    /// A network, or an address as /32 or /128.
    Network(IpNet),
}

impl fmt::Display for ProofSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => f.write_str(domain),
            Self::Network(network) => write!(f, "{network}"),
        }
    }
}

impl ProofSubject {
    pub(super) fn of_text(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Domain(text.to_owned()), Self::Network)
    }
}

/// A proof of control that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Over what.
    pub subject: ProofSubject,
    /// The bucket of who gave it, as in [`Job::asker`].
    pub asker: String,
    /// How, in words.
    pub proof: String,
    /// When.
    pub created: Timestamp,
    /// Until when it counts.
    pub expires: Timestamp,
}

/// A proof of control that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Its public name.
    pub id: JobId,
    /// Over what.
    pub subject: ProofSubject,
    /// The bucket of who began it.
    pub asker: String,
    /// How: `dns`, `mail`, `connect`.
    pub method: String,
    /// For what: `test` or `opt-out`.
    pub purpose: String,
    /// What has to be shown; for `mail` its SHA-256.
    pub secret: Vec<u8>,
    /// How often a wrong answer was given.
    pub attempts: u32,
    /// When it was begun.
    pub created: Timestamp,
    /// Until when it can be answered.
    pub expires: Timestamp,
}
