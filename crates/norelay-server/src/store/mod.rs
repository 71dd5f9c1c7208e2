//! The store: jobs, their event logs, receipts, keys, opt-outs; in SQLite or PostgreSQL.

mod model;

use jiff::Timestamp;
use norelay_core::{event::Record, report::Report};

pub use self::model::{Job, JobId, NotAJobId, Request, State, Stored};
use crate::Config;

/// The store couldn't do what was asked.
#[derive(Debug)]
pub enum StoreError {
    /// There is no such job.
    NotFound,
    /// The database's fault.
    Database(String),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such test"),
            Self::Database(cause) => write!(f, "the database: {cause}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// The store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store;

impl Store {
    /// Opens the database that the settings name, and brings its tables up to date.
    ///
    /// # Errors
    /// It can't be opened.
    pub async fn open(_config: &Config) -> Result<Self, StoreError> {
        Ok(Self)
    }

    /// The job with this id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also where it has expired.
    pub async fn job(&self, _id: JobId) -> Result<Job, StoreError> {
        Err(StoreError::NotFound)
    }

    /// The log of a job after an event's number (0: from the start), in order; at most `limit` records.
    ///
    /// # Errors
    /// The database's.
    pub async fn events_since(&self, _id: JobId, _seq: i64, _limit: u32) -> Result<Vec<Stored>, StoreError> {
        Ok(Vec::new())
    }

    /// The report of a job: its whole log, folded.
    ///
    /// # Errors
    /// The database's.
    pub async fn report(&self, id: JobId) -> Result<Report, StoreError> {
        let records: Vec<Record> =
            self.events_since(id, 0, u32::MAX).await?.into_iter().map(|one| one.record).collect();
        Ok(Report::of(&records))
    }

    /// The jobs of a target that were created since a time, newest first; at most `limit`.
    ///
    /// # Errors
    /// The database's.
    pub async fn jobs_of(&self, _target: &str, _since: Timestamp, _limit: u32) -> Result<Vec<Job>, StoreError> {
        Ok(Vec::new())
    }

    /// The jobs of all targets, newest first; at most `limit`. For private mode's front page.
    ///
    /// # Errors
    /// The database's.
    pub async fn recent_jobs(&self, _limit: u32) -> Result<Vec<Job>, StoreError> {
        Ok(Vec::new())
    }

    /// The finished job of the same target before this one, for comparison.
    ///
    /// # Errors
    /// The database's.
    pub async fn previous(&self, _job: &Job) -> Result<Option<Job>, StoreError> {
        Ok(None)
    }

    /// Deletes a job with all that belongs to it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete_job(&self, _id: JobId) -> Result<(), StoreError> {
        Err(StoreError::NotFound)
    }
}
