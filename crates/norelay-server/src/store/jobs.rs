//! Jobs: asked for, claimed, finished, expired.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use norelay_core::{check::Verdict, token::RunId};

use super::{
    codec::{
        job_id, json, maybe_time, millis, octets, of_json, run_number, run_of, text, time,
        verdict_of,
    },
    database::Store,
    error::StoreError,
    log::Lease,
    model::{Job, JobId, JobState, Origin, Pinned, TestRequest},
    pool::{on, transact},
    row::row,
};

/// The columns of a [`JobRow`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, run, request, origin, asker, state, verdict, created, started, finished, \
             expires, attempt, last FROM jobs ",
            $rest
        )
    };
}

row! {
    /// A job as the database keeps it.
    struct JobRow {
        id: Vec<u8>,
        run: i64,
        request: String,
        origin: String,
        asker: String,
        state: String,
        verdict: Option<String>,
        created: i64,
        started: Option<i64>,
        finished: Option<i64>,
        expires: i64,
        attempt: i64,
        last: i64,
    }
}

fn job(row: JobRow) -> Result<Job, StoreError> {
    let is_here = row.origin == Origin::Here.word();
    Ok(Job {
        id: job_id(row.id)?,
        run: run_of(row.run),
        request: of_json("request", &row.request)?,
        origin: if is_here { Origin::Here } else { Origin::Elsewhere },
        asker: row.asker,
        state: JobState::of_word(&row.state).ok_or(StoreError::Damaged("state"))?,
        verdict: row.verdict.as_deref().map(verdict_of).transpose()?,
        created: time("created", row.created)?,
        started: maybe_time("started", row.started)?,
        finished: maybe_time("finished", row.finished)?,
        expires: time("expires", row.expires)?,
        attempt: u32::try_from(row.attempt).map_err(|_| StoreError::Damaged("attempt"))?,
        last: row.last,
    })
}

fn jobs(rows: Vec<JobRow>) -> Result<Vec<Job>, StoreError> {
    rows.into_iter().map(job).collect()
}

/// A job to be kept.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its public name.
    pub id: JobId,
    /// The name of its run.
    pub run: RunId,
    /// What was asked.
    pub request: TestRequest,
    /// Who tests: a job from elsewhere is never claimed.
    pub origin: Origin,
    /// The bucket of who asked.
    pub asker: String,
    /// What was found about the target, once.
    pub pinned: Pinned,
    /// Now.
    pub created: Timestamp,
    /// When it is to be deleted.
    pub expires: Timestamp,
}

/// What makes the same request twice one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Of the client's key and of who asked: SHA-256.
    pub digest: [u8; 32],
    /// Of the request: SHA-256.
    pub fingerprint: [u8; 32],
}

/// The outcome of storing a job.
#[derive(Debug, PartialEq, Eq)]
pub enum Created {
    /// It is kept.
    New,
    /// The same request was made before: this is its job.
    Before(JobId),
    /// The same key was used for another request.
    Clash,
}

