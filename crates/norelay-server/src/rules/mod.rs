//! The rules of the service: who asks, what may be tested, how often, and how control is shown.
//!
//! Rules:
//! - Nothing here knows HTTP: a rule says why it refuses ([`refusal::Refusal`]), `http` says it to
//!   the client.
//! - Pages and API ask the same rules.

pub mod address;
pub mod budgets;
pub mod client;
pub mod control;
pub mod fence;
pub mod mailing;
pub mod names;
pub mod opt_out;
pub mod permission;
pub mod refusal;
