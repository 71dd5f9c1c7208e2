//! What a client says: stages, steps, and the transaction that they make up.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::octets::Octets;

/// The stage of a dialogue that a command, a reply or a silence belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The connection and the server's first words.
    Greeting,
    /// EHLO.
    Ehlo,
    /// HELO.
    Helo,
    /// STARTTLS and the handshake.
    StartTls,
    /// AUTH.
    Auth,
    /// Any other command that prepares (XCLIENT, VRFY, NOOP …).
    Other,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA (or BDAT).
    Data,
    /// The text of the message and its final dot.
    EndOfData,
    /// RSET.
    Rset,
    /// QUIT.
    Quit,
}

impl Stage {
    /// How long a reply may take, by RFC 5321 section 4.5.3.2 (five minutes where it is silent).
    #[must_use]
    pub fn timeout(self) -> Duration {
        match self {
            Self::Data => Duration::from_secs(2 * 60),
            Self::EndOfData => Duration::from_secs(10 * 60),
            // Nothing depends on it any more.
            Self::Quit => Duration::from_secs(5),
            _ => Duration::from_secs(5 * 60),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "the greeting",
            Self::Ehlo => "EHLO",
            Self::Helo => "HELO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Other => "a command",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::EndOfData => "the end of data",
            Self::Rset => "RSET",
            Self::Quit => "QUIT",
        })
    }
}

crate::words! {
    /// How a connection is protected.
    #[derive(Default)]
    pub enum Security {
        /// In the clear.
        #[default]
        Plain = "plain",
        /// In the clear until STARTTLS (RFC 3207).
        StartTls = "starttls",
        /// TLS from the first octet (RFC 8314).
        Tls = "tls",
    }
}

/// How a client introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hello {
    /// EHLO with this name, then HELO if that is refused with a 5yz (RFC 5321 section 4.1.4).
    Ehlo(String),
    /// HELO with this name.
    Helo(String),
    /// Not at all.
    Silent,
}

/// What a step's answer means for the steps after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The transaction makes sense only if this is accepted: a refusal ends it.
    Condition,
    /// Whatever the answer is, the next step follows.
    Attempt,
    /// As an attempt, on a connection for several questions: it answers none of them.
    Aside,
    /// The question itself: a refusal ends the transaction and is its answer.
    Question,
}

/// One command, and what its answer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where in the dialogue it stands.
    pub stage: Stage,
    /// The command line without its CRLF.
    pub line: Octets,
    /// What is sent for each 334 that answers it, a line each (RFC 4954 section 4); then the
    /// exchange is cancelled.
    pub turns: Vec<Octets>,
    /// What the answer means.
    pub purpose: Purpose,
    /// An EHLO keyword without which the transaction can't be run.
    pub requires: Option<String>,
    /// Whether the lines carry a secret that no event may show.
    pub secret: bool,
}

impl Step {
    /// A step without turns, requirements and secrets.
    #[must_use]
    pub fn new(stage: Stage, purpose: Purpose, line: impl Into<Octets>) -> Self {
        Self { stage, line: line.into(), turns: Vec::new(), purpose, requires: None, secret: false }
    }

    /// `MAIL FROM:` as a question; `reverse_path` is all that follows the colon.
    #[must_use]
    pub fn mail(reverse_path: &Octets) -> Self {
        Self::new(Stage::Mail, Purpose::Question, [b"MAIL FROM:", reverse_path.as_bytes()].concat())
    }

    /// `RCPT TO:`; `forward_path` is all that follows the colon.
    #[must_use]
    pub fn rcpt(purpose: Purpose, forward_path: &Octets) -> Self {
        Self::new(Stage::Rcpt, purpose, [b"RCPT TO:", forward_path.as_bytes()].concat())
    }
}

/// All that one connection is for: what is said, in order, and what follows if it is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// What is sent before the greeting is read (a PROXY header), usually nothing.
    pub preface: Octets,
    /// The introduction.
    pub hello: Hello,
    /// The protection that the steps are said under.
    pub security: Security,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The message, sent if some recipient was accepted: with CRLF line ends, without dot-stuffing
    /// and final dot. Without one, the dialogue ends before DATA.
    pub message: Option<Octets>,
    /// Whether MAIL and RCPT may travel together where PIPELINING is offered (RFC 2920).
    pub pipelining: bool,
    /// True if the session waits for the reply to QUIT. Another reply than 221 shows that replies
    /// have been credited to the wrong commands.
    pub awaits_quit_reply: bool,
    /// Whether the message travels in one BDAT in the place of DATA (RFC 3030); the steps see to it
    /// that CHUNKING is offered.
    pub chunking: bool,
    /// Whether the first step travels in the clear, right behind STARTTLS: then nothing else is
    /// said, and only an answer to it under TLS counts.
    pub injects: bool,
    /// Whether a server may take one line, or one text, for several: then the text is sent as it
    /// is, with its own end, and all that the server answers until QUIT's 221 belongs to what was
    /// asked last.
    pub ambiguous: bool,
}
