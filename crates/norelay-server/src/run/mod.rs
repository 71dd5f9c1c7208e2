//! The service that runs tests: from the request to the last record of the log.
//!
//! The way of a test:
//! 1. [`Runs::start`] asks `permission`, pins what was found and keeps a job, queued.
//! 2. `queue` claims the oldest job whose addresses aren't under test, under a lease, and hands it
//!    to `work`.
//! 3. `work` runs the tester. Its records go to the store in batches, and then to whoever follows
//!    (`live`, `follow`).
//! 4. Messages that come to the receiver are recorded by [`Runs::deliver`], also after the end, and
//!    the job is judged anew.
//! 5. A job whose process died is claimed again, and goes on under the same numbers (`resume`).
//!
//! Rules:
//! - Nothing is shown that isn't stored.
//! - What was recorded is judged, however a run ended.

mod clock;
mod folds;
mod follow;
mod live;
pub mod lookups;
mod queue;
mod resume;
mod shared;
pub mod tester;
mod work;

use std::sync::Arc;

use futures_util::{Stream, stream};
use jiff::{SignedDuration, Timestamp};
use norelay_core::{
    check::Observation,
    event::{Receipt, Record},
    octets::Octets,
    token::{RunId, TokenKey},
};
use norelay_probe::identity::Identity;
use tokio::sync::watch;

pub use self::{folds::FoldedRun, shared::Parts};
use self::{live::Stop, shared::RunState};
use crate::{
    rules::{
        budgets::HeldPlace,
        client::Client,
        control::Control,
        permission::{Permission, Permit},
        refusal::Refusal,
    },
    store::{
        Created, Idempotency, Job, JobId, NewJob, Origin, Pinned, Scope, StoreError, Stored,
        TestRequest,
    },
};

/// The outcome of a request for a test.
#[derive(Debug)]
pub enum Started {
    /// A new test, queued; or, for a request made again under its idempotency key, the one that it
    /// made before.
    New(Job),
    /// The target was tested so recently that this result is shown instead.
    Recent(Job),
}

/// The service that runs tests; cheap to clone.
#[derive(Clone)]
pub struct Runs {
    shared: Arc<RunState>,
}

impl Runs {
    /// The service. Nothing runs before [`Runs::work`].
    #[must_use]
    pub fn of(parts: Parts) -> Self {
        Self { shared: Arc::new(RunState::of(parts)) }
    }

    /// Queues a test, if it is permitted.
    ///
    /// # Errors
    /// The reason why the test isn't run.
    pub async fn start(&self, asker: &Client, request: TestRequest) -> Result<Started, Refusal> {
        self.start_once(asker, request, None).await
    }

    /// As [`Runs::start`], where the same request made again makes no second test.
    ///
    /// # Errors
    /// The reason why it isn't run.
    pub async fn start_once(
        &self,
        asker: &Client,
        request: TestRequest,
        once: Option<Idempotency>,
    ) -> Result<Started, Refusal> {
        let Parts { store, permission, .. } = &self.shared.parts;
        if let Some(once) = &once
            && let Some(created) = store.recall(once).await?
        {
            return self.before(created).await;
        }
        let pinned = permission.pin(asker, &request).await?;
        let request = permission.confine(asker, request, &pinned).await?;
        // From here to the stored job, one request at a time: two of one client would both count
        // no open job.
        let admitting = self.shared.admission.lock().await;
        let pinned = match permission
            .spend(asker, &request, pinned, Timestamp::now())
            .await?
        {
            Permit::Recent(job) => return Ok(Started::Recent(*job)),
            Permit::Test(pinned) => pinned,
        };
        let new = self.new_job(asker, request, pinned, Origin::Here);
        let created = store.create_job(&new, once.as_ref()).await?;
        drop(admitting);
        if created != Created::New {
            return self.before(created).await;
        }
        for (address, why) in &new.pinned.refused {
            let refused = Observation::AddressRefused {
                address: Octets::from(address.to_string()),
                why: why.as_str().into(),
            };
            store
                .append_note(new.id, Record::new(Timestamp::now(), refused.event(None)))
                .await?;
        }
        self.shared.wake.notify_one();
        metrics::counter!("norelay_tests_started_total").increment(1);
        tracing::info!(job = %new.id, asker = new.asker, "test queued");
        store
            .job(new.id)
            .await
            .map(Started::New)
            .map_err(Refusal::Store)
    }

    /// The job that the same request made before. A key that was used for another request is an
    /// error.
    async fn before(&self, created: Created) -> Result<Started, Refusal> {
        match created {
            Created::Before(id) => self
                .shared
                .parts
                .store
                .job(id)
                .await
                .map(Started::New)
                .map_err(Refusal::Store),
            Created::New | Created::Clash => Err(Refusal::Malformed(
                "This idempotency key was used for another request: choose a new one.".to_owned(),
            )),
        }
    }

    fn new_job(
        &self,
        asker: &Client,
        request: TestRequest,
        pinned: Pinned,
        origin: Origin,
    ) -> NewJob {
        let created = Timestamp::now();
        let kept = SignedDuration::from_hours(24)
            * i32::try_from(self.shared.parts.config.retention_days).unwrap_or(i32::MAX);
        NewJob {
            id: JobId::random(),
            run: RunId(rand::random()),
            request,
            origin,
            asker: asker.bucket(),
            pinned,
            created,
            expires: created.saturating_add(kept).unwrap_or(Timestamp::MAX),
        }
    }

