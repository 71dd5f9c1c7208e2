//! When to ask which test of one path, and how many connections at once: pure, in virtual time.
//!
//! Rules:
//! - An unknown server gets one test a connection.
//! - Connections never start at the same moment: where more come than a server's queue has places
//!   for (OpenSMTPD has five), the kernel forgets some after it has taken them, and nobody ever
//!   answers.
//! - The window of connections works like congestion control: it grows by one for each connection
//!   that was served at once, and halves at the first 421, refused connection or added delay.
//! - Shut out beside connections of our own, the likely cause is a limit of connections at once:
//!   the job is asked again as soon as so many of ours have ended that the halved window has room.
//!   That is no waiting, and knows no deadline.
//! - Shut out with none of ours open, or again without any answer between, we pause, longer each
//!   time; a job that was greylisted is asked again after the time that the server names. All of
//!   that ends at the deadline.
//! - Where a server bears some questions on a connection and then closes it, the others are asked
//!   on the next.
//! - Once connections that worked no longer do, the path is given up as blocked: nothing is
//!   hammered.
//!
//! Times are counted from the start of the run.

use std::{collections::VecDeque, time::Duration};

use crate::{
    check::Reason,
    smtp::{Cause, Stage},
};

/// Between the starts of two connections.
const SPACING: Duration = Duration::from_millis(2);
/// How long a server may go on counting a connection that has ended: until it has noticed.
const SETTLING: Duration = Duration::from_millis(100);
/// Pauses after the first, second … trouble in a row; the last are what most servers count in: a
/// minute (Postfix, sendmail) and ten (Debian's sendmail, fail2ban), and a second for their clocks.
/// The trouble after the last, or before one that there is no time for, is a block.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(20),
    Duration::from_secs(60),
    Duration::from_secs(601),
];
/// When a greylisting server that names no time is visited again, after each deferral: a minute,
/// five and fifteen after the first, which are the usual times of greylists.
const RETURNS: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(240), Duration::from_secs(600)];
/// A wait as long as a greylist's own time reaches over it: the clocks of servers tick in seconds,
/// and a visit takes time.
const GRACE: Duration = Duration::from_secs(10);
/// How often one test is asked again when its own dialogue breaks.
const MAX_BREAKS: u32 = 3;
/// After so many broken dialogues in a row the server, not the test, is at fault; fewer before the
/// first answer.
const MAX_BREAKS_IN_A_ROW: u32 = 8;
const MAX_BREAKS_AT_FIRST: u32 = 2;
/// A dialogue this much slower than the quickest one (which has the server's usual pauses in it)
/// has met a brake.
const ADDED_DELAY: Duration = Duration::from_millis(900);

/// How a path may be asked.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, at the start.
    pub window: usize,
    /// Connections at once, at most.
    pub max_window: usize,
    /// When waiting ends.
    pub deadline: Duration,
    /// Whether pipelining may be used.
    pub pipelining: bool,
    /// Tests that were answered on this path before: a server that has answered is there, and may
    /// shut us out.
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
        /// The job that waits, where it is one job's own waiting.
        job: Option<usize>,
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
    /// The server dropped or refused connections.
    Dropped,
}

/// How to run a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Its index.
    pub job: usize,
    /// How often it was run before.
    pub attempt: u32,
    /// Whether pipelining may be used: not after a dialogue that broke, nor once one has waited in
    /// vain.
    pub pipelining: bool,
    /// Whether to greet with HELO: after a server that hung up on EHLO.
    pub helo: bool,
}

/// How a job's dialogue ended, as far as the scheduler cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an answer, or with nothing left to ask.
    Answered,
    /// With a 4yz.
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

#[derive(Clone, Copy, Debug, Default)]
struct Job {
    state: State,
    attempts: u32,
    deferrals: u32,
    breaks: u32,
    not_before: Duration,
    started: Duration,
    ended: Option<Duration>,
    /// Other connections of ours when its own was started, as the server may have counted them.
    beside: usize,
    greylisted: bool,
    no_pipelining: bool,
    pipelined: bool,
    helo: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Waiting,
    Running,
    Done,
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
    limits: Limits,
    jobs: Vec<Job>,
    order: VecDeque<usize>,
    window: usize,
    answered: u32,
    troubles: usize,
    breaks: u32,
    quiet_until: Duration,
    /// When we were last shut out, and whether no answer has come since.
    shut_out_at: Option<Duration>,
    is_shut_out: bool,
    borne: usize,
    quickest: Option<Duration>,
    latest_start: Option<Duration>,
    blocked: Option<Cause>,
}

