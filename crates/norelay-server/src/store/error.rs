//! Why the store could not do what was asked.

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