    /// Stores a job for a test that runs outside this service, which only receives its messages
    /// until `kept` is over.
    ///
    /// # Errors
    /// The store's.
    pub async fn receive_for(
        &self,
        asker: &Client,
        target: String,
        kept: SignedDuration,
    ) -> Result<Job, Refusal> {
        let request = TestRequest { target, proof: true, ..TestRequest::default() };
        let mut new = self.new_job(asker, request, Pinned::default(), Origin::Elsewhere);
        new.expires = new.created.saturating_add(kept).unwrap_or(Timestamp::MAX);
        let store = &self.shared.parts.store;
        store.create_job(&new, None).await?;
        store.job(new.id).await.map_err(Refusal::Store)
    }

    /// Returns the number of tests that run in this process.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.live.count()
    }

    /// Returns a place for one more event stream of a client. Dropping the place gives it back.
    ///
    /// # Errors
    /// The client, or the service, has too many streams.
    pub fn stream_place(&self, asker: &Client) -> Result<HeldPlace, Refusal> {
        self.shared.streams.enter(asker)
    }

    /// Becomes true when the service stops.
    #[must_use]
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.shared.stopping.subscribe()
    }

    /// Proofs of control.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.shared.control
    }

    /// Decides which tests may run.
    #[must_use]
    pub fn permission(&self) -> &Permission {
        &self.shared.parts.permission
    }

    /// The key of one run. Its owner can make tokens for that run and for no other.
    #[must_use]
    pub fn key_of(&self, run: RunId) -> TokenKey {
        self.shared.parts.key.for_run(run)
    }

    /// Our names for EHLO and for the probe addresses.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.shared.parts.identity
    }

    /// Streams the records of a job after a number, live. The stream ends with the job's last
    /// record.
    pub fn follow(
        &self,
        id: JobId,
        since: i64,
    ) -> impl Stream<Item = Result<Stored, StoreError>> + Send + 'static + use<> {
        let shared = self.shared.clone();
        let follower = follow::JobFollower::new(shared, id, since);
        stream::unfold(follower, |mut follower| async move {
            follower.next().await.map(|item| (item, follower))
        })
    }

    /// What a job's log adds up to, at least up to the record that `job` has as its last.
    ///
    /// # Errors
    /// The store's.
    pub async fn folded(&self, job: &Job) -> Result<Arc<FoldedRun>, StoreError> {
        self.shared.folds.of(job).await
    }

    /// What a job's log adds up to, for a caller that has followed the log up to `news`.
    ///
    /// # Errors
    /// The store's.
    pub async fn folded_following(
        &self,
        id: JobId,
        news: &[Stored],
    ) -> Result<Arc<FoldedRun>, StoreError> {
        self.shared.folds.following(id, news).await
    }

    /// Records a message that came to the receiver. When this returns, the message is stored. The
    /// same message again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if no job awaits the message. After any other error, the sender
    /// must be told to try again.
    pub async fn deliver(&self, receipt: &Receipt) -> Result<(), StoreError> {
        let Some((id, stored)) = self
            .shared
            .parts
            .store
            .record_receipt(receipt, Timestamp::now())
            .await?
        else {
            return Ok(());
        };
        metrics::counter!("norelay_receipts_total").increment(1);
        tracing::info!(job = %id, peer = %receipt.peer, "a message came back");
        self.shared.live.publish(id, &[stored]);
        self.shared.live.hand_receipt(id, receipt);
        self.shared.settle(id).await
    }

    /// Stops a job that is queued or running. Its log stays.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn stop(&self, id: JobId) -> Result<(), StoreError> {
        let job = self.shared.parts.store.job(id).await?;
        if self.shared.live.stop(id, Stop::Asked) || job.state.is_over() {
            return Ok(());
        }
        self.shared.end(id, true).await
    }

    /// True if the client may stop or delete a job. In private mode every client may; in public
    /// mode the client who started the job, and an API key with the scope `admin`.
    #[must_use]
    pub fn may_change(&self, asker: &Client, job: &Job) -> bool {
        !self.shared.parts.config.public || asker.bucket() == job.asker || asker.may(Scope::Admin)
    }

    /// Stops a job and deletes it with all that belongs to it.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn delete(&self, id: JobId) -> Result<(), StoreError> {
        self.shared.live.stop(id, Stop::Asked);
        self.shared.parts.store.delete_job(id).await?;
        self.shared.folds.forget(id);
        self.shared.live.wake(id);
        Ok(())
    }

    /// Works the queue until [`Runs::hand_over`].
    pub async fn work(&self) {
        queue::work(&self.shared).await;
    }

    /// Stops working. Running tests go back to the queue with their logs, and the next start goes
    /// on with them.
    pub async fn hand_over(&self) {
        self.shared.stopping.send_replace(true);
        self.shared.live.stop_all(Stop::HandOver);
        self.shared.tasks.close();
        if tokio::time::timeout(queue::FAREWELL, self.shared.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some tests could not be given back; their leases will expire");
        }
    }
}
