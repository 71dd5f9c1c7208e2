//! One job at work: the tester, the writer of its log, and the lease.
//!
//! Rules:
//! - The tester is never made to wait for the store; if the store is away for too long, the run is
//!   stopped and given back.
//! - A batch whose commit isn't known to have happened is looked for before it is written again.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use norelay_core::event::{Event, Record};
use norelay_probe::{
    defaults,
    record::Sink,
    scan::{self, Family},
};
use tokio::sync::{mpsc, watch};

use super::{
    live::Stop,
    resume::Continuation,
    shared::{LEASE, Parts, RunState, Running},
};
use crate::{
    config,
    rules::permission,
    run::tester::Assignment,
    store::{Appended, Job, JobState, Lease, Pinned, StoreError, Stored, TestRequest},
};

/// The most records that wait for the store: some minutes of a busy run.
const MAX_WAITING: usize = 20_000;
/// The most records that are written in one transaction.
const BATCH: usize = 256;
/// How long a batch is tried again while the store is away.
const PATIENCE: Duration = Duration::from_secs(120);
/// The first pause between two tries; each is twice the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The sink that the tester writes to. A queue in memory is behind it, so no write blocks.
struct Tap {
    records: mpsc::UnboundedSender<Record>,
    waiting: Arc<AtomicUsize>,
    stop: Arc<watch::Sender<Option<Stop>>>,
}

impl Sink for Tap {
    fn record(&self, record: &Record) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING {
            // The writer may be gone after a fault; then the run is being stopped.
            drop(self.records.send(record.clone()));
        } else {
            self.stop
                .send_modify(|stop| *stop = stop.or(Some(Stop::Broken)));
        }
    }
}

/// Runs a job until it ends: by itself, by the user, by a fault, or because the process stops.
pub(super) async fn run(shared: &Arc<RunState>, job: Job, lease: Lease) {
    let (stop, receipts) = shared.live.begin(job.id);
    let _running = Running::new(shared, job.id);
    if *shared.stopping.borrow() {
        stop.send_replace(Some(Stop::HandOver));
    }
    tracing::info!(job = %job.id, attempt = job.attempt, "test begins");
    let why = match work(shared, &job, &lease, &stop, receipts).await {
        Ok(true) => None,
        Ok(false) => stop.borrow().or(Some(Stop::Broken)),
        Err(error) => {
            tracing::error!(job = %job.id, %error, "the test could not be run");
            Some(if error.is_temporary() { Stop::HandOver } else { Stop::Broken })
        }
    };
    match conclude(shared, &job, &lease, why).await {
        // The user deleted the job meanwhile.
        Ok(()) | Err(StoreError::NotFound) => {}
        // The lease will expire, and the sweep of the queue puts the job back.
        Err(error) => tracing::error!(job = %job.id, %error, "the test could not be concluded"),
    }
}

/// Ends a job after its run, or gives it back to the queue. `why` is `None` if the run came to its
/// own end.
async fn conclude(
    shared: &Arc<RunState>,
    job: &Job,
    lease: &Lease,
    why: Option<Stop>,
) -> Result<(), StoreError> {
    let state = match why {
        // Another worker has the job, and will conclude it.
        Some(Stop::Lost) => return Ok(()),
        Some(Stop::HandOver) => return shared.release(lease).await.map(drop),
        Some(Stop::Broken) => return shared.end(job.id, true).await,
        Some(Stop::Asked) => JobState::Interrupted,
        None => JobState::Finished,
    };
    shared
        .parts
        .store
        .finish(job.id, state, None, Timestamp::now())
        .await?;
    shared.settle(job.id).await?;
    let verdict = shared
        .parts
        .store
        .job(job.id)
        .await?
        .verdict
        .map_or("none", norelay_core::check::Verdict::word);
    metrics::counter!("norelay_tests_finished_total", "verdict" => verdict).increment(1);
    tracing::info!(job = %job.id, verdict, state = state.word(), "test ends");
    Ok(())
}

