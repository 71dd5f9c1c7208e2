//! What this service is: for clients that want to use it.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::state::AppState;

/// The service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Service)]
pub(super) struct ShownService {
    /// Its version.
    version: &'static str,
    /// Whether strangers may use it.
    public: bool,
    /// The probe domain.
    domain: String,
    /// Whether its receiver proves.
    receives: bool,
    /// What tests come from, in words or addresses.
    source: Vec<String>,
    /// The mail address for complaints.
    contact: Option<String>,
    /// What to connect to for a proof of control, `HOST:PORT`.
    connect_back: Option<String>,
}

/// Read what this service is.
#[utoipa::path(
    get, path = "/service", tag = "service", operation_id = "showService",
    responses((status = 200, description = "The service.", body = ShownService))
)]
pub(super) async fn show(State(state): State<AppState>) -> Json<ShownService> {
    let config = &state.config;
    let listens = config.connect_back.listen.first().map(ToString::to_string);
    Json(ShownService {
        version: env!("CARGO_PKG_VERSION"),
        public: config.public,
        domain: state.runs.identity().domain.clone(),
        receives: !config.receiver.listen.is_empty(),
        source: config.source.clone(),
        contact: config.contact.clone(),
        connect_back: config.connect_back.shown.clone().or(listens),
    })
}
