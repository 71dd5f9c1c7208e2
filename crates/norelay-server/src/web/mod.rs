//! The pages.

use axum::{Router, routing::get};

use crate::AppState;

/// The pages' routes.
pub fn router() -> Router<AppState> {
    Router::new().route("/", get(async || "norelay"))
}
