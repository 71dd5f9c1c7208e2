//! Tests: start one, follow it, read its report.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use norelay_core::check;
use norelay_render::{Format, Options};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::stream;
use crate::{
    http::{
        extract::{Body, Id, QueryParameters},
        problem::Problem,
        state::AppState,
    },
    rules::client::Client,
    run::Started,
    store::{Idempotency, Job, JobId, TestRequest},
};

/// A longer idempotency key is no key.
const MAX_IDEMPOTENCY_KEY: usize = 255;

/// A test.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Test)]
pub(super) struct ShownTest {
    /// Its name; who knows it may read the result.
    id: String,
    /// Its page.
    url: String,
    /// What was asked.
    request: TestRequest,
    /// `queued`, `running`, `finished` or `interrupted`.
    state: &'static str,
    /// `open`, `suspect`, `inconclusive`, `closed` or `unreachable`, as far as it is known.
    verdict: Option<&'static str>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// When it began.
    #[schema(value_type = Option<String>, format = DateTime)]
    started: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished: Option<Timestamp>,
    /// When it will be deleted.
    #[schema(value_type = String, format = DateTime)]
    expires: Timestamp,
    /// The number of the last record of its log.
    last_event: i64,
    /// Whether this is not a new test but a recent result of the same question.
    recent: bool,
}

impl ShownTest {
    fn of(state: &AppState, job: &Job, recent: bool) -> Self {
        Self {
            id: job.id.to_string(),
            url: format!("{}/t/{}", state.config.url.as_deref().unwrap_or_default(), job.id),
            request: job.request.clone(),
            state: job.state.word(),
            verdict: job.verdict.map(check::Verdict::word),
            created: job.created,
            started: job.started,
            finished: job.finished,
            expires: job.expires,
            last_event: job.last,
            recent,
        }
    }
}

/// Start a test.
///
/// With an `Idempotency-Key`, the same request sent again gives the same test.
#[utoipa::path(
    post, path = "/tests", tag = "tests", operation_id = "startTest", security((), ("key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the same request \
        sent again harmless.")),
    request_body = TestRequest,
    responses(
        (status = 201, description = "The test is queued.", body = ShownTest,
            headers(("Location" = String, description = "The test."))),
        (status = 200, description = "The target was tested a short while ago: this is that \
                                      test.", body = ShownTest),
        (status = 403, description = "It isn't permitted.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "The request makes no sense.", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many for now; `Retry-After` says until \
                                      when.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start(
    State(state): State<AppState>,
    asker: Client,
    headers: HeaderMap,
    Body(request): Body<TestRequest>,
) -> Result<Response, Problem> {
    let once = idempotency(&asker, &headers, &request)?;
    match state.runs.start_once(&asker, request, once).await? {
        Started::Recent(job) => Ok(Json(ShownTest::of(&state, &job, true)).into_response()),
        Started::New(job) => {
            let location = HeaderValue::from_str(&format!("/api/v1/tests/{}", job.id))
                .expect("an id has letters and digits");
            let test = Json(ShownTest::of(&state, &job, false));
            Ok((StatusCode::CREATED, [(header::LOCATION, location)], test).into_response())
        }
    }
}

fn idempotency(
    asker: &Client,
    headers: &HeaderMap,
    request: &TestRequest,
) -> Result<Option<Idempotency>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.as_bytes();
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY {
        let says = format!("An Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY} octets.");
        return Err(Problem::new(StatusCode::BAD_REQUEST, says));
    }
    let digest = Sha256::new()
        .chain_update(asker.bucket())
        .chain_update([0])
        .chain_update(key)
        .finalize()
        .into();
    let request = serde_json::to_vec(request).expect("a request has string keys");
    Ok(Some(Idempotency { digest, fingerprint: Sha256::digest(request).into() }))
}