impl Scheduler {
    /// A scheduler for so many jobs, in their order.
    #[must_use]
    pub fn new(jobs: usize, limits: Limits) -> Self {
        Self {
            limits,
            jobs: vec![Job::default(); jobs],
            order: (0..jobs).collect(),
            window: limits.window.clamp(1, limits.max_window.max(1)),
            answered: limits.answered,
            troubles: 0,
            breaks: 0,
            quiet_until: Duration::ZERO,
            shut_out_at: None,
            is_shut_out: false,
            borne: usize::MAX,
            quickest: None,
            latest_start: None,
            blocked: None,
        }
    }

    /// What to do now.
    pub fn next(&mut self, now: Duration) -> Action {
        if self.blocked.is_some() {
            self.order.clear();
        }
        let Some(earliest) = self
            .order
            .iter()
            .map(|job| self.jobs[*job].not_before)
            .min()
        else {
            return match self.running() {
                0 => Action::Finish,
                _ => Action::Wait { until: None, job: None, why: Why::Window },
            };
        };
        let counts = self.borne < usize::MAX;
        if self.running() >= self.window || counts && self.counted(now) >= self.window {
            return Action::Wait { until: self.settling(now).min(), job: None, why: Why::Window };
        }
        if now < self.quiet_until {
            return Action::Wait { until: Some(self.quiet_until), job: None, why: Why::Dropped };
        }
        if let Some(until) = self
            .latest_start
            .map(|latest| latest + SPACING)
            .filter(|until| now < *until)
        {
            return Action::Wait { until: Some(until), job: None, why: Why::Window };
        }
        match self
            .order
            .iter()
            .position(|job| self.jobs[*job].not_before <= now)
        {
            Some(position) => self.start(position, now),
            None => self.wait_for(earliest),
        }
    }

    fn wait_for(&self, earliest: Duration) -> Action {
        let job = self
            .order
            .iter()
            .copied()
            .find(|job| self.jobs[*job].not_before == earliest);
        let greylisted = job.is_some_and(|job| self.jobs[job].greylisted);
        let why = if greylisted { Why::Greylisted } else { Why::Dropped };
        Action::Wait { until: Some(earliest), job, why }
    }

    fn start(&mut self, position: usize, now: Duration) -> Action {
        let Some(index) = self.order.remove(position) else { return Action::Finish };
        self.jobs[index].ended = None;
        self.latest_start = Some(now);
        let beside = self.counted(now);
        let job = &mut self.jobs[index];
        job.state = State::Running;
        (job.started, job.beside) = (now, beside);
        let attempt = job.attempts;
        job.attempts += 1;
        job.pipelined = self.limits.pipelining && !job.no_pipelining;
        Action::Start(Start { job: index, attempt, pipelining: job.pipelined, helo: job.helo })
    }

    fn running(&self) -> usize {
        self.jobs
            .iter()
            .filter(|job| job.state == State::Running)
            .count()
    }

    /// Connections that the server may count: those that have just ended too.
    fn counted(&self, now: Duration) -> usize {
        self.running() + self.settling(now).count()
    }

