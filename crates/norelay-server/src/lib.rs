//! norelay as a service: pages, API, store, queue and receiver in one process.
//!
//! Rules of this crate:
//! - What a page or an API answer says comes from the event log: `Store::report` folds it, `norelay_core` judges it.
//! - Whoever asks is an [`Asker`]; whether a test may run is decided in `permission`, once, for page and API alike.
//! - An address is tested only after `address` has classified it, and it is the address itself that is handed on, never a name.
//! - Whatever can grow is bounded, and the bound is a named constant or a setting.

pub mod address;
pub mod api;
pub mod asker;
pub mod config;
pub mod run;
pub mod store;
pub mod web;

use std::{net::SocketAddr, sync::Arc};

use axum::Router;

pub use crate::{
    asker::Asker,
    config::Config,
    run::{Refusal, Runs, Started},
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

/// Everything that is served over HTTP; the server must give it the peer's address (`ConnectInfo<SocketAddr>`).
pub fn router(state: AppState) -> Router {
    Router::new().merge(web::router(state.clone())).nest("/api/v1", api::router()).with_state(state)
}

/// Serves until it is told to stop.
///
/// # Errors
/// The socket can't be bound, or the store can't be opened.
pub async fn serve(config: Config) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let listener = tokio::net::TcpListener::bind(config.listen).await?;
    let store = Store::sqlite(&config.data).await?;
    let state = AppState { config: Arc::new(config), store: store.clone(), runs: Runs::new(store) };
    let service = router(state).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}
