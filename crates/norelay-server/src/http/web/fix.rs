//! The remedies' pages: a page for each server, with a section for each way to close it.

use std::{collections::HashMap, sync::LazyLock};

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use norelay_core::remedy::{self, Remedy};
use pulldown_cmark::HeadingLevel;

use super::{
    markdown, problem_page,
    shell::{self, Shell},
};
use crate::http::state::AppState;

/// The documents as HTML, by key.
static DOCUMENTS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let rendered =
        |remedy: &Remedy| (remedy.key(), markdown::render_below(remedy.document, HeadingLevel::H3));
    remedy::remedies().iter().map(rendered).collect()
});

#[derive(Template)]
#[template(path = "fix.html")]
struct FixPage {
    shell: Shell,
    /// Name, title, and how many remedies.
    servers: Vec<(&'static str, &'static str, String)>,
}

#[derive(Template)]
#[template(path = "fix-server.html")]
struct ServerPage {
    shell: Shell,
    title: &'static str,
    remedies: Vec<ShownRemedy>,
}

struct ShownRemedy {
    name: &'static str,
    title: &'static str,
    cures: String,
    document: &'static str,
}

/// `GET /fix`
pub async fn fix(State(state): State<AppState>) -> Response {
    let servers = remedy::servers().map(|server| {
        let number = remedy::remedies()
            .iter()
            .filter(|remedy| remedy.server == server)
            .count();
        (server, remedy::title_of(server), super::view::count(number, "remedy", "remedies"))
    });
    let shell = Shell::new(&state, "/fix", "Close an open relay");
    shell::page(StatusCode::OK, &FixPage { shell, servers: servers.collect() })
}

/// `GET /fix/{server}`
pub async fn server(State(state): State<AppState>, Path(server): Path<String>) -> Response {
    let Some(server) = remedy::server_named(&server) else {
        return problem_page::not_found(&state);
    };
    let remedies: Vec<_> = remedy::remedies()
        .iter()
        .filter(|remedy| remedy.server == server)
        .map(shown)
        .collect();
    let title = remedy::title_of(server);
    let shell = Shell::new(&state, "/fix", format!("Close an open {title}"));
    shell::page(StatusCode::OK, &ServerPage { shell, title, remedies })
}

fn shown(remedy: &'static Remedy) -> ShownRemedy {
    let cures: Vec<_> = remedy.causes.iter().map(|cause| cause.clause()).collect();
    ShownRemedy {
        name: remedy.name,
        title: remedy.title(),
        cures: cures.join(", or "),
        document: DOCUMENTS
            .get(&remedy.key())
            .map(String::as_str)
            .unwrap_or_default(),
    }
}