impl Store {
    /// Stores a new job, unless the same request has made a job before. The job is queued; a job of
    /// a test that runs outside this service is running at once.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_job(
        &self,
        new: &NewJob,
        once: Option<&Idempotency>,
    ) -> Result<Created, StoreError> {
        const JOB: &str = "INSERT INTO jobs (id, run, target, request, pinned, origin, asker, \
                           state, created, started, expires, attempt, last) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0)";
        const ADDRESS: &str =
            "INSERT INTO addresses (job, address) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        const ONCE: &str = "INSERT INTO idempotency (digest, fingerprint, job, created) VALUES \
                            ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING";
        let (state, started) = match new.origin {
            Origin::Here => (JobState::Queued, None),
            Origin::Elsewhere => (JobState::Running, Some(millis(new.created))),
        };
        let fresh = transact!(self, |tx| {
            sqlx::query(JOB)
                .bind(&new.id.0[..])
                .bind(run_number(new.run))
                .bind(text(&new.request.target))
                .bind(json(&new.request))
                .bind(json(&new.pinned))
                .bind(new.origin.word())
                .bind(&new.asker)
                .bind(state.word())
                .bind(millis(new.created))
                .bind(started)
                .bind(millis(new.expires))
                .execute(&mut *tx)
                .await?;
            for address in new.pinned.addresses() {
                sqlx::query(ADDRESS)
                    .bind(&new.id.0[..])
                    .bind(octets(address))
                    .execute(&mut *tx)
                    .await?;
            }
            // The job is inserted before its idempotency key, which refers to the job. If two
            // requests with one key come at once, the database stores one key, and the other
            // request's job is deleted again.
            let mut fresh = true;
            if let Some(once) = once {
                let kept = sqlx::query(ONCE)
                    .bind(&once.digest[..])
                    .bind(&once.fingerprint[..])
                    .bind(&new.id.0[..])
                    .bind(millis(new.created))
                    .execute(&mut *tx)
                    .await?;
                fresh = kept.rows_affected() == 1;
            }
            if !fresh {
                sqlx::query("DELETE FROM jobs WHERE id = $1")
                    .bind(&new.id.0[..])
                    .execute(&mut *tx)
                    .await?;
            }
            fresh
        });
        match once {
            Some(once) if !fresh => Ok(self.recall(once).await?.unwrap_or(Created::Clash)),
            _ => Ok(Created::New),
        }
    }

    /// Returns what a request with this idempotency key has made before. `None` if the key is new.
    ///
    /// # Errors
    /// The database's.
    pub async fn recall(&self, once: &Idempotency) -> Result<Option<Created>, StoreError> {
        const SQL: &str = "SELECT fingerprint, job FROM idempotency WHERE digest = $1";
        let found: Option<(Vec<u8>, Vec<u8>)> = on!(read self, |db| sqlx::query_as(SQL)
            .bind(&once.digest[..]).fetch_optional(db).await)?;
        found
            .map(|(fingerprint, job)| {
                if fingerprint == once.fingerprint {
                    job_id(job).map(Created::Before)
                } else {
                    Ok(Created::Clash)
                }
            })
            .transpose()
    }

    /// The job with this id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also where it has expired.
    pub async fn job(&self, id: JobId) -> Result<Job, StoreError> {
        const SQL: &str = select!("WHERE id = $1 AND expires > $2");
        let now = millis(Timestamp::now());
        let row: Option<JobRow> = on!(read self, |db| sqlx::query_as(SQL).bind(&id.0[..]).bind(now)
            .fetch_optional(db).await)?;
        row.map(job).transpose()?.ok_or(StoreError::NotFound)
    }

    /// The job of a run.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also where it has expired.
    pub async fn job_of_run(&self, run: RunId) -> Result<Job, StoreError> {
        const SQL: &str = select!("WHERE run = $1 AND expires > $2");
        let now = millis(Timestamp::now());
        let row: Option<JobRow> = on!(read self, |db| sqlx::query_as(SQL).bind(run_number(run))
            .bind(now).fetch_optional(db).await)?;
        row.map(job).transpose()?.ok_or(StoreError::NotFound)
    }

    /// Returns what was found about a job's target when its test was permitted: what may be tested,
    /// and nothing else.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn pinned(&self, id: JobId) -> Result<Pinned, StoreError> {
        const SQL: &str = "SELECT pinned FROM jobs WHERE id = $1";
        let row: Option<(String,)> =
            on!(read self, |db| sqlx::query_as(SQL).bind(&id.0[..]).fetch_optional(db).await)?;
        let (text,) = row.ok_or(StoreError::NotFound)?;
        of_json("pinned", &text)
    }

    /// The jobs of a target that were created since a time, newest first; at most `limit`.
    ///
    /// # Errors
    /// The database's.
    pub async fn jobs_of(
        &self,
        target: &str,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Job>, StoreError> {
        const SQL: &str = select!(
            "WHERE target = $1 AND created >= $2 AND origin = 'here' AND expires > $3 ORDER BY \
             created DESC, id LIMIT $4"
        );
        let (since, now) = (millis(since), millis(Timestamp::now()));
        let rows = on!(read self, |db| {
            sqlx::query_as(SQL).bind(text(target)).bind(since).bind(now).bind(i64::from(limit))
                .fetch_all(db).await
        })?;
        jobs(rows)
    }

    /// The jobs that tested an address since a time, newest first; at most `limit`.
    ///
    /// # Errors
    /// The database's.
    pub async fn jobs_at(
        &self,
        address: IpAddr,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Job>, StoreError> {
        const SQL: &str = select!(
            "WHERE id IN (SELECT job FROM addresses WHERE address = $1) AND created >= $2 AND \
             origin = 'here' AND expires > $3 \
             ORDER BY created DESC, id LIMIT $4"
        );
        let (since, now) = (millis(since), millis(Timestamp::now()));
        let rows = on!(read self, |db| {
            sqlx::query_as(SQL).bind(octets(address)).bind(since).bind(now).bind(i64::from(limit))
                .fetch_all(db).await
        })?;
        jobs(rows)
    }

    /// The jobs of all targets, newest first; at most `limit`. For private mode's front page.
    ///
    /// # Errors
    /// The database's.
    pub async fn recent_jobs(&self, limit: u32) -> Result<Vec<Job>, StoreError> {
        const SQL: &str =
            select!("WHERE origin = 'here' AND expires > $1 ORDER BY created DESC, id LIMIT $2");
        let now = millis(Timestamp::now());
        let rows = on!(read self, |db| sqlx::query_as(SQL).bind(now).bind(i64::from(limit))
            .fetch_all(db).await)?;
        jobs(rows)
    }

    /// The finished job of the same target before this one, for comparison.
    ///
    /// # Errors
    /// The database's.
    pub async fn previous(&self, job_before: &Job) -> Result<Option<Job>, StoreError> {
        const SQL: &str = select!(
            "WHERE target = $1 AND created < $2 AND id <> $3 AND origin = 'here' AND state = \
             'finished' AND expires > $4 \
             ORDER BY created DESC, id LIMIT 1"
        );
        let (created, now) = (millis(job_before.created), millis(Timestamp::now()));
        let row: Option<JobRow> = on!(read self, |db| {
            sqlx::query_as(SQL)
                .bind(text(&job_before.request.target))
                .bind(created)
                .bind(&job_before.id.0[..])
                .bind(now)
                .fetch_optional(db)
                .await
        })?;
        row.map(job).transpose()
    }

    /// Returns the number of a client's jobs that are queued or running.
    ///
    /// # Errors
    /// The database's.
    pub async fn open_jobs_of(&self, asker: &str) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT COUNT(*) FROM jobs WHERE asker = $1 AND origin = 'here' AND \
                           state IN ('queued', 'running')";
        let (count,): (i64,) =
            on!(read self, |db| sqlx::query_as(SQL).bind(asker).fetch_one(db).await)?;
        Ok(count.unsigned_abs())
    }

    /// Returns the number of jobs in a state.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&self, state: JobState) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT COUNT(*) FROM jobs WHERE state = $1 AND origin = 'here'";
        let (count,): (i64,) =
            on!(read self, |db| sqlx::query_as(SQL).bind(state.word()).fetch_one(db).await)?;
        Ok(count.unsigned_abs())
    }

    /// Claims the oldest queued job none of whose addresses is under test. The worker must renew
    /// the lease.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim(
        &self,
        worker: &str,
        now: Timestamp,
        lease: SignedDuration,
    ) -> Result<Option<(Job, Lease)>, StoreError> {
        const TURN: &str = "UPDATE turns SET turn = turn + 1 WHERE name = 'claim'";
        const FIND: &str = select!(
            "WHERE state = 'queued' AND NOT EXISTS (SELECT 1 FROM addresses mine JOIN addresses \
             theirs ON theirs.address = mine.address \
             JOIN jobs busy ON busy.id = theirs.job WHERE mine.job = jobs.id AND busy.state = \
             'running' AND busy.origin = 'here') \
             ORDER BY created, id LIMIT 1"
        );
        const TAKE: &str = "UPDATE jobs SET state = 'running', worker = $1, lease = $2, started = \
                            COALESCE(started, $3), \
             attempt = attempt + 1 WHERE id = $4";
        let until = millis(now.saturating_add(lease).unwrap_or(Timestamp::MAX));
        let found: Option<JobRow> = transact!(self, |tx| {
            // This row is locked until the commit, so of two workers the second one sees the job
            // that the first one claimed.
            sqlx::query(TURN).execute(&mut *tx).await?;
            let found: Option<JobRow> = sqlx::query_as(FIND).fetch_optional(&mut *tx).await?;
            if let Some(row) = &found {
                sqlx::query(TAKE)
                    .bind(worker)
                    .bind(until)
                    .bind(millis(now))
                    .bind(&row.id)
                    .execute(&mut *tx)
                    .await?;
            }
            found
        });
        let Some(mut claimed) = found.map(job).transpose()? else { return Ok(None) };
        claimed.state = JobState::Running;
        claimed.started = claimed.started.or(Some(now));
        claimed.attempt += 1;
        let lease = Lease { job: claimed.id, worker: worker.to_owned(), attempt: claimed.attempt };
        Ok(Some((claimed, lease)))
    }

    /// Renews a lease. Returns false if the lease was lost.
    ///
    /// # Errors
    /// The database's.
    pub async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE jobs SET lease = $1 WHERE id = $2 AND worker = $3 AND attempt = \
                           $4 AND state = 'running'";
        let renewed = on!(write self, |db| {
            sqlx::query(SQL)
                .bind(millis(until))
                .bind(&lease.job.0[..])
                .bind(&lease.worker)
                .bind(i64::from(lease.attempt))
                .execute(db)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(renewed == 1)
    }

    /// Puts a job back into the queue, for another worker or a later start. Returns false if the
    /// lease was lost.
    ///
    /// # Errors
    /// The database's.
    pub async fn release(&self, lease: &Lease) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE jobs SET state = 'queued', worker = NULL, lease = NULL \
             WHERE id = $1 AND worker = $2 AND attempt = $3 AND state = 'running'";
        let released = on!(write self, |db| {
            sqlx::query(SQL)
                .bind(&lease.job.0[..])
                .bind(&lease.worker)
                .bind(i64::from(lease.attempt))
                .execute(db)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(released == 1)
    }

    /// Returns the running jobs whose worker has gone: the jobs with an expired lease, and the jobs
    /// of the worker `dead`, if one is known to be dead.
    ///
    /// # Errors
    /// The database's.
    pub async fn orphans(
        &self,
        now: Timestamp,
        dead: Option<&str>,
    ) -> Result<Vec<(Job, Lease)>, StoreError> {
        const SQL: &str = select!(
            "WHERE state = 'running' AND origin = 'here' AND (lease <= $1 OR worker = $2) ORDER \
             BY created"
        );
        const WORKER: &str = "SELECT COALESCE(worker, '') FROM jobs WHERE id = $1";
        let rows: Vec<JobRow> = on!(read self, |db| sqlx::query_as(SQL).bind(millis(now)).bind(dead)
            .fetch_all(db).await)?;
        let mut orphans = Vec::new();
        for orphan in jobs(rows)? {
            let (worker,): (String,) = on!(read self, |db| sqlx::query_as(WORKER)
                .bind(&orphan.id.0[..]).fetch_one(db).await)?;
            let lease = Lease { job: orphan.id, worker, attempt: orphan.attempt };
            orphans.push((orphan, lease));
        }
        Ok(orphans)
    }

    /// Ends a job that is queued or running. Returns false if the job had ended before.
    ///
    /// # Errors
    /// The database's.
    pub async fn finish(
        &self,
        id: JobId,
        state: JobState,
        verdict: Option<Verdict>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE jobs SET state = $1, verdict = $2, finished = $3, worker = \
                           NULL, lease = NULL \
             WHERE id = $4 AND state IN ('queued', 'running')";
        let ended = on!(write self, |db| {
            sqlx::query(SQL)
                .bind(state.word())
                .bind(verdict.map(Verdict::word))
                .bind(millis(now))
                .bind(&id.0[..])
                .execute(db)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(ended == 1)
    }

    /// Notes a job's verdict, which a late message may change after the end.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_verdict(&self, id: JobId, verdict: Verdict) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE jobs SET verdict = $1 WHERE id = $2";
        on!(write self, |db| sqlx::query(SQL).bind(verdict.word()).bind(&id.0[..]).execute(db)
            .await.map(drop))?;
        Ok(())
    }

    /// Deletes a job with its log and receipts. What the job has spent of budgets stays spent.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete_job(&self, id: JobId) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM jobs WHERE id = $1";
        let gone = on!(write self, |db| {
            sqlx::query(SQL).bind(&id.0[..]).execute(db).await.map(|done| done.rows_affected())
        })?;
        if gone == 1 { Ok(()) } else { Err(StoreError::NotFound) }
    }

    /// Deletes what has expired: jobs, proofs of control, challenges, spendings. Returns the number
    /// of jobs.
    ///
    /// # Errors
    /// The database's.
    pub async fn delete_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        /// No budget has a window of more than a day.
        const MEMORY: SignedDuration = SignedDuration::from_hours(25);
        const REST: &[&str] = &[
            "DELETE FROM owners WHERE expires <= $1",
            "DELETE FROM challenges WHERE expires <= $1",
        ];
        let forgotten = millis(now.saturating_sub(MEMORY).unwrap_or(Timestamp::MIN));
        let now = millis(now);
        let gone = on!(write self, |db| {
            sqlx::query("DELETE FROM jobs WHERE expires <= $1").bind(now).execute(db)
                .await.map(|done| done.rows_affected())
        })?;
        for sql in REST {
            on!(write self, |db| sqlx::query(*sql).bind(now).execute(db).await.map(drop))?;
        }
        on!(write self, |db| sqlx::query("DELETE FROM spent WHERE at <= $1").bind(forgotten)
            .execute(db).await.map(drop))?;
        Ok(gone)
    }
}
