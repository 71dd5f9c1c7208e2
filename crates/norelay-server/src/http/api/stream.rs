//! Server-sent events: a job's log, from a number on, and then as it grows.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::HeaderMap,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{StreamExt, stream};

use crate::{
    http::{problem::Problem, state::AppState},
    rules::client::Client,
    store::{JobId, StoreError, Stored},
};

/// A proxy that hears nothing for a minute hangs up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The log of a job as events: `record` with the record's number as its id, and at last `end`.
/// A client that comes back says with `Last-Event-ID` what it has.
pub(super) async fn of_job(
    state: &AppState,
    asker: &Client,
    id: JobId,
    since: i64,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    state.store.job(id).await?;
    let place = state.runs.stream_place(asker)?;
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let records = state.runs.follow(id, last.unwrap_or(since)).map(event);
    let end = stream::once(async { Event::default().event("end").data("{}") });
    let events = records.chain(end).map(move |event| {
        // The place is held for as long as the stream.
        let _held = &place;
        Ok::<_, Infallible>(event)
    });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([("x-accel-buffering", "no")], events).into_response())
}

fn event(record: Result<Stored, StoreError>) -> Event {
    match record {
        Ok(stored) => Event::default()
            .event("record")
            .id(stored.seq.to_string())
            .data(&*stored.line),
        Err(error) => {
            let problem = Problem::from(error);
            Event::default()
                .event("problem")
                .data(serde_json::to_string(&problem).unwrap_or_default())
        }
    }
}
