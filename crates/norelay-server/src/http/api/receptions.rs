//! Receptions: a test runs elsewhere, and this service's receiver proves.
//!
//! A laptop behind a translator can ask a server, but nothing can come back to it. It asks for a
//! reception, gets the name and the key of a run, makes its tokens with that key at this service's
//! domain, and reads here what came.
//!
//! Rules:
//! - A run's key makes that run's tokens and no others.
//! - Nothing is sent from here for it.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use data_encoding::HEXLOWER;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use norelay_core::event::{Event, Receipt};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{relay_tests, stream};
use crate::{
    http::{
        extract::{Body, Id, QueryParameters},
        problem::Problem,
        state::AppState,
    },
    rules::client::Client,
    store::{Job, JobId, Origin},
};

/// The longest that messages are awaited: mail servers try for five days (RFC 5321 section
/// 4.5.4.1).
const MAX_HOURS: u32 = 7 * 24;
/// The longest wait of one question.
const MAX_WAIT: u32 = 60;
/// The longest note of what is tested.
const MAX_TARGET: usize = 300;
/// Receipts in one answer.
const MAX_RECEIPTS: usize = 100;

/// What is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Wanted)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedReception {
    /// What is tested, for the record.
    #[schema(example = "mail.example.net")]
    target: String,
    /// How long messages are awaited; a day, if it isn't said.
    #[serde(default = "a_day")]
    #[schema(minimum = 1, maximum = 168, default = 24)]
    hours: u32,
}

fn a_day() -> u32 {
    24
}

/// A reception.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reception)]
pub(super) struct OpenedReception {
    /// Its name; who knows it may read what came.
    id: String,
    /// The name of the run, 16 hexadecimal digits.
    run: String,
    /// The key of the run's tokens, 64 hexadecimal digits: a secret.
    key: String,
    /// The probe domain: its mail comes to this service.
    domain: String,
    /// Until when messages are awaited.
    #[schema(value_type = String, format = DateTime)]
    expires: Timestamp,
}

/// Ask for a reception.
#[utoipa::path(
    post, path = "/receptions", tag = "receptions", operation_id = "createReception", security((),
        ("key" = [])),
    request_body = WantedReception,
    responses(
        (status = 201, description = "Messages are awaited.", body = OpenedReception),
        (status = 403, description = "It isn't permitted.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "This service has no receiver.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "The request makes no sense.", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many for now.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    asker: Client,
    Body(wanted): Body<WantedReception>,
) -> Result<(StatusCode, Json<OpenedReception>), Problem> {
    if state.config.receiver.listen.is_empty() {
        return Err(Problem::new(StatusCode::CONFLICT, "This service has no receiver."));
    }
    if !(1..=MAX_HOURS).contains(&wanted.hours) || wanted.target.len() > MAX_TARGET {
        let says =
            format!("hours is from 1 to {MAX_HOURS}, and target has at most {MAX_TARGET} octets.");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, says));
    }
    let permission = state.runs.permission();
    permission.spend_reception(&asker, Timestamp::now()).await?;
    let job = state
        .runs
        .receive_for(&asker, wanted.target, SignedDuration::from_hours(wanted.hours.into()))
        .await?;
    let reception = OpenedReception {
        id: job.id.to_string(),
        run: job.run.to_string(),
        key: HEXLOWER.encode(state.runs.key_of(job.run).expose()),
        domain: state.runs.identity().domain.clone(),
        expires: job.expires,
    };
    Ok((StatusCode::CREATED, Json(reception)))
}

/// A message that came.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Arrived)]
pub(super) struct ArrivedReceipt {
    /// Its number, for `since`.
    number: i64,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The receipt, as in an event log.
    #[schema(value_type = Object)]
    receipt: Receipt,
}

/// What is asked.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Poll {
    /// The number of the last message that is known.
    since: i64,
    /// For how many seconds to wait if there is none; at most 60.
    wait: u32,
}

/// Read what came, or wait for it.
#[utoipa::path(
    get, path = "/receptions/{id}/receipts", tag = "receptions", operation_id = "listReceipts",
    params(("id" = String, Path, description = "The reception's name."), Poll),
    responses(
        (status = 200, description = "The messages after `since`, oldest first; none when the \
                                      wait was in vain.", body = Vec<ArrivedReceipt>),
        (status = 404, description = "There is no such reception.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn receipts(
    State(state): State<AppState>,
    asker: Client,
    Id(id): Id,
    QueryParameters(poll): QueryParameters<Poll>,
) -> Result<Json<Vec<ArrivedReceipt>>, Problem> {
    reception(&state, id).await?;
    // A question that waits holds a connection as a stream does, so it counts as one.
    let _place = state.runs.stream_place(&asker)?;
    let deadline =
        tokio::time::Instant::now() + Duration::from_secs(poll.wait.min(MAX_WAIT).into());
    let mut records = Box::pin(state.runs.follow(id, poll.since).ready_chunks(MAX_RECEIPTS));
    let mut arrived = Vec::new();
    while arrived.is_empty() {
        let first = arrived_by(&state, id, poll.since, deadline).await;
        match tokio::time::timeout_at(first, records.next()).await {
            Ok(Some(chunk)) => {
                for stored in chunk {
                    let stored = stored?;
                    if let Event::Received(receipt) = &stored.record.event {
                        arrived.push(ArrivedReceipt {
                            number: stored.seq,
                            at: stored.record.at,
                            receipt: receipt.clone(),
                        });
                    }
                }
            }
            Ok(None) | Err(_) => break,
        }
    }
    Ok(Json(arrived))
}

/// Returns until when to wait. Messages that came before the question are read even if the client
/// doesn't want to wait.
async fn arrived_by(
    state: &AppState,
    id: JobId,
    since: i64,
    deadline: tokio::time::Instant,
) -> tokio::time::Instant {
    const READING: Duration = Duration::from_secs(5);
    match state.store.job(id).await {
        Ok(job) if job.last > since => deadline.max(tokio::time::Instant::now() + READING),
        _ => deadline,
    }
}

/// Follow what comes.
///
/// Server-sent events, as for tests.
#[utoipa::path(
    get, path = "/receptions/{id}/events", tag = "receptions", operation_id = "followReception",
    params(("id" = String, Path, description = "The reception's name.")),
    responses(
        (status = 200, description = "The events.", body = String,
            content_type = "text/event-stream"),
        (status = 404, description = "There is no such reception.", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many streams are open.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn events(
    State(state): State<AppState>,
    asker: Client,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    reception(&state, id).await?;
    stream::of_job(&state, &asker, id, 0, &headers).await
}

/// End a reception.
#[utoipa::path(
    delete, path = "/receptions/{id}", tag = "receptions", operation_id = "deleteReception",
        security((), ("key" = [])),
    params(("id" = String, Path, description = "The reception's name.")),
    responses(
        (status = 204, description = "Nothing is awaited any more."),
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
    reception(&state, id).await?;
    relay_tests::changeable(&state, &asker, id).await?;
    state.runs.delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn reception(state: &AppState, id: JobId) -> Result<Job, Problem> {
    let job = state.store.job(id).await?;
    match job.origin {
        Origin::Elsewhere => Ok(job),
        Origin::Here => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "There is no such reception, or it has expired.",
        )),
    }
}
