//! The jobs of a path: which one is next, and which connections the server may count.

use std::{collections::VecDeque, time::Duration};

/// The time between the starts of two connections. A burst overflows a server's queue (OpenSMTPD's
/// has five places): the kernel then forgets connections that it has accepted, and no reply ever
/// comes.
pub(super) const SPACING: Duration = Duration::from_millis(2);
/// How long a server may go on counting a connection that has ended, before it notices the end.
const SETTLING: Duration = Duration::from_millis(100);

/// A test, or some tests that share a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QueuedJob {
    state: QueuedJobState,
    pub attempts: u32,
    pub deferrals: u32,
    pub breaks: u32,
    not_before: Duration,
    /// When the latest connection began.
    pub began: Duration,
    /// When the latest connection ended, unless the server never counted it.
    pub ended: Option<Duration>,
    /// Other connections of ours when the latest one began, as the server may have counted them.
    pub beside: usize,
    pub is_greylisted: bool,
    pub may_pipeline: Pipelining,
    /// True if the latest connection may pipeline.
    pub pipelines: bool,
    /// True if the job greets with HELO.
    pub helo: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum QueuedJobState {
    #[default]
    Waiting,
    Running,
    Done,
}

/// Whether a job may use PIPELINING.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pipelining {
    /// If the path may.
    #[default]
    AsThePath,
    /// A dialogue of the job broke: one command at a time.
    Never,
}

/// The jobs of a path.
#[derive(Debug)]
pub(super) struct Queue {
    jobs: Vec<QueuedJob>,
    order: VecDeque<usize>,
    latest_start: Option<Duration>,
}

impl Queue {
    /// Returns a queue of so many jobs, in their order.
    pub fn new(jobs: usize) -> Self {
        let order = (0..jobs).collect();
        Self { jobs: vec![QueuedJob::default(); jobs], order, latest_start: None }
    }

    /// The job with this index.
    pub fn job(&mut self, index: usize) -> &mut QueuedJob {
        &mut self.jobs[index]
    }

    /// Every job greets with HELO from now on.
    pub fn greet_with_helo(&mut self) {
        self.jobs.iter_mut().for_each(|job| job.helo = true);
    }

    /// The jobs that are still to be begun, in order.
    pub fn left(&self) -> impl Iterator<Item = usize> + '_ {
        self.order.iter().copied()
    }

    /// Begins no more jobs.
    pub fn clear(&mut self) {
        self.order.clear();
    }

    /// When the earliest of the waiting jobs may begin.
    pub fn earliest(&self) -> Option<Duration> {
        self.left().map(|job| self.jobs[job].not_before).min()
    }

    /// The first job in the order that may begin at this time.
    pub fn ready(&self, now: Duration) -> Option<usize> {
        self.left().find(|job| self.jobs[*job].not_before <= now)
    }

    /// When the next connection may begin, if it is not yet time.
    pub fn spaced(&self, now: Duration) -> Option<Duration> {
        self.latest_start
            .map(|latest| latest + SPACING)
            .filter(|until| now < *until)
    }

    /// Begins a job. Returns how often the job was run before.
    pub fn begin(&mut self, index: usize, now: Duration) -> u32 {
        self.order.retain(|job| *job != index);
        self.jobs[index].ended = None;
        self.latest_start = Some(now);
        let beside = self.counted(now);
        let job = &mut self.jobs[index];
        job.state = QueuedJobState::Running;
        (job.began, job.beside) = (now, beside);
        job.attempts += 1;
        job.attempts - 1
    }

    /// Ends a job, or puts it back to the end of the order until this time.
    pub fn end(&mut self, index: usize, again_at: Option<Duration>) {
        let job = &mut self.jobs[index];
        job.state = QueuedJobState::Done;
        if let Some(not_before) = again_at {
            job.state = QueuedJobState::Waiting;
            job.not_before = not_before;
            self.order.push_back(index);
        }
    }

    /// How many jobs have a connection.
    pub fn running(&self) -> usize {
        self.jobs
            .iter()
            .filter(|job| job.state == QueuedJobState::Running)
            .count()
    }

    /// Returns how many connections the server may count, with those that have just ended.
    pub fn counted(&self, now: Duration) -> usize {
        self.running() + self.settling(now).count()
    }

    /// Returns when the server will have noticed the ends of the connections that ended just now.
    pub fn settling(&self, now: Duration) -> impl Iterator<Item = Duration> + '_ {
        let not_running = self
            .jobs
            .iter()
            .filter(|job| job.state != QueuedJobState::Running);
        let settled = not_running
            .filter_map(|job| job.ended)
            .map(|ended| ended + SETTLING);
        settled.filter(move |settled| *settled > now)
    }
}
