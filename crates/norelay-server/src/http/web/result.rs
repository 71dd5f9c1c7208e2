//! A result's pages: live and permanent, its transcripts, its downloads, and what can be done with
//! it.

use askama::Template;
use axum::{
    Extension, Form,
    extract::{Path, RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use norelay_core::{
    catalogue::{self, RelayTest},
    path::PathId,
};
use norelay_render::{Format, Options};
use serde::Deserialize;

use super::{
    of_job::{job_of, target_of},
    pages::Pages,
    problem_page,
    shell::{self, Shell},
    start,
    view::{
        RunPhase, RunView,
        compare::{self, Change},
        rows::{self, PathAnswer, TestRow},
        talk::ShownDialogue,
        time,
    },
};
use crate::{
    http::{headers::no_store, state::AppState},
    rules::client::Client,
    store::{Job, JobId, OnePath, Stored, TestRequest},
};

#[derive(Template)]
#[template(path = "result.html")]
struct ResultPage<'a> {
    shell: Shell,
    id: String,
    target: &'a str,
    created: Timestamp,
    expires: Timestamp,
    address: String,
    seq: i64,
    over: bool,
    yours: bool,
    recent: bool,
    again_at: Option<Timestamp>,
    compared: Option<Compared>,
    verdict: &'a str,
    advice: &'a str,
    paths: &'a str,
    beside: &'a str,
    tests: &'a str,
    particulars: &'a str,
}

/// A comparison with the previous run.
struct Compared {
    id: JobId,
    when: String,
    /// Verdicts.
    large: Vec<Change>,
    /// Answers to tests.
    small: Vec<Change>,
}

impl Compared {
    fn number(&self) -> usize {
        self.large.len() + self.small.len()
    }
}

#[derive(Template)]
#[template(path = "transcript.html")]
struct TranscriptPage<'a> {
    shell: Shell,
    id: JobId,
    target: &'a str,
    heading: String,
    body: String,
}

/// Transcripts under a heading, with words before them.
type Talks = (String, String, Vec<ShownDialogue>);

#[derive(Template)]
#[template(path = "part/transcripts.html")]
struct TranscriptsPart {
    rows: Vec<Talks>,
}

#[derive(Template)]
#[template(path = "delete.html")]
struct DeletePage<'a> {
    shell: Shell,
    id: JobId,
    target: &'a str,
}

/// `GET /t/{id}` and `GET /t/{id}.{ending}`
pub async fn show(
    State(state): State<AppState>,
    Extension(pages): Extension<Pages>,
    asker: Client,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let (id, ending) = name
        .split_once('.')
        .map_or((name.as_str(), None), |(id, ending)| (id, Some(ending)));
    let job = match job_of(&state, id).await {
        Ok(job) => job,
        Err(response) => return response,
    };
    match ending {
        None => page(&state, &pages, &asker, &job, query.as_deref().unwrap_or_default()).await,
        Some(ending) => download(&state, &job, ending).await,
    }
}

async fn page(state: &AppState, pages: &Pages, asker: &Client, job: &Job, query: &str) -> Response {
    let shown = match pages.screens.of(job.id).rendered(state, job).await {
        Ok(shown) => shown,
        Err(error) => return problem_page::unshown(state, &error),
    };
    let over = shown.phase == RunPhase::Over;
    let compared = if over { compared(state, job).await } else { None };
    let mut shell = Shell::of_result(state, format!("Relay test of {}", target_of(job)));
    shell.refresh = !over && !query.contains("refresh=no");
    let page = ResultPage {
        shell,
        id: job.id.to_string(),
        target: &target_of(job),
        created: job.created,
        expires: job.expires,
        address: format!("{}/t/{}", pages.url(state), job.id),
        seq: shown.seq,
        over,
        yours: state.runs.may_change(asker, job),
        recent: query.contains("recent"),
        again_at: start::again_at(state, job),
        compared,
        verdict: shown.part("verdict"),
        advice: shown.part("advice"),
        paths: shown.part("paths"),
        beside: shown.part("beside"),
        tests: shown.part("tests"),
        particulars: shown.part("particulars"),
    };
    no_store(shell::page(StatusCode::OK, &page))
}

async fn compared(state: &AppState, job: &Job) -> Option<Compared> {
    let previous = state.store.previous(job).await.ok().flatten()?;
    let before = state.runs.folded(&previous).await.ok()?;
    let now = state.runs.folded(job).await.ok()?;
    let changes = compare::changes(
        (before.report(), &before.assessment().judgement),
        (now.report(), &now.assessment().judgement),
    );
    let (large, small) = changes.into_iter().partition(|change| change.is_verdict);
    Some(Compared { id: previous.id, when: time::stamp(previous.created), large, small })
}

