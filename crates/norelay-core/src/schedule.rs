//! When to ask which test of one path, and how many connections at once: pure, in virtual time.
//!
//! Rules:
//! - An unknown server gets one test a connection.
//! - Connections never start at the same moment: where more come than a server's queue has places for (OpenSMTPD has
//!   five), the kernel forgets some after it has taken them, and nobody ever answers.
//! - The window of connections works like congestion control: it grows by one for each connection that was served at
//!   once, and halves at the first 421, refused connection or added delay.
//! - A job that was interrupted is asked again on a fresh connection, after a pause that grows; a job that was
//!   greylisted, after the time that the server names. All of it ends at the deadline.
//! - Once connections that worked no longer do, the path is given up as blocked: nothing is hammered.
//!
//! Times are counted from the start of the run.

use std::{collections::VecDeque, time::Duration};

use crate::{
    check::Reason,
    smtp::{Cause, Stage},
};

/// Between the starts of two connections.
const SPACING: Duration = Duration::from_millis(2);
/// Pauses after the first, second … trouble in a row. The fifth trouble in a row is a block.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20), Duration::from_secs(60)];
/// When a greylisting server that names no time is visited again, after each deferral.
const RETURNS: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(900)];
/// How often one test is asked again when its own dialogue breaks.
const MAX_BREAKS: u32 = 3;
/// After so many broken dialogues in a row the server, not the test, is at fault; fewer before the first answer.
const MAX_BREAKS_IN_A_ROW: u32 = 8;
const MAX_BREAKS_AT_FIRST: u32 = 2;
/// A dialogue this much slower than the quickest one (which has the server's usual pauses in it) has met a brake.
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
    /// At most so many connections in such a time.
    pub pace: Option<(usize, Duration)>,
    /// Whether pipelining may be used.
    pub pipelining: bool,
    /// Tests that were answered on this path before: a server that has answered is there, and may shut us out.
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
    /// The pace asks for it.
    Pace,
}

