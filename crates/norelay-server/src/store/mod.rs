//! The store: jobs, their event logs, receipts, keys, opt-outs and proofs of control; in SQLite or
//! PostgreSQL.
//!
//! Rules:
//! - The same SQL runs on both, and one suite of tests holds both to it (`tests/store.rs`).
//! - A log is appended to and never changed; records become visible in the order of their numbers,
//!   without gaps.
//! - What was reported as done is done after a kill, and a message that comes twice is kept once.
//! - Nothing here judges, permits or connects.

mod codec;
mod jobs;
mod keys;
mod limits;
mod log;
mod model;
mod owners;
mod pool;
mod schema;

use std::path::Path;

use self::pool::Pools;
pub use self::{
    jobs::{Created, Idempotency, NewJob},
    keys::KeyText,
    limits::{Budget, Exceeded},
    log::{Appended, Lease, MAX_RECORDS},
    model::{
        ApiKey, Challenge, Job, JobId, NotAJobId, OnePath, OptOut, Origin, Owner, Pinned, Request,
        Scope, State, Stored, Subject,
    },
};

/// The store couldn't do what was asked.
#[derive(Debug)]
pub enum StoreError {
    /// There is no such thing, or it has expired.
    NotFound,
    /// The database doesn't answer now; later it may.
    Unavailable(String),
    /// The settings can't work.
    Setting(String),
    /// This column holds what this program didn't write.
    Damaged(&'static str),
    /// Any other fault of the database.
    Database(String),
}

impl StoreError {
    /// Whether the same may work later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such thing, or it has expired"),
            Self::Unavailable(cause) => write!(f, "the database does not answer: {cause}"),
            Self::Setting(sentence) => f.write_str(sentence),
            Self::Damaged(column) => {
                write!(f, "the database holds something unreadable in column {column}")
            }
            Self::Database(cause) => write!(f, "the database failed: {cause}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, RowNotFound, WorkerCrashed};
        match error {
            RowNotFound => Self::NotFound,
            Io(_) | PoolTimedOut | PoolClosed | Protocol(_) | WorkerCrashed => {
                Self::Unavailable(error.to_string())
            }
            sqlx::Error::Database(ref fault) if is_passing(fault.code().as_deref()) => {
                Self::Unavailable(error.to_string())
            }
            other => Self::Database(other.to_string()),
        }
    }
}

/// Codes of faults that pass: SQLite's busy, locked, full, and what a full disk or quota does to
/// its files (778, 1034, 4874); PostgreSQL's connection (08), resources (53), shutdown (57P) and
/// conflicts of transactions (40).
fn is_passing(code: Option<&str>) -> bool {
    code.is_some_and(|code| {
        matches!(code, "5" | "6" | "13" | "261" | "517" | "778" | "1034" | "4874")
            || ["08", "53", "57P", "40"]
                .iter()
                .any(|class| code.len() == 5 && code.starts_with(class))
    })
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Database(error.to_string())
    }
}

/// The store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pools: Pools,
    max_records: i64,
}

impl Store {
    fn over(pools: Pools) -> Self {
        Self { pools, max_records: MAX_RECORDS }
    }

    /// The same store with another limit for the records of one job.
    #[must_use]
    pub fn with_max_records(self, max_records: i64) -> Self {
        Self { max_records, ..self }
    }

    /// Opens SQLite's file in a folder, which is made where it is missing, and brings its tables up
    /// to date.
    ///
    /// # Errors
    /// It can't be opened.
    pub async fn sqlite(folder: &Path) -> Result<Self, StoreError> {
        Pools::sqlite(folder).await.map(Self::over)
    }

    /// Opens PostgreSQL's database at a `postgres://` address, and brings its tables up to date.
    ///
    /// # Errors
    /// It can't be opened.
    pub async fn postgres(url: &str) -> Result<Self, StoreError> {
        Pools::postgres(url).await.map(Self::over)
    }

    /// Closes every connection, after what they are doing.
    pub async fn close(&self) {
        self.pools.close().await;
    }

    /// Copies SQLite's database in a folder into a new file, also while it is in use.
    ///
    /// # Errors
    /// There is none, or the file exists.
    pub async fn back_up(folder: &Path, to: &Path) -> Result<(), StoreError> {
        Pools::back_up(folder, to).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It doesn't.
    pub async fn ping(&self) -> Result<(), StoreError> {
        pool::on!(read self, |db| sqlx::query("SELECT 1").execute(db).await.map(drop))?;
        Ok(())
    }
}
