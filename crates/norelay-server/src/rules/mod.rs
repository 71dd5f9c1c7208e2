//! The rules of the service: who asks, what may be tested, how often, and how control is shown.

pub mod address;
pub mod budgets;
pub mod client;
pub mod control;
pub mod names;
pub mod permission;
