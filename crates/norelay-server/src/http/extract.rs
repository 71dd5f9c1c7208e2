//! Parts of a request, whose faults are problem documents.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    Json,
    extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Query, Request},
    http::{StatusCode, header, request::Parts},
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::{forwarded, problem::Problem, state::AppState};
use crate::{
    rules::client::Client,
    store::{ApiKey, JobId, KeyText, StoreError},
};

/// The client, from its address and the API key in `Authorization`.
///
/// A key that is shown and does not work is an error: nobody becomes anonymous by mistake.
impl FromRequestParts<AppState> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(peer)| peer.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let mut asker =
            Self::anonymous(forwarded::client(peer, &parts.headers, &state.config.trusted_proxies));
        if let Some(shown) = parts.headers.get(header::AUTHORIZATION) {
            asker.key = Some(key(state, shown.to_str().unwrap_or_default()).await?);
        }
        Ok(asker)
    }
}

async fn key(state: &AppState, authorization: &str) -> Result<ApiKey, Problem> {
    let refused =
        || Problem::unauthorized("This API key is not known, has expired or was revoked.");
    let (scheme, text) = authorization.split_once(' ').ok_or_else(refused)?;
    let text = KeyText::parse(text.trim())
        .filter(|_| scheme.eq_ignore_ascii_case("bearer"))
        .ok_or_else(refused)?;
    match state.store.key(&text, Timestamp::now()).await {
        Ok(key) => Ok(key),
        Err(StoreError::NotFound) => Err(refused()),
        Err(error) => Err(error.into()),
    }
}

/// A body of JSON.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

/// The query.
pub struct QueryParameters<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryParameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

/// The id of a job in the path; what can't be one names nothing.
pub struct Id(pub JobId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let nothing =
            || Problem::new(StatusCode::NOT_FOUND, "There is no such thing, or it has expired.");
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| nothing())?;
        text.parse().map(Self).map_err(|_| nothing())
    }
}