/// The downloads: how the address ends, and the name.
pub const DOWNLOADS: [(&str, &str); 9] = [
    ("txt", "Text"),
    ("html", "HTML"),
    ("md", "Markdown"),
    ("json", "JSON"),
    ("csv", "CSV"),
    ("junit", "JUnit XML"),
    ("sarif", "SARIF"),
    ("nagios", "Nagios"),
    ("jsonl", "Event log (JSON lines)"),
];

async fn download(state: &AppState, job: &Job, ending: &str) -> Response {
    let name = format!("norelay-{}", job.id);
    if ending == "jsonl" {
        return match state.store.events_since(job.id, 0, u32::MAX).await {
            Ok(stored) => attached(
                "application/jsonl; charset=utf-8",
                &format!("{name}.jsonl"),
                log_of(&stored),
            ),
            Err(error) => problem_page::of_store(state, &error),
        };
    }
    let ends = |format: &Format| format.name() == ending || format.extension() == ending;
    let Some(format) = Format::ALL.iter().copied().find(ends) else {
        return problem_page::not_found(state);
    };
    let folded = match state.runs.folded(job).await {
        Ok(folded) => folded,
        Err(error) => return problem_page::of_store(state, &error),
    };
    let (report, assessment) = (folded.report(), folded.assessment());
    let text = norelay_render::render(format, report, assessment, &Options::default());
    attached(format.media_type(), &format!("{name}.{}", format.extension()), text)
}

fn log_of(stored: &[Stored]) -> String {
    stored.iter().flat_map(|one| [&*one.line, "\n"]).collect()
}

/// A download. What a browser could run, it keeps in a file; the rest it may show.
fn attached(kind: &'static str, name: &str, body: String) -> Response {
    let mut response = ([(header::CONTENT_TYPE, kind)], body).into_response();
    let is_shown = ["text/plain", "application/json"]
        .iter()
        .any(|shown| kind.starts_with(shown));
    let disposition =
        format!("{}; filename=\"{name}\"", if is_shown { "inline" } else { "attachment" });
    // A job's name and an extension are letters and digits.
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, value);
    }
    no_store(response)
}

/// `GET /t/{id}/transcript`: everything that was said.
pub async fn transcripts(State(state): State<AppState>, Path(id): Path<String>) -> Response {
    let job = match job_of(&state, &id).await {
        Ok(job) => job,
        Err(response) => return response,
    };
    let all = |seen: RunView| {
        let of_row = |row: TestRow| (heading_of(row.test), row.words.clone(), talks_of(row));
        rows::tests(seen)
            .into_iter()
            .chain(rows::controls(seen))
            .map(of_row)
            .collect()
    };
    transcript_page(&state, &job, "Transcripts".to_owned(), false, all).await
}

