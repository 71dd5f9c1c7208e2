//! One SMTP dialogue, seen from either end, without doing any I/O (RFC 5321).
//!
//! This module doesn't know what a relay test is: it says what was sent and what was answered.

pub mod capability;
pub mod command;
pub mod netstring;
pub mod receiver;
pub mod reply;
pub mod request;
pub mod session;
pub mod text;

pub use capability::Capabilities;
pub use command::{Hello, Purpose, Security, Stage, Step, Transaction};
pub use receiver::{Message, Parting, Policy, Receiver, ReceiverEvent};
pub use reply::{EnhancedStatusCode, Reply, ReplyClass, ReplyReader, Violation};
pub use session::{Cause, End, Session, SessionEvent};
