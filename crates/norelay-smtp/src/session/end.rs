//! How a session ends, and why a dialogue may have no answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    command::Stage,
    reply::{Reply, Violation},
};

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// An answer ended the session, or all steps were said and answered.
    Answered,
    /// The server does not offer this EHLO keyword, which the transaction needs.
    NotOffered(String),
    /// The session ended before its answer.
    Interrupted(Cause),
}

/// Why a dialogue has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Cause {
    /// Nothing accepted the connection.
    ConnectFailed {
        /// True if the connection was refused at once (not timed out, not unroutable).
        refused: bool,
        /// The operating system's words.
        error: String,
    },
    /// The connection closed or broke.
    Disconnected {
        /// The stage whose reply was awaited.
        stage: Stage,
        /// The operating system's words if the connection broke.
        error: Option<String>,
    },
    /// No whole reply in time.
    TimedOut {
        /// The stage whose reply was awaited.
        stage: Stage,
    },
    /// 421: the server closes the connection (RFC 5321 section 3.8).
    Closing {
        /// The stage whose reply was awaited.
        stage: Stage,
        /// The reply.
        reply: Reply,
    },
    /// The server broke the protocol.
    Violated {
        /// The stage whose reply was awaited.
        stage: Stage,
        /// How.
        violation: Violation,
    },
    /// The TLS handshake failed.
    TlsFailed {
        /// Why.
        error: String,
    },
    /// The server seems to have blocked us: connections that worked before no longer do.
    Blocked {
        /// How many tests had been answered until then.
        answered: u32,
    },
    /// The run was stopped, or its time was over.
    Stopped,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectFailed { error, .. } => write!(f, "no connection: {error}"),
            Self::Disconnected { stage, error: None } => {
                write!(f, "the server closed the connection during {stage}")
            }
            Self::Disconnected { stage, error: Some(error) } => {
                write!(f, "the connection broke during {stage}: {error}")
            }
            Self::TimedOut { stage } => write!(f, "no answer in time to {stage}"),
            Self::Closing { stage, reply } => {
                write!(f, "the server hung up during {stage}: {reply}")
            }
            Self::Violated { stage, violation } => write!(f, "during {stage} {violation}"),
            Self::TlsFailed { error } => write!(f, "the TLS handshake failed: {error}"),
            Self::Blocked { answered } => {
                write!(f, "blocked after {answered} tests: connections that worked no longer do")
            }
            Self::Stopped => f.write_str("the run was stopped before the answer"),
        }
    }
}
