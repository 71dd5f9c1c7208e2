//! The jobs that run in this process.
//!
//! Rules:
//! - A record is published after it is stored.
//! - Of each job a window of recent records is kept in memory for its followers (`follow`).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use norelay_core::event::Receipt;
use tokio::sync::{mpsc, watch};

use crate::store::{JobId, Stored};

/// The records of a job that are kept in memory for its followers.
const WINDOW: usize = 2_000;
/// The most records that a follower reads at once.
pub(super) const BATCH: u32 = 500;
/// The most receipts that wait for the scan. Further receipts are stored and not handed on.
const RECEIPTS: usize = 256;

/// Why a run is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The user wants it.
    Asked,
    /// The process ends; another goes on.
    HandOver,
    /// Another worker has the job now, or the job was deleted.
    Lost,
    /// The log is full, or can't be written.
    Broken,
}

/// The jobs that run here.
#[derive(Default)]
pub(super) struct Live {
    jobs: Mutex<HashMap<JobId, LiveJob>>,
}

struct LiveJob {
    window: VecDeque<Stored>,
    changed: watch::Sender<u64>,
    stop: Arc<watch::Sender<Option<Stop>>>,
    receipts: mpsc::Sender<Receipt>,
}

impl Live {
    fn jobs(&self) -> MutexGuard<'_, HashMap<JobId, LiveJob>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a job. Returns what stops the job, and the messages that will come for it.
    pub(super) fn begin(
        &self,
        id: JobId,
    ) -> (Arc<watch::Sender<Option<Stop>>>, mpsc::Receiver<Receipt>) {
        let (stop, _) = watch::channel(None);
        let stop = Arc::new(stop);
        let (receipts, receiver) = mpsc::channel(RECEIPTS);
        let (changed, _) = watch::channel(0);
        let entry = LiveJob { window: VecDeque::new(), changed, stop: stop.clone(), receipts };
        self.jobs().insert(id, entry);
        (stop, receiver)
    }

    /// Ends a job in this process. Its followers look into the store from now on.
    pub(super) fn end(&self, id: JobId) {
        // Dropping the sender of `changed` wakes the followers.
        self.jobs().remove(&id);
    }

    /// True if the job runs in this process.
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
                // The receiver and the worker publish on their own, so a receipt may come before a
                // batch with lower numbers. The window begins anew then, and a follower who needs
                // the records between reads them from the store.
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
            // The receipt is stored already. A scan with a full queue has its proof, so the rest
            // may be dropped.
            drop(entry.receipts.try_send(receipt.clone()));
        }
    }

    /// Stops a job. Returns true if the job runs in this process.
    pub(super) fn stop(&self, id: JobId, why: Stop) -> bool {
        let jobs = self.jobs();
        jobs.get(&id)
            // The first reason counts: a job that was lost must not be concluded as stopped.
            .map(|entry| entry.stop.send_modify(|stop| *stop = stop.or(Some(why))))
            .is_some()
    }

    /// Stops every job.
    pub(super) fn stop_all(&self, why: Stop) {
        for entry in self.jobs().values() {
            entry.stop.send_modify(|stop| *stop = stop.or(Some(why)));
        }
    }

    /// Returns the records after a number if the window has all of them, and a watch that changes
    /// with each further record. `None` if the job doesn't run in this process.
    pub(super) fn after(
        &self,
        id: JobId,
        since: i64,
    ) -> Option<(Option<Vec<Stored>>, watch::Receiver<u64>)> {
        let jobs = self.jobs();
        let entry = jobs.get(&id)?;
        // Before the window is read: a record that comes in between must not be missed.
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
