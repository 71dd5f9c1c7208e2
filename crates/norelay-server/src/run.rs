//! The service that runs tests.

use futures_util::{Stream, stream};
use jiff::Timestamp;

use crate::{Asker, Job, JobId, Request, Store, StoreError, Stored};

/// Why a test isn't run.
#[derive(Debug)]
pub enum Refusal {
    /// The request makes no sense; the sentence says why.
    Malformed(String),
    /// It isn't permitted; the sentence says why, and what would permit it.
    Forbidden(String),
    /// Too many for now; the sentence says which limit.
    Limited {
        /// The sentence.
        why: String,
        /// When to try again.
        until: Timestamp,
    },
    /// Our own fault.
    Store(StoreError),
}

/// What came of a request.
#[derive(Debug)]
pub enum Started {
    /// A new test, queued.
    New(Job),
    /// The target was tested so recently that this result is shown instead.
    Recent(Job),
}

/// The service that runs tests; cheap to clone.
#[derive(Clone, Debug)]
pub struct Runs {
    store: Store,
}

impl Runs {
    /// The service over a store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Queues a test, if it is permitted.
    ///
    /// # Errors
    /// The reason why it isn't run.
    pub async fn start(&self, _asker: &Asker, _request: Request) -> Result<Started, Refusal> {
        Err(Refusal::Forbidden("this is a skeleton".to_owned()))
    }

    /// The log of a job after a number, live: ends when the job is over and everything was given.
    pub fn follow(
        &self,
        _id: JobId,
        _since: i64,
    ) -> impl Stream<Item = Result<Stored, StoreError>> + Send + 'static + use<> {
        stream::empty()
    }

    /// Stops a job that is queued or running.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn stop(&self, id: JobId) -> Result<(), StoreError> {
        self.store.job(id).await.map(drop)
    }
}
