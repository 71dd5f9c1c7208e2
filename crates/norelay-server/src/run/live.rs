//! The jobs that run in this process, and those who follow them.
//!
//! Rules:
//! - A follower reads at its own pace: from a window of recent records in memory, or from the
//!   store. Nothing is queued for it, so that a slow one costs nothing.
//! - A record is published after it is stored.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use norelay_core::event::Receipt;
use tokio::sync::{mpsc, watch};

use super::{Shared, work::Stop};
use crate::store::{JobId, StoreError, Stored};

/// Records of a job that are kept in memory for its followers.
const WINDOW: usize = 2_000;
/// Records that a follower takes at once.
const BATCH: u32 = 500;
/// How often a follower looks at a job that waits, or runs in another process.
const POLL: Duration = Duration::from_millis(1_000);
/// Receipts that wait for the scan to take them: more come into the store, not to the scan.
const RECEIPTS: usize = 256;

/// The jobs that run here.
#[derive(Default)]
pub(super) struct Live {
    jobs: Mutex<HashMap<JobId, Entry>>,
}

struct Entry {
    window: VecDeque<Stored>,
    changed: watch::Sender<u64>,
    stop: Arc<watch::Sender<Option<Stop>>>,
    receipts: mpsc::Sender<Receipt>,
}

impl Live {
    fn jobs(&self) -> MutexGuard<'_, HashMap<JobId, Entry>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job begins: gives what stops it, and the messages that will come.
    pub(super) fn begin(
        &self,
        id: JobId,
    ) -> (Arc<watch::Sender<Option<Stop>>>, mpsc::Receiver<Receipt>) {
        let (stop, _) = watch::channel(None);
        let stop = Arc::new(stop);
        let (receipts, receiver) = mpsc::channel(RECEIPTS);
        let (changed, _) = watch::channel(0);
        let entry = Entry { window: VecDeque::new(), changed, stop: stop.clone(), receipts };
        self.jobs().insert(id, entry);
        (stop, receiver)
    }

    /// A job is over here: its followers look into the store.
    fn end(&self, id: JobId) {
        // Dropping the sender wakes them.
        self.jobs().remove(&id);
    }

    /// Whether a job runs here.
    pub(super) fn has(&self, id: JobId) -> bool {
        self.jobs().contains_key(&id)
    }

    /// How many run here.
    pub(super) fn count(&self) -> usize {
        self.jobs().len()
    }

    /// Shows records that were stored.
    pub(super) fn publish(&self, id: JobId, records: &[Stored]) {
        if let Some(entry) = self.jobs().get_mut(&id) {
            for record in records {
                // A receipt and a batch may come in the other order than their numbers: then the
                // store has the truth.
                let follows = entry
                    .window
                    .back()
                    .is_none_or(|last| last.seq + 1 == record.seq);
                if !follows {
                    entry.window.clear();
                }
                entry.window.push_back(record.clone());
                if entry.window.len() > WINDOW {
                    entry.window.pop_front();
                }
            }
            entry.changed.send_modify(|count| *count += 1);
        }
    }

    /// Wakes a job's followers.
    pub(super) fn wake(&self, id: JobId) {
        if let Some(entry) = self.jobs().get(&id) {
            entry.changed.send_modify(|count| *count += 1);
        }
    }

    /// Hands a message to the scan that waits for it.
    pub(super) fn hand_receipt(&self, id: JobId, receipt: &Receipt) {
        if let Some(entry) = self.jobs().get(&id) {
            // It is stored; a scan that has so many already needs no more to know.
            drop(entry.receipts.try_send(receipt.clone()));
        }
    }

    /// Stops a job. Says whether it runs here.
    pub(super) fn stop(&self, id: JobId, why: Stop) -> bool {
        let jobs = self.jobs();
        jobs.get(&id)
            .map(|entry| entry.stop.send_modify(|stop| *stop = stop.or(Some(why))))
            .is_some()
    }

    /// Stops every job.
    pub(super) fn stop_all(&self, why: Stop) {
        for entry in self.jobs().values() {
            entry.stop.send_modify(|stop| *stop = stop.or(Some(why)));
        }
    }

    /// The records after a number, if the window has them all; and what tells that there are more.
    fn after(&self, id: JobId, since: i64) -> Option<(Option<Vec<Stored>>, watch::Receiver<u64>)> {
        let jobs = self.jobs();
        let entry = jobs.get(&id)?;
        let changed = entry.changed.subscribe();
        let has_all = entry
            .window
            .front()
            .is_some_and(|first| first.seq <= since + 1);
        let batch = has_all.then(|| {
            let skipped = entry.window.partition_point(|one| one.seq <= since);
            entry
                .window
                .range(skipped..)
                .take(BATCH as usize)
                .cloned()
                .collect()
        });
        Some((batch, changed))
    }
}

/// A job that runs here, until this is dropped.
pub(super) struct Running {
    shared: Arc<Shared>,
    id: JobId,
}

impl Running {
    pub(super) fn new(shared: &Arc<Shared>, id: JobId) -> Self {
        Self { shared: shared.clone(), id }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.live.end(self.id);
    }
}

/// One who follows a job.
pub(super) struct Follower {
    shared: Arc<Shared>,
    id: JobId,
    since: i64,
    batch: std::vec::IntoIter<Stored>,
    is_over: bool,
}

impl Follower {
    pub(super) fn new(shared: Arc<Shared>, id: JobId, since: i64) -> Self {
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
