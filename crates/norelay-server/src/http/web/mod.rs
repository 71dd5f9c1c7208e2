//! The pages.
//!
//! Rules:
//! - A page shows what the event log says, folded and judged by `norelay_core`; it is complete
//!   without scripts.
//! - Nothing is loaded from elsewhere, no markup is made by hand where a template can make it, no
//!   style or script is inline.
//! - Whatever changes something is a form of our own pages (`guard`).

mod api_page;
pub mod assets;
mod blacklist;
mod catalogue;
mod documents;
mod events;
mod fix;
mod fold;
pub(crate) mod guard;
mod markdown;
mod opt_out_page;
mod parts;
mod problem_page;
pub mod result;
pub mod shell;
pub mod start;
mod verify;
pub mod view;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use jiff::Timestamp;
use tower_http::timeout::TimeoutLayer;

use crate::http::throttle::{self, ANSWER_TIMEOUT};
use crate::{http::state::AppState, rules::budgets::Requests, run::lookups::Lookups};

/// A form has a target and a few words.
const MOST_OF_A_FORM: usize = 16 * 1024;

/// Only what is ours, and nothing inline. `trusted-types` names the one place in our script that
/// makes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for \
     'script'; trusted-types norelay";

/// What the pages keep between requests; cheap to clone.
#[derive(Clone)]
pub struct Pages {
    folds: fold::Folds,
    lookups: Lookups,
    since: Timestamp,
}

impl Pages {
    /// The address of the service, without a slash at the end.
    fn url(&self, state: &AppState) -> String {
        state
            .config
            .url
            .clone()
            .unwrap_or_else(|| format!("http://{}", state.config.listen))
    }
}

/// The pages' routes.
pub fn router(state: AppState, requests: Requests) -> Router<AppState> {
    let pages = Pages {
        folds: fold::Folds::default(),
        lookups: Lookups::new(state.config.clone(), state.runs.permission().clone()),
        since: Timestamp::now(),
    };
    Router::new()
        .route("/", get(start::home).post(start::ask))
        .route("/t/{id}", get(result::show))
        .route("/t/{id}/live", get(events::live))
        .route("/t/{id}/transcript", get(result::transcripts))
        .route("/t/{id}/transcript/{test}", get(result::transcript))
        .route("/t/{id}/again", post(result::again))
        .route("/t/{id}/stop", post(result::stop))
        .route("/t/{id}/delete", get(result::confirm_delete).post(result::delete))
        .route("/tests", get(catalogue::tests))
        .route("/tests/{id}", get(catalogue::test))
        .route("/fix", get(fix::fix))
        .route("/fix/{mta}", get(fix::server))
        .route("/blacklist", get(blacklist::show).post(blacklist::look_up))
        .route("/api", get(api_page::api))
        .route("/about/scanner", get(documents::scanner))
        .route("/about/accuracy", get(documents::accuracy))
        .route("/privacy", get(documents::privacy))
        .route("/optout", get(opt_out_page::show).post(opt_out_page::change))
        .route("/verify", get(verify::verify))
        .route("/verify/dns", post(verify::dns))
        .route("/verify/mail", post(verify::mail))
        .route("/verify/mailed", post(verify::mailed))
        .route("/verify/connect", post(verify::connect))
        .route("/status", get(documents::status))
        .route("/.well-known/probing.txt", get(documents::probing))
        .route("/robots.txt", get(documents::robots))
        .route("/assets/{hash}/{name}", get(assets::serve))
        .fallback(problem_page::fallback)
        .layer(DefaultBodyLimit::max(MOST_OF_A_FORM))
        .layer(Extension(pages))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ANSWER_TIMEOUT))
        .layer(middleware::from_fn_with_state((state.clone(), requests), turn_away))
        .layer(middleware::from_fn_with_state(state, guard::guard))
        .layer(middleware::map_response(with_headers))
}

/// Who asks too often is turned away, but for what belongs to a page and is kept by browsers.
async fn turn_away(
    State((state, requests)): State<(AppState, Requests)>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path().starts_with("/assets/") {
        return next.run(request).await;
    }
    let turned = throttle::turn_away(&state, &requests, request, next).await;
    turned.unwrap_or_else(|error| problem_page::of_api(&state, &error))
}

async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // A form's request must say where it comes from; other sites are told nothing.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), interest-cohort=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
