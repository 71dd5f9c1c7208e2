//! What every page has: title, menu, head.
//!
//! Rules:
//! - Whatever a page gives back of what was typed or said, no control and nothing that reorders or
//!   hides text is in it.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use norelay_core::octets::harmless;

use crate::http::state::AppState;

/// The menu at the top.
pub const MENU: [(&str, &str); 5] = [
    ("/", "Test"),
    ("/tests", "Catalogue"),
    ("/fix", "Fix"),
    ("/blacklist", "Blacklists"),
    ("/api", "API"),
];

/// The menu at the foot.
pub const FOOT: [(&str, &str); 6] = [
    ("/about/scanner", "The scanner"),
    ("/about/accuracy", "Accuracy"),
    ("/optout", "Opt out"),
    ("/verify", "Proof of control"),
    ("/privacy", "Privacy"),
    ("/status", "Status"),
];

/// A page's frame.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The title; empty on the front page.
    pub title: String,
    /// Which entry of a menu the page is.
    pub here: &'static str,
    /// True if search engines may list the page.
    pub index: bool,
    /// True if the page refreshes itself without scripts.
    pub refresh: bool,
    /// True if the page loads the script.
    pub script: bool,
    /// True in public mode.
    pub public: bool,
}

impl Shell {
    /// The frame of a page that anybody may find.
    #[must_use]
    pub fn new(state: &AppState, here: &'static str, title: impl Into<String>) -> Self {
        let public = state.config.public;
        Self { title: title.into(), here, index: public, refresh: false, script: false, public }
    }

    /// The frame of a page about a result.
    #[must_use]
    pub fn of_result(state: &AppState, title: impl Into<String>) -> Self {
        Self { index: false, script: true, ..Self::new(state, "", title) }
    }
}

/// A rendered page.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (
            status,
            Html(
                html.split('\n')
                    .map(harmless)
                    .collect::<Vec<_>>()
                    .join("\n"),
            ),
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
