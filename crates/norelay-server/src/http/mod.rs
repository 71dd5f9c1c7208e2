//! What is served over HTTP: the API and the pages.
//!
//! Rules:
//! - What is permitted is decided in `rules`; here it is asked, and answers become documents and
//!   pages.

pub mod api;
mod extract;
mod forwarded;
mod guard;
mod headers;
pub mod metrics;
pub mod problem;
mod protect;
pub mod state;
pub mod web;

use axum::{Router, middleware};
use tower_http::{CompressionLevel, compression::CompressionLayer};

use self::state::AppState;

/// Everything that is served over HTTP; the server must give it the peer's address
/// (`ConnectInfo<SocketAddr>`).
pub fn router(state: AppState) -> Router {
    let api = api::router(state.clone());
    Router::new()
        .merge(web::router(state.clone()))
        .merge(metrics::router())
        .nest("/api/v1", api)
        .layer(compression())
        .layer(middleware::from_fn(metrics::measure))
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
