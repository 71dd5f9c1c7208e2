//! When to ask which test of one path, and how many connections at once: pure, in virtual time.
//!
//! Rules:
//! - An unknown server gets one test a connection.
//! - Connections never begin at the same moment (`queue`).
//! - The window of connections works like congestion control (`window`).
//! - A server that rejects a connection beside others of ours likely has a limit of connections at
//!   once. The job is asked again as soon as so many of ours have ended that the window has room,
//!   whatever the clock says.
//! - If the server rejects a lone connection, or one more without an answer between, we pause
//!   (`pauses`). A greylisted job is asked again after the time that the server names. All waiting
//!   ends at the deadline.
//! - If the server answers some tests on a connection and then closes it, the others are asked on
//!   the next.
//! - Once connections that worked no longer do, the path is given up as blocked.
//!
//! Times are counted from the start of the run.

mod pauses;
mod queue;
mod window;

use std::time::Duration;

pub use self::pauses::Pauses;
use self::{
    queue::{Pipelining, Queue},
    window::Window,
};
use crate::{
    check::Reason,
    smtp::{Cause, Stage},
};

/// How long after each deferral a greylisting server that names no time is asked again: one, five
/// and fifteen minutes after the first deferral, which are the usual times of greylists.
const RETURNS: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(240), Duration::from_secs(600)];
/// How long after the deadline a deferred job may still be asked again. The clocks of servers tick
/// in seconds, and a connection takes time. Without this grace, a wait of exactly a greylist's time
/// would end just before the server accepts the client.
const GRACE: Duration = Duration::from_secs(10);
/// How often one test is asked again when its own dialogue breaks.
const MAX_BREAKS: u32 = 3;
/// After so many broken dialogues in a row the server is at fault, and not the test.
const MAX_BREAKS_IN_A_ROW: u32 = 8;
/// After so many broken dialogues before the first answer, the server is at fault.
const MAX_BREAKS_AT_FIRST: u32 = 2;

/// How a path may be asked.
#[derive(Clone, Copy, Debug)]
pub struct PathLimits {
    /// Connections at once, at the start.
    pub window: usize,
    /// Connections at once, at most.
    pub max_window: usize,
    /// When waiting ends.
    pub deadline: Duration,
    /// True if pipelining may be used.
    pub pipelining: bool,
    /// How many tests were answered on this path before: a server that has answered exists, so a
    /// failure may be a rejection.
    pub answered: u32,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a connection for this job.
    Start(Start),
    /// Nothing can be done before a running job ends, or this time comes.
    Wait {
        /// The time, if there is one.
        until: Option<Duration>,
        /// Why.
        why: Why,
    },
    /// All jobs are done.
    Finish,
}

/// Why nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The window is full.
    Window,
    /// The server said to come back.
    Greylisted,
    /// The server dropped or rejected connections.
    Dropped,
}

/// How to begin a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Its index.
    pub job: usize,
    /// How often it was run before.
    pub attempt: u32,
    /// True if pipelining may be used: no dialogue of the job broke, and no dialogue of the path
    /// waited for a reply that never came.
    pub pipelining: bool,
    /// True to greet with HELO: the server hung up on EHLO.
    pub helo: bool,
}

/// How a job's dialogue ended, as far as the scheduler cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an answer, or with nothing left to ask.
    Answered,
    /// With a temporary (4xx) rejection.
    Deferred {
        /// Why.
        reason: Reason,
        /// The time that the reply names.
        retry_after: Option<Duration>,
    },
    /// Without an answer.
    Interrupted(Cause),
    /// With some of the answers that share the connection, before the server closed it.
    Continued,
    /// Without a connection: there was nothing to ask.
    NotAsked,
}

/// When a job is asked again.
#[derive(Clone, Copy, Debug)]
enum Again {
    /// Not before this time, which the deadline bounds.
    At(Duration),
    /// As soon as the window has room: our own connections end, whatever the clock says.
    InTurn,
}

/// The scheduler of one path.
#[derive(Debug)]
pub struct Scheduler {
    limits: PathLimits,
    queue: Queue,
    window: Window,
    pauses: Pauses,
    answered: u32,
    breaks_in_a_row: u32,
    blocked: Option<Cause>,
}

impl Scheduler {
    /// A scheduler for so many jobs, in their order.
    #[must_use]
    pub fn new(jobs: usize, limits: PathLimits) -> Self {
        Self {
            limits,
            queue: Queue::new(jobs),
            window: Window::new(&limits),
            pauses: Pauses::default(),
            answered: limits.answered,
            breaks_in_a_row: 0,
            blocked: None,
        }
    }

    /// Goes on with the pauses of another scheduler of the same path.
    #[must_use]
    pub fn after(self, pauses: Pauses) -> Self {
        Self { pauses, ..self }
    }

    /// How the server has rejected connections until now.
    #[must_use]
    pub fn pauses(&self) -> &Pauses {
        &self.pauses
    }

