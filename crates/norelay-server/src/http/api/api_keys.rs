//! API keys.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::extract::Body;
use crate::{
    http::{problem::Problem, state::AppState},
    rules::client::Client,
    store::{ApiKey, KeyText, Scope},
};

/// The longest name of a key.
const MAX_NAME: usize = 100;
/// Networks of one key.
const MAX_NETWORKS: usize = 100;

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Wanted)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedKey {
    /// What its owner calls it.
    name: String,
    /// What it may be used for.
    scopes: Vec<Scope>,
    /// The networks whose servers it may test with all rights.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["192.0.2.0/24"]))]
    networks: Vec<IpNet>,
    /// Tests an hour.
    #[serde(default = "hourly")]
    #[schema(default = 60)]
    hourly: u32,
    /// For how many days it works; for ever, if it isn't said.
    #[serde(default)]
    days: Option<u32>,
}

fn hourly() -> u32 {
    ApiKey::HOURLY
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub(super) struct ShownKey {
    /// Its public part.
    id: String,
    /// The whole key, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// What its owner calls it.
    name: String,
    /// What it may be used for.
    scopes: Vec<Scope>,
    /// The networks whose servers it may test with all rights.
    networks: Vec<String>,
    /// Tests an hour.
    hourly: u32,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// When it ceases to work.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Timestamp>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked: Option<Timestamp>,
}

impl ShownKey {
    fn of(key: ApiKey, text: Option<&KeyText>) -> Self {
        Self {
            id: key.id,
            key: text.map(KeyText::expose),
            name: key.name,
            scopes: key.scopes,
            networks: key.networks.iter().map(ToString::to_string).collect(),
            hourly: key.hourly,
            created: key.created,
            expires: key.expires,
            revoked: key.revoked,
        }
    }
}

/// In private mode the machine's own people keep the keys; in public mode whoever has the scope.
fn check(state: &AppState, asker: &Client) -> Result<(), Problem> {
    match !state.config.public || asker.may(Scope::Admin) {
        true => Ok(()),
        false if asker.key.is_some() => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "This API key may not keep keys: it lacks the scope \"admin\".",
        )),
        false => Err(Problem::unauthorized("This needs an API key with the scope \"admin\".")),
    }
}

/// List the keys, without their secrets.
#[utoipa::path(
    get, path = "/keys", tag = "keys", operation_id = "listKeys", security((), ("key" = [])),
    responses(
        (status = 200, description = "All of them, oldest first.", body = Vec<ShownKey>),
        (status = 401, description = "A key is needed.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    asker: Client,
) -> Result<Json<Vec<ShownKey>>, Problem> {
    check(&state, &asker)?;
    let keys = state.store.keys().await?;
    Ok(Json(
        keys.into_iter()
            .map(|key| ShownKey::of(key, None))
            .collect(),
    ))
}

/// Make a key.
#[utoipa::path(
    post, path = "/keys", tag = "keys", operation_id = "createKey", security((), ("key" = [])),
    request_body = WantedKey,
    responses(
        (status = 201, description = "The key, with its secret, this once.", body = ShownKey),
        (status = 401, description = "A key is needed.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "The request makes no sense.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    asker: Client,
    Body(wanted): Body<WantedKey>,
) -> Result<(StatusCode, Json<ShownKey>), Problem> {
    check(&state, &asker)?;
    if wanted.name.is_empty()
        || wanted.name.len() > MAX_NAME
        || wanted.networks.len() > MAX_NETWORKS
        || wanted.scopes.is_empty()
    {
        let says = format!(
            "A key has a name of at most {MAX_NAME} octets, a scope, and at most {MAX_NETWORKS} \
             networks."
        );
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, says));
    }
    let text = KeyText::random();
    let created = Timestamp::now();
    let life = wanted.days.map(|days| {
        SignedDuration::from_hours(24).saturating_mul(i32::try_from(days).unwrap_or(i32::MAX))
    });
    let mut scopes = wanted.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let key = ApiKey {
        id: text.id().to_owned(),
        name: wanted.name,
        scopes,
        networks: wanted.networks.iter().map(IpNet::trunc).collect(),
        hourly: wanted.hourly,
        created,
        expires: life.map(|life| created.saturating_add(life).unwrap_or(Timestamp::MAX)),
        revoked: None,
    };
    state.store.create_key(&key, &text).await?;
    tracing::info!(key = key.id, "an API key was made");
    Ok((StatusCode::CREATED, Json(ShownKey::of(key, Some(&text)))))
}

/// Revoke a key.
#[utoipa::path(
    delete, path = "/keys/{id}", tag = "keys", operation_id = "revokeKey", security((),
        ("key" = [])),
    params(("id" = String, Path, description = "The key's public part.")),
    responses(
        (status = 204, description = "It works no more."),
        (status = 401, description = "A key is needed.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "There is none, or it was revoked \
                                      before.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revoke(
    State(state): State<AppState>,
    asker: Client,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    check(&state, &asker)?;
    state.store.revoke_key(&id, Timestamp::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
