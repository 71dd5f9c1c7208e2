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

/// How long a worker may be silent.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// What the service is made of.
pub struct Parts {
    /// The settings.
    pub config: Arc<Settings>,
    /// What is kept.
    pub store: Store,
    /// Who decides.
    pub permission: Permission,
    /// Who tests.
    pub tester: Arc<dyn Tester>,
    /// Who we say we are.
    pub identity: Identity,
    /// The receiver's key, from which the runs' keys are made.
    pub key: TokenKey,
    /// The name of this process among those that share the database.
    pub worker: String,
}

/// What the queue, its workers and the followers share.
pub(super) struct RunState {
    pub(super) parts: Parts,
    pub(super) control: Control,
    pub(super) live: Live,
    pub(super) folds: Folds,
    /// Counting open jobs and keeping a new one is one step.
    pub(super) admission: Mutex<()>,
    /// Something may be claimed.
    pub(super) wake: Notify,
    pub(super) stopping: watch::Sender<bool>,
    pub(super) tasks: TaskTracker,
    pub(super) streams: Streams,
}

impl RunState {
    /// Nothing runs yet.
    pub(super) fn of(parts: Parts) -> Self {
        let (stopping, _) = watch::channel(false);
        let control = Control::new(
            parts.config.clone(),
            parts.store.clone(),
            parts.permission.clone(),
            parts.identity.clone(),
            // A run's key is made from its name by the same function; no run gets this name.
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

    /// Ends a job that no worker ends: its log gets its last record.
    pub(super) async fn end(&self, id: JobId, stopped: bool) -> Result<(), StoreError> {
        let record = Record::new(Timestamp::now(), Event::RunFinished { stopped });
        if let Some(stored) = self.parts.store.interrupt(id, record).await? {
            self.live.publish(id, &[stored]);
            // A worker that has just begun with it learns that it is over.
            self.live.stop(id, Stop::Lost);
        }
        self.settle(id).await
    }

    /// Judges what is stored, and notes the verdict. Whoever adds a record settles afterwards, so
    /// that the last to come has seen everything.
    pub(super) async fn settle(&self, id: JobId) -> Result<(), StoreError> {
        loop {
            let before = self.parts.store.job(id).await?;
            let folded = self.folds.of(&before).await?;
            // A job that was stopped in the queue has no run that a verdict could be about.
            if folded.report().run.is_some() {
                let verdict = folded.assessment().judgement.verdict;
                self.parts.store.note_verdict(id, verdict).await?;
            }
            if self.parts.store.job(id).await?.last == before.last {
                self.live.wake(id);
                return Ok(());
            }
        }
    }

    pub(super) async fn release(&self, lease: &Lease) -> Result<bool, StoreError> {
        let released = self.parts.store.release(lease).await?;
        self.wake.notify_one();
        Ok(released)
    }
}

/// A job that runs here, until this is dropped.
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
