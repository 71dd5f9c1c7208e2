//! The API, version 1.

use axum::{Router, routing::get};

use crate::AppState;

/// The API's routes, to be nested under `/api/v1`.
pub fn router(_state: &AppState) -> Router<AppState> {
    Router::new().route("/", get(async || "norelay"))
}
