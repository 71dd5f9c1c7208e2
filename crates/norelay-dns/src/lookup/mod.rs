//! The look-ups: everything in this crate that does I/O.
//!
//! Rules:
//! - A look-up decides nothing: what to ask and what an answer means is said by
//!   [`crate::blacklist`] and [`crate::posture`].
//! - Every wait has a deadline, and everything that comes back is bounded.

pub mod dns_client;
pub mod lists;
pub mod policies;
pub mod records;
