//! Rows of results as types with a field for each column.

/// Declares a row whose fields are columns, and how it is read from either database.
///
/// A column is found by its name, so that the order in a `SELECT` is free. Reading fails with
/// `sqlx::Error` where a column is missing or has another type.
macro_rules! row {
    ($(#[$meta:meta])* struct $name:ident { $($column:ident: $kind:ty),+ $(,)? }) => {
        $(#[$meta])*
        struct $name {
            $($column: $kind),+
        }

        $crate::store::row::from_row!($name { $($column),+ } sqlx::sqlite::SqliteRow);
        $crate::store::row::from_row!($name { $($column),+ } sqlx::postgres::PgRow);
    };
}

/// Implements `FromRow` of one database for a row.
macro_rules! from_row {
    ($name:ident { $($column:ident),+ } $row:ty) => {
        impl sqlx::FromRow<'_, $row> for $name {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                use sqlx::Row as _;
                Ok(Self { $($column: row.try_get(stringify!($column))?),+ })
            }
        }
    };
}

pub(super) use {from_row, row};
