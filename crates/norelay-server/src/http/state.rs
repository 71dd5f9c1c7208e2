//! What every page and every API call needs.

use std::sync::Arc;

use crate::{
    config::Settings,
    rules::budgets::{RequestClock, Requests},
    run::Runs,
    store::Store,
};

/// What every page and every API call needs; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The settings.
    pub config: Arc<Settings>,
    /// The database.
    pub store: Store,
    /// The service that runs tests.
    pub runs: Runs,
    /// The requests of each network. Pages and API are one budget.
    pub requests: Requests,
}

impl AppState {
    /// Nothing was asked yet, and the machine's clock counts.
    #[must_use]
    pub fn of(config: Arc<Settings>, store: Store, runs: Runs) -> Self {
        let requests = Requests::new(&config.limits, RequestClock::OfMachine);
        Self { config, store, runs, requests }
    }
}
