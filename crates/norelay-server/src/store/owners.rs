//! Proofs of control, and what they permit: opt-outs and verified owners.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;

use super::{
    codec::{job_id, millis, octets, range, time},
    database::Store,
    error::StoreError,
    model::{Challenge, JobId, OptOut, Owner, ProofSubject},
    pool::on,
    row::row,
};

row! {
    /// A challenge as the database keeps it.
    struct ChallengeRow {
        id: Vec<u8>,
        subject: String,
        asker: String,
        method: String,
        purpose: String,
        secret: Vec<u8>,
        attempts: i64,
        created: i64,
        expires: i64,
    }
}

fn challenge(row: ChallengeRow) -> Result<Challenge, StoreError> {
    Ok(Challenge {
        id: job_id(row.id)?,
        subject: ProofSubject::of_text(&row.subject),
        asker: row.asker,
        method: row.method,
        purpose: row.purpose,
        secret: row.secret,
        attempts: u32::try_from(row.attempts).map_err(|_| StoreError::Damaged("attempts"))?,
        created: time("created", row.created)?,
        expires: time("expires", row.expires)?,
    })
}

row! {
    /// A proof of control as the database keeps it.
    struct OwnerRow {
        subject: String,
        asker: String,
        proof: String,
        created: i64,
        expires: i64,
    }
}

fn owner(row: OwnerRow) -> Result<Owner, StoreError> {
    Ok(Owner {
        subject: ProofSubject::of_text(&row.subject),
        asker: row.asker,
        proof: row.proof,
        created: time("created", row.created)?,
        expires: time("expires", row.expires)?,
    })
}

row! {
    /// An opt-out as the database keeps it.
    struct OptOutRow {
        network: String,
        proof: String,
        created: i64,
    }
}

fn opt_out(row: OptOutRow) -> Result<OptOut, StoreError> {
    Ok(OptOut {
        network: row
            .network
            .parse()
            .map_err(|_| StoreError::Damaged("network"))?,
        proof: row.proof,
        created: time("created", row.created)?,
    })
}

