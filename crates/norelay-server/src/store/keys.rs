//! API keys.
//!
//! Rules:
//! - Of the secret only its SHA-256 is kept: it is 256 random bits, so that no slow hash is needed.
//! - Comparison takes the same time wherever the difference is.

use std::fmt;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    codec::{json, maybe_time, millis, of_json, of_text, time},
    database::Store,
    error::StoreError,
    model::ApiKey,
    pool::on,
    row::row,
};

const PREFIX: &str = "norelay";
const SELECT: &str = "SELECT id, digest, name, scopes, networks, hourly, created, expires, \
                      revoked FROM keys WHERE id = $1";
const SELECT_ALL: &str = "SELECT id, digest, name, scopes, networks, hourly, created, expires, \
                          revoked FROM keys ORDER BY created, id";

/// The whole text of a key, `norelay_ID_SECRET`: shown once, when it is made.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText {
    id: String,
    secret: String,
}

impl KeyText {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        let secret = BASE32_NOPAD
            .encode(&rand::random::<[u8; 32]>())
            .to_ascii_lowercase();
        Self { id: HEXLOWER.encode(&rand::random::<[u8; 6]>()), secret }
    }

    /// Its public part.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The text, for its owner's eyes.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}_{}_{}", self.id, self.secret)
    }

    /// Reads what a client shows; none where it has another form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text
            .strip_prefix(PREFIX)?
            .strip_prefix('_')?
            .split_once('_')?;
        let fits = id.len() == 12
            && secret.len() == 52
            && secret.bytes().all(|octet| octet.is_ascii_alphanumeric());
        fits.then(|| Self { id: id.to_owned(), secret: secret.to_ascii_lowercase() })
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.secret.as_bytes()).into()
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}_{}_********", self.id)
    }
}

row! {
    /// A key as the database keeps it.
    struct KeyRow {
        id: String,
        digest: Vec<u8>,
        name: String,
        scopes: String,
        networks: String,
        hourly: i64,
        created: i64,
        expires: Option<i64>,
        revoked: Option<i64>,
    }
}

fn key(row: KeyRow) -> Result<ApiKey, StoreError> {
    let networks: Vec<String> = of_json("networks", &row.networks)?;
    Ok(ApiKey {
        id: row.id,
        name: of_text(&row.name),
        scopes: of_json("scopes", &row.scopes)?,
        networks: networks
            .iter()
            .map(|network| network.parse().map_err(|_| StoreError::Damaged("networks")))
            .collect::<Result<_, _>>()?,
        hourly: u32::try_from(row.hourly).map_err(|_| StoreError::Damaged("hourly"))?,
        created: time("created", row.created)?,
        expires: maybe_time("expires", row.expires)?,
        revoked: maybe_time("revoked", row.revoked)?,
    })
}

impl Store {
    /// Keeps a new key; `key.id` is that of `text`.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_key(&self, key: &ApiKey, text: &KeyText) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO keys (id, digest, name, scopes, networks, hourly, created, \
                           expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let networks: Vec<String> = key.networks.iter().map(ToString::to_string).collect();
        on!(write self, |db| {
            sqlx::query(SQL)
                .bind(&text.id)
                .bind(&text.digest()[..])
                .bind(super::codec::text(&key.name))
                .bind(json(&key.scopes))
                .bind(json(&networks))
                .bind(i64::from(key.hourly))
                .bind(millis(key.created))
                .bind(key.expires.map(millis))
                .execute(db)
                .await
                .map(drop)
        })?;
        Ok(())
    }

    /// The key that a client shows, if it is one of ours and works now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where it isn't or doesn't.
    pub async fn key(&self, shown: &KeyText, now: Timestamp) -> Result<ApiKey, StoreError> {
        let row: Option<KeyRow> =
            on!(read self, |db| sqlx::query_as(SELECT).bind(&shown.id).fetch_optional(db).await)?;
        // A key that isn't known takes as long as one with a wrong secret.
        let kept = row
            .as_ref()
            .map_or_else(|| vec![0; 32], |row| row.digest.clone());
        let is_same = bool::from(kept.ct_eq(&shown.digest()));
        let found = row
            .filter(|_| is_same)
            .map(key)
            .transpose()?
            .ok_or(StoreError::NotFound)?;
        let works = found.revoked.is_none() && found.expires.is_none_or(|expires| expires > now);
        if works { Ok(found) } else { Err(StoreError::NotFound) }
    }

    /// Every key, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let rows: Vec<KeyRow> =
            on!(read self, |db| sqlx::query_as(SELECT_ALL).fetch_all(db).await)?;
        rows.into_iter().map(key).collect()
    }

    /// Makes a key stop working.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none, or it was revoked before.
    pub async fn revoke_key(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE keys SET revoked = $1 WHERE id = $2 AND revoked IS NULL";
        let revoked = on!(write self, |db| {
            sqlx::query(SQL).bind(millis(now)).bind(id).execute(db)
                .await.map(|done| done.rows_affected())
        })?;
        if revoked == 1 { Ok(()) } else { Err(StoreError::NotFound) }
    }
}