    /// What to do now.
    pub fn next(&mut self, now: Duration) -> Action {
        if self.blocked.is_some() {
            self.queue.clear();
        }
        let Some(earliest) = self.queue.earliest() else {
            return match self.queue.running() {
                0 => Action::Finish,
                _ => Action::Wait { until: None, why: Why::Window },
            };
        };
        if self.is_full(now) {
            let until = self.queue.settling(now).min();
            return Action::Wait { until, why: Why::Window };
        }
        let quiet_until = self.pauses.quiet_until();
        if now < quiet_until {
            return Action::Wait { until: Some(quiet_until), why: Why::Dropped };
        }
        if let Some(until) = self.queue.spaced(now) {
            return Action::Wait { until: Some(until), why: Why::Window };
        }
        match self.queue.ready(now) {
            Some(job) => self.start(job, now),
            None => self.wait_for(earliest),
        }
    }

    /// True if no more connections may be open. If the server has a limit of connections at once,
    /// those count too whose end it may not have noticed.
    fn is_full(&self, now: Duration) -> bool {
        let size = self.window.size();
        let has_limit = self.window.most_at_once().is_some();
        self.queue.running() >= size || has_limit && self.queue.counted(now) >= size
    }

    fn wait_for(&mut self, earliest: Duration) -> Action {
        let job = self.queue.ready(earliest);
        let is_greylisted = job.is_some_and(|job| self.queue.job(job).is_greylisted);
        let why = if is_greylisted { Why::Greylisted } else { Why::Dropped };
        Action::Wait { until: Some(earliest), why }
    }

    fn start(&mut self, index: usize, now: Duration) -> Action {
        let attempt = self.queue.begin(index, now);
        // A job that broke once is asked again with one command at a time.
        let job = self.queue.job(index);
        job.pipelines = self.limits.pipelining && job.may_pipeline == Pipelining::AsThePath;
        Action::Start(Start { job: index, attempt, pipelining: job.pipelines, helo: job.helo })
    }

    /// Ends a job's dialogue, which took so long (the longest of them, if the job had several).
    /// Returns true if the job is over, too; otherwise the job will be started again.
    pub fn finished(
        &mut self,
        index: usize,
        ending: &Ending,
        took: Duration,
        now: Duration,
    ) -> bool {
        self.queue.job(index).ended = Some(now);
        let again = match ending {
            Ending::Answered => {
                self.served(index, took);
                None
            }
            Ending::Deferred { reason, retry_after } => {
                self.deferred(index, *reason, *retry_after, took, now)
            }
            Ending::Interrupted(cause) => self.interrupted(index, cause, now),
            // Each such connection answers some tests, so the server limits what one connection may
            // ask. That is no sign of a block.
            Ending::Continued => {
                self.served(index, took);
                Some(Again::InTurn)
            }
            Ending::NotAsked => None,
        };
        let again_at = match again {
            Some(Again::InTurn) => Some(now),
            Some(Again::At(time)) => Some(time).filter(|time| *time <= self.latest_return()),
            None => None,
        };
        // A path that is given up asks nothing again.
        let again_at = again_at.filter(|_| self.blocked.is_none());
        self.queue.end(index, again_at);
        again_at.is_none()
    }

    /// Returns when a job is asked again at the latest. Without time to wait, there is no grace.
    fn latest_return(&self) -> Duration {
        let deadline = self.limits.deadline;
        if deadline.is_zero() { deadline } else { deadline + GRACE }
    }

