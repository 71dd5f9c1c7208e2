//! Opt-outs.

use axum::{Json, extract::State, http::StatusCode};
use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::extract::{Body, QueryParameters};
use crate::{
    http::{problem::Problem, state::AppState},
    rules::{client::Client, opt_out},
};

/// Opt-outs in one answer.
const MAX_LISTED: u32 = 10_000;

/// A network that isn't tested.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OptOut)]
pub(super) struct ShownOptOut {
    /// The network.
    #[schema(example = "192.0.2.0/24")]
    network: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
}

/// A network.
#[derive(Debug, Deserialize, ToSchema, IntoParams)]
#[schema(as = Network)]
#[serde(deny_unknown_fields)]
pub(super) struct OptOutNetwork {
    /// The network.
    #[schema(value_type = String, example = "192.0.2.0/24")]
    #[param(value_type = String)]
    network: IpNet,
}

/// List the networks that are not tested.
#[utoipa::path(
    get, path = "/opt-outs", tag = "opt-outs", operation_id = "listOptOuts",
    responses((status = 200, description = "All of them.", body = Vec<ShownOptOut>))
)]
pub(super) async fn list(State(state): State<AppState>) -> Result<Json<Vec<ShownOptOut>>, Problem> {
    let all = state.store.opt_outs(MAX_LISTED).await?;
    let shown = all
        .into_iter()
        .map(|one| ShownOptOut { network: one.network.to_string(), created: one.created });
    Ok(Json(shown.collect()))
}

/// Ask not to be tested.
///
/// Needs proof that the network is yours.
#[utoipa::path(
    post, path = "/opt-outs", tag = "opt-outs", operation_id = "optOut", security((), ("key" = [])),
    request_body = OptOutNetwork,
    responses(
        (status = 204, description = "It will not be tested from here."),
        (status = 403, description = "Nothing shows that it is yours.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    asker: Client,
    Body(asked): Body<OptOutNetwork>,
) -> Result<StatusCode, Problem> {
    opt_out::opt_out(&state.config, &state.store, &asker, &asked.network).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take an opt-out back.
#[utoipa::path(
    delete, path = "/opt-outs", tag = "opt-outs", operation_id = "optIn", security((),
        ("key" = [])),
    params(OptOutNetwork),
    responses(
        (status = 204, description = "It may be tested again."),
        (status = 403, description = "Nothing shows that it is yours.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such opt-out.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    asker: Client,
    QueryParameters(asked): QueryParameters<OptOutNetwork>,
) -> Result<StatusCode, Problem> {
    opt_out::opt_in(&state.config, &state.store, &asker, &asked.network).await?;
    Ok(StatusCode::NO_CONTENT)
}