/// Runs the tester and writes its records. Returns true if the run came to its own end.
async fn work(
    shared: &Arc<RunState>,
    job: &Job,
    lease: &Lease,
    stop: &Arc<watch::Sender<Option<Stop>>>,
    receipts: mpsc::Receiver<norelay_core::event::Receipt>,
) -> Result<bool, StoreError> {
    let pinned = shared.parts.store.pinned(job.id).await?;
    // A copy: the log grows while the run reads what an earlier attempt found.
    let known = shared.folds.of(job).await?.report().clone();
    let continuation = Continuation::of(&known);
    let request = request(shared, job, &pinned);
    let (records, waiting_records) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let sink = Arc::new(Tap { records, waiting: waiting.clone(), stop: stop.clone() });
    let assignment = Assignment {
        request,
        exchangers: pinned.exchangers,
        surroundings: is_whole(&job.request),
        known,
        sink,
        receipts: job.request.proof.then_some(receipts),
        stop: stopped(stop),
    };
    // The sink belongs to the assignment alone. When the test is over, the sink is dropped, and the
    // writer sees the end of the queue.
    let testing = shared.parts.tester.test(assignment);
    let mut writer = Writer { shared: shared.clone(), lease, last: job.last, stop: stop.clone() };
    let writing = writer.write(waiting_records, waiting, continuation);
    tokio::select! {
        ((), is_whole) = async { tokio::join!(testing, writing) } => Ok(is_whole),
        never = renew(shared, lease, stop) => match never {},
    }
}

/// Becomes true as soon as there is any reason to stop: the tester needs no more than that.
fn stopped(stop: &Arc<watch::Sender<Option<Stop>>>) -> watch::Receiver<bool> {
    let mut why = stop.subscribe();
    let (sender, receiver) = watch::channel(why.borrow().is_some());
    tokio::spawn(async move {
        tokio::select! {
            _ = why.wait_for(Option::is_some) => drop(sender.send(true)),
            // The run is over. Without this arm, the task would wait for ever.
            () = sender.closed() => {}
        }
    });
    receiver
}

/// Renews the lease for as long as the job runs. Stops the run if another worker has the job.
async fn renew(
    shared: &Arc<RunState>,
    lease: &Lease,
    stop: &Arc<watch::Sender<Option<Stop>>>,
) -> Infallible {
    // Three renewals may fail before the lease expires.
    let pause = LEASE.unsigned_abs() / 4;
    loop {
        tokio::time::sleep(pause).await;
        let until = Timestamp::now()
            .saturating_add(LEASE)
            .unwrap_or(Timestamp::MAX);
        match shared.parts.store.renew(lease, until).await {
            Ok(true) => {}
            Ok(false) => stop.send_modify(|stop| *stop = stop.or(Some(Stop::Lost))),
            Err(error) => tracing::warn!(job = %lease.job, %error, "the lease can't be renewed"),
        }
    }
}

/// Writes the records of one attempt to the log of its job.
struct Writer<'a> {
    shared: Arc<RunState>,
    lease: &'a Lease,
    /// The number of the last record that is known to be stored.
    last: i64,
    stop: Arc<watch::Sender<Option<Stop>>>,
}

