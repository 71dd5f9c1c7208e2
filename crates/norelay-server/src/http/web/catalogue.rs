//! The catalogue's pages, made from the table and the documents.

use std::{collections::HashMap, sync::LazyLock};

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use norelay_core::catalogue::{Group, Line, Profile, RelayTest, TESTS, TestId, by_id};

use super::{
    markdown, problem_page,
    shell::{self, Shell},
};
use crate::http::state::AppState;

/// The documents as HTML, by id.
static DOCUMENTS: LazyLock<HashMap<TestId, String>> = LazyLock::new(|| {
    TESTS
        .iter()
        .map(|test| (test.id, markdown::render(test.document)))
        .collect()
});

#[derive(Template)]
#[template(path = "tests.html")]
struct TestsPage {
    shell: Shell,
    groups: Vec<(&'static str, &'static str, Vec<&'static RelayTest>)>,
}

#[derive(Template)]
#[template(path = "test.html")]
struct TestPage {
    shell: Shell,
    test: &'static RelayTest,
    lines: Vec<String>,
    document: &'static str,
    before: Option<&'static RelayTest>,
    after: Option<&'static RelayTest>,
}

/// `GET /tests`
pub async fn tests(State(state): State<AppState>) -> Response {
    let of =
        |keep: fn(&RelayTest) -> bool| TESTS.iter().filter(|test| keep(test)).collect::<Vec<_>>();
    let groups = vec![
        (
            "Classic",
            "The seventeen of the abuse.net relay tester.",
            of(|test| test.is_scored() && test.profile == Profile::Classic),
        ),
        (
            "Standard",
            "What the old lists lack and every server should be asked today.",
            of(|test| test.is_scored() && test.profile == Profile::Standard),
        ),
        (
            "Thorough",
            "Everything else that does no harm.",
            of(|test| test.is_scored() && test.profile == Profile::Thorough),
        ),
        (
            "Intrusive",
            "What may upset a server: only for its own administrator.",
            of(|test| test.is_scored() && test.profile == Profile::Intrusive),
        ),
        (
            "Adjacent",
            "Other things worth knowing, which are no relaying.",
            of(|test| test.group == Group::Adjacent),
        ),
        (
            "Controls",
            "They have no right answer: they say how to read the others.",
            of(RelayTest::is_control),
        ),
    ];
    let groups = groups
        .into_iter()
        .filter(|(_, _, tests)| !tests.is_empty())
        .collect();
    let shell = Shell::new(&state, "/tests", "The catalogue of tests");
    shell::page(StatusCode::OK, &TestsPage { shell, groups })
}

/// `GET /tests/{id}`
pub async fn test(State(state): State<AppState>, Path(id): Path<String>) -> Response {
    let Some(test) = by_id(&id) else { return problem_page::not_found(&state) };
    let place = TESTS
        .iter()
        .position(|other| other.number == test.number)
        .unwrap_or_default();
    let page = TestPage {
        shell: Shell::new(&state, "/tests", test.title()),
        test,
        lines: test
            .dialogue
            .iter()
            .filter_map(|line| said(test, line))
            .collect(),
        document: DOCUMENTS
            .get(&test.id)
            .map(String::as_str)
            .unwrap_or_default(),
        before: place.checked_sub(1).and_then(|place| TESTS.get(place)),
        after: TESTS.get(place + 1),
    };
    shell::page(StatusCode::OK, &page)
}

/// A line of a test's dialogue, as it is said.
fn said(test: &RelayTest, line: &Line) -> Option<String> {
    match line {
        Line::Preface(preface) => Some((*preface).to_owned()),
        Line::Helo(name) => Some(format!("HELO {name}")),
        Line::BehindStartTls => Some("STARTTLS".to_owned()),
        Line::Smuggle(end) => Some(format!("… {end}MAIL FROM:…")),
        Line::Credentials => Some("AUTH ********".to_owned()),
        Line::Mail => Some(format!("MAIL FROM:{}", test.reverse_path)),
        Line::Rcpt => Some(format!("RCPT TO:{}", test.forward_path)),
        Line::Say(_, _, line) | Line::Exchange(_, line, _) => Some((*line).to_owned()),
        _ => None,
    }
}
