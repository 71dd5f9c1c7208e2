//! The queue: who is next, who has died, what has expired.
//!
//! Rules:
//! - As many tests at once as the settings allow, one for each address.
//! - A worker that doesn't renew its lease is dead; its job goes on in another, a few times, and
//!   then is judged as it is.
//! - A wall clock that jumps makes no worker dead and no result expired.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::{
    clock::WallClock,
    shared::{LEASE, RunState},
    work,
};
use crate::store::StoreError;

/// How long running tests may take to be given back at the end.
pub(super) const FAREWELL: Duration = Duration::from_secs(15);
/// How often the queue is read without a notice: another process may have added a job.
const TICK: Duration = Duration::from_secs(2);
/// How often dead workers and expired results are looked for.
const SWEEP: Duration = Duration::from_secs(15);
/// How often a job is begun at most. A job that kills its process must not do so for ever.
const MAX_ATTEMPTS: u32 = 3;
/// How long the wall clock must have been steady before a result is deleted for its age. An
/// administrator who sets the clock wrongly has this time to notice.
const STEADY: Duration = Duration::from_secs(600);
/// The pause after a fault of the store.
const PAUSE: Duration = Duration::from_secs(1);

/// Works the queue until it is stopped.
pub(super) async fn work(shared: &Arc<RunState>) {
    let mut stopping = shared.stopping.subscribe();
    // Only one process at a time has this name. Jobs that an earlier one was running are ours.
    adopt(shared, Some(&shared.parts.worker)).await;
    let places = Arc::new(Semaphore::new(shared.parts.config.limits.running as usize));
    let claiming = async { claim_all(shared, &places).await };
    let sweeping = async { sweep_all(shared).await };
    tokio::select! {
        _ = stopping.wait_for(|stopping| *stopping) => {}
        () = claiming => {}
        () = sweeping => {}
    }
}

async fn claim_all(shared: &Arc<RunState>, places: &Arc<Semaphore>) {
    loop {
        let place = places
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let claimed = shared
            .parts
            .store
            .claim(&shared.parts.worker, Timestamp::now(), LEASE)
            .await;
        match claimed {
            Ok(Some((job, lease))) => {
                let working = shared.clone();
                shared.tasks.spawn(async move {
                    work::run(&working, job, lease).await;
                    drop(place);
                    // The job's addresses are free now, and a queued job may have waited for them.
                    working.wake.notify_one();
                });
            }
            Ok(None) => {
                drop(place);
                let _ = tokio::time::timeout(TICK, shared.wake.notified()).await;
            }
            Err(error) => {
                drop(place);
                tracing::warn!(%error, "the queue can't be read");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn sweep_all(shared: &Arc<RunState>) {
    let mut ticks = tokio::time::interval(SWEEP);
    let started = tokio::time::Instant::now();
    let mut clock = WallClock::new(Duration::ZERO, Timestamp::now());
    loop {
        ticks.tick().await;
        let steady = clock.steady_for(started.elapsed(), Timestamp::now());
        if steady >= LEASE.unsigned_abs() {
            adopt(shared, None).await;
        }
        if steady >= STEADY {
            delete_expired(shared).await;
        }
    }
}

async fn delete_expired(shared: &Arc<RunState>) {
    match shared.parts.store.delete_expired(Timestamp::now()).await {
        Ok(0) => {}
        Ok(gone) => tracing::info!(gone, "expired results were deleted"),
        Err(error) => tracing::warn!(%error, "expired results can't be deleted"),
    }
}

/// Puts the jobs of dead workers back into the queue, or ends them.
async fn adopt(shared: &Arc<RunState>, dead: Option<&str>) {
    if let Err(error) = try_adopt(shared, dead).await {
        tracing::warn!(%error, "the jobs of dead workers can't be taken over");
    }
}

async fn try_adopt(shared: &Arc<RunState>, dead: Option<&str>) -> Result<(), StoreError> {
    for (job, lease) in shared.parts.store.orphans(Timestamp::now(), dead).await? {
        // The lease of a job that runs here only looks old because the clock jumped.
        if shared.live.has(job.id) {
            continue;
        }
        if job.attempt < MAX_ATTEMPTS {
            tracing::info!(job = %job.id, attempt = job.attempt, "a test goes on that was \
                interrupted");
            shared.release(&lease).await?;
        } else {
            tracing::warn!(job = %job.id, "a test was interrupted too often");
            shared.end(job.id, true).await?;
        }
    }
    Ok(())
}
