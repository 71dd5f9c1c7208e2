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
mod markdown;
mod of_job;
mod opt_out_page;
mod pages;
mod parts;
mod problem_page;
pub mod result;
mod screens;
pub mod shell;
pub mod start;
mod verify;
pub mod view;

use axum::{
    Extension, Router,
    routing::{get, post},
};

use self::pages::Pages;
use crate::http::{
    headers,
    protect::{Face, protect},
    state::AppState,
};

/// A form has a target and a few words.
const MOST_OF_A_FORM: usize = 16 * 1024;

/// What the layers around the pages say and hold.
const FACE: Face = Face {
    max_body: MOST_OF_A_FORM,
    headers: headers::OF_PAGES,
    // What belongs to a page and is kept by browsers.
    uncounted: Some("/assets/"),
    refused: problem_page::not_served,
    turned_away: problem_page::of_api,
};

/// The pages' routes.
pub fn router(state: AppState) -> Router<AppState> {
    let routes = Router::new()
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
        .layer(Extension(Pages::new(&state)));
    protect(routes, state, FACE)
}