    /// The jobs that are still to be started, in order.
    pub fn left(&self) -> impl Iterator<Item = usize> + '_ {
        self.queue.left()
    }

    /// Why the path was given up, if it was.
    #[must_use]
    pub fn blocked(&self) -> Option<&Cause> {
        self.blocked.as_ref()
    }

    /// Connections at once, now.
    #[must_use]
    pub fn window(&self) -> usize {
        self.window.size()
    }

    /// Connections at once beside which the server rejected another, if it did.
    #[must_use]
    pub fn most_at_once(&self) -> Option<usize> {
        self.window.most_at_once()
    }

    /// Counts an answered dialogue.
    fn served(&mut self, index: usize, took: Duration) {
        self.answered += 1;
        self.breaks_in_a_row = 0;
        let began = self.queue.job(index).began;
        // Only a connection that began after the latest rejection shows that the server accepts
        // more.
        let is_news = self.pauses.served(began);
        self.window.served(took, is_news);
    }

    /// Returns when a job with a temporary rejection is asked again, if at all.
    fn deferred(
        &mut self,
        index: usize,
        reason: Reason,
        retry_after: Option<Duration>,
        took: Duration,
        now: Duration,
    ) -> Option<Again> {
        match reason {
            Reason::RateLimited => {
                let cause = Cause::Blocked { answered: self.answered };
                let again = self.rejected_alone(index, &cause, now)?;
                return Some(Again::At(again.max(now + retry_after.unwrap_or_default())));
            }
            // An unclassified 4xx may be a greylist in words that the table does not know.
            Reason::Greylisted | Reason::Unclassified => self.served(index, took),
            // Any other temporary rejection is the same a few minutes later.
            _ => {
                self.served(index, took);
                return None;
            }
        }
        let latest = self.latest_return();
        let job = self.queue.job(index);
        job.is_greylisted = true;
        let usual = RETURNS.get(job.deferrals as usize).copied()?;
        job.deferrals += 1;
        Some(Again::At(match retry_after {
            // A second more than the server asks for, because its clock ticks in seconds.
            Some(named) => now + named + Duration::from_secs(1),
            // The last try is as late as it may be, to give the greylist all the time there is.
            None if now + RETURNS[0] <= self.limits.deadline => (now + usual).min(latest),
            None => now + usual,
        }))
    }

    /// Returns when a job without an answer is asked again, if at all.
    fn interrupted(&mut self, index: usize, cause: &Cause, now: Duration) -> Option<Again> {
        let (beside, helo) = (self.queue.job(index).beside, self.queue.job(index).helo);
        match cause {
            // Nothing listens: the first lone connection failed.
            Cause::ConnectFailed { .. } if self.answered == 0 && beside == 0 => {
                self.blocked = Some(cause.clone());
                None
            }
            // The connection itself was rejected, and not what was asked on it.
            Cause::ConnectFailed { .. }
            | Cause::Closing { stage: Stage::Greeting, .. }
            | Cause::Disconnected { stage: Stage::Greeting, .. } => {
                self.rejected(index, beside, cause, now)
            }
            Cause::Closing { .. } => self.rejected_alone(index, cause, now).map(Again::At),
            Cause::Disconnected { stage: Stage::Ehlo, .. } if !helo => {
                // The server hung up on EHLO, so all jobs greet with HELO from now on.
                self.queue.greet_with_helo();
                self.queue.job(index).breaks += 1;
                Some(Again::At(now))
            }
            Cause::Disconnected { .. }
            | Cause::TimedOut { .. }
            | Cause::Violated { .. }
            | Cause::TlsFailed { .. } => self.broke(index, cause, now),
            Cause::Blocked { .. } | Cause::Stopped => None,
        }
    }

    /// The dialogue itself broke: the server may be unable to handle this test.
    fn broke(&mut self, index: usize, cause: &Cause, now: Duration) -> Option<Again> {
        self.window.halve();
        self.breaks_in_a_row += 1;
        let pipelines = self.queue.job(index).pipelines;
        let envelope_timed_out =
            matches!(cause, Cause::TimedOut { stage: Stage::Mail | Stage::Rcpt });
        // Some servers offer PIPELINING and then forget all but the first command. The next try
        // sends one command at a time, so this is no reason to give up.
        let at_first = self.answered == 0 && !(pipelines && envelope_timed_out);
        self.limits.pipelining &= !envelope_timed_out;
        let most = if at_first { MAX_BREAKS_AT_FIRST } else { MAX_BREAKS_IN_A_ROW };
        if self.breaks_in_a_row >= most {
            self.blocked = Some(cause.clone());
            return None;
        }
        let job = self.queue.job(index);
        job.may_pipeline = Pipelining::Never;
        job.breaks += 1;
        (job.breaks <= MAX_BREAKS).then_some(Again::At(now))
    }

    /// The server rejected the connection: so many at once are too many, or it has had enough of
    /// us.
    fn rejected(
        &mut self,
        index: usize,
        beside: usize,
        cause: &Cause,
        now: Duration,
    ) -> Option<Again> {
        // The server never counted a connection that it did not accept.
        self.queue.job(index).ended = None;
        if beside == 0 {
            return self.rejected_alone(index, cause, now).map(Again::At);
        }
        let is_first = !self.pauses.is_rejected();
        let began = self.queue.job(index).began;
        let is_news = self.pauses.rejected(began, now);
        self.window.rejected_beside(beside, is_news);
        if is_news && !is_first {
            return self.pause(cause, now).map(Again::At);
        }
        let quiet_until = self.pauses.quiet_until();
        if now < quiet_until { Some(Again::At(quiet_until)) } else { Some(Again::InTurn) }
    }

    /// The server wants us to come later. Returns when, unless that is a block.
    fn rejected_alone(&mut self, index: usize, cause: &Cause, now: Duration) -> Option<Duration> {
        let began = self.queue.job(index).began;
        if self.pauses.rejected(began, now) {
            self.window.halve();
        }
        self.pause(cause, now)
    }

    /// Pauses by the clock. Returns until when, unless that is a block.
    fn pause(&mut self, cause: &Cause, now: Duration) -> Option<Duration> {
        let until = self.pauses.begin(now, self.limits.deadline);
        if until.is_none() {
            self.blocked = Some(match self.answered {
                0 => cause.clone(),
                answered => Cause::Blocked { answered },
            });
        }
        until
    }
}

#[cfg(test)]
mod tests;
