//! Requests that come too often, or take too long.

use std::time::Duration;

use axum::{
    extract::{FromRequestParts, Request},
    http::StatusCode,
    middleware::Next,
    response::Response,
};

use super::{problem::Problem, state::AppState};
use crate::rules::{address, budgets::Requests, client::Asker, control};

/// How long a request may take to come and its answer to begin. What takes longest is a code that
/// is mailed.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
const _: () = assert!(
    control::LONGEST_MAILING.as_secs() + 10 <= ANSWER_TIMEOUT.as_secs(),
    "a code that takes long to be mailed gets its answer"
);

/// Turns away who asks too often. In private mode nobody is counted.
///
/// # Errors
/// Too many requests, or a key that doesn't work.
pub async fn turn_away(
    state: &AppState,
    requests: &Requests,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let asker = Asker::from_request_parts(&mut parts, state).await?;
    if state.config.public
        && let Err(until) = requests.count(address::user_network(asker.address))
    {
        let says = "Too many requests from your network: slow down.";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, says).until(until));
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}