/// How to run a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its index.
    pub job: usize,
    /// How often it was run before.
    pub attempt: u32,
    /// Whether pipelining may be used: not after a dialogue that broke, nor once one has waited in vain.
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
    quickest: Option<Duration>,
    starts: VecDeque<Duration>,
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
            quickest: None,
            starts: VecDeque::new(),
            blocked: None,
        }
    }

    /// What to do now.
    pub fn next(&mut self, now: Duration) -> Action {
        if self.blocked.is_some() {
            self.order.clear();
        }
        let Some(earliest) = self.order.iter().map(|job| self.jobs[*job].not_before).min() else {
            return match self.running() {
                0 => Action::Finish,
                _ => Action::Wait { until: None, job: None, why: Why::Window },
            };
        };
        if self.running() >= self.window {
            return Action::Wait { until: None, job: None, why: Why::Window };
        }
        if now < self.quiet_until {
            return Action::Wait { until: Some(self.quiet_until), job: None, why: Why::Dropped };
        }
        if let Some(until) = self.starts.back().map(|latest| *latest + SPACING).filter(|until| now < *until) {
            return Action::Wait { until: Some(until), job: None, why: Why::Window };
        }
        if let Some(until) = self.pace_allows(now).filter(|until| now < *until) {
            return Action::Wait { until: Some(until), job: None, why: Why::Pace };
        }
        match self.order.iter().position(|job| self.jobs[*job].not_before <= now) {
            Some(position) => self.start(position, now),
            None => self.wait_for(earliest),
        }
    }

    fn wait_for(&self, earliest: Duration) -> Action {
        let job = self.order.iter().copied().find(|job| self.jobs[*job].not_before == earliest);
        let greylisted = job.is_some_and(|job| self.jobs[job].greylisted);
        let why = if greylisted { Why::Greylisted } else { Why::Dropped };
        Action::Wait { until: Some(earliest), job, why }
    }

    fn start(&mut self, position: usize, now: Duration) -> Action {
        let Some(index) = self.order.remove(position) else { return Action::Finish };
        self.starts.push_back(now);
        let job = &mut self.jobs[index];
        job.state = State::Running;
        let attempt = job.attempts;
        job.attempts += 1;
        job.pipelined = self.limits.pipelining && !job.no_pipelining;
        Action::Start(Start { job: index, attempt, pipelining: job.pipelined, helo: job.helo })
    }

    /// When the pace allows the next connection.
    fn pace_allows(&mut self, now: Duration) -> Option<Duration> {
        let (count, span) = self.limits.pace?;
        while self.starts.front().is_some_and(|start| *start + span <= now) {
            self.starts.pop_front();
        }
        let blocking = self.starts.len().checked_sub(count)?;
        self.starts.get(blocking).map(|start| *start + span)
    }

    fn running(&self) -> usize {
        self.jobs.iter().filter(|job| job.state == State::Running).count()
    }

    /// A job's dialogue is over. Says whether the job is, too; if not, it will be started again.
    pub fn finished(&mut self, index: usize, ending: &Ending, took: Duration, now: Duration) -> bool {
        let again = match ending {
            Ending::Answered => {
                self.served(took);
                None
            }
            Ending::Deferred { reason, retry_after } => self.deferred(index, *reason, *retry_after, took, now),
            Ending::Interrupted(cause) => self.interrupted(index, cause, now),
            Ending::NotAsked => {
                self.starts.pop_back();
                None
            }
        };
        let again = again.filter(|not_before| *not_before <= self.limits.deadline && self.blocked.is_none());
        let job = &mut self.jobs[index];
        job.state = State::Done;
        if let Some(not_before) = again {
            job.state = State::Waiting;
            job.not_before = not_before;
            self.order.push_back(index);
        }
        again.is_none()
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

    fn served(&mut self, took: Duration) {
        self.answered += 1;
        self.troubles = 0;
        self.breaks = 0;
        let quickest = *self.quickest.get_or_insert(took);
        self.quickest = Some(quickest.min(took));
        if took > quickest + ADDED_DELAY {
            self.halve();
        } else {
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
    ) -> Option<Duration> {
        match reason {
            Reason::RateLimited => {
                let again = self.shut_out(&Cause::Blocked { answered: self.answered }, now)?;
                return Some(again.max(now + retry_after.unwrap_or_default()));
            }
            Reason::Greylisted | Reason::Unclassified => self.served(took),
            _ => {
                self.served(took);
                return None;
            }
        }
        let job = &mut self.jobs[index];
        job.greylisted = true;
        let usual = RETURNS.get(job.deferrals as usize).copied()?;
        job.deferrals += 1;
        // A second more than the server asks for: its clock ticks in seconds.
        Some(now + retry_after.map_or(usual, |named| named + Duration::from_secs(1)))
    }

    fn interrupted(&mut self, index: usize, cause: &Cause, now: Duration) -> Option<Duration> {
        match cause {
            Cause::ConnectFailed { .. } if self.answered == 0 => {
                self.blocked = Some(cause.clone());
                None
            }
            Cause::ConnectFailed { .. } | Cause::Closing { .. } => self.shut_out(cause, now),
            Cause::Disconnected { stage: Stage::Greeting, .. } => self.shut_out(cause, now),
            Cause::Disconnected { stage, .. } => {
                let hung_up_on_ehlo = *stage == Stage::Ehlo && !self.jobs[index].helo;
                if hung_up_on_ehlo {
                    // What one dialogue has learnt, the others need not learn again.
                    self.jobs.iter_mut().for_each(|job| job.helo = true);
                    self.jobs[index].breaks += 1;
                    return Some(now);
                }
                self.broke(index, cause, now)
            }
            Cause::TimedOut { .. } | Cause::Violated { .. } | Cause::TlsFailed { .. } => self.broke(index, cause, now),
            Cause::Blocked { .. } | Cause::Stopped => None,
        }
    }

    /// The dialogue itself broke: it may be this test that the server can't bear.
    fn broke(&mut self, index: usize, cause: &Cause, now: Duration) -> Option<Duration> {
        self.halve();
        self.breaks += 1;
        let pipelined = self.jobs[index].pipelined;
        let in_vain = matches!(cause, Cause::TimedOut { stage: Stage::Mail | Stage::Rcpt });
        // Some offer PIPELINING and then forget all but the first command: that is no reason to give up.
        let at_first = self.answered == 0 && !(pipelined && in_vain);
        self.limits.pipelining &= !in_vain;
        if self.breaks >= if at_first { MAX_BREAKS_AT_FIRST } else { MAX_BREAKS_IN_A_ROW } {
            self.blocked = Some(cause.clone());
            return None;
        }
        let job = &mut self.jobs[index];
        job.no_pipelining = true;
        job.breaks += 1;
        (job.breaks <= MAX_BREAKS).then_some(now)
    }

    /// The server doesn't let us in: it is too much for it, or it has had enough of us.
    fn shut_out(&mut self, cause: &Cause, now: Duration) -> Option<Duration> {
        self.halve();
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

    /// Connections that were open together fail together: only the first of them makes the pause longer.
    fn trouble(&mut self, now: Duration) {
        if now >= self.quiet_until {
            let pause = PAUSES.get(self.troubles).or(PAUSES.last()).copied().unwrap_or_default();
            self.troubles += 1;
            self.quiet_until = now + pause;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::Reply;

    const LIMITS: Limits = Limits {
        window: 2,
        max_window: 8,
        deadline: Duration::from_secs(300),
        pace: None,
        pipelining: true,
        answered: 0,
    };
    const QUICK: Duration = Duration::from_millis(10);

    fn closing() -> Ending {
        let reply = Reply { code: 421, lines: vec!["too many connections".into()] };
        Ending::Interrupted(Cause::Closing { stage: Stage::Greeting, reply })
    }

    fn disconnected(stage: Stage) -> Ending {
        Ending::Interrupted(Cause::Disconnected { stage, error: None })
    }

    fn greylisted(retry_after: Option<u64>) -> Ending {
        Ending::Deferred { reason: Reason::Greylisted, retry_after: retry_after.map(Duration::from_secs) }
    }

    /// A simulated server: every dialogue takes `took` and ends as `answer(start, now, open)` says.
    /// Gives the end, the number of dialogues and the most that were open at once.
    fn simulate(
        jobs: usize,
        limits: Limits,
        mut answer: impl FnMut(Start, Duration, usize) -> (Ending, Duration),
    ) -> (Scheduler, Duration, usize, usize) {
        let mut scheduler = Scheduler::new(jobs, limits);
        let mut now = Duration::ZERO;
        let mut open: Vec<(Duration, Duration, usize, Ending)> = Vec::new();
        let (mut dialogues, mut most) = (0, 0);
        loop {
            let until = match scheduler.next(now) {
                Action::Finish => return (scheduler, now, dialogues, most),
                Action::Start(start) => {
                    dialogues += 1;
                    assert!(dialogues < 1000, "the scheduler hammers");
                    let (ending, took) = answer(start, now, open.len() + 1);
                    open.push((now + took, took, start.job, ending));
                    most = most.max(open.len());
                    continue;
                }
                Action::Wait { until, .. } => until,
            };
            open.sort_by_key(|(end, ..)| *end);
            match (until, open.first()) {
                (Some(until), first) if first.is_none_or(|(end, ..)| until < *end) => now = until,
                (_, Some(_)) => {
                    let (end, took, job, ending) = open.remove(0);
                    now = end;
                    scheduler.finished(job, &ending, took, now);
                }
                (_, None) => panic!("the scheduler waits for nothing"),
            }
        }
    }

    #[test]
    fn the_window_grows_to_its_maximum_and_not_beyond() {
        let took = Duration::from_millis(200);
        let (_, end, dialogues, most) = simulate(22, LIMITS, |_, _, _| (Ending::Answered, took));
        assert_eq!((dialogues, most), (22, 8));
        // Two, four, eight, eight.
        assert!(end <= took * 4 + SPACING * 22, "{end:?}");
    }

    #[test]
    fn no_two_connections_start_at_the_same_moment() {
        let mut starts = Vec::new();
        let limits = Limits { window: 24, max_window: 24, ..LIMITS };
        simulate(22, limits, |_, now, _| {
            starts.push(now);
            (Ending::Answered, Duration::from_millis(200))
        });
        assert!(starts.windows(2).all(|two| two[1] - two[0] >= SPACING), "{starts:?}");
    }

    #[test]
    fn a_server_that_bears_two_connections_is_asked_everything() {
        let (scheduler, end, dialogues, _) = simulate(22, LIMITS, |_, _, open| match open {
            ..=2 => (Ending::Answered, QUICK),
            _ => (closing(), QUICK),
        });
        assert!(scheduler.blocked().is_none());
        assert!(dialogues < 60 && end < Duration::from_secs(60), "{dialogues} in {end:?}");
    }

    #[test]
    fn a_ban_is_noticed_and_not_hammered() {
        let mut answered = 0;
        let (scheduler, end, dialogues, _) = simulate(22, LIMITS, |_, _, _| {
            answered += 1;
            let refused = Cause::ConnectFailed { refused: true, error: "refused".into() };
            if answered <= 5 { (Ending::Answered, QUICK) } else { (Ending::Interrupted(refused), QUICK) }
        });
        assert_eq!(scheduler.blocked(), Some(&Cause::Blocked { answered: 5 }));
        assert!(dialogues < 22 && end < Duration::from_secs(120), "{dialogues} in {end:?}");
    }

    #[test]
    fn a_closed_port_is_given_up_at_once() {
        let refused = Cause::ConnectFailed { refused: true, error: "refused".into() };
        let (scheduler, end, dialogues, _) =
            simulate(22, LIMITS, |_, _, _| (Ending::Interrupted(refused.clone()), QUICK));
        assert_eq!(scheduler.blocked(), Some(&refused));
        assert!(dialogues <= 2 && end <= QUICK + SPACING);
    }

    #[test]
    fn greylisting_is_met_with_patience_up_to_the_deadline() {
        for (named, deadline, expected_end, expected_dialogues) in
            [(Some(60), 300, 61, 8), (None, 300, 60, 8), (None, 30, 0, 4), (Some(600), 300, 0, 4)]
        {
            let limits = Limits { deadline: Duration::from_secs(deadline), ..LIMITS };
            let (_, end, dialogues, _) = simulate(4, limits, |start, _, _| match start.attempt {
                0 => (greylisted(named), QUICK),
                _ => (Ending::Answered, QUICK),
            });
            assert_eq!((end.as_secs(), dialogues), (expected_end, expected_dialogues), "{named:?} {deadline}");
        }
    }

    #[test]
    fn a_test_that_breaks_its_dialogue_is_asked_four_times_and_never_more() {
        let (scheduler, _, dialogues, _) = simulate(4, LIMITS, |start, _, _| match start.job {
            2 => (disconnected(Stage::Rcpt), QUICK),
            _ => (Ending::Answered, QUICK),
        });
        assert!(scheduler.blocked().is_none());
        assert_eq!(dialogues, 7);
    }

    #[test]
    fn a_server_that_only_breaks_is_given_up_soon() {
        let timed_out = Cause::TimedOut { stage: Stage::Greeting };
        for (answers, expected) in [(0, 3), (4, 22)] {
            let mut count = 0;
            let (scheduler, _, dialogues, _) = simulate(22, LIMITS, |_, _, _| {
                count += 1;
                let ending = if count <= answers { Ending::Answered } else { Ending::Interrupted(timed_out.clone()) };
                (ending, QUICK)
            });
            assert_eq!(scheduler.blocked(), Some(&timed_out));
            assert!(dialogues <= expected, "{dialogues}");
        }
    }

    #[test]
    fn helo_follows_a_server_that_hangs_up_on_ehlo() {
        let mut helos = 0;
        simulate(3, LIMITS, |start, _, _| {
            helos += usize::from(start.helo);
            if start.helo { (Ending::Answered, QUICK) } else { (disconnected(Stage::Ehlo), QUICK) }
        });
        assert!((3..=4).contains(&helos), "{helos}");
    }

    #[test]
    fn added_delay_halves_the_window() {
        let mut count = 0;
        let (scheduler, ..) = simulate(16, LIMITS, |_, _, _| {
            count += 1;
            (Ending::Answered, if count > 10 { QUICK + Duration::from_secs(1) } else { QUICK })
        });
        assert!(scheduler.window() <= 2, "{}", scheduler.window());
    }

    #[test]
    fn the_pace_is_kept() {
        let limits = Limits { pace: Some((4, Duration::from_secs(600))), ..LIMITS };
        let mut starts = Vec::new();
        let (_, end, ..) = simulate(17, limits, |_, now, _| {
            starts.push(now);
            (Ending::Answered, QUICK)
        });
        assert!(starts.windows(5).all(|five| five[4] - five[0] >= Duration::from_secs(600)), "{starts:?}");
        assert!(end >= Duration::from_secs(4 * 600));
    }
}
