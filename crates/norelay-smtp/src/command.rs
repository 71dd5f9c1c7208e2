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
    /// Returns how long the reply to this stage may take (RFC 5321 section 4.5.3.2; five minutes
    /// for stages that the section doesn't name).
    #[must_use]
    pub fn timeout(self) -> Duration {
        match self {
            Self::Data => Duration::from_secs(2 * 60),
            Self::EndOfData => Duration::from_secs(10 * 60),
            // The answers are known by now, so a server that is silent here costs little.
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
    /// EHLO with this name, then HELO if EHLO is rejected with a permanent (5xx) reply (RFC 5321
    /// section 3.2).
    Ehlo(String),
    /// HELO with this name.
    Helo(String),
    /// The client says neither EHLO nor HELO.
    Silent,
}

/// What a step's answer means for the steps after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The transaction makes sense only if this step is accepted. A rejection ends the transaction.
    Condition,
    /// Whatever the answer is, the next step follows.
    Attempt,
    /// As an attempt, on a connection for several questions. The reply answers none of them.
    Aside,
    /// The question itself. A rejection ends the transaction and is the answer.
    Question,
}

/// One command, and what the reply to the command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The stage of the dialogue that the command belongs to.
    pub stage: Stage,
    /// The command line without its CRLF.
    pub line: Octets,
    /// The lines that answer 334 replies, a line each (RFC 4954 section 4). After the last line,
    /// another 334 makes the session cancel the exchange.
    pub turns: Vec<Octets>,
    /// What the answer means.
    pub purpose: Purpose,
    /// An EHLO keyword without which the transaction can't be run.
    pub requires: Option<String>,
    /// True if the lines carry a secret that no event may show.
    pub secret: bool,
}

impl Step {
    /// Returns a step without turns, requirements and secrets.
    #[must_use]
    pub fn new(stage: Stage, purpose: Purpose, line: impl Into<Octets>) -> Self {
        Self { stage, line: line.into(), turns: Vec::new(), purpose, requires: None, secret: false }
    }

    /// Returns `MAIL FROM:` as a question; `reverse_path` is all that follows the colon.
    #[must_use]
    pub fn mail(reverse_path: &Octets) -> Self {
        Self::new(Stage::Mail, Purpose::Question, [b"MAIL FROM:", reverse_path.as_bytes()].concat())
    }

    /// Returns `RCPT TO:`; `forward_path` is all that follows the colon.
    #[must_use]
    pub fn rcpt(purpose: Purpose, forward_path: &Octets) -> Self {
        Self::new(Stage::Rcpt, purpose, [b"RCPT TO:", forward_path.as_bytes()].concat())
    }
}

/// What a client says on one connection, in order, and what the client sends once a recipient is
/// accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// What is sent before the greeting is read (a PROXY header), usually nothing.
    pub preface: Octets,
    /// How the client introduces itself.
    pub hello: Hello,
    /// How the connection is protected when the steps are said.
    pub security: Security,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The message, sent if some recipient was accepted: with CRLF line ends, without dot-stuffing
    /// and final dot. A dialogue without a message ends before DATA.
    pub message: Option<Octets>,
    /// True if MAIL and RCPT may travel together where PIPELINING is offered (RFC 2920).
    pub pipelining: bool,
    /// True if the session waits for the reply to QUIT. Another reply than 221 shows that replies
    /// have been credited to the wrong commands.
    pub awaits_quit_reply: bool,
    /// True if the message travels in one BDAT in the place of DATA (RFC 3030). A step has to
    /// require CHUNKING, since the session does not check for it.
    pub chunking: bool,
    /// True if the first step travels in the clear, right behind STARTTLS. Then the session says
    /// nothing else, and only an answer to that step under TLS counts.
    pub injects: bool,
    /// True if a server may read one line, or one text, as several. Then the text is sent as it
    /// is, with its own end, and every reply until QUIT's 221 answers the last question.
    pub ambiguous: bool,
}
