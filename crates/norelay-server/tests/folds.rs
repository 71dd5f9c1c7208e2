//! The fold of a job's log: whoever asks gets what the store has, folded once for all.

#[path = "support/doubles.rs"]
mod doubles;
mod support;

use std::sync::Arc;

use doubles::idle_runs;
use jiff::{SignedDuration, Timestamp};
use norelay_core::{
    event::{Event, Record},
    report::Report,
    token::RunId,
};
use norelay_server::{
    Job, JobId, Runs, Store, Stored, TestRequest,
    store::{NewJob, Origin, Pinned},
};
use support::Folder;

/// More jobs than folds that are kept.
const MANY: usize = 257;

struct Jobs {
    store: Store,
    runs: Runs,
    _folder: Folder,
}

impl Jobs {
    async fn new() -> Self {
        let folder = Folder::new("folds");
        let store = Store::sqlite(folder.path())
            .await
            .expect("a fresh folder is usable");
        Self { runs: idle_runs(store.clone()), store, _folder: folder }
    }

    async fn create(&self) -> JobId {
        let created = Timestamp::now();
        let new = NewJob {
            id: JobId::random(),
            run: RunId(rand::random()),
            request: TestRequest::default(),
            origin: Origin::Here,
            asker: "net:192.0.2.0/24".to_owned(),
            pinned: Pinned::default(),
            created,
            expires: created + SignedDuration::from_hours(1),
        };
        self.store
            .create_job(&new, None)
            .await
            .expect("it is created");
        new.id
    }

    /// Adds notes to a job's log. Returns them as they are stored.
    async fn note(&self, id: JobId, count: usize) -> Vec<Stored> {
        let mut stored = Vec::new();
        for _ in 0..count {
            let noted = Event::Noted { path: None, tag: "x".to_owned(), arguments: Vec::new() };
            let record = Record::new(Timestamp::now(), noted);
            let noted = self.store.append_note(id, record).await;
            stored.push(noted.expect("it is noted"));
        }
        stored
    }

    async fn job(&self, id: JobId) -> Job {
        self.store.job(id).await.expect("it is there")
    }

    /// The number of notes in the fold of a job's log, checked against the log itself.
    async fn notes(&self, id: JobId) -> usize {
        let folded = self
            .runs
            .folded(&self.job(id).await)
            .await
            .expect("it is folded");
        let log = self.store.events(id).await.expect("there is a log");
        let report = Report::of(log.iter().map(|stored| &*stored.record));
        assert_eq!(format!("{:?}", folded.report()), format!("{report:?}"));
        assert_eq!(folded.last(), log.last().map_or(0, |stored| stored.seq));
        report.notes.len()
    }
}

#[tokio::test]
async fn a_fold_grows_with_its_log_and_a_reader_keeps_an_earlier_one() {
    let jobs = Jobs::new().await;
    let id = jobs.create().await;
    assert_eq!(jobs.notes(id).await, 0);
    jobs.note(id, 3).await;
    let job = jobs.job(id).await;
    let earlier = jobs.runs.folded(&job).await.expect("it is folded");
    let again = jobs.runs.folded(&job).await.expect("it is folded");
    assert!(Arc::ptr_eq(&earlier, &again), "nothing was folded or copied");
    jobs.note(id, 2).await;
    assert_eq!(jobs.notes(id).await, 5);
    assert_eq!((earlier.last(), earlier.report().notes.len()), (3, 3));
}

#[tokio::test]
async fn records_that_were_followed_are_folded_once_and_without_a_gap() {
    let jobs = Jobs::new().await;
    let id = jobs.create().await;
    jobs.note(id, 2).await;
    // The first two are missing here: they come from the store.
    let news = jobs.note(id, 3).await;
    for _ in 0..2 {
        let folded = jobs
            .runs
            .folded_following(id, &news)
            .await
            .expect("it is folded");
        assert_eq!((folded.last(), folded.report().notes.len()), (5, 5));
    }
    let (older, newest) = news.split_at(1);
    for part in [older, newest] {
        let folded = jobs
            .runs
            .folded_following(id, part)
            .await
            .expect("it is folded");
        assert_eq!(folded.report().notes.len(), 5, "all of these were known");
    }
    assert_eq!(jobs.notes(id).await, 5);
}

#[tokio::test]
async fn a_fold_that_was_dropped_is_made_again() {
    let jobs = Jobs::new().await;
    let first = jobs.create().await;
    jobs.note(first, 2).await;
    let job = jobs.job(first).await;
    let kept = jobs.runs.folded(&job).await.expect("it is folded");
    for _ in 0..MANY {
        let other = jobs.create().await;
        let other = jobs.job(other).await;
        jobs.runs.folded(&other).await.expect("it is folded");
    }
    let made_again = jobs.runs.folded(&job).await.expect("it is folded");
    assert!(!Arc::ptr_eq(&kept, &made_again), "the first was dropped");
    let news = jobs.note(first, 1).await;
    jobs.runs
        .folded_following(first, &news)
        .await
        .expect("it is folded");
    assert_eq!(jobs.notes(first).await, 3);
}
