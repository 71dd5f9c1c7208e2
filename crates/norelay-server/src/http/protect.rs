//! What every request passes before its handler: guard, counting, time-out, size; and the headers
//! that every answer gets.
//!
//! Rules:
//! - Pages and API pass the same layers. A [`Face`] holds all in which they differ.

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::Response,
};
use tower_http::timeout::TimeoutLayer;

use super::{
    guard::{self, Objection},
    headers::{self, Headers},
    problem::Problem,
    state::AppState,
};
use crate::rules::{address, client::Client, control};

/// How long a request may take to come and its answer to begin. What takes longest is a code that
/// is mailed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
const _: () = assert!(
    control::LONGEST_MAILING.as_secs() + 10 <= ANSWER_TIMEOUT.as_secs(),
    "a code that takes long to be mailed gets its answer"
);

/// The differences between pages and API before a request comes to its handler.
#[derive(Clone, Copy)]
pub(super) struct Face {
    /// The longest body of a request, in octets.
    pub max_body: usize,
    /// The headers of every answer.
    pub headers: Headers,
    /// The start of the paths whose requests are not counted, if there are such paths.
    pub uncounted: Option<&'static str>,
    /// Makes the answer to a request that the guard refuses.
    pub refused: fn(&AppState, Objection) -> Response,
    /// Makes the answer to a client that sends too many requests, or a key that doesn't work.
    pub turned_away: fn(&AppState, Problem) -> Response,
}

/// What the layers share.
#[derive(Clone)]
struct Layer {
    state: AppState,
    face: Face,
}

/// Puts the layers around routes.
pub(super) fn protect(routes: Router<AppState>, state: AppState, face: Face) -> Router<AppState> {
    // The last layer is the first that a request meets: the guard refuses before anything is
    // counted, and headers are set on refusals too.
    let layer = Layer { state, face };
    routes
        .layer(DefaultBodyLimit::max(face.max_body))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ANSWER_TIMEOUT))
        .layer(middleware::from_fn_with_state(layer.clone(), count))
        .layer(middleware::from_fn_with_state(layer, refuse))
        .layer(middleware::map_response(move |response| {
            std::future::ready(headers::set(response, face.headers))
        }))
}

/// Refuses what another site's page sends, and names that aren't ours.
async fn refuse(State(layer): State<Layer>, request: Request, next: Next) -> Response {
    match guard::objection(&layer.state.config, &request) {
        Some(objection) => (layer.face.refused)(&layer.state, objection),
        None => next.run(request).await,
    }
}

/// Refuses a client that sends too many requests.
async fn count(State(layer): State<Layer>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if layer
        .face
        .uncounted
        .is_some_and(|start| path.starts_with(start))
    {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let counted = match Client::from_request_parts(&mut parts, &layer.state).await {
        Ok(asker) => counted(&layer, &asker),
        Err(problem) => Err(problem),
    };
    match counted {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => (layer.face.turned_away)(&layer.state, problem),
    }
}

/// Counts a request. In private mode, no request is counted.
fn counted(layer: &Layer, asker: &Client) -> Result<(), Problem> {
    if !layer.state.config.public {
        return Ok(());
    }
    let network = address::user_network(asker.address);
    layer.state.requests.count(network).map_err(|until| {
        let says = "Too many requests from your network: slow down.";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, says).until(until)
    })
}
