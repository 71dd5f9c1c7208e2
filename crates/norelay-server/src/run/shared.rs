//! What the queue, its workers and the followers of jobs share, and how a job is settled.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use norelay_core::{
    event::{Event, Record},
    token::{RunId, TokenKey},
};
use norelay_probe::identity::Identity;
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::task::TaskTracker;

use super::{
    folds::Folds,
    live::{Live, Stop},
    tester::Tester,
};
use crate::{
    config::Settings,
    rules::{budgets::Streams, control::Control, permission::Permission},
    store::{JobId, Lease, Store, StoreError},
};

/// How long a worker keeps a job without renewing its lease.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// The parts that a service is put together from.
pub struct Parts {
    /// The settings.
    pub config: Arc<Settings>,
    /// The database.
    pub store: Store,
    /// Decides which tests may run.
    pub permission: Permission,
    /// Makes the tests.
    pub tester: Arc<dyn Tester>,
    /// Our names for EHLO and for the probe addresses.
    pub identity: Identity,
    /// The receiver's key, from which the runs' keys are made.
    pub key: TokenKey,
    /// The name of this process among those that share the database.
    pub worker: String,
}

/// The state that the queue, its workers and the followers share.
pub(super) struct RunState {
    pub(super) parts: Parts,
    pub(super) control: Control,
    pub(super) live: Live,
    pub(super) folds: Folds,
    /// Locked while a job is admitted: counting the open jobs and storing a new job is one step.
    pub(super) admission: Mutex<()>,
    /// Notified when a job may be ready to be claimed.
    pub(super) wake: Notify,
    pub(super) stopping: watch::Sender<bool>,
    pub(super) tasks: TaskTracker,
    pub(super) streams: Streams,
}

impl RunState {
    /// A state in which no job runs.
    pub(super) fn of(parts: Parts) -> Self {
        let (stopping, _) = watch::channel(false);
        let control = Control::new(
            parts.config.clone(),
            parts.store.clone(),
            parts.permission.clone(),
            parts.identity.clone(),
            // Control has a key of its own, made like a run's key. No run gets this number, so no
            // token can pass for a proof of control.
            parts.key.for_run(RunId(u64::MAX)),
        );
        Self {
            control,
            live: Live::default(),
            folds: Folds::over(parts.store.clone()),
            admission: Mutex::default(),
            wake: Notify::new(),
            stopping,
            tasks: TaskTracker::new(),
            streams: Streams::new(&parts.config),
            parts,
        }
    }

    /// Ends a job that has no worker to end it. Records the end in the job's log.
    pub(super) async fn end(&self, id: JobId, stopped: bool) -> Result<(), StoreError> {
        let record = Record::new(Timestamp::now(), Event::RunFinished { stopped });
        if let Some(stored) = self.parts.store.interrupt(id, record).await? {
            self.live.publish(id, &[stored]);
            // A worker may have claimed the job a moment ago.
            self.live.stop(id, Stop::Lost);
        }
        self.settle(id).await
    }

    /// Judges the stored log and notes the verdict. Everybody who adds a record settles the job
    /// afterwards, so the last of them has seen every record.
    pub(super) async fn settle(&self, id: JobId) -> Result<(), StoreError> {
        loop {
            let before = self.parts.store.job(id).await?;
            let folded = self.folds.of(&before).await?;
            // A job that was stopped in the queue has no run that a verdict could be about.
            if folded.report().run.is_some() {
                let verdict = folded.assessment().judgement.verdict;
                self.parts.store.note_verdict(id, verdict).await?;
            }
            // A record that came while this was judged may change the verdict.
            if self.parts.store.job(id).await?.last == before.last {
                self.live.wake(id);
                return Ok(());
            }
        }
    }

    /// Puts a job back into the queue. Returns false if another worker has the job.
    pub(super) async fn release(&self, lease: &Lease) -> Result<bool, StoreError> {
        let released = self.parts.store.release(lease).await?;
        self.wake.notify_one();
        Ok(released)
    }
}

/// Marks a job as running in this process, until the mark is dropped: also if its task panics.
pub(super) struct Running {
    shared: Arc<RunState>,
    id: JobId,
}

impl Running {
    pub(super) fn new(shared: &Arc<RunState>, id: JobId) -> Self {
        Self { shared: shared.clone(), id }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.live.end(self.id);
    }
}
