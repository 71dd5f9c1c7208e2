//! norelay as a service: pages, API, store, queue and receiver in one process.
//!
//! Rules of this crate:
//! - What a page or an API answer says comes from the event log: `run::folds` folds it,
//!   `norelay_core` judges it.
//! - Whoever asks is a [`Client`]; whether a test may run is decided in `permission`, once, for
//!   page and API alike.
//! - An address is tested only after `address` has classified it, and it is the address itself that
//!   is handed on, never a name.
//! - Whatever can grow is bounded, and the bound is a named constant or a setting.

pub mod config;
pub mod http;
pub mod rules;
pub mod run;
pub mod service;
pub mod store;

pub use crate::{
    config::Settings,
    http::{router, state::AppState},
    rules::{client::Client, refusal::Refusal},
    run::{Runs, Started},
    service::serve,
    store::{Job, JobId, JobState, Store, StoreError, Stored, TestRequest},
};
