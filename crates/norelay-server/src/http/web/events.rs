//! Live results by server-sent events: the parts of the page that changed since what the reader
//! has.
//!
//! Rules:
//! - The number of an event in the log is the number of a message, so a reader that lost its
//!   connection goes on where it was (`Last-Event-ID`), and one that comes late sees everything
//!   from the start.
//! - One task follows a run, however many watch it, and at most [`PACE`] passes between what
//!   happens and what is shown.
//! - Streams are bounded, over all and for each user network (`limit`).

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Path, Query, State},
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::{sync::watch, time::sleep};

use super::{
    of_job::job_of,
    pages::Pages,
    parts::Rendered,
    problem_page,
    screens::{Screen, Unshown},
    view::RunPhase,
};
use crate::{http::state::AppState, rules::client::Client};

/// The shortest time between two changes of a page.
const PACE: Duration = Duration::from_millis(300);
/// How often the task looks whether anybody still watches.
const CHECK: Duration = Duration::from_secs(5);
/// A message at least this often keeps proxies from closing the stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
#[derive(Deserialize)]
pub struct After {
    #[serde(default)]
    after: i64,
}

/// `GET /t/{id}/live?after=SEQ`
pub async fn live(
    State(state): State<AppState>,
    axum::Extension(pages): axum::Extension<Pages>,
    asker: Client,
    Path(id): Path<String>,
    Query(After { after }): Query<After>,
    headers: HeaderMap,
) -> Response {
    let job = match job_of(&state, &id).await {
        Ok(job) => job,
        Err(response) => return response,
    };
    let place = match state.runs.stream_place(&asker) {
        Ok(place) => place,
        Err(refusal) => return problem_page::refused(&state, refusal),
    };
    let screen = pages.screens.of(job.id);
    let receiver = watch_screen(&screen, &state).await;
    if let Err(error) = screen.rendered(&state, &job).await {
        return problem_page::unshown(&state, &error);
    }
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let after = last.unwrap_or(after);
    let messages = messages(receiver, after).map(move |message| {
        // The place is given back when the stream ends.
        let _held = &place;
        Ok::<_, Infallible>(message)
    });
    let stream = Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    ([("x-accel-buffering", "no"), ("cache-control", "no-store")], stream).into_response()
}

/// Watches a result, and has a task follow the run for as long as anybody watches.
async fn watch_screen(screen: &Arc<Screen>, state: &AppState) -> watch::Receiver<Arc<Rendered>> {
    let (receiver, is_to_be_followed) = screen.watch().await;
    if is_to_be_followed {
        tokio::spawn(drive(Arc::clone(screen), state.clone()));
    }
    receiver
}

/// The messages for one reader: the changes after `after`, then each new change, then the end.
fn messages(
    receiver: watch::Receiver<Arc<Rendered>>,
    after: i64,
) -> impl Stream<Item = Event> + Send {
    let begin = (receiver, after, Turn::First);
    stream::unfold(begin, async |(mut receiver, after, turn)| {
        match turn {
            Turn::Done => return None,
            Turn::Last => return Some((over(after), (receiver, after, Turn::Done))),
            Turn::First => {}
            // A reader that is slow misses the states in between, and gets the newest one.
            Turn::Next => receiver.changed().await.ok()?,
        }
        let shown = receiver.borrow_and_update().clone();
        let next = if shown.phase == RunPhase::Over { Turn::Last } else { Turn::Next };
        Some((parts(&shown, after), (receiver, shown.seq, next)))
    })
}

#[derive(Clone, Copy)]
enum Turn {
    First,
    Next,
    Last,
    Done,
}

fn parts(shown: &Rendered, after: i64) -> Event {
    let parts: Vec<(&str, &str)> = match shown.phase {
        // The permanent page takes the place of everything.
        RunPhase::Over => Vec::new(),
        _ => shown
            .since(after)
            .map(|part| (part.id.as_str(), &*part.html))
            .collect(),
    };
    let news = serde_json::json!({ "parts": parts, "say": shown.say });
    Event::default()
        .event("parts")
        .id(shown.seq.to_string())
        .data(news.to_string())
}

fn over(seq: i64) -> Event {
    Event::default()
        .event("over")
        .id(seq.to_string())
        .data("over")
}

/// Follows a run for as long as it lasts and anybody watches.
async fn drive(screen: Arc<Screen>, state: AppState) {
    let records = state.runs.follow(screen.id(), screen.seq());
    let mut events = Box::pin(records.ready_chunks(1024));
    loop {
        match tokio::time::timeout(CHECK, events.next()).await {
            Err(_elapsed) if screen.leave_if_unwatched().await => return,
            Err(_elapsed) => {}
            Ok(None) => break,
            Ok(Some(first)) => {
                // More records come within this time, and one rendering shows all of them.
                sleep(PACE).await;
                let mut news = first;
                while let Some(Some(more)) = events.next().now_or_never() {
                    news.extend(more);
                }
                let news: Vec<_> = news.into_iter().filter_map(Result::ok).collect();
                if let Err(error) = screen.follow(&state, &news).await {
                    tracing::error!(?error, "a live result could not be rendered");
                }
                if screen.leave_if_unwatched().await {
                    return;
                }
            }
        }
    }
    finish(&screen, &state).await;
    screen.leave().await;
}

/// Shows the end of a run, as the store has it.
async fn finish(screen: &Screen, state: &AppState) {
    let shown = match state.store.job(screen.id()).await {
        Ok(job) => screen.rendered(state, &job).await.map(drop),
        Err(error) => Err(Unshown::Store(error)),
    };
    if let Err(error) = shown {
        tracing::warn!(?error, "the end of a run could not be shown");
    }
}
