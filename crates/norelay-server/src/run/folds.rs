//! What the logs of jobs add up to: each log is folded in this one place, and assessed once for
//! each change.
//!
//! Rules:
//! - The store stays the truth. A fold is the beginning of a stored log, without a gap, so it can
//!   go on with the records after its last one.
//! - Bounded: at most [`MOST`] folds of at most [`MOST_RECORDS`] records in all are kept. The fold
//!   that nobody has asked for for the longest time goes first, and is made again when it is
//!   wanted.
//! - A reader keeps the fold that it was given. What comes later goes into a copy if somebody still
//!   reads the fold.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Instant,
};

use norelay_core::{
    assess::{Assessment, assess},
    report::Report,
};

use crate::store::{Job, JobId, Store, StoreError, Stored};

/// Folds that are kept.
const MOST: usize = 256;
/// Records in all folds that are kept: about a hundred runs of all tests on five paths.
const MOST_RECORDS: i64 = 400_000;
/// Records that are read from the store at once.
const PAGE: u32 = 5_000;

/// The log of a job up to one of its records: what was found, and what it means.
#[derive(Clone, Debug, Default)]
pub struct FoldedRun {
    last: i64,
    report: Report,
    assessment: OnceLock<Assessment>,
}

impl FoldedRun {
    /// The number of the last record that is folded. 0 for an empty log.
    #[must_use]
    pub fn last(&self) -> i64 {
        self.last
    }

    /// What was found.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What that means. The first reader has it made, the others share it.
    #[must_use]
    pub fn assessment(&self) -> &Assessment {
        self.assessment.get_or_init(|| assess(&self.report))
    }

    /// Folds the records that come after the last one.
    fn add(&mut self, records: &[Stored]) {
        for stored in records {
            // Two readers may bring the same records: one from the store, one that followed.
            if stored.seq > self.last {
                self.report.apply(&stored.record);
                self.last = stored.seq;
                self.assessment = OnceLock::new();
            }
        }
    }

    /// True if these records begin at most one record after the last one, so that none is missing
    /// between.
    fn meets(&self, records: &[Stored]) -> bool {
        records
            .first()
            .is_some_and(|first| first.seq <= self.last + 1)
    }
}

/// The folds of the jobs that somebody has asked about of late.
pub(super) struct Folds {
    store: Store,
    kept: Mutex<HashMap<JobId, KeptFold>>,
}

/// A fold that is kept, with what decides how long.
struct KeptFold {
    /// Locked while records are added, so that a crowd of readers folds a log once.
    fold: Arc<tokio::sync::Mutex<Arc<FoldedRun>>>,
    asked: Instant,
    records: i64,
}

impl Folds {
    /// No fold yet.
    pub(super) fn over(store: Store) -> Self {
        Self { store, kept: Mutex::default() }
    }

    /// The fold of a job's log: at least up to the record that `job` has as its last.
    pub(super) async fn of(&self, job: &Job) -> Result<Arc<FoldedRun>, StoreError> {
        self.up_to(job.id, job.last, &[]).await
    }

    /// The fold of a job's log, at least up to the last of `news`: records that the caller has
    /// followed, so that they need not be read again.
    pub(super) async fn following(
        &self,
        id: JobId,
        news: &[Stored],
    ) -> Result<Arc<FoldedRun>, StoreError> {
        let last = news.last().map_or(0, |newest| newest.seq);
        self.up_to(id, last, news).await
    }

    /// Forgets a job that was deleted.
    pub(super) fn forget(&self, id: JobId) {
        self.kept().remove(&id);
    }

    async fn up_to(
        &self,
        id: JobId,
        last: i64,
        news: &[Stored],
    ) -> Result<Arc<FoldedRun>, StoreError> {
        let slot = self.slot(id);
        let mut fold = slot.lock().await;
        if fold.last < last {
            let growing = Arc::make_mut(&mut fold);
            // A fold that was dropped meanwhile begins anew, and then the news alone would leave
            // a gap.
            if growing.meets(news) {
                growing.add(news);
            }
            while growing.last < last {
                let page = self.store.events_since(id, growing.last, PAGE).await?;
                // The job was deleted after the caller read it.
                if page.is_empty() {
                    break;
                }
                growing.add(&page);
            }
        }
        let folded = fold.clone();
        drop(fold);
        self.keep_bounds(id, folded.last);
        Ok(folded)
    }

    /// The place of a job's fold, made if there is none.
    fn slot(&self, id: JobId) -> Arc<tokio::sync::Mutex<Arc<FoldedRun>>> {
        let mut kept = self.kept();
        let entry = kept.entry(id).or_insert_with(|| KeptFold {
            fold: Arc::default(),
            asked: Instant::now(),
            records: 0,
        });
        entry.asked = Instant::now();
        entry.fold.clone()
    }

    /// Drops the folds that were not asked for for the longest time, until the others fit. The job
    /// that was asked for just now keeps its fold, however long the log is.
    fn keep_bounds(&self, asked_now: JobId, records: i64) {
        let mut kept = self.kept();
        if let Some(entry) = kept.get_mut(&asked_now) {
            entry.records = records;
        }
        let mut all_records: i64 = kept.values().map(|entry| entry.records).sum();
        while kept.len() > MOST || all_records > MOST_RECORDS {
            let others = kept.iter().filter(|(id, _)| **id != asked_now);
            let Some(oldest) = others.min_by_key(|(_, entry)| entry.asked) else { return };
            let oldest = *oldest.0;
            all_records -= kept.remove(&oldest).map_or(0, |entry| entry.records);
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<JobId, KeptFold>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