    /// When the server will have noticed the ends that it may not have noticed yet.
    fn settling(&self, now: Duration) -> impl Iterator<Item = Duration> + '_ {
        let ended = self
            .jobs
            .iter()
            .filter(|job| job.state != State::Running)
            .filter_map(|job| job.ended);
        ended
            .map(|ended| ended + SETTLING)
            .filter(move |settled| *settled > now)
    }

    /// A job's dialogue is over, and took so long: the longest, where it had several. Says whether
    /// the job is over, too; if not, it will be started again.
    pub fn finished(
        &mut self,
        index: usize,
        ending: &Ending,
        took: Duration,
        now: Duration,
    ) -> bool {
        self.jobs[index].ended = Some(now);
        let again = match ending {
            Ending::Answered => {
                self.served(index, took);
                None
            }
            Ending::Deferred { reason, retry_after } => {
                self.deferred(index, *reason, *retry_after, took, now)
            }
            Ending::Interrupted(cause) => self.interrupted(index, cause, now),
            // Each such connection answers something: it is a limit of the connection's, and no
            // trouble.
            Ending::Continued => {
                self.served(index, took);
                Some(Again::InTurn)
            }
            Ending::NotAsked => None,
        };
        let not_before = match again {
            Some(Again::InTurn) => Some(now),
            Some(Again::At(time)) => Some(time).filter(|time| *time <= self.latest_return()),
            None => None,
        };
        let again = not_before.filter(|_| self.blocked.is_none());
        let job = &mut self.jobs[index];
        job.state = State::Done;
        if let Some(not_before) = again {
            job.state = State::Waiting;
            job.not_before = not_before;
            self.order.push_back(index);
        }
        again.is_none()
    }

    /// When a job is asked again at the latest; never later, where there is no time to wait at all.
    fn latest_return(&self) -> Duration {
        let deadline = self.limits.deadline;
        if deadline.is_zero() { deadline } else { deadline + GRACE }
    }

    /// The jobs that are still to be started, in order.
    pub fn left(&self) -> impl Iterator<Item = usize> + '_ {
        self.order.iter().copied()
    }

    /// Why the path was given up, if it was.
    #[must_use]
    pub fn blocked(&self) -> Option<&Cause> {
        self.blocked.as_ref()
    }

    /// Connections at once, now.
    #[must_use]
    pub fn window(&self) -> usize {
        self.window
    }

    /// Connections at once beside which another was turned away; the most there can be, while none
    /// was.
    #[must_use]
    pub fn borne(&self) -> usize {
        self.borne
    }

    fn served(&mut self, index: usize, took: Duration) {
        self.answered += 1;
        self.breaks = 0;
        self.is_shut_out = false;
        // Whoever was let in before we were shut out tells nothing of the door since.
        let is_news = self
            .shut_out_at
            .is_none_or(|at| self.jobs[index].started > at);
        if is_news {
            self.troubles = 0;
        }
        let quickest = *self.quickest.get_or_insert(took);
        self.quickest = Some(quickest.min(took));
        if took > quickest + ADDED_DELAY {
            self.halve();
        } else if is_news {
            self.window = (self.window + 1).min(self.limits.max_window.max(1));
        }
    }

    /// What was too much once is not tried again.
    fn halve(&mut self) {
        self.limits.max_window = self.window.saturating_sub(1).max(1);
        self.window = (self.window / 2).max(1);
    }

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
                let again =
                    self.turned_away(index, &Cause::Blocked { answered: self.answered }, now)?;
                return Some(Again::At(again.max(now + retry_after.unwrap_or_default())));
            }
            Reason::Greylisted | Reason::Unclassified => self.served(index, took),
            _ => {
                self.served(index, took);
                return None;
            }
        }
        let job = &mut self.jobs[index];
        job.greylisted = true;
        let usual = RETURNS.get(job.deferrals as usize).copied()?;
        job.deferrals += 1;
        Some(Again::At(match retry_after {
            // A second more than the server asks for: its clock ticks in seconds.
            Some(named) => now + named + Duration::from_secs(1),
            // The last visit is as late as it may be.
            None if now + RETURNS[0] <= self.limits.deadline => {
                (now + usual).min(self.latest_return())
            }
            None => now + usual,
        }))
    }

    fn interrupted(&mut self, index: usize, cause: &Cause, now: Duration) -> Option<Again> {
        match cause {
            Cause::ConnectFailed { .. } if self.answered == 0 && self.jobs[index].beside == 0 => {
                self.blocked = Some(cause.clone());
                None
            }
            Cause::ConnectFailed { .. }
            | Cause::Closing { stage: Stage::Greeting, .. }
            | Cause::Disconnected { stage: Stage::Greeting, .. } => {
                self.shut_out(index, cause, now)
            }
            Cause::Closing { .. } => self.turned_away(index, cause, now).map(Again::At),
            Cause::Disconnected { stage, .. } => {
                let hung_up_on_ehlo = *stage == Stage::Ehlo && !self.jobs[index].helo;
                if hung_up_on_ehlo {
                    // What one dialogue has learnt, the others need not learn again.
                    self.jobs.iter_mut().for_each(|job| job.helo = true);
                    self.jobs[index].breaks += 1;
                    return Some(Again::At(now));
                }
                self.broke(index, cause, now)
            }
            Cause::TimedOut { .. } | Cause::Violated { .. } | Cause::TlsFailed { .. } => {
                self.broke(index, cause, now)
            }
            Cause::Blocked { .. } | Cause::Stopped => None,
        }
    }

    /// The dialogue itself broke: it may be this test that the server can't bear.
    fn broke(&mut self, index: usize, cause: &Cause, now: Duration) -> Option<Again> {
        self.halve();
        self.breaks += 1;
        let pipelined = self.jobs[index].pipelined;
        let in_vain = matches!(cause, Cause::TimedOut { stage: Stage::Mail | Stage::Rcpt });
        // Some offer PIPELINING and then forget all but the first command: that is no reason to
        // give up.
        let at_first = self.answered == 0 && !(pipelined && in_vain);
        self.limits.pipelining &= !in_vain;
        if self.breaks >= if at_first { MAX_BREAKS_AT_FIRST } else { MAX_BREAKS_IN_A_ROW } {
            self.blocked = Some(cause.clone());
            return None;
        }
        let job = &mut self.jobs[index];
        job.no_pipelining = true;
        job.breaks += 1;
        (job.breaks <= MAX_BREAKS).then_some(Again::At(now))
    }

    /// The server doesn't let us in: it is too much for it at once, or it has had enough of us.
    fn shut_out(&mut self, index: usize, cause: &Cause, now: Duration) -> Option<Again> {
        // It was never one of those that the server counts.
        self.jobs[index].ended = None;
        let beside = self.jobs[index].beside;
        if beside == 0 {
            return self.turned_away(index, cause, now).map(Again::At);
        }
        let is_first = !self.is_shut_out;
        let is_news = self.is_news(index, now);
        // Some of those beside it may no longer have been counted: so what is borne is less each
        // time.
        let most = self
            .limits
            .max_window
            .saturating_sub(usize::from(is_news))
            .max(1);
        self.limits.max_window = most.min(beside);
        self.borne = self.limits.max_window;
        if is_news {
            self.window = (self.window / 2).max(1);
        }
        self.window = self.window.min(self.borne);
        if is_news && !is_first {
            return self.pause(cause, now).map(Again::At);
        }
        if now < self.quiet_until { Some(Again::At(self.quiet_until)) } else { Some(Again::InTurn) }
    }

    /// The server wants us to come later.
    fn turned_away(&mut self, index: usize, cause: &Cause, now: Duration) -> Option<Duration> {
        if self.is_news(index, now) {
            self.halve();
        }
        self.pause(cause, now)
    }

    /// Whether being turned away is news: what was started before the latest such answer tells
    /// nothing new.
    fn is_news(&mut self, index: usize, now: Duration) -> bool {
        let is_news = self
            .shut_out_at
            .is_none_or(|at| self.jobs[index].started > at);
        if is_news {
            self.shut_out_at = Some(now);
            self.is_shut_out = true;
        }
        is_news
    }

    /// Rests by the clock; says until when.
    fn pause(&mut self, cause: &Cause, now: Duration) -> Option<Duration> {
        self.trouble(now);
        if self.troubles > PAUSES.len() || self.quiet_until > self.limits.deadline {
            self.blocked = Some(match self.answered {
                0 => cause.clone(),
                answered => Cause::Blocked { answered },
            });
            return None;
        }
        Some(self.quiet_until)
    }

    /// Connections that were open together fail together: only the first of them makes the pause
    /// longer.
    fn trouble(&mut self, now: Duration) {
        if now >= self.quiet_until {
            let pause = PAUSES
                .get(self.troubles)
                .or(PAUSES.last())
                .copied()
                .unwrap_or_default();
            self.troubles += 1;
            self.quiet_until = now + pause;
        }
    }
}

#[cfg(test)]
mod tests;
