//! The event log of a job, and the messages that came to the receiver.
//!
//! Rules:
//! - Numbers are given by the job's row, which stays locked until the records are committed: who
//!   reads up to a number has read everything before it.
//! - A worker appends under its lease. One that has lost it (because it was thought dead) can't add
//!   to the log of its successor.
//! - The same message again (its sender didn't hear our answer) is the same receipt.

use jiff::Timestamp;
use norelay_core::event::{Event, Receipt, Record};
use sha2::{Digest, Sha256};

use super::{
    codec::{job_id, millis, run_number},
    database::Store,
    error::StoreError,
    model::{JobId, Stored},
    pool::{on, transact},
};

/// The most records that are read at once.
const PAGE: u32 = 5_000;

/// A worker's right to write the log of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// The worker.
    pub worker: String,
    /// The attempt.
    pub attempt: u32,
}

/// The outcome of appending records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The records, with their numbers.
    At(Vec<Stored>),
    /// Nothing: the lease was lost, or the job was deleted.
    Lost,
    /// Nothing: the log is full.
    Full,
}

macro_rules! insert {
    ($tx:ident, $job:expr, $one:expr) => {
        sqlx::query("INSERT INTO events (job, seq, record) VALUES ($1, $2, $3)")
            .bind(&$job.0[..])
            .bind($one.seq)
            .bind($one.line.as_bytes())
            .execute(&mut *$tx)
            .await?
    };
}

impl Store {
    /// Appends records to the log of a job that a worker runs.
    ///
    /// # Errors
    /// The database's; then nothing was appended, or it isn't known (PostgreSQL was lost during the
    /// commit).
    pub async fn append(&self, lease: &Lease, records: &[Record]) -> Result<Appended, StoreError> {
        const NUMBER: &str = "UPDATE jobs SET last = last + $1 WHERE id = $2 AND worker = $3 AND \
                              attempt = $4 \
             AND state = 'running' AND last + $1 <= $5 RETURNING last";
        const STATE: &str = "SELECT last FROM jobs WHERE id = $1 AND worker = $2 AND attempt = $3 \
                             AND state = 'running'";
        let wanted = i64::try_from(records.len()).unwrap_or(i64::MAX);
        let stored: Option<Vec<Stored>> = transact!(self, |tx| {
            let last: Option<(i64,)> = sqlx::query_as(NUMBER)
                .bind(wanted)
                .bind(&lease.job.0[..])
                .bind(&lease.worker)
                .bind(i64::from(lease.attempt))
                .bind(self.max_records)
                .fetch_optional(&mut *tx)
                .await?;
            match last {
                Some((last,)) => {
                    let stored = number(last - wanted, records);
                    for one in &stored {
                        insert!(tx, lease.job, one);
                    }
                    Some(stored)
                }
                None => None,
            }
        });
        if let Some(stored) = stored {
            return Ok(Appended::At(stored));
        }
        let held: Option<(i64,)> = on!(read self, |db| {
            sqlx::query_as(STATE)
                .bind(&lease.job.0[..])
                .bind(&lease.worker)
                .bind(i64::from(lease.attempt))
                .fetch_optional(db)
                .await
        })?;
        Ok(if held.is_some() { Appended::Full } else { Appended::Lost })
    }

