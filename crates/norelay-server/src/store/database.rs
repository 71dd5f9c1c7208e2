//! The store itself: opened, copied and closed.

use std::path::Path;

use super::{
    error::StoreError,
    pool::{Pools, on},
};

/// Records of one job: what the longest honest run writes (20,000 dialogues are the report's own
/// limit), and more.
pub const MAX_RECORDS: i64 = 500_000;

/// The store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) pools: Pools,
    pub(super) max_records: i64,
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
    /// The database can't be opened.
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

    /// Closes every connection, each after its current statement.
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

    /// Checks that the database answers.
    ///
    /// # Errors
    /// The database doesn't answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        on!(read self, |db| sqlx::query("SELECT 1").execute(db).await.map(drop))?;
        Ok(())
    }
}
