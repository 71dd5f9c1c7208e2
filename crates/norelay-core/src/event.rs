//! Events: one fact each, the only language between the parts, and the only thing that crosses a
//! process border.
//!
//! Rules:
//! - The log is append-only. A report is a fold of it, so yesterday's log can be judged by today's
//!   rules.
//! - An event says what was seen, never what it means.
//! - Every record carries the version of this language; a reader refuses a version that it doesn't
//!   know.

use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    catalogue::Profile,
    octets::Octets,
    path::{Endpoint, PathId},
    smtp::{Cause, End, Purpose, Reply, Security, Stage},
    token::{RunId, Token},
};

/// The version of the event language.
pub const VERSION: u8 = 1;

/// An event and its time: one line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`].
    pub v: u8,
    /// When it was seen.
    pub at: Timestamp,
    /// What was seen.
    #[serde(flatten)]
    pub event: Event,
}

impl Record {
    /// The record of an event.
    #[must_use]
    pub fn new(at: Timestamp, event: Event) -> Self {
        Self { v: VERSION, at, event }
    }
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run began.
    RunStarted(Run),
    /// The target's name was resolved.
    Resolved {
        /// Its mail exchangers, or itself.
        exchangers: Vec<MailExchanger>,
    },
    /// A path to the server that is to be tested.
    PathAdded {
        /// Its id in the run.
        path: PathId,
        /// Where the path leads.
        #[serde(flatten)]
        destination: Path,
        /// The tests and controls that are to be run on it, by id.
        tests: Vec<String>,
    },
    /// More tests are to be run on a path.
    TestsAdded {
        /// The path.
        path: PathId,
        /// The tests and controls, by id; those that it has already are not run again.
        tests: Vec<String>,
    },
    /// A connection was tried for one or more tests.
    Opened {
        /// The connection's number in the run.
        dialogue: u32,
        /// The path.
        path: PathId,
        /// The tests that the connection is for, by id: several if they share the connection, or if
        /// a message for proof has several recipients.
        tests: Vec<String>,
        /// True if a message is to be sent for proof.
        proof: bool,
        /// How often these tests were tried before.
        attempt: u32,
        /// The user name that the dialogue logs in with, where its test is asked for several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        login: Option<String>,
    },
    /// The greeting shows a server that accepts many questions on one connection. From now on this
    /// connection is for these tests: for more than before, or for none if another connection asks
    /// the same.
    Shared {
        /// The connection.
        dialogue: u32,
        /// Since it was opened.
        after_ms: u64,
        /// All tests that the connection is for now, by id.
        tests: Vec<String>,
    },
    /// The connection stands.
    Connected {
        /// The connection.
        dialogue: u32,
        /// Since it was opened.
        after_ms: u64,
        /// Our address and port.
        local: SocketAddr,
    },
    /// The TLS handshake succeeded.
    Secured {
        /// The connection.
        dialogue: u32,
        /// Since it was opened.
        after_ms: u64,
        /// What was agreed and shown.
        tls: TlsFacts,
    },
    /// We said something.
    Sent {
        /// The connection.
        dialogue: u32,
        /// Since it was opened.
        after_ms: u64,
        /// The stage.
        stage: Stage,
        /// The test whose step it is, where the dialogue is for several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test: Option<String>,
        /// What was said, without CRLF; the whole text at the end of data.
        line: Octets,
    },
    /// The server answered.
    Replied {
        /// The connection.
        dialogue: u32,
        /// Since it was opened.
        after_ms: u64,
        /// The stage of the command that it answers.
        stage: Stage,
        /// The test whose step it answers, where the dialogue is for several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test: Option<String>,
        /// What the answer is for, where it answers a step of a test.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purpose: Option<Purpose>,
        /// The answer.
        reply: Reply,
    },
    /// The connection is over.
    Ended {
        /// The connection.
        dialogue: u32,
        /// Since it was opened.
        after_ms: u64,
        /// How it ended.
        end: End,
    },
    /// A test is not run on a path.
    NotRun {
        /// The path.
        path: PathId,
        /// The test, by id.
        test: String,
        /// Why, as a clause.
        why: String,
    },
    /// A path is given up: what has no answer on it gets none.
    GivenUp {
        /// The path.
        path: PathId,
        /// Why.
        cause: Cause,
    },
    /// The run waits.
    Waiting {
        /// The path, where it is about one.
        path: Option<PathId>,
        /// The test, by id, where it is about one.
        test: Option<String>,
        /// Until when.
        until: Timestamp,
        /// For what.
        why: Wait,
    },
    /// A message came to the receiver.
    Received(Receipt),
    /// A canary, a message that shows whether the receiver works, was handed to a mail exchanger of
    /// the probe domain, or could not be.
    CanarySent {
        /// The number of the canary in the run, from 0.
        canary: u8,
        /// The exchanger that the canary was offered to last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exchanger: Option<CanaryExchanger>,
        /// Why no exchanger accepted the canary, if none did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<CanaryFailure>,
    },
    /// A fact that a probe found outside the relay dialogue (reverse DNS, blacklists, posture …).
    Noted {
        /// The path, where it is about one.
        path: Option<PathId>,
        /// What kind of fact it is.
        tag: String,
        /// Its particulars, in the order that its wording needs.
        arguments: Vec<Octets>,
    },
    /// A run that was stopped goes on: what has an answer keeps it.
    Resumed,
    /// The run is over.
    RunFinished {
        /// True if the run was stopped before its end.
        stopped: bool,
    },
}

