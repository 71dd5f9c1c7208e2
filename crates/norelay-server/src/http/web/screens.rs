//! The page of each result that somebody looks at: rendered once a change, for all who look.
//!
//! Rules:
//! - What a page shows comes from `run::folds`. Here it is only rendered.
//! - Whoever asks within [`FRESH`] of the last look at the log gets the page that is there, so a
//!   crowd costs as much as one reader.
//! - Bounded: at most [`MOST`] screens are kept. Of those that nobody watches, the one that was not
//!   asked for for the longest time goes first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    parts::{self, Rendered},
    view::{RunPhase, RunView},
};
use crate::{
    http::state::AppState,
    run::FoldedRun,
    store::{Job, JobId, StoreError, Stored},
};

const FRESH: Duration = Duration::from_millis(250);
const MOST: usize = 256;

/// The screens of all results that are looked at; cheap to clone.
#[derive(Clone, Default)]
pub struct Screens {
    by_job: Arc<Mutex<HashMap<JobId, KeptScreen>>>,
}

/// A screen, and when it was last asked for.
type KeptScreen = (Instant, Arc<Screen>);

/// The rendered page of one result, and who keeps it up to date.
pub struct Screen {
    id: JobId,
    upkeep: tokio::sync::Mutex<Upkeep>,
    shown: watch::Sender<Arc<Rendered>>,
}

/// How far the page is up to date.
struct Upkeep {
    /// When the log was last looked at. `None` before the first time.
    read: Option<Instant>,
    phase: RunPhase,
    /// True if a task follows the run for those who watch.
    is_followed: bool,
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

impl Screens {
    /// A job's screen, begun if there is none.
    #[must_use]
    pub fn of(&self, id: JobId) -> Arc<Screen> {
        let mut screens = self.by_job.lock().unwrap_or_else(PoisonError::into_inner);
        if screens.len() >= MOST && !screens.contains_key(&id) {
            // A screen that is watched stays: a second one of the same result would need a task of
            // its own to follow the run.
            let unwatched = screens
                .iter()
                .filter(|(_, (_, screen))| screen.shown.receiver_count() == 0);
            if let Some(id) = unwatched
                .min_by_key(|(_, (asked, _))| *asked)
                .map(|(id, _)| *id)
            {
                screens.remove(&id);
            }
        }
        let entry = screens
            .entry(id)
            .or_insert_with(|| (Instant::now(), Arc::new(Screen::new(id))));
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

impl Screen {
    fn new(id: JobId) -> Self {
        let phase = RunPhase::Queued;
        let nothing = Rendered { seq: 0, phase, say: String::new(), parts: Vec::new() };
        let upkeep = Upkeep { read: None, phase, is_followed: false };
        Self {
            id,
            upkeep: tokio::sync::Mutex::new(upkeep),
            shown: watch::channel(Arc::new(nothing)).0,
        }
    }

    /// What is shown of a job now.
    ///
    /// # Errors
    /// The store's, or a template's.
    pub async fn rendered(&self, state: &AppState, job: &Job) -> Result<Arc<Rendered>, Unshown> {
        let mut upkeep = self.upkeep.lock().await;
        let phase = RunPhase::of(job);
        let is_fresh = upkeep.read.is_some_and(|read| read.elapsed() < FRESH);
        if !is_fresh || upkeep.phase != phase {
            let folded = state.runs.folded(job).await?;
            // An empty log of a queued run changes nothing, and still needs a page.
            let is_first = upkeep.read.is_none();
            upkeep.read = Some(Instant::now());
            self.show(&mut upkeep, &folded, phase, is_first)?;
        }
        Ok(self.shown.borrow().clone())
    }

    /// Renders the page anew if the log has grown, if the phase has changed, or if there is no page
    /// yet.
    fn show(
        &self,
        upkeep: &mut Upkeep,
        folded: &FoldedRun,
        phase: RunPhase,
        is_first: bool,
    ) -> Result<(), askama::Error> {
        let before = self.shown.borrow().clone();
        let has_changed = folded.last() > before.seq || phase != upkeep.phase;
        upkeep.phase = phase;
        if has_changed || is_first {
            let id = self.id.to_string();
            let seen = RunView::of(folded, phase);
            let rendered = parts::render(&id, folded.last(), seen, Some(&before))?;
            self.shown.send_replace(Arc::new(rendered));
        }
        Ok(())
    }

    /// Watches a result. The second value is true if the caller must follow the run, because nobody
    /// else does.
    pub async fn watch(&self) -> (watch::Receiver<Arc<Rendered>>, bool) {
        let receiver = self.shown.subscribe();
        let mut upkeep = self.upkeep.lock().await;
        let is_to_be_followed = !upkeep.is_followed && upkeep.phase != RunPhase::Over;
        upkeep.is_followed |= is_to_be_followed;
        (receiver, is_to_be_followed)
    }

    /// The job.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// The number of the last record that is shown.
    #[must_use]
    pub fn seq(&self) -> i64 {
        self.shown.borrow().seq
    }

    /// Shows what records that were followed change.
    ///
    /// # Errors
    /// The store's, or a template's.
    pub async fn follow(&self, state: &AppState, news: &[Stored]) -> Result<(), Unshown> {
        let mut upkeep = self.upkeep.lock().await;
        let folded = state.runs.folded_following(self.id, news).await?;
        // The job isn't read here. Its first record shows that the run has begun.
        let phase = match upkeep.phase {
            RunPhase::Queued if !news.is_empty() => RunPhase::Running,
            phase => phase,
        };
        self.show(&mut upkeep, &folded, phase, false)?;
        Ok(())
    }

    /// Gives up following if nobody watches. Returns true if it did.
    pub async fn leave_if_unwatched(&self) -> bool {
        let mut upkeep = self.upkeep.lock().await;
        upkeep.is_followed = self.shown.receiver_count() > 0;
        !upkeep.is_followed
    }

    /// Ends the following.
    pub async fn leave(&self) {
        self.upkeep.lock().await.is_followed = false;
    }
}