impl Store {
    /// Stores an opt-out. The same network again changes nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn opt_out(
        &self,
        network: &IpNet,
        proof: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO opt_outs (network, low, high, proof, created) VALUES ($1, \
                           $2, $3, $4, $5) \
             ON CONFLICT DO NOTHING";
        let (low, high) = range(network);
        on!(write self, |db| {
            sqlx::query(SQL)
                .bind(network.trunc().to_string())
                .bind(low)
                .bind(high)
                .bind(proof)
                .bind(millis(now))
                .execute(db)
                .await
                .map(drop)
        })?;
        Ok(())
    }

    /// Removes an opt-out.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn opt_in(&self, network: &IpNet) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM opt_outs WHERE network = $1";
        let gone = on!(write self, |db| {
            sqlx::query(SQL).bind(network.trunc().to_string()).execute(db)
                .await.map(|done| done.rows_affected())
        })?;
        if gone == 1 { Ok(()) } else { Err(StoreError::NotFound) }
    }

    /// The opt-out that covers an address.
    ///
    /// # Errors
    /// The database's.
    pub async fn opt_out_of(&self, address: IpAddr) -> Result<Option<OptOut>, StoreError> {
        const SQL: &str = "SELECT network, proof, created FROM opt_outs WHERE low <= $1 AND high \
                           >= $1 ORDER BY low DESC LIMIT 1";
        let row: Option<OptOutRow> = on!(read self, |db| sqlx::query_as(SQL).bind(octets(address))
            .fetch_optional(db).await)?;
        row.map(opt_out).transpose()
    }

    /// Every opt-out; at most `limit`.
    ///
    /// # Errors
    /// The database's.
    pub async fn opt_outs(&self, limit: u32) -> Result<Vec<OptOut>, StoreError> {
        const SQL: &str =
            "SELECT network, proof, created FROM opt_outs ORDER BY low, high LIMIT $1";
        let rows: Vec<OptOutRow> =
            on!(read self, |db| sqlx::query_as(SQL).bind(i64::from(limit)).fetch_all(db).await)?;
        rows.into_iter().map(opt_out).collect()
    }

    /// Stores a proof of control. A later proof over the same subject replaces an earlier one.
    ///
    /// # Errors
    /// The database's.
    pub async fn keep_owner(&self, owner: &Owner) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO owners (subject, asker, low, high, proof, created, \
                           expires) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (subject, asker) DO UPDATE SET proof = excluded.proof, created = \
             excluded.created, expires = excluded.expires";
        let (low, high) = match &owner.subject {
            ProofSubject::Domain(_) => (None, None),
            ProofSubject::Network(network) => {
                let (low, high) = range(network);
                (Some(low), Some(high))
            }
        };
        on!(write self, |db| {
            sqlx::query(SQL)
                .bind(owner.subject.to_string())
                .bind(&owner.asker)
                .bind(low)
                .bind(high)
                .bind(&owner.proof)
                .bind(millis(owner.created))
                .bind(millis(owner.expires))
                .execute(db)
                .await
                .map(drop)
        })?;
        Ok(())
    }

    /// Returns the proofs of a client that count now, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn owned_by(&self, asker: &str, now: Timestamp) -> Result<Vec<Owner>, StoreError> {
        /// The most proofs of one client that are read: a test of one server needs few.
        const LIMIT: i64 = 1_000;
        const SQL: &str = "SELECT subject, asker, proof, created, expires FROM owners WHERE asker = $1 \
                           AND expires > $2 \
             ORDER BY created DESC, subject LIMIT $3";
        let rows: Vec<OwnerRow> = on!(read self, |db| sqlx::query_as(SQL).bind(asker)
            .bind(millis(now)).bind(LIMIT).fetch_all(db).await)?;
        rows.into_iter().map(owner).collect()
    }

    /// Keeps a challenge.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_challenge(&self, new: &Challenge) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO challenges (id, subject, asker, method, purpose, secret, \
                           attempts, created, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)";
        on!(write self, |db| {
            sqlx::query(SQL)
                .bind(&new.id.0[..])
                .bind(new.subject.to_string())
                .bind(&new.asker)
                .bind(&new.method)
                .bind(&new.purpose)
                .bind(&new.secret)
                .bind(millis(new.created))
                .bind(millis(new.expires))
                .execute(db)
                .await
                .map(drop)
        })?;
        Ok(())
    }

    /// A challenge that can still be answered, after one more attempt was counted.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none, it has expired, or it was tried `most` times.
    pub async fn try_challenge(
        &self,
        id: JobId,
        now: Timestamp,
        most: u32,
    ) -> Result<Challenge, StoreError> {
        const SQL: &str = "UPDATE challenges SET attempts = attempts + 1 WHERE id = $1 AND \
                           expires > $2 AND attempts < $3 \
             RETURNING id, subject, asker, method, purpose, secret, attempts, created, expires";
        let row: Option<ChallengeRow> = on!(write self, |db| {
            sqlx::query_as(SQL).bind(&id.0[..]).bind(millis(now)).bind(i64::from(most))
                .fetch_optional(db).await
        })?;
        row.map(challenge).transpose()?.ok_or(StoreError::NotFound)
    }

    /// A challenge that can still be answered.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn challenge(&self, id: JobId, now: Timestamp) -> Result<Challenge, StoreError> {
        const SQL: &str = "SELECT id, subject, asker, method, purpose, secret, attempts, created, \
                           expires FROM challenges \
             WHERE id = $1 AND expires > $2";
        let row: Option<ChallengeRow> = on!(read self, |db| sqlx::query_as(SQL).bind(&id.0[..])
            .bind(millis(now)).fetch_optional(db).await)?;
        row.map(challenge).transpose()?.ok_or(StoreError::NotFound)
    }

    /// Forgets a challenge: it was met. Says whether it was there, so that it is met once.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_challenge(&self, id: JobId) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM challenges WHERE id = $1";
        let gone = on!(write self, |db| {
            sqlx::query(SQL).bind(&id.0[..]).execute(db).await.map(|done| done.rows_affected())
        })?;
        Ok(gone == 1)
    }
}
