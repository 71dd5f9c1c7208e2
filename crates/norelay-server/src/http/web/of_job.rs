//! The job that a page is about.

use axum::response::Response;
use norelay_core::octets::harmless;

use super::problem_page;
use crate::{http::state::AppState, store::Job};

/// The job of a page, or the page that says that there is none.
pub async fn job_of(state: &AppState, id: &str) -> Result<Job, Response> {
    let Ok(id) = id.parse() else { return Err(problem_page::not_found(state)) };
    state
        .store
        .job(id)
        .await
        .map_err(|error| problem_page::of_store(state, &error))
}

/// The target as it was typed, harmless to show.
pub fn target_of(job: &Job) -> String {
    harmless(&job.request.target)
}
