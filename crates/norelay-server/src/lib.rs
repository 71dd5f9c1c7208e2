//! norelay as a service: pages, API, store, queue and receiver in one process.
//!
//! Rules of this crate:
//! - What a page or an API answer says comes from the event log: `Store::report` folds it,
//!   `norelay_core` judges it.
//! - Whoever asks is an [`Asker`]; whether a test may run is decided in `permission`, once, for
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

use std::sync::Arc;

use axum::Router;
use tower_http::{CompressionLevel, compression::CompressionLayer};

pub use crate::{
    config::Config,
    rules::client::Asker,
    run::{Refusal, Runs, Started},
    service::serve,
    store::{Job, JobId, Request, State, Store, StoreError, Stored},
};

/// What every page and every API call needs; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The settings.
    pub config: Arc<Config>,
    /// What is kept.
    pub store: Store,
    /// The service that runs tests.
    pub runs: Runs,
}

/// Everything that is served over HTTP; the server must give it the peer's address
/// (`ConnectInfo<SocketAddr>`).
pub fn router(state: AppState) -> Router {
    // Pages and API are one budget.
    let requests = rules::budgets::Requests::new(&state.config.limits);
    let api = http::api::router(&state, requests.clone());
    Router::new()
        .merge(http::web::router(state.clone(), requests))
        .merge(http::metrics::router())
        .nest("/api/v1", api)
        .layer(compression())
        .layer(axum::middleware::from_fn(http::metrics::measure))
        .with_state(state)
}

/// Text that is longer than a packet is compressed for who takes that; event streams never are,
/// since their events must leave at once. No page has a secret beside what somebody else could have
/// put into it, so sizes tell nothing.
fn compression() -> CompressionLayer {
    // The fastest level takes a result's page to a sixth; the best would to a seventh, for many
    // times the work.
    CompressionLayer::new().quality(CompressionLevel::Fastest)
}