/// What a run was asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its name.
    pub run: RunId,
    /// The target as it was typed.
    pub target: String,
    /// The version of norelay.
    pub version: String,
    /// The profile.
    pub profile: Profile,
    /// The probe domain.
    pub domain: String,
    /// Where the probe domain came from: given, or found because none was.
    pub domain_given: bool,
    /// The name that we say with EHLO.
    pub helo: String,
    /// A mail domain of the target, where one is known.
    pub local_domain: Option<String>,
    /// A user of the target whom the user of norelay named, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_user: Option<String>,
    /// Senders that the user said the server may trust, each a domain or an address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_senders: Vec<String>,
    /// True if a receiver can see what comes back.
    pub receiving: bool,
    /// The address that the server should see us come from, where the user said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_as_expected: Option<IpAddr>,
    /// The tests that it asks, on whatever path; logs of old don't say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
}

/// A host that accepts mail for a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailExchanger {
    /// Its name; for an address that was typed, the name of its PTR record, if any.
    pub name: Option<String>,
    /// Its preference, where it was found by an MX record.
    pub preference: Option<u16>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// How a server is reached: where a path leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Path {
    /// The host's name, where one is known.
    pub host: Option<String>,
    /// Its address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The protection.
    pub security: Security,
}

impl Path {
    /// The address and port that it leads to.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { address: self.address, port: self.port }
    }

    /// True if this leads to the host of another path: to the same address, or to an address of the
    /// same name.
    #[must_use]
    pub fn is_to_host_of(&self, other: &Self) -> bool {
        self.address == other.address || (self.host.is_some() && self.host == other.host)
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.endpoint())?;
        match self.security {
            Security::Plain => Ok(()),
            security => write!(f, " {security}"),
        }
    }
}

/// What a TLS handshake showed. Any certificate is accepted; what is wrong with it is said here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// Such as `TLSv1.3`.
    pub version: String,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The subject of the server's certificate.
    pub subject: Option<Octets>,
    /// What is wrong with the certificate, a clause each.
    pub troubles: Vec<String>,
    /// Who issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Octets>,
    /// The host names and addresses that it is for; some of them, where there are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Octets>,
    /// Since when it is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Until when it is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// How many certificates the server sent.
    #[serde(default)]
    pub chain: u16,
    /// The SHA-256 digests, in hexadecimal, of the first certificates that the server sent and of
    /// their keys (as SubjectPublicKeyInfo), its own first: what TLSA records are compared with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<[String; 2]>,
}

impl std::fmt::Display for TlsFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TLS: {} {}", self.version, self.cipher)?;
        match &self.subject {
            Some(subject) => write!(f, ", certificate of {subject}"),
            None => Ok(()),
        }?;
        self.troubles
            .iter()
            .try_for_each(|trouble| write!(f, ", {trouble}"))
    }
}

/// For what a run waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// The server said to come back.
    Greylisted,
    /// The server dropped or refused a connection.
    Dropped,
    /// Messages are on their way.
    Arrival,
    /// The user asked for slowness.
    Pace,
}

/// A mail exchanger of the probe domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryExchanger {
    /// Its name.
    pub host: String,
    /// Its address.
    pub address: IpAddr,
}

/// Why a canary could not be handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum CanaryFailure {
    /// The DNS names no host that accepts mail for the probe domain.
    NoExchanger {
        /// What the DNS says, as a clause.
        why: String,
    },
    /// Port 25 of the exchanger could not be connected to.
    NotConnected {
        /// Why, as a clause.
        why: String,
    },
    /// The exchanger rejected or deferred the canary.
    Rejected {
        /// Its reply.
        reply: Reply,
    },
    /// The connection ended before the exchanger had accepted the canary.
    Interrupted {
        /// Why, as a clause.
        why: String,
    },
}

/// A message that came to the receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The token of the envelope's recipient.
    pub token: Token,
    /// True if the text has the token that we sent in the text. Then our own message came, and not
    /// a message from somebody who saw only the envelope.
    pub message_token: bool,
    /// Where it came from.
    pub peer: SocketAddr,
    /// The peer's HELO or EHLO name.
    pub helo: Octets,
    /// True if the message came under TLS.
    pub tls: bool,
    /// What followed `MAIL FROM:`.
    pub reverse_path: Octets,
    /// What followed `RCPT TO:`.
    pub forward_path: Octets,
    /// The `Received` fields, newest first, unfolded.
    pub received: Vec<Octets>,
    /// The size of the text, in octets.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_lines_of_json() {
        let replied = Event::Replied {
            dialogue: 1,
            after_ms: 12,
            stage: Stage::Rcpt,
            test: None,
            purpose: Some(Purpose::Question),
            reply: Reply { code: 454, lines: vec![Octets::from(&b"4.7.1 no\x1b"[..])] },
        };
        let record = Record::new(Timestamp::UNIX_EPOCH, replied);
        let line = serde_json::to_string(&record).expect("records have string keys");
        assert_eq!(
            line,
            r#"{"v":1,"at":"1970-01-01T00:00:00Z","event":"replied","dialogue":1,"after_ms":12,"stage":"rcpt","purpose":"question","reply":{"code":454,"lines":["4.7.1 no\\x1b"]}}"#
        );
        assert_eq!(
            serde_json::from_str::<Record>(&line).expect("what was written can be read"),
            record
        );
    }
}
