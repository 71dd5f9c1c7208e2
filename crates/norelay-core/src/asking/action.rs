//! What the asking tells its caller to do.

use std::time::Duration;

use jiff::Timestamp;

use super::sharing::SharedSteps;
use crate::{
    catalogue::{Certificate, RelayTest},
    event::{Event, MailExchanger, Path},
    octets::Octets,
    path::{Endpoint, PathId},
    smtp::{Step, Transaction},
};

/// Why a handshake failed that had no end in time.
pub const HANDSHAKE_TOO_LONG: &str = "it took too long";

/// What to do now.
#[derive(Debug)]
pub enum Do {
    /// Record a fact.
    Record(Box<Event>),
    /// Open a connection, and have this dialogue on it.
    Open(Box<PlannedDialogue>),
    /// See whether a port accepts connections, and tell
    /// [`Asking::knocked`](super::Asking::knocked).
    Knock(Endpoint),
    /// Hand this canary to a mail exchanger of its domain, and record [`Event::CanarySent`].
    SendCanary(Box<PlannedCanary>),
    /// Nothing, until this time (since the start of the run) comes, a connection has been greeted
    /// or has ended, or a message has arrived.
    Wait(Option<Duration>),
    /// Nothing any more.
    Done,
}

/// A message that shows whether the run's receiver works.
#[derive(Clone, Debug)]
pub struct PlannedCanary {
    /// The number of the canary in the run, from 0.
    pub number: u8,
    /// The probe domain, whose mail exchanger is to accept the canary.
    pub domain: String,
    /// The name that we say with EHLO.
    pub helo: String,
    /// The recipient: a token address at the probe domain.
    pub recipient: String,
    /// The message, with CRLF line ends.
    pub text: Octets,
    /// How long a reply may take.
    pub reply_timeout: Duration,
}

/// One dialogue to be had.
#[derive(Clone, Debug)]
pub struct PlannedDialogue {
    /// The number of the dialogue in the run.
    pub dialogue: u32,
    /// The path's number.
    pub path: PathId,
    /// The path.
    pub destination: Path,
    /// The tests that the dialogue is for.
    pub tests: Vec<&'static RelayTest>,
    /// True if a message is sent for proof.
    pub proof: bool,
    /// How often these tests were tried before.
    pub attempt: u32,
    /// The user name that is logged in with, where the test is asked for several.
    pub login: Option<String>,
    /// What is said.
    pub saying: Saying,
    /// How a TLS handshake is made.
    pub handshake: Handshake,
    /// How long a reply may take.
    pub reply_timeout: Duration,
}

impl PlannedDialogue {
    /// The one dialogue of a run that asks nothing else.
    #[must_use]
    pub fn alone(destination: Path, transaction: Transaction, reply_timeout: Duration) -> Self {
        Self {
            dialogue: 1,
            path: PathId::FIRST,
            destination,
            tests: Vec::new(),
            proof: false,
            attempt: 0,
            login: None,
            saying: Saying::Smtp { transaction, step_tests: Vec::new() },
            handshake: Handshake::Usual,
            reply_timeout,
        }
    }
}

/// What is said on a connection.
#[derive(Clone, Debug)]
pub enum Saying {
    /// A transaction of SMTP, and the test that each of its steps is for, where the dialogue is for
    /// several.
    Smtp {
        /// What is said.
        transaction: Transaction,
        /// The test that each step is for.
        step_tests: Vec<Option<&'static RelayTest>>,
    },
    /// A message by QMTP or QMQP: everything is said at once.
    Netstring {
        /// The octets to be sent.
        request: Vec<u8>,
        /// The text of the message, for the log.
        text: Octets,
    },
}

/// How a TLS handshake is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// As any client makes it.
    Usual,
    /// With a certificate of the client.
    Showing(Certificate),
    /// A handshake has failed with these words: what does the server speak?
    Inquiring(String),
    /// Such an inquiry was answered so: the handshake need not be made.
    Answered(String),
}

/// What a connection says in the place of its own steps, once its greeting has shown more.
#[derive(Clone, Debug, Default)]
pub struct Instead {
    /// The tests that the connection is for now.
    pub tests: Vec<&'static RelayTest>,
    /// What is said after the introduction.
    pub steps: Vec<Step>,
    /// The test that each step is for.
    pub step_tests: Vec<Option<&'static RelayTest>>,
}

impl From<SharedSteps> for Instead {
    fn from(shared: SharedSteps) -> Self {
        let SharedSteps { tests, steps, step_tests } = shared;
        Self { tests, steps, step_tests }
    }
}

/// A moment of the run.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Since the start of the run.
    pub elapsed: Duration,
    /// By the clock of the world, for what is written into messages and the log.
    pub at: Timestamp,
}

/// Which paths a run has, and what it asks on them.
#[derive(Debug)]
pub enum Agenda {
    /// All that is requested, at these exchangers.
    New(Vec<MailExchanger>),
    /// What is not answered in the report of a run that was stopped.
    Resumed,
    /// These tests on these paths and nothing else; the note says in the log why.
    Again(Vec<(Path, Vec<&'static RelayTest>)>, Box<Event>),
}
