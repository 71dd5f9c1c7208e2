//! What holds where the user says nothing: for an option of the command, and for the setting of the
//! service that means the same.
//!
//! Rules:
//! - A value that both have stands here and nowhere else.
//! - A length of time that a user can set stands as the user would type it, so the help shows it in
//!   these words. [`crate::duration`] reads it.

use std::time::Duration;

/// How long a reply may take. Most of the time-outs in RFC 5321 section 4.5.3.2 are longer, but a
/// server that needs a minute for each reply can't be tested in a sensible time.
pub const REPLY_TIMEOUT: &str = "60s";
/// How long a run waits for deferred answers and for messages to come back. Most servers that
/// greylist accept a second attempt within five minutes.
pub const WAIT: &str = "5m";
/// How many messages may be sent for proof.
pub const MESSAGES: u8 = 3;
/// A user that exists in the domain of the target: postmaster exists everywhere (RFC 5321 section
/// 4.5.1).
pub const LOCAL_USER: &str = "postmaster";
/// The second foreign domain. No message is ever sent to this domain.
pub const SECOND_DOMAIN: &str = "example.net";

/// The longest wait for a connection, however long a reply may take.
pub const LONGEST_CONNECT: Duration = Duration::from_secs(30);
/// The longest that one question to the DNS may take, however long a reply of the server may.
pub const LONGEST_LOOK_UP: Duration = Duration::from_secs(5);
