//! The front page, and how a test begins.

use askama::Template;
use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use jiff::{SignedDuration, Timestamp};
use norelay_core::catalogue::Profile;
use serde::Deserialize;

use super::{
    of_job::target_of,
    problem_page,
    shell::{self, Shell},
    view::{
        mark::{self, Mark},
        time,
    },
};
use crate::{
    http::{problem::correctable, state::AppState},
    rules::{client::Client, refusal::Refusal},
    run::Started,
    store::{Job, JobId, TestRequest},
};

/// The profiles that the form offers: value, name, what it is.
pub const PROFILES: [(&str, &str, &str); 3] = [
    (Profile::Classic.word(), "Classic", "the seventeen of abuse.net"),
    (Profile::Standard.word(), "Standard", "what every server should be asked today"),
    (Profile::Thorough.word(), "Thorough", "all that is harmless"),
];
/// More ports are no test of a mail server but a scan.
const MOST_PORTS: usize = 16;
const RECENT: u32 = 12;

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    shell: Shell,
    target: &'a str,
    profile: &'a str,
    ports: &'a str,
    /// Whether the options are shown: in private mode, and to who has shown control over something.
    options: bool,
    opened: bool,
    receiver: bool,
    proof: bool,
    problem: &'a str,
    sources: &'a [String],
    recent: Vec<Recent>,
}

/// A line of the list of recent tests, which only private mode shows.
struct Recent {
    id: JobId,
    target: String,
    mark: Mark,
    word: &'static str,
    when: String,
}

/// The fields of the form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TestForm {
    target: String,
    profile: String,
    ports: String,
    /// A box that is ticked, `yes`; one that isn't sends nothing.
    proof: String,
}

/// `GET /`
pub async fn home(State(state): State<AppState>, asker: Client) -> Response {
    // The box is ticked at first: a client who may have proof wants proof.
    let asked = TestForm { proof: "yes".to_owned(), ..TestForm::default() };
    front(&state, &asker, &asked, StatusCode::OK, "").await
}

/// Returns true if the client may choose more than the target.
async fn has_options(state: &AppState, asker: &Client) -> bool {
    !state.config.public
        || state
            .store
            .owned_by(&asker.bucket(), Timestamp::now())
            .await
            .is_ok_and(|owned| !owned.is_empty())
}

async fn front(
    state: &AppState,
    asker: &Client,
    asked: &TestForm,
    status: StatusCode,
    problem: &str,
) -> Response {
    let recent = match state.config.public {
        true => Vec::new(),
        false => state.store.recent_jobs(RECENT).await.unwrap_or_default(),
    };
    let profile = if asked.profile.is_empty() { Profile::default().word() } else { &asked.profile };
    let page = Home {
        shell: Shell::new(state, "/", ""),
        target: &asked.target,
        profile,
        ports: &asked.ports,
        options: has_options(state, asker).await,
        receiver: !state.config.receiver.listen.is_empty(),
        proof: asked.proof == "yes",
        opened: !asked.ports.is_empty() || profile != Profile::default().word(),
        problem,
        sources: &state.config.source,
        recent: recent.into_iter().map(recent_line).collect(),
    };
    shell::page(status, &page)
}

fn recent_line(job: Job) -> Recent {
    let (mark, word) = match (job.state.is_over(), job.verdict) {
        (true, Some(verdict)) => mark::of_verdict(verdict),
        (true, None) => (mark::QUIET, "Stopped"),
        (false, _) => (mark::BUSY, "Testing"),
    };
    Recent { id: job.id, target: target_of(&job), mark, word, when: time::stamp(job.created) }
}

/// `POST /`
pub async fn ask(
    State(state): State<AppState>,
    asker: Client,
    Form(asked): Form<TestForm>,
) -> Response {
    let options = has_options(&state, &asker).await;
    let request = match request_of(&state, &asked, options) {
        Ok(request) => request,
        Err(problem) => {
            return front(&state, &asker, &asked, StatusCode::UNPROCESSABLE_ENTITY, &problem).await;
        }
    };
    let refusal = match state.runs.start(&asker, request).await {
        Ok(started) => return begun(&state, Ok(started)),
        Err(refusal) => refusal,
    };
    match correctable(refusal) {
        Ok((status, why)) => front(&state, &asker, &asked, status, &why).await,
        Err(refusal) => problem_page::refused(&state, refusal),
    }
}

/// Makes a request of the form's fields.
///
/// # Errors
/// A sentence for the user about a field.
fn request_of(state: &AppState, asked: &TestForm, options: bool) -> Result<TestRequest, String> {
    let target = asked.target.trim();
    if target.is_empty() {
        return Err("Type the name or the address of a mail server, or a domain.".to_owned());
    }
    // The form doesn't offer the intrusive tests: the API does, to owners who ask for them by name.
    let offered = PROFILES.iter().any(|(word, ..)| *word == asked.profile);
    let profile = asked
        .profile
        .parse()
        .ok()
        .filter(|_| offered)
        .unwrap_or_default();
    let words: Vec<_> = asked
        .ports
        .split([',', ' '])
        .filter(|word| !word.is_empty())
        .collect();
    let ports: Option<Vec<u16>> = words
        .iter()
        .map(|word| word.parse().ok().filter(|port| *port > 0))
        .collect();
    let ports = ports.filter(|ports| ports.len() <= MOST_PORTS);
    let ports = ports.ok_or(
        "Ports are numbers from 1 to 65535, separated by commas, at most sixteen of them.",
    )?;
    let proof = asked.proof == "yes" && !state.config.receiver.listen.is_empty();
    // The fields of the options are ignored, not refused: the form doesn't show them here, so only
    // a made-up request has them.
    Ok(match options {
        true => TestRequest {
            target: target.to_owned(),
            profile,
            ports,
            proof,
            ..TestRequest::default()
        },
        false => TestRequest { target: target.to_owned(), ..TestRequest::default() },
    })
}

/// Begins a test that is asked for from a result's page, and goes to its page.
pub async fn begin(state: &AppState, asker: &Client, request: TestRequest) -> Response {
    let outcome = state.runs.start(asker, request).await;
    begun(state, outcome)
}

/// Goes to the page of a test, new or recent.
fn begun(state: &AppState, outcome: Result<Started, Refusal>) -> Response {
    match outcome {
        Ok(Started::New(job)) => Redirect::to(&format!("/t/{}", job.id)).into_response(),
        Ok(Started::Recent(job)) => Redirect::to(&format!("/t/{}?recent", job.id)).into_response(),
        Err(refusal) => problem_page::refused(state, refusal),
    }
}

/// When the target of a result may be tested again, where that is not yet.
#[must_use]
pub fn again_at(state: &AppState, job: &Job) -> Option<Timestamp> {
    let pause = SignedDuration::from_mins(i64::from(state.config.limits.target_minutes));
    let until = job.created.saturating_add(pause).ok()?;
    (state.config.public && until > Timestamp::now()).then_some(until)
}
