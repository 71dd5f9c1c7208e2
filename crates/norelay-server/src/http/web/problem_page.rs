//! Pages for what went wrong: each says what, whose fault, and what to do.

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;

use super::shell::{self, Shell};
use crate::{
    http::{problem::Problem, state::AppState},
    store::StoreError,
};

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    shell: Shell,
    heading: &'a str,
    says: &'a str,
    until: Option<Timestamp>,
}

/// A page for a problem.
pub fn problem(state: &AppState, status: StatusCode, heading: &str, says: &str) -> Response {
    let shell = Shell { index: false, ..Shell::new(state, "", heading) };
    shell::page(status, &ProblemPage { shell, heading, says, until: None })
}

/// What the API says as a problem document, as a page.
pub fn of_api(state: &AppState, error: &Problem) -> Response {
    match error.until {
        Some(until) => too_many(state, error.detail(), until),
        None => problem(state, error.status(), "Not permitted", error.detail()),
    }
}

/// 404.
pub fn not_found(state: &AppState) -> Response {
    let says = "There is no page at this address. A result may have expired or been deleted.";
    problem(state, StatusCode::NOT_FOUND, "Not found", says)
}

/// 429, with the time after which it may be tried again.
pub fn too_many(state: &AppState, why: &str, until: Timestamp) -> Response {
    let heading = "Too much for now";
    let shell = Shell { index: false, script: true, ..Shell::new(state, "", heading) };
    let page = ProblemPage { shell, heading, says: why, until: Some(until) };
    let mut response = shell::page(StatusCode::TOO_MANY_REQUESTS, &page);
    let seconds = until.duration_since(Timestamp::now()).as_secs().max(1);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds.unsigned_abs()));
    response
}

/// What the store could not do.
pub fn of_store(state: &AppState, error: &StoreError) -> Response {
    if matches!(error, StoreError::NotFound) {
        return not_found(state);
    }
    tracing::error!(%error, "the store failed a page");
    fault(state)
}

/// 500: our own fault.
pub fn fault(state: &AppState) -> Response {
    let says = "This is a fault of ours, not of your server, and says nothing about it. It has \
                been logged; please try again.";
    problem(state, StatusCode::INTERNAL_SERVER_ERROR, "Something broke here", says)
}

/// Any address that has no page.
pub async fn fallback(State(state): State<AppState>) -> Response {
    not_found(&state).into_response()
}
