//! The API, version 1.
//!
//! Rules:
//! - Every error is a problem document (RFC 9457), with a sentence that says what to do.
//! - The OpenAPI document is made from the handlers themselves, and a snapshot holds it.
//! - What pages may not do, the API may not either: permission, limits and guards are the same.

mod about;
mod api_keys;
mod entries;
mod opt_outs;
mod proofs;
mod receptions;
mod relay_tests;
mod stream;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::timeout::TimeoutLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::throttle::{self, ANSWER_TIMEOUT},
    http::{problem::Problem, state::AppState, web::guard},
    rules::budgets::Requests,
};

/// A request's body: a target and lists of a few names.
const MAX_BODY: usize = 64 * 1024;

/// What the document says that no handler says.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "norelay",
        description = "Tests on evidence whether a stranger can send mail through a server to \
                       somewhere else.",
        license(name = "MIT OR Apache-2.0")
    ),
    modifiers(&Keys),
    tags(
        (name = "tests", description = "Start a test, follow it, read its report."),
        (name = "catalogue", description = "What is tested."),
        (name = "receptions", description = "A test runs elsewhere; this service's receiver \
                                             proves."),
        (name = "proofs", description = "Show that a server is yours."),
        (name = "opt-outs", description = "Networks that are not tested."),
        (name = "keys", description = "API keys."),
        (name = "service", description = "What this service is.")
    )
)]
struct Document;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("norelay_ID_SECRET")
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
    }
}

fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(relay_tests::start))
        .routes(routes!(relay_tests::show, relay_tests::delete))
        .routes(routes!(relay_tests::stop))
        .routes(routes!(relay_tests::events))
        .routes(routes!(relay_tests::report))
        .routes(routes!(entries::list))
        .routes(routes!(entries::show))
        .routes(routes!(receptions::create))
        .routes(routes!(receptions::receipts))
        .routes(routes!(receptions::events))
        .routes(routes!(receptions::delete))
        .routes(routes!(proofs::list))
        .routes(routes!(proofs::record))
        .routes(routes!(proofs::dns))
        .routes(routes!(proofs::mail))
        .routes(routes!(proofs::mailed))
        .routes(routes!(proofs::connect))
        .routes(routes!(opt_outs::list, opt_outs::create, opt_outs::delete))
        .routes(routes!(api_keys::list, api_keys::create))
        .routes(routes!(api_keys::revoke))
        .routes(routes!(about::show))
}

/// The OpenAPI document, with the paths as clients see them.
#[must_use]
pub fn document() -> openapi::OpenApi {
    OpenApiRouter::<AppState>::with_openapi(Document::openapi())
        .nest("/api/v1", routes())
        .into_openapi()
}

/// The API's routes, to be nested under `/api/v1`.
pub fn router(state: &AppState, requests: Requests) -> Router<AppState> {
    let (router, _) = routes().split_for_parts();
    router
        .route("/openapi.json", get(async || Json(document())))
        .fallback(async || {
            Problem::new(StatusCode::NOT_FOUND, "There is no such resource: see /api.")
        })
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "This resource has other methods: see /api.",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ANSWER_TIMEOUT))
        .layer(middleware::from_fn_with_state((state.clone(), requests), turn_away))
        .layer(middleware::from_fn_with_state(state.clone(), guard))
        .layer(middleware::map_response(with_headers))
}

async fn turn_away(
    State((state, requests)): State<(AppState, Requests)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    throttle::turn_away(&state, &requests, request, next).await
}

/// Refuses what another site's page sends, and names that aren't ours, as for pages.
async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let host = guard::host_of(request.headers(), request.uri());
    if !state.config.public
        && !host
            .as_deref()
            .is_none_or(|host| guard::is_ours(&state.config, host))
    {
        let says = "This is a private service: it answers to addresses, to localhost, and to the \
                    names in its settings.";
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, says).into_response();
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if changes
        && !guard::is_same_origin(request.headers(), host.as_deref(), state.config.url.as_deref())
    {
        return Problem::new(
            StatusCode::FORBIDDEN,
            "This request was sent by another site's page.",
        )
        .into_response();
    }
    next.run(request).await
}

async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (header::HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
