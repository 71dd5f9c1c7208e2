//! The two databases: how they are opened, and how one text of SQL is run on either.
//!
//! Rules:
//! - SQLite has one writer; readers never wait for it (WAL). What is committed survives a loss of
//!   power (`synchronous = FULL`), because a message that was accepted must not be forgotten.
//! - Both pools are typed; the macros below write a statement once and compile it for both.

use std::{fs, path::Path, str::FromStr, time::Duration};

use sqlx::{
    Connection, PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{error::StoreError, schema};

/// Readers of SQLite at once: more than the cores gain nothing.
const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL, whose default limit for all clients is 100.
const POSTGRES_CONNECTIONS: u32 = 10;
/// How long a request waits for a connection before it fails as "unavailable".
const PATIENCE: Duration = Duration::from_secs(5);

/// The name of the SQLite file in the data folder.
pub(super) const FILE: &str = "norelay.sqlite3";

#[derive(Clone, Debug)]
pub(super) enum Pools {
    Sqlite { write: SqlitePool, read: SqlitePool },
    Postgres(PgPool),
}

/// Runs `$body` with `$db` as the pool for reading or for writing.
macro_rules! on {
    (read $store:expr, |$db:ident| $body:expr) => {
        match &$store.pools {
            $crate::store::pool::Pools::Sqlite { read: $db, .. } => $body,
            $crate::store::pool::Pools::Postgres($db) => $body,
        }
    };
    (write $store:expr, |$db:ident| $body:expr) => {
        match &$store.pools {
            $crate::store::pool::Pools::Sqlite { write: $db, .. } => $body,
            $crate::store::pool::Pools::Postgres($db) => $body,
        }
    };
}

/// Runs `$body` with `$tx` as a transaction, and commits it; leaving by `?` or `return` rolls it
/// back.
macro_rules! transact {
    ($store:expr, |$tx:ident| $body:expr) => {
        match &$store.pools {
            $crate::store::pool::Pools::Sqlite { write, .. } => {
                // A deferred transaction that turns into a writer can fail as busy; an immediate
                // one waits its turn.
                let mut $tx = write.begin_with("BEGIN IMMEDIATE").await?;
                let made = $body;
                $tx.commit().await?;
                made
            }
            $crate::store::pool::Pools::Postgres(pool) => {
                let mut $tx = pool.begin().await?;
                let made = $body;
                $tx.commit().await?;
                made
            }
        }
    };
}

pub(super) use {on, transact};

impl Pools {
    /// The database in a folder of our own.
    pub(super) async fn sqlite(folder: &Path) -> Result<Self, StoreError> {
        make_private_folder(folder)?;
        make_private_file(&folder.join(FILE))?;
        let options = sqlite_options(&folder.join(FILE));
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .after_release(|writer, _| {
                // SQLite itself rolls back what a full disk broke off; the library then takes the
                // transaction to be open for ever, and no other could begin. A rollback that is
                // under way is over when the ping is answered.
                Box::pin(async move {
                    writer.ping().await?;
                    Ok(!writer.is_in_transaction())
                })
            });
        let write = write.connect_with(options.clone()).await?;
        schema::sqlite().run(&write).await?;
        let read = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .acquire_timeout(PATIENCE);
        let read = read.connect_with(options.create_if_missing(false)).await?;
        Ok(Self::Sqlite { write, read })
    }

    /// The database that a `postgres://` address names.
    pub(super) async fn postgres(url: &str) -> Result<Self, StoreError> {
        // The parser's error may quote the address, and with it the password.
        let options = PgConnectOptions::from_str(url).map_err(|_| {
            StoreError::Setting("the database's address isn't a postgres:// address".to_owned())
        })?;
        let options = options
            .application_name("norelay")
            .options([("statement_timeout", "30s")]);
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .connect_with(options)
            .await?;
        schema::postgres().run(&pool).await?;
        Ok(Self::Postgres(pool))
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// Copies the database into a new file while it is in use. SQLite's only: PostgreSQL has
    /// `pg_dump`.
    pub(super) async fn back_up(folder: &Path, to: &Path) -> Result<(), StoreError> {
        let mut connection = sqlx::SqliteConnection::connect_with(
            &sqlite_options(&folder.join(FILE)).create_if_missing(false),
        )
        .await?;
        let to = to
            .to_str()
            .ok_or_else(|| StoreError::Setting("the file's name isn't UTF-8".to_owned()))?;
        sqlx::query("VACUUM INTO $1")
            .bind(to)
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        Ok(())
    }
}

fn sqlite_options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
}

/// Makes the file for its owner alone: SQLite gives the files beside it the same rights.
fn make_private_file(file: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = fs::File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file);
    made.map(drop).map_err(|error| {
        StoreError::Setting(format!("the file {} can't be made: {error}", file.display()))
    })
}

/// Makes the folder, for its owner alone.
fn make_private_folder(folder: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.map_err(|error| {
        StoreError::Setting(format!("the folder {} can't be made: {error}", folder.display()))
    })
}
