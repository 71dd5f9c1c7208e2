//! `/healthz` and `/metrics`, for those who operate the service.
//!
//! Rules:
//! - A label is one of a few words of ours: never a target, never anything from outside.
//! - Metrics are for the networks in the settings; anybody may ask whether the service is well.

use std::{net::SocketAddr, sync::OnceLock, time::Instant};

use axum::{
    Router,
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::http::state::AppState;

/// Bounds of the buckets of durations, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to count. Once in a process; another recorder that is there already is left alone.
pub fn begin() {
    HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS);
        let handle = builder.ok()?.install_recorder().ok()?;
        metrics::describe_counter!("norelay_tests_started_total", "Tests that were queued");
        metrics::describe_counter!("norelay_tests_finished_total", "Tests that ended, by verdict");
        metrics::describe_counter!(
            "norelay_receipts_total",
            "Messages that came to the receiver for a test"
        );
        metrics::describe_gauge!("norelay_tests_running", "Tests that run in this process");
        metrics::describe_histogram!(
            "norelay_http_request_seconds",
            "Time until an answer begins, by route and status"
        );
        Some(handle)
    });
}

/// The routes.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(show))
}

async fn health(State(state): State<AppState>) -> Response {
    match state.store.ping().await {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(error) => {
            tracing::warn!(%error, "not well");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response()
        }
    }
}

/// Only the peer itself counts here: behind a proxy on the same machine, the proxy must not pass
/// this on.
async fn show(State(state): State<AppState>, request: Request) -> Response {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(peer)| peer.ip().to_canonical());
    let is_forwarded = request.headers().contains_key("x-forwarded-for")
        || request.headers().contains_key("forwarded");
    let may_read = peer.is_some_and(|peer| {
        state
            .config
            .metrics_from
            .iter()
            .any(|network| network.contains(&peer))
    });
    if !may_read || is_forwarded {
        return (StatusCode::FORBIDDEN, "metrics-from in the settings names who may read this\n")
            .into_response();
    }
    match HANDLE.get() {
        Some(Some(handle)) => {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a gauge is a float, and there are few"
            )]
            metrics::gauge!("norelay_tests_running").set(state.runs.running() as f64);
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], handle.render()).into_response()
        }
        _ => (StatusCode::NOT_FOUND, "nothing is counted\n").into_response(),
    }
}

/// Measures the time until an answer begins. The route is its pattern, so that there are few.
pub async fn measure(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none".to_owned(), |path| path.as_str().to_owned());
    let begun = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::histogram!("norelay_http_request_seconds", "route" => route, "status" => status)
        .record(begun.elapsed().as_secs_f64());
    response
}
