//! What norelay knows: the SMTP dialogue, the catalogue of relay tests, the events of a run, and
//! what they mean.
//!
//! Rules of this crate:
//! - It does nothing: no clock, socket, file, environment variable or thread (`clippy.toml` bans
//!   them, each with a reason).
//! - Nothing in it fails: whatever a server says is an event, whatever an event says is evidence.
//! - Imports run one way: `token ◄ catalogue ◄ event ◄ report ◄ seen ◄ check ◄ explain`
//!   (a test reads the imports).

pub mod advice;
pub mod asking;
pub mod assess;
pub mod catalogue;
pub mod cause;
pub mod check;
pub mod diagnosis;
pub mod event;
pub mod explain;
pub mod mta;
pub mod pace;
pub mod path;
pub mod reception;
pub mod remedy;
pub mod replay;
pub mod report;
pub mod retest;
pub mod schedule;
pub mod seen;
pub mod token;

// Unit tests of rules tell the stories of `tests/story`, which name this crate.
#[cfg(test)]
extern crate self as norelay_core;

// The SMTP dialogue is a crate of its own. Its old paths in this crate go on working.
pub use norelay_smtp as smtp;
pub use norelay_smtp::octets;
