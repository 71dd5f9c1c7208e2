//! What every page and every API call needs.

use std::sync::Arc;

use crate::{config::Settings, run::Runs, store::Store};

/// What every page and every API call needs; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The settings.
    pub config: Arc<Settings>,
    /// What is kept.
    pub store: Store,
    /// The service that runs tests.
    pub runs: Runs,
}
