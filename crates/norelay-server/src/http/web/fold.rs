//! The fold of each result that somebody looks at: its log is read once, assessed once a change,
//! rendered once for all.
//!
//! Rules:
//! - The store stays the truth: a fold only ever takes the events after the last one that it has.
//! - Whoever asks within [`FRESH`] of the last reading gets what is there, so that a crowd costs as
//!   much as one reader.
//! - Bounded: at most [`MOST`] folds are kept, the one that was not asked for the longest goes
//!   first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use norelay_core::{
    assess::{Assessment, assess},
    report::Report,
};
use tokio::sync::watch;

use super::{
    parts::{self, Rendered},
    view::{RunPhase, RunView},
};
use crate::{
    http::state::AppState,
    store::{Job, JobId, JobState, StoreError, Stored},
};

const FRESH: Duration = Duration::from_millis(250);
const MOST: usize = 256;

/// The folds of all results that are looked at; cheap to clone.
#[derive(Clone, Default)]
pub struct Folds {
    by_job: Arc<Mutex<HashMap<JobId, Kept>>>,
}

/// A fold, and when it was last asked for.
type Kept = (Instant, Arc<Fold>);

/// One result's fold.
pub struct Fold {
    id: JobId,
    inner: tokio::sync::Mutex<Inner>,
    shown: watch::Sender<Arc<Rendered>>,
}

struct Inner {
    seq: i64,
    report: Report,
    assessment: Arc<Assessment>,
    read: Option<Instant>,
    phase: RunPhase,
    /// Whether a task follows the run for those who watch.
    driven: bool,
}

/// Why a result can't be shown.
#[derive(Debug)]
pub enum Unshown {
    /// The store.
    Store(StoreError),
    /// A template.
    Template(askama::Error),
}

impl From<StoreError> for Unshown {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<askama::Error> for Unshown {
    fn from(error: askama::Error) -> Self {
        Self::Template(error)
    }
}

impl Folds {
    /// A job's fold, begun if it isn't there.
    #[must_use]
    pub fn of(&self, id: JobId) -> Arc<Fold> {
        let mut folds = self.by_job.lock().unwrap_or_else(PoisonError::into_inner);
        if folds.len() >= MOST && !folds.contains_key(&id) {
            let oldest = folds
                .iter()
                .filter(|(_, (_, fold))| fold.shown.receiver_count() == 0);
            if let Some(id) = oldest
                .min_by_key(|(_, (asked, _))| *asked)
                .map(|(id, _)| *id)
            {
                folds.remove(&id);
            }
        }
        let entry = folds
            .entry(id)
            .or_insert_with(|| (Instant::now(), Arc::new(Fold::new(id))));
        entry.0 = Instant::now();
        Arc::clone(&entry.1)
    }

    /// Forgets a job that was deleted.
    pub fn forget(&self, id: JobId) {
        self.by_job
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }
}

/// How far a job is, for its page.
fn phase_of(job: &Job) -> RunPhase {
    match job.state {
        JobState::Queued => RunPhase::Queued,
        JobState::Running => RunPhase::Running,
        JobState::Finished | JobState::Interrupted => RunPhase::Over,
    }
}

impl Fold {
    fn new(id: JobId) -> Self {
        let nothing =
            Rendered { seq: 0, phase: RunPhase::Queued, say: String::new(), parts: Vec::new() };
        let report = Report::default();
        let assessment = Arc::new(assess(&report));
        let inner = Inner {
            seq: 0,
            report,
            assessment,
            read: None,
            phase: RunPhase::Queued,
            driven: false,
        };
        Self {
            id,
            inner: tokio::sync::Mutex::new(inner),
            shown: watch::channel(Arc::new(nothing)).0,
        }
    }

    /// What is shown of a job now.
    ///
    /// # Errors
    /// The store's, or a template's.
    pub async fn rendered(&self, state: &AppState, job: &Job) -> Result<Arc<Rendered>, Unshown> {
        self.read(state, job).await?;
        Ok(self.shown.borrow().clone())
    }

    /// Lets `look` see the report and its assessment as they are now.
    ///
    /// # Errors
    /// The store's, or a template's.
    pub async fn look<T>(
        &self,
        state: &AppState,
        job: &Job,
        look: impl FnOnce(RunView) -> T,
    ) -> Result<T, Unshown> {
        self.read(state, job).await?;
        let inner = self.inner.lock().await;
        Ok(look(RunView {
            report: &inner.report,
            assessment: &inner.assessment,
            phase: inner.phase,
        }))
    }

    async fn read(&self, state: &AppState, job: &Job) -> Result<(), Unshown> {
        let mut inner = self.inner.lock().await;
        let phase = phase_of(job);
        let is_fresh =
            inner.read.is_some_and(|read| read.elapsed() < FRESH) && inner.phase == phase;
        if is_fresh {
            return Ok(());
        }
        let news = match job.last > inner.seq {
            true => {
                state
                    .store
                    .events_since(self.id, inner.seq, u32::MAX)
                    .await?
            }
            false => Vec::new(),
        };
        let is_first = inner.read.is_none();
        inner.read = Some(Instant::now());
        if self.take(&mut inner, &news, phase) || is_first {
            self.show(&mut inner)?;
        }
        Ok(())
    }

    /// Says whether anything changed.
    fn take(&self, inner: &mut Inner, news: &[Stored], phase: RunPhase) -> bool {
        let mut changed = inner.phase != phase;
        inner.phase = phase;
        let last = inner.seq;
        for stored in news.iter().filter(|stored| stored.seq > last) {
            inner.report.apply(&stored.record);
            inner.seq = stored.seq;
            changed = true;
        }
        changed
    }

    fn show(&self, inner: &mut Inner) -> Result<(), askama::Error> {
        inner.assessment = Arc::new(assess(&inner.report));
        let before = self.shown.borrow().clone();
        let seen =
            RunView { report: &inner.report, assessment: &inner.assessment, phase: inner.phase };
        let rendered = parts::render(&self.id.to_string(), inner.seq, seen, Some(&before))?;
        self.shown.send_replace(Arc::new(rendered));
        Ok(())
    }

    /// Watches a result. Also says whether the caller must follow the run, because nobody else
    /// does.
    pub async fn watch(&self) -> (watch::Receiver<Arc<Rendered>>, bool) {
        let receiver = self.shown.subscribe();
        let mut inner = self.inner.lock().await;
        let is_to_be_followed = !inner.driven && inner.phase != RunPhase::Over;
        inner.driven |= is_to_be_followed;
        (receiver, is_to_be_followed)
    }

    /// The job.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// The number of the last event that is folded.
    pub async fn seq(&self) -> i64 {
        self.inner.lock().await.seq
    }

    /// Takes events that were followed, and shows what they change.
    pub async fn follow(&self, news: &[Stored]) -> Result<(), askama::Error> {
        let mut inner = self.inner.lock().await;
        // Whatever happens makes a queued run a running one.
        let phase = if inner.phase == RunPhase::Queued && !news.is_empty() {
            RunPhase::Running
        } else {
            inner.phase
        };
        if self.take(&mut inner, news, phase) { self.show(&mut inner) } else { Ok(()) }
    }

    /// Gives up following if nobody watches; says whether it did.
    pub async fn leave_if_unwatched(&self) -> bool {
        let mut inner = self.inner.lock().await;
        inner.driven = self.shown.receiver_count() > 0;
        !inner.driven
    }

    /// Ends the following.
    pub async fn leave(&self) {
        self.inner.lock().await.driven = false;
    }
}