/// `GET /t/{id}/transcript/{test}`: what was said for one test; with `?bare` without the page
/// around it.
pub async fn transcript(
    State(state): State<AppState>,
    Path((id, test)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let job = match job_of(&state, &id).await {
        Ok(job) => job,
        Err(response) => return response,
    };
    let Ok(test) = catalogue::find(&test) else { return problem_page::not_found(&state) };
    let is_bare = query.as_deref() == Some("bare");
    let one = |seen: RunView| {
        let rows = rows::tests(seen).into_iter().chain(rows::controls(seen));
        let ways = rows
            .filter(|row| row.test.number == test.number)
            .flat_map(|row| row.ways);
        ways.map(|way| talk_of(seen, test, way, is_bare)).collect()
    };
    transcript_page(&state, &job, heading_of(test), is_bare, one).await
}

/// What was said for a test on one path; explained, unless it goes into a page that has little
/// room.
fn talk_of(seen: RunView, test: &RelayTest, way: PathAnswer, is_bare: bool) -> Talks {
    let words = format!("{}: {}. {}", way.name, way.words, way.because);
    let path = seen.report.path(way.path).into_iter();
    let explained = path.flat_map(|path| path.dialogues_of(test.id));
    let talks = match is_bare {
        true => way.talks,
        false => explained
            .map(|(number, dialogue)| ShownDialogue::explained(seen, number, dialogue))
            .collect(),
    };
    (String::new(), words, talks)
}

fn heading_of(test: &RelayTest) -> String {
    format!("Test {}: {}", test.number, test.title())
}

fn talks_of(row: TestRow) -> Vec<ShownDialogue> {
    row.ways.into_iter().flat_map(|way| way.talks).collect()
}

async fn transcript_page(
    state: &AppState,
    job: &Job,
    heading: String,
    is_bare: bool,
    rows: impl FnOnce(RunView) -> Vec<Talks>,
) -> Response {
    let rows = match state.runs.folded(job).await {
        Ok(folded) => rows(RunView::of(&folded, RunPhase::of(job))),
        Err(error) => return problem_page::of_store(state, &error),
    };
    let part = TranscriptsPart { rows };
    if is_bare {
        return no_store(shell::page(StatusCode::OK, &part));
    }
    let shell = Shell::of_result(state, format!("{heading}, {}", target_of(job)));
    let body = part.render().unwrap_or_default();
    no_store(shell::page(
        StatusCode::OK,
        &TranscriptPage { shell, id: job.id, target: &target_of(job), heading, body },
    ))
}

/// A form that asks for a new run: of a path by its number, of a test by its id, or of all.
#[derive(Debug, Default, Deserialize)]
pub struct RepeatForm {
    path: Option<PathId>,
    test: Option<String>,
}

/// `POST /t/{id}/again`
pub async fn again(
    State(state): State<AppState>,
    asker: Client,
    Path(id): Path<String>,
    Form(again): Form<RepeatForm>,
) -> Response {
    let job = match job_of(&state, &id).await {
        Ok(job) => job,
        Err(response) => return response,
    };
    let only = again.test.map(with_controls).unwrap_or_default();
    let mut request = TestRequest { only, path: None, ..job.request.clone() };
    if let Some(path) = again.path {
        let folded = match state.runs.folded(&job).await {
            Ok(folded) => folded,
            Err(error) => return problem_page::of_store(&state, &error),
        };
        let Some(known) = folded.report().path(path) else {
            return problem_page::not_found(&state);
        };
        // The target stays what was typed: the hosted domain and the server's name come from it.
        let there = known.destination();
        let (address, port, security) = (there.address, there.port, there.security);
        request.path = Some(OnePath { address, port, security });
    }
    start::begin(&state, &asker, request).await
}

/// A test alone can't be judged: the controls say how to read the server's answers.
fn with_controls(test: String) -> Vec<String> {
    let controls = catalogue::TESTS
        .iter()
        .filter(|test| test.is_control())
        .map(|test| test.id.into());
    std::iter::once(test).chain(controls).collect()
}

/// `POST /t/{id}/stop`
pub async fn stop(
    State(state): State<AppState>,
    asker: Client,
    Path(id): Path<String>,
) -> Response {
    let job = match job_of(&state, &id).await {
        Ok(job) => job,
        Err(response) => return response,
    };
    if !state.runs.may_change(&asker, &job) {
        return not_yours(&state);
    }
    match state.runs.stop(job.id).await {
        Ok(()) => Redirect::to(&format!("/t/{}", job.id)).into_response(),
        Err(error) => problem_page::of_store(&state, &error),
    }
}

/// `GET /t/{id}/delete`: asks whether it is meant.
pub async fn confirm_delete(State(state): State<AppState>, Path(id): Path<String>) -> Response {
    let job = match job_of(&state, &id).await {
        Ok(job) => job,
        Err(response) => return response,
    };
    let shell = Shell::of_result(&state, "Delete this result?");
    no_store(shell::page(
        StatusCode::OK,
        &DeletePage { shell, id: job.id, target: &target_of(&job) },
    ))
}

/// `POST /t/{id}/delete`
pub async fn delete(
    State(state): State<AppState>,
    Extension(pages): Extension<Pages>,
    asker: Client,
    Path(id): Path<String>,
) -> Response {
    let job = match job_of(&state, &id).await {
        Ok(job) => job,
        Err(response) => return response,
    };
    if !state.runs.may_change(&asker, &job) {
        return not_yours(&state);
    }
    match state.runs.delete(job.id).await {
        Ok(()) => {
            pages.screens.forget(job.id);
            problem_page::problem(
                &state,
                StatusCode::OK,
                "Deleted",
                "The result and everything that belonged to it is gone.",
            )
        }
        Err(error) => problem_page::of_store(&state, &error),
    }
}

fn not_yours(state: &AppState) -> Response {
    let says = "Only who asked for a test, from the network that it was asked from, can stop it \
                or delete its result.";
    problem_page::problem(state, StatusCode::FORBIDDEN, "Not yours to change", says)
}
