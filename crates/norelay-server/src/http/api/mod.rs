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
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::http::{
    guard::Objection,
    headers,
    problem::Problem,
    protect::{Face, protect},
    state::AppState,
};

/// A request's body: a target and lists of a few names.
const MAX_BODY: usize = 64 * 1024;

/// What the layers around the API say and hold.
const FACE: Face = Face {
    max_body: MAX_BODY,
    headers: headers::OF_API,
    uncounted: None,
    refused,
    turned_away: |_, problem| problem.into_response(),
};

/// What the document says that no handler says.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "norelay",
        description = "Tests on evidence whether a stranger can send mail through a server to \
                       somewhere else.",
        license(name = "MIT OR Apache-2.0")
    ),
    modifiers(&KeyScheme),
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
struct ApiDocument;

struct KeyScheme;

impl Modify for KeyScheme {
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
    OpenApiRouter::<AppState>::with_openapi(ApiDocument::openapi())
        .nest("/api/v1", routes())
        .into_openapi()
}

/// The API's routes, to be nested under `/api/v1`.
pub fn router(state: AppState) -> Router<AppState> {
    let (routes, _) = routes().split_for_parts();
    let routes = routes
        .route("/openapi.json", get(async || Json(document())))
        .fallback(async || {
            Problem::new(StatusCode::NOT_FOUND, "There is no such resource: see /api.")
        })
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "This resource has other methods: see /api.",
            )
        });
    protect(routes, state, FACE)
}

fn refused(_: &AppState, objection: Objection) -> Response {
    let (status, says) = match objection {
        Objection::NotOurName => (
            StatusCode::MISDIRECTED_REQUEST,
            "This is a private service: it answers to addresses, to localhost, and to the names in \
             its settings.",
        ),
        Objection::OtherSite => {
            (StatusCode::FORBIDDEN, "This request was sent by another site's page.")
        }
    };
    Problem::new(status, says).into_response()
}
