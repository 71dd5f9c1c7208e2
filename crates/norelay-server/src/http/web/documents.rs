//! The pages about the service itself.

use askama::Template;
use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use norelay_core::check::Verdict;

use super::{
    pages::Pages,
    shell::{self, Shell},
    view::{
        mark::{self, Mark},
        particulars::Particular,
        time,
    },
};
use crate::http::state::AppState;

/// RFC 9511 section 3.2 has the file say until when it holds; it is made anew with each request.
const PROBING_HOLDS: SignedDuration = SignedDuration::from_hours(24 * 90);

#[derive(Template)]
#[template(path = "pages/scanner.html")]
struct Scanner<'a> {
    shell: Shell,
    sources: &'a [String],
    contact: Option<&'a str>,
}

/// `GET /about/scanner`
pub async fn scanner(State(state): State<AppState>) -> Response {
    let shell = Shell::new(&state, "/about/scanner", "The scanner");
    let contact = state.config.contact.as_deref();
    shell::page(StatusCode::OK, &Scanner { shell, sources: &state.config.source, contact })
}

#[derive(Template)]
#[template(path = "pages/accuracy.html")]
struct Accuracy {
    shell: Shell,
    verdicts: Vec<(Mark, &'static str, &'static str)>,
}

/// `GET /about/accuracy`
pub async fn accuracy(State(state): State<AppState>) -> Response {
    let verdicts = [
        (Verdict::OpenRelay, "A message of ours came back through the server."),
        (
            Verdict::Suspect,
            "Something was accepted, nothing came back, and no control explains it.",
        ),
        (
            Verdict::Inconclusive,
            "Some question has no answer about relaying; the page says which, and why.",
        ),
        (
            Verdict::Closed,
            "Every question was asked, and every one was refused because relaying is denied, or \
             shown to be local delivery.",
        ),
        (Verdict::Unreachable, "Nothing spoke SMTP."),
    ];
    let verdicts = verdicts.map(|(verdict, when)| {
        let (mark, word) = mark::of_verdict(verdict);
        (mark, word, when)
    });
    let shell = Shell::new(&state, "/about/accuracy", "How far to trust a verdict");
    shell::page(StatusCode::OK, &Accuracy { shell, verdicts: verdicts.into() })
}

#[derive(Template)]
#[template(path = "pages/privacy.html")]
struct Privacy<'a> {
    shell: Shell,
    contact: Option<&'a str>,
}

/// `GET /privacy`
pub async fn privacy(State(state): State<AppState>) -> Response {
    let shell = Shell::new(&state, "/privacy", "Privacy");
    shell::page(StatusCode::OK, &Privacy { shell, contact: state.config.contact.as_deref() })
}

#[derive(Template)]
#[template(path = "pages/status.html")]
struct Status {
    shell: Shell,
    well: bool,
    facts: Vec<Particular>,
}

/// `GET /status`
pub async fn status(State(state): State<AppState>, Extension(pages): Extension<Pages>) -> Response {
    let database = state.store.recent_jobs(1).await;
    let facts = vec![
        ("Pages", "in order".to_owned()),
        (
            "Database",
            database
                .as_ref()
                .map_or_else(|_| "does not answer".to_owned(), |_| "in order".to_owned()),
        ),
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("Running since", time::stamp(pages.since)),
        ("Time here", time::stamp(Timestamp::now())),
    ];
    let shell = Shell { index: false, ..Shell::new(&state, "/status", "Status") };
    shell::page(StatusCode::OK, &Status { shell, well: database.is_ok(), facts })
}

/// `GET /.well-known/probing.txt` (RFC 9511 section 3.2)
pub async fn probing(
    State(state): State<AppState>,
    Extension(pages): Extension<Pages>,
) -> Response {
    let url = pages.url(&state);
    let mut lines = vec![format!("Canonical: {url}/.well-known/probing.txt")];
    lines.extend(
        state
            .config
            .contact
            .as_ref()
            .map(|contact| format!("Contact: mailto:{contact}")),
    );
    lines.push(format!("Contact: {url}/about/scanner"));
    lines.push(format!(
        "Expires: {}",
        time::machine(time::after(
            Timestamp::now(),
            PROBING_HOLDS.as_millis().unsigned_abs() as u64
        ))
    ));
    lines.push("Preferred-Languages: en".to_owned());
    lines.push(
        "Description: Tests of mail servers for open relaying, asked for by people who name the \
         server."
            .to_owned(),
    );
    let text = lines.join("\n") + "\n";
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// `GET /robots.txt`
pub async fn robots() -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        "User-agent: *\nDisallow: /t/\nDisallow: /api/\n",
    )
        .into_response()
}
