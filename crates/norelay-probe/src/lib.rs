//! What norelay does: resolve, connect, secure, drive a dialogue, scan a server, receive what comes
//! back.
//!
//! Rules of this crate:
//! - The crate decides nothing about relaying. What to ask, when, and what an answer means is
//!   `norelay-core`'s.
//! - Everything that the crate sees becomes an [`norelay_core::event::Event`].
//! - Every wait has a deadline.

pub mod canary;
pub mod defaults;
pub mod drive;
pub mod duration;
pub mod errand;
mod handover;
pub mod identity;
pub mod key_file;
pub mod mailbox;
pub mod network;
mod noted;
pub mod receipt_source;
pub mod receive;
pub mod record;
pub mod resolve;
pub mod scan;
pub mod secure;
mod self_signed;
pub mod spool;
pub mod surroundings;
pub mod target;
