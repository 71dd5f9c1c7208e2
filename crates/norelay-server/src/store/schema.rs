//! The tables, as migrations that are part of the program.
//!
//! Rules:
//! - A migration that was published is never changed; a change is a new file and a new line here.
//! - They are written for SQLite; PostgreSQL's text is made from the same file, so the two can't
//!   drift apart.

use std::borrow::Cow;

use sqlx::{
    AssertSqlSafe, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

const MIGRATIONS: &[(i64, &str, &str)] =
    &[(1, "begin", include_str!("../../migrations/0001_begin.sql"))];

/// What PostgreSQL calls SQLite's types, and what it has no word for.
const POSTGRES_WORDS: &[(&str, &str)] =
    &[(" INTEGER", " BIGINT"), (" BLOB", " BYTEA"), (" STRICT;", ";")];

/// The migrations for SQLite.
pub(super) fn sqlite() -> Migrator {
    migrator(Cow::Borrowed)
}

/// The migrations for PostgreSQL.
pub(super) fn postgres() -> Migrator {
    migrator(|text| {
        let translated = POSTGRES_WORDS
            .iter()
            .fold(text.to_owned(), |text, (sqlite, postgres)| text.replace(sqlite, postgres));
        Cow::Owned(translated)
    })
}

fn migrator(translate: impl Fn(&'static str) -> Cow<'static, str>) -> Migrator {
    let made = MIGRATIONS.iter().map(|&(version, name, text)| {
        let sql = AssertSqlSafe(translate(text).into_owned()).into_sql_str();
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(made.collect())
}