impl Writer<'_> {
    /// Writes records until the queue ends or the store fails. Returns true if the record of the
    /// run's own end was written.
    async fn write(
        &mut self,
        mut records: mpsc::UnboundedReceiver<Record>,
        waiting: Arc<AtomicUsize>,
        continuation: Continuation,
    ) -> bool {
        let mut is_whole = false;
        let mut batch = Vec::with_capacity(BATCH);
        while records.recv_many(&mut batch, BATCH).await > 0 {
            waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            let is_handed_over = *self.stop.borrow() == Some(Stop::HandOver);
            // A run that is handed over goes on in another process, under the same log. An end in
            // the middle of the log would stop everybody who reads it.
            let keep = |record: &Record| {
                !(is_handed_over && record.event == Event::RunFinished { stopped: true })
            };
            let ends = batch
                .iter()
                .any(|record| record.event == Event::RunFinished { stopped: false });
            let fitting: Vec<_> = batch
                .drain(..)
                .filter(keep)
                .filter(|record| continuation.fits(record))
                .collect();
            if fitting.is_empty() {
                continue;
            }
            match self.append(&fitting).await {
                Ok(Appended::At(stored)) => {
                    self.last = stored.last().map_or(self.last, |one| one.seq);
                    self.shared.live.publish(self.lease.job, &stored);
                    is_whole |= ends;
                }
                Ok(Appended::Lost) => return self.give_up(Stop::Lost),
                Ok(Appended::Full) => return self.give_up(Stop::Broken),
                Err(error) => {
                    tracing::error!(job = %self.lease.job, %error, "the log can't be written");
                    // The log in the store is still right, only short: another attempt goes on
                    // from there.
                    return self.give_up(Stop::HandOver);
                }
            }
        }
        is_whole
    }

    /// Stops the run. The reason that the writer found replaces an earlier one, such as the user's
    /// wish to stop: without the log, nothing could be concluded. Returns false for the caller.
    fn give_up(&self, why: Stop) -> bool {
        self.stop.send_replace(Some(why));
        false
    }

    /// Appends a batch. Tries again while the store is away, and never writes the batch twice.
    async fn append(&self, records: &[Record]) -> Result<Appended, StoreError> {
        let store = &self.shared.parts.store;
        let given_up = tokio::time::Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        let mut is_doubtful = false;
        loop {
            let tried = if is_doubtful {
                self.append_unless_stored(records).await
            } else {
                store.append(self.lease, records).await
            };
            match tried {
                Err(error) if error.is_temporary() && tokio::time::Instant::now() < given_up => {
                    tracing::warn!(job = %self.lease.job, %error, "the log waits for the store");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    // The database may have committed before the connection broke.
                    is_doubtful = true;
                }
                done => return done,
            }
        }
    }

    /// Appends a batch unless an earlier try has stored the batch, whose answer was lost. The lease
    /// keeps other workers out, so equal records can only be our own.
    async fn append_unless_stored(&self, records: &[Record]) -> Result<Appended, StoreError> {
        let store = &self.shared.parts.store;
        let after: Vec<Stored> = store
            .events_since(self.lease.job, self.last, u32::MAX)
            .await?;
        let found = after
            .windows(records.len())
            .find(|window| window.iter().map(|one| &*one.record).eq(records));
        match found {
            Some(stored) => Ok(Appended::At(stored.to_vec())),
            None => store.append(self.lease, records).await,
        }
    }
}

/// The scan's request for a job.
fn request(shared: &RunState, job: &Job, pinned: &Pinned) -> scan::Request {
    let Parts { config, identity, .. } = &shared.parts;
    let tests = permission::choose(&job.request).unwrap_or_default();
    let seconds = |duration: jiff::SignedDuration| duration.unsigned_abs();
    scan::Request {
        run: job.run,
        key: shared.parts.key.for_run(job.run),
        target: job.request.target.clone(),
        address_typed: pinned.address_typed,
        profile: job.request.profile,
        tests,
        every_path: !is_whole(&job.request),
        domain: identity.domain.clone(),
        domain_given: identity.domain_given,
        second_domain: Some(config.test.second_domain.clone()),
        local_domain: pinned.local_domain.clone(),
        local_user: defaults::LOCAL_USER.to_owned(),
        named_user: None,
        trusted_senders: Vec::new(),
        found_senders: Vec::new(),
        helo: identity.helo.clone(),
        receivers: receivers(&config.receiver),
        traps: pinned.traps.clone(),
        ports: pinned.ways.clone(),
        family: Family::Any,
        reply_timeout: seconds(config.test.timeout),
        wait: seconds(config.test.wait),
        concurrency: None,
        slow: false,
        max_messages: config.test.messages as usize,
        credentials: None,
        seen_as_expected: config.test.seen_as_expected,
        introduction: Vec::new(),
    }
}

/// True if the whole target is tested, and not one test or one path of it again.
fn is_whole(request: &TestRequest) -> bool {
    request.only.is_empty() && request.path.is_none()
}

/// The addresses at which other servers reach the receiver on port 25.
fn receivers(receiver: &config::ReceiverSettings) -> Vec<IpAddr> {
    match receiver.addresses.is_empty() {
        true => receiver
            .listen
            .iter()
            .filter(|at| at.port() == 25)
            .map(std::net::SocketAddr::ip)
            .collect(),
        false => receiver.addresses.clone(),
    }
}