    /// Appends one record to the log of a job in any state, for what isn't its worker's: a note,
    /// the end of an orphan.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn append_note(&self, id: JobId, record: Record) -> Result<Stored, StoreError> {
        let stored: Stored = transact!(self, |tx| {
            let last: Option<(i64,)> = sqlx::query_as(NEXT)
                .bind(&id.0[..])
                .fetch_optional(&mut *tx)
                .await?;
            let Some((last,)) = last else { return Err(StoreError::NotFound) };
            let stored = Stored::new(last, record);
            insert!(tx, id, &stored);
            stored
        });
        Ok(stored)
    }

    /// Ends a job that is queued or running, with the last record of its log, in one step: its
    /// worker, if it has one, can add nothing any more. Gives none where the job was over.
    ///
    /// # Errors
    /// The database's.
    pub async fn interrupt(&self, id: JobId, record: Record) -> Result<Option<Stored>, StoreError> {
        const END: &str = "UPDATE jobs SET state = 'interrupted', finished = $1, worker = NULL, \
                           lease = NULL, last = last + 1 \
             WHERE id = $2 AND state IN ('queued', 'running') RETURNING last";
        let at = millis(record.at);
        let stored: Option<Stored> = transact!(self, |tx| {
            let last: Option<(i64,)> = sqlx::query_as(END)
                .bind(at)
                .bind(&id.0[..])
                .fetch_optional(&mut *tx)
                .await?;
            match last {
                Some((last,)) => {
                    let stored = Stored::new(last, record);
                    insert!(tx, id, &stored);
                    Some(stored)
                }
                None => None,
            }
        });
        Ok(stored)
    }

    /// Records a message that came, once: as an event in the log of its run's job. Gives the job
    /// and the record, or none where it was recorded before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where no job has that run; the database's: then the sender must be
    /// told to come again.
    pub async fn record_receipt(
        &self,
        receipt: &Receipt,
        at: Timestamp,
    ) -> Result<Option<(JobId, Stored)>, StoreError> {
        const JOB: &str = "SELECT id FROM jobs WHERE run = $1 AND expires > $2";
        const KEEP: &str =
            "INSERT INTO receipts (digest, job, seq) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let digest = digest(receipt);
        let record = Record::new(at, Event::Received(receipt.clone()));
        let kept: Option<(JobId, Stored)> = transact!(self, |tx| {
            let job: Option<(Vec<u8>,)> = sqlx::query_as(JOB)
                .bind(run_number(receipt.token.run))
                .bind(millis(at))
                .fetch_optional(&mut *tx)
                .await?;
            let Some((job,)) = job else { return Err(StoreError::NotFound) };
            let id = job_id(job)?;
            let (last,): (i64,) = sqlx::query_as(NEXT)
                .bind(&id.0[..])
                .fetch_one(&mut *tx)
                .await?;
            let kept = sqlx::query(KEEP)
                .bind(&digest[..])
                .bind(&id.0[..])
                .bind(last)
                .execute(&mut *tx)
                .await?;
            if kept.rows_affected() == 0 {
                // Dropping the transaction gives the number back.
                return Ok(None);
            }
            let stored = Stored::new(last, record);
            insert!(tx, id, &stored);
            Some((id, stored))
        });
        Ok(kept)
    }

    /// The log of a job after a number (0: from the start), in order; at most `limit` records.
    ///
    /// # Errors
    /// The database's.
    pub async fn events_since(
        &self,
        id: JobId,
        seq: i64,
        limit: u32,
    ) -> Result<Vec<Stored>, StoreError> {
        const SQL: &str =
            "SELECT seq, record FROM events WHERE job = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let rows: Vec<(i64, Vec<u8>)> = on!(read self, |db| {
            sqlx::query_as(SQL).bind(&id.0[..]).bind(seq).bind(i64::from(limit)).fetch_all(db).await
        })?;
        rows.into_iter()
            .map(|(seq, octets)| stored(seq, &octets))
            .collect()
    }

    /// The whole log of a job.
    ///
    /// # Errors
    /// The database's.
    pub async fn events(&self, id: JobId) -> Result<Vec<Stored>, StoreError> {
        let mut all: Vec<Stored> = Vec::new();
        loop {
            let since = all.last().map_or(0, |one| one.seq);
            let page = self.events_since(id, since, PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}

/// Reserves the next number of a job's log. The row stays locked until the commit.
const NEXT: &str = "UPDATE jobs SET last = last + 1 WHERE id = $1 RETURNING last";

fn number(before: i64, records: &[Record]) -> Vec<Stored> {
    (before + 1..)
        .zip(records)
        .map(|(seq, record)| Stored::new(seq, record.clone()))
        .collect()
}

fn stored(seq: i64, octets: &[u8]) -> Result<Stored, StoreError> {
    let line = std::str::from_utf8(octets).map_err(|_| StoreError::Damaged("record"))?;
    let record = serde_json::from_str(line).map_err(|_| StoreError::Damaged("record"))?;
    Ok(Stored { seq, record: std::sync::Arc::new(record), line: line.into() })
}

/// The digest of what makes two messages the same: everything but the port that the message came
/// from. A sender that missed our answer sends the message again over another connection.
fn digest(receipt: &Receipt) -> [u8; 32] {
    let mut same = receipt.clone();
    same.peer.set_port(0);
    Sha256::digest(serde_json::to_vec(&same).expect("receipts have string keys")).into()
}
