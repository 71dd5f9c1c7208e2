//! Those who follow a job.
//!
//! Rules:
//! - A follower reads at its own pace: from a window of recent records in memory, or from the
//!   store. Nothing is queued for a follower, so that a slow one costs nothing.

use std::{sync::Arc, time::Duration};

use super::{live::BATCH, shared::RunState};
use crate::store::{JobId, StoreError, Stored};

/// How often a follower looks at a job that waits, or runs in another process.
const POLL: Duration = Duration::from_millis(1_000);

/// One who follows a job.
pub(super) struct JobFollower {
    shared: Arc<RunState>,
    id: JobId,
    since: i64,
    batch: std::vec::IntoIter<Stored>,
    is_over: bool,
}

impl JobFollower {
    pub(super) fn new(shared: Arc<RunState>, id: JobId, since: i64) -> Self {
        Self { shared, id, since, batch: Vec::new().into_iter(), is_over: false }
    }

    /// The next record; none when the job is over and everything was given.
    pub(super) async fn next(&mut self) -> Option<Result<Stored, StoreError>> {
        loop {
            if let Some(one) = self.batch.next() {
                self.since = one.seq;
                return Some(Ok(one));
            }
            if self.is_over {
                return None;
            }
            match self.more().await {
                Ok(batch) => self.batch = batch.into_iter(),
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
    }

    /// Some more records, or none and the end, or none after a pause.
    async fn more(&mut self) -> Result<Vec<Stored>, StoreError> {
        let live = self.shared.live.after(self.id, self.since);
        let (in_window, mut changed) =
            live.map_or((None, None), |(batch, changed)| (batch, Some(changed)));
        if let Some(batch) = in_window {
            if batch.is_empty()
                && let Some(changed) = &mut changed
            {
                // An error is the end of the job here; the store knows the rest.
                let _ = changed.changed().await;
            }
            return Ok(batch);
        }
        let store = &self.shared.parts.store;
        // The job is read before its log: what it says is over has its last record.
        let job = store.job(self.id).await?;
        if job.last > self.since {
            return store.events_since(self.id, self.since, BATCH).await;
        }
        if job.state.is_over() {
            self.is_over = true;
            return Ok(Vec::new());
        }
        let pause = tokio::time::sleep(POLL);
        match changed {
            Some(mut changed) => tokio::select! {
                _ = changed.changed() => {}
                () = pause => {}
            },
            None => pause.await,
        }
        Ok(Vec::new())
    }
}
