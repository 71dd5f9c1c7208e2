//! Pages for what went wrong: each says what, whose fault, and what to do.

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;

use super::{
    screens::Unshown,
    shell::{self, Shell},
};
use crate::{
    http::{guard::Objection, problem::Problem, state::AppState},
    rules::refusal::Refusal,
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

/// The page for what the API says in a problem document.
pub fn of_api(state: &AppState, error: Problem) -> Response {
    match error.until {
        Some(until) => too_many(state, error.detail(), until),
        None => problem(state, error.status(), "Not permitted", error.detail()),
    }
}

/// The page that says why something isn't done.
pub fn refused(state: &AppState, refusal: Refusal) -> Response {
    match refusal {
        Refusal::Limited { why, until } => too_many(state, &why, until),
        Refusal::Store(error) => of_store(state, &error),
        Refusal::Malformed(why) => {
            problem(state, StatusCode::UNPROCESSABLE_ENTITY, "This can’t be tested", &why)
        }
        Refusal::Forbidden(why) => problem(state, StatusCode::FORBIDDEN, "Not permitted", &why),
    }
}

/// The page that says why the guard refuses a request.
pub fn not_served(state: &AppState, objection: Objection) -> Response {
    let (status, heading, says) = match objection {
        Objection::NotOurName => (
            StatusCode::MISDIRECTED_REQUEST,
            "Not the service of that name",
            "This is a private service: it answers to the address of this machine, to localhost, \
             and to the name in its settings.",
        ),
        Objection::OtherSite => (
            StatusCode::FORBIDDEN,
            "Sent from elsewhere",
            "This form was sent by another site. If you meant it, start from the front page.",
        ),
    };
    problem(state, status, heading, says)
}

/// A page for a result that can't be shown.
pub fn unshown(state: &AppState, error: &Unshown) -> Response {
    match error {
        Unshown::Store(error) => of_store(state, error),
        Unshown::Template(error) => {
            tracing::error!(%error, "a result could not be rendered");
            fault(state)
        }
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

/// The page for an error of the store.
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