/// Read a test.
#[utoipa::path(
    get, path = "/tests/{id}", tag = "tests", operation_id = "showTest",
    params(("id" = String, Path, description = "The test's name.")),
    responses(
        (status = 200, description = "The test.", body = ShownTest),
        (status = 404, description = "There is none, or it has expired.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(state): State<AppState>,
    Id(id): Id,
) -> Result<Json<ShownTest>, Problem> {
    let job = state.store.job(id).await?;
    Ok(Json(ShownTest::of(&state, &job, false)))
}

/// Delete a test.
///
/// It is stopped, and its log and report are gone. What it has used up of limits isn't given back.
#[utoipa::path(
    delete, path = "/tests/{id}", tag = "tests", operation_id = "deleteTest", security((),
        ("key" = [])),
    params(("id" = String, Path, description = "The test's name.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 403, description = "Somebody else has asked for it.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "There is none.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    asker: Client,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    changeable(&state, &asker, id).await?;
    state.runs.delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stop a test.
///
/// What is known stays, and is judged as it is.
#[utoipa::path(
    post, path = "/tests/{id}/stop", tag = "tests", operation_id = "stopTest", security((),
        ("key" = [])),
    params(("id" = String, Path, description = "The test's name.")),
    responses(
        (status = 202, description = "It is being stopped, or is over."),
        (status = 403, description = "Somebody else has asked for it.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "There is none.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn stop(
    State(state): State<AppState>,
    asker: Client,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    changeable(&state, &asker, id).await?;
    state.runs.stop(id).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn changeable(state: &AppState, asker: &Client, id: JobId) -> Result<(), Problem> {
    let job = state.store.job(id).await?;
    match state.runs.may_change(asker, &job) {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "Only who has asked for a test may stop or delete it.",
        )),
    }
}

/// Where to begin.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Since {
    /// The number of the last event that is known; 0 for all.
    since: i64,
}

/// Follow a test.
///
/// Server-sent events: each `record` is a record of the event log, with its number as the event's
/// id. The log comes from its start (or from `since`, or `Last-Event-ID`), and goes on while the
/// test runs; then comes `end`.
#[utoipa::path(
    get, path = "/tests/{id}/events", tag = "tests", operation_id = "followTest",
    params(("id" = String, Path, description = "The test's name."), Since),
    responses(
        (status = 200, description = "The events.", body = String,
            content_type = "text/event-stream"),
        (status = 404, description = "There is no such test.", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many streams are open.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn events(
    State(state): State<AppState>,
    asker: Client,
    Id(id): Id,
    QueryParameters(Since { since }): QueryParameters<Since>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    stream::of_job(&state, &asker, id, since, &headers).await
}

/// Read a test's report.
///
/// The report of what is known, also while the test runs. `jsonl` is the event log itself.
#[utoipa::path(
    get, path = "/tests/{id}/report/{format}", tag = "tests", operation_id = "showReport",
    params(
        ("id" = String, Path, description = "The test's name."),
        ("format" = String, Path, description = "`text`, `json`, `jsonl`, `csv`, `junit`, \
                                                 `sarif`, `markdown`, `html` or `nagios`.")
    ),
    responses(
        (status = 200, description = "The report.", body = String),
        (status = 404, description = "There is no such test, or no such \
                                      format.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn report(
    State(state): State<AppState>,
    Path((id, format)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let nothing =
        || Problem::new(StatusCode::NOT_FOUND, "There is no such test, or it has expired.");
    let id: JobId = id.parse().map_err(|_| nothing())?;
    let job = state.store.job(id).await?;
    if format == "jsonl" {
        let mut log = String::new();
        for stored in state.store.events(id).await? {
            log.push_str(&stored.line);
            log.push('\n');
        }
        return Ok(file(log, "application/jsonl; charset=utf-8", &job, "jsonl"));
    }
    let format: Format = format
        .parse()
        .map_err(|error: norelay_render::NotAFormat| {
            Problem::new(StatusCode::NOT_FOUND, format!("{error}."))
        })?;
    let folded = state.runs.folded(&job).await?;
    let (report, assessment) = (folded.report(), folded.assessment());
    let rendered = norelay_render::render(format, report, assessment, &Options::default());
    Ok(file(rendered, format.media_type(), &job, format.extension()))
}

fn file(text: String, media_type: &'static str, job: &Job, extension: &str) -> Response {
    let name = format!("inline; filename=\"norelay-{}.{extension}\"", job.id);
    let name = HeaderValue::from_str(&name).expect("an id has letters and digits");
    (
        [
            (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (header::CONTENT_DISPOSITION, name),
        ],
        text,
    )
        .into_response()
}
