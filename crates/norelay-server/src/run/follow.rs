//! Following a job's log while it grows.
//!
//! Rules:
//! - A follower reads at its own pace: from a window of recent records in memory, or from the
//!   store. Nothing is queued for a follower, so that a slow one costs nothing.

use std::{sync::Arc, time::Duration};

use super::{live::BATCH, shared::RunState};
use crate::store::{JobId, StoreError, Stored};

/// How often a follower looks at a job that waits, or runs in another process.
const POLL: Duration = Duration::from_millis(1_000);

/// A reader of one job's log, record by record.
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

    /// Returns the next record. `None` if the job is over and every record was returned.
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

    /// Reads some more records. Returns none after a pause, or at the end, which sets `is_over`.
    async fn more(&mut self) -> Result<Vec<Stored>, StoreError> {
        let live = self.shared.live.after(self.id, self.since);
        let (in_window, mut changed) =
            live.map_or((None, None), |(batch, changed)| (batch, Some(changed)));
        if let Some(batch) = in_window {
            if batch.is_empty()
                && let Some(changed) = &mut changed
            {
                // An error means that the job ended in this process. The store has the rest.
                let _ = changed.changed().await;
            }
            return Ok(batch);
        }
        let store = &self.shared.parts.store;
        // The job is read before its log. In the other order, a record could come in between, and
        // a job that is over would seem to have no more.
        let job = store.job(self.id).await?;
        if job.last > self.since {
            return store.events_since(self.id, self.since, BATCH).await;
        }
        if job.state.is_over() {
            self.is_over = true;
            return Ok(Vec::new());
        }
        // Nobody tells of a job that is queued or runs in another process, so the store is polled.
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
