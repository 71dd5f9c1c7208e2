//! The limits of one receiver connection, each with its source.

use std::time::Duration;

/// Octets of a command line. RFC 5321 section 4.5.3.1.4 allows 512, and extensions may add to that.
/// Mangled routes are longer than most paths.
pub(super) const MAX_LINE: usize = 4096;
/// Octets of an overlong line, which is answered with 500 and skipped. A longer line is no mistake.
pub(super) const MAX_SKIPPED: usize = 64 * 1024;
/// RFC 5321 section 4.5.3.1.8 asks for at least a hundred recipients a transaction.
pub(super) const MAX_RECIPIENTS: usize = 100;
/// Commands of one connection: ten for each of the messages allowed. A relay sends a handful of
/// commands for each message.
pub(super) const MAX_COMMANDS: usize = 1000;
/// Errors of one client. Postfix hangs up after twenty (`smtpd_hard_error_limit`).
pub(super) const MAX_ERRORS: usize = 20;
/// Messages of one connection. A run sends at most a few messages. A relay that duplicates messages
/// delivers the copies with more connections.
pub(super) const MAX_MESSAGES: usize = 100;
/// What SIZE announces (RFC 1870), in octets. Our own message has less than 2 KiB, and a bounce may
/// quote the message with a page of comments.
pub const MAX_MESSAGE_SIZE: u64 = 1024 * 1024;
/// A text that is too big is read up to here, so that the client gets a clear reply at its end. A
/// longer text ends the connection.
pub(super) const MAX_OVERSIZE: u64 = 8 * MAX_MESSAGE_SIZE;
/// How much of a text is kept, in octets: the header section and a body far longer than ours.
pub const MAX_TEXT_KEPT: usize = 128 * 1024;
/// RFC 5321 section 4.5.3.2.7: at least five minutes for the next command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// The time for a whole text. RFC 5321 section 4.5.3.2.5 gives three minutes to each portion.
pub const TEXT_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// The time for a whole connection. The messages that one run sends need far less.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_secs(20 * 60);
