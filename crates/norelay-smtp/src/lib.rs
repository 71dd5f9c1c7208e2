//! One SMTP dialogue, seen from either end, without doing any I/O (RFC 5321).
//!
//! Rules of this crate:
//! - The crate does no I/O: no clock, socket, file, environment variable or thread (`clippy.toml`
//!   bans each, with a reason).
//! - The crate knows no relay test. Its events say what was sent and what was answered.
//! - Nothing in the crate fails: bad input is an event.
//! - Imports run one way (`norelay-core/tests/imports.rs` reads them).

pub mod capability;
pub mod client_command;
pub mod command;
pub mod netstring;
pub mod octets;
pub mod receiver;
pub mod reply;
pub mod session;
pub mod text_reader;
pub mod words;

pub use capability::Capabilities;
pub use command::{Hello, Purpose, Security, Stage, Step, Transaction};
pub use receiver::{Parting, Policy, ReceivedMessage, Receiver, ReceiverEvent};
pub use reply::{EnhancedStatusCode, Reply, ReplyClass, ReplyReader, Violation};
pub use session::{Cause, End, LastReply, Session, SessionEvent};
