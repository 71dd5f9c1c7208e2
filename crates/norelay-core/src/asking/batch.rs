//! A batch of tests on one path: on as few connections as the server should have, when the
//! scheduler says so.
//!
//! Rules:
//! - `spread` says which tests share a connection.
//! - A test whose sender is rejected on its own account is asked again from the foreign sender, on
//!   a second connection of the same job.
//! - What the server is known not to offer is recorded, and takes no connection.
//! - Where it turns out, while connections are open, that the tests should be spread otherwise, no
//!   more are opened; what is left begins anew.

use std::{collections::BTreeMap, time::Duration};

use super::{
    evidence,
    memory::{AskedTest, Memory},
    senders,
    sharing::{self, SharedSteps},
    spread::{self, MAX_IRREGULAR, Spread},
    talk::{Conversation, DialogueDraft, Round},
    turn::{AskingTurn, PartStatus},
};
use crate::{
    catalogue::{FOREIGN_SENDER, MissingWord, RelayTest},
    check::Outcome,
    event::Event,
    path::PathId,
    schedule::{Action, Ending, PathLimits, Scheduler, Start},
    smtp::{Cause, Hello, Stage, Transaction},
};

/// Tests that are asked under one scheduler after another, until all have their answers.
#[derive(Debug)]
pub(super) struct Batch {
    limits: PathLimits,
    tests: Vec<&'static RelayTest>,
    /// What each connection may ask beside its own test, for the first scheduler.
    additional: Vec<Vec<&'static RelayTest>>,
    pass: Option<Pass>,
}

/// The tests under one scheduler.
#[derive(Debug)]
struct Pass {
    groups: Vec<Vec<&'static RelayTest>>,
    additional: Vec<Vec<&'static RelayTest>>,
    spread: Spread,
    scheduler: Scheduler,
    running: BTreeMap<usize, BatchJob>,
    announced: Option<Duration>,
}

/// How a batch stands after a poll.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// Connections are open, or a time has to come.
    Goes,
    /// Everything is answered that will be; the cause where the path is to be given up.
    Over(Option<Cause>),
}

impl Batch {
    /// A batch of these tests. The connection of each test may ask its `additional` tests too,
    /// where the greeting shows a server that accepts many questions on one connection.
    pub fn new(
        tests: Vec<&'static RelayTest>,
        limits: PathLimits,
        additional: Vec<Vec<&'static RelayTest>>,
    ) -> Self {
        Self { limits, tests, additional, pass: None }
    }

    /// Does what can be done now.
    pub fn poll(&mut self, turn: &mut AskingTurn<'_>, memory: &mut Memory) -> Course {
        loop {
            let pass = self.pass.get_or_insert_with(|| {
                let additional = std::mem::take(&mut self.additional);
                Pass::new(std::mem::take(&mut self.tests), self.limits, additional, turn, memory)
            });
            if pass.poll(turn, memory) == PartStatus::Waits {
                return Course::Goes;
            }
            if let Some(most) = pass.scheduler.most_at_once() {
                memory.most_at_once = memory.most_at_once.min(most);
            }
            memory.pauses = pass.scheduler.pauses().clone();
            let mut left = pass.left(turn, memory.round.path);
            // Scouts may have asked some of the tests meanwhile.
            left.retain(|test| !is_asked_by_others(turn, memory.round.path, test));
            let answered = evidence::answered_tests(turn.report, memory.round.path);
            let blocked = pass.scheduler.blocked().cloned().map(|cause| match cause {
                // The scheduler counts connections.
                Cause::Blocked { .. } => Cause::Blocked { answered },
                cause => cause,
            });
            if left.is_empty() || blocked.is_some() {
                return Course::Over(blocked);
            }
            self.limits.answered = self.limits.answered.max(answered);
            (self.tests, self.pass) = (left, None);
        }
    }
}

impl Pass {
    fn new(
        tests: Vec<&'static RelayTest>,
        limits: PathLimits,
        additional: Vec<Vec<&'static RelayTest>>,
        turn: &AskingTurn<'_>,
        memory: &Memory,
    ) -> Self {
        let spread = turn.spread(&memory.round);
        let groups = spread::groups(tests, spread, turn, memory);
        let scheduler = Scheduler::new(groups.len(), limits).after(memory.pauses.clone());
        Self { groups, additional, spread, scheduler, running: BTreeMap::new(), announced: None }
    }

    /// The tests that are left once nothing runs: those that were not begun, in order, and those
    /// that have no answer behind a shared connection.
    fn left(&self, turn: &AskingTurn<'_>, path: PathId) -> Vec<&'static RelayTest> {
        let not_begun: Vec<_> = self.scheduler.left().collect();
        let mut left = Vec::new();
        for job in &not_begun {
            left.extend(self.groups[*job].iter().copied());
        }
        for (job, group) in self.groups.iter().enumerate() {
            let is_begun = !not_begun.contains(&job);
            let lacks_answer = |test: &&&RelayTest| self.lacks_answer(turn, path, group, test);
            left.extend(
                group
                    .iter()
                    .filter(|_| is_begun)
                    .filter(lacks_answer)
                    .copied(),
            );
        }
        left
    }

    /// True if a test was asked with others, whatever became of them, and has no answer.
    fn lacks_answer(
        &self,
        turn: &AskingTurn<'_>,
        path: PathId,
        group: &[&RelayTest],
        test: &RelayTest,
    ) -> bool {
        spread::ends_with_control(self.spread, group.iter().copied())
            && evidence::was_asked_with_others(turn.report, path, test)
            && !evidence::is_answered(turn.report, path, test)
    }

    /// [`PartStatus::Over`] once nothing runs and nothing is to be begun under this scheduler.
    fn poll(&mut self, turn: &mut AskingTurn<'_>, memory: &mut Memory) -> PartStatus {
        loop {
            self.poll_running(turn, memory);
            // The tests are to be spread otherwise: the rest begins anew, once the open connections
            // are over.
            if self.additional.is_empty() && self.spread.gives_way_to(turn.spread(&memory.round)) {
                return if self.running.is_empty() { PartStatus::Over } else { PartStatus::Waits };
            }
            match self.scheduler.next(turn.now.elapsed) {
                Action::Finish => return PartStatus::Over,
                Action::Start(start) => self.begin(turn, memory, start),
                Action::Wait { until, why } => {
                    turn.announce(&mut self.announced, memory.round.path, until, why);
                    return PartStatus::Waits;
                }
            }
        }
    }

    /// Tells the scheduler which jobs are over.
    fn poll_running(&mut self, turn: &mut AskingTurn<'_>, memory: &mut Memory) {
        let scheduler = &mut self.scheduler;
        self.running.retain(|number, job| {
            let Some((ending, took)) = job.poll(turn, memory) else { return true };
            scheduler.finished(*number, &ending, took, turn.now.elapsed);
            false
        });
    }

    /// Begins the job of a group of tests, or ends it at once if there is nothing to ask.
    fn begin(&mut self, turn: &mut AskingTurn<'_>, memory: &mut Memory, start: Start) {
        let tests = self.groups[start.job].clone();
        // A second attempt asks its own tests alone: the additional ones may have been too many.
        let additional = match self.additional.get(start.job) {
            Some(additional) if self.spread != Spread::All && start.attempt == 0 => {
                additional.clone()
            }
            _ => Vec::new(),
        };
        match BatchJob::begin(turn, memory, (tests, additional), self.spread, start) {
            Some(job) => drop(self.running.insert(start.job, job)),
            None => {
                let now = turn.now.elapsed;
                self.scheduler
                    .finished(start.job, &Ending::NotAsked, Duration::ZERO, now);
            }
        }
    }
}

/// Some tests on one connection, and those whose sender was rejected on a second.
#[derive(Debug)]
struct BatchJob {
    spread: Spread,
    start: Start,
    began: Duration,
    /// How long the longer of its connections took.
    took: Duration,
    are_left: bool,
    leg: Leg,
    talk: Conversation,
}

#[derive(Debug)]
enum Leg {
    /// The tests from their own senders, and what the connection may ask beside them.
    First { asked: Vec<AskedTest>, additional: Vec<AskedTest> },
    /// Those whose sender was rejected, from the foreign sender; and what the first leg showed.
    Second { asked: Vec<AskedTest>, first: Vec<Answered> },
}

/// A test, the sender that the test was asked from, and the outcome.
type Answered = (&'static RelayTest, &'static str, Outcome);

impl BatchJob {
    /// Begins a job, unless there is nothing to ask.
    fn begin(
        turn: &mut AskingTurn<'_>,
        memory: &mut Memory,
        (tests, additional): (Vec<&'static RelayTest>, Vec<&'static RelayTest>),
        spread: Spread,
        start: Start,
    ) -> Option<Self> {
        let (now, are_left) = to_ask(turn, &memory.round, tests, (spread, start));
        let (asked, additional) = (memory.with_senders(now), memory.with_senders(additional));
        let plan = plan(turn, memory, &asked, &additional, (spread, start))?;
        let talk = Conversation::begin(turn, &memory.round, plan);
        let began = turn.now.elapsed;
        let leg = Leg::First { asked, additional };
        Some(Self { spread, start, began, took: Duration::ZERO, are_left, leg, talk })
    }

    /// How the job ended for the scheduler, and how long its longer connection took.
    fn poll(
        &mut self,
        turn: &mut AskingTurn<'_>,
        memory: &mut Memory,
    ) -> Option<(Ending, Duration)> {
        let number = self.talk.poll(turn, &mut memory.round)?;
        if let Some(dialogue) = turn.report.dialogues.get(&number) {
            turn.connections.learn(memory.round.id, dialogue);
        }
        self.took = self.took.max(turn.now.elapsed.saturating_sub(self.began));
        match &mut self.leg {
            Leg::First { asked, additional } => {
                let asked = asked.iter().chain(additional.iter());
                let first = answers(turn, number, asked);
                if first.is_empty() {
                    return Some((Ending::NotAsked, self.took));
                }
                self.ask_again(turn, memory, first)
            }
            Leg::Second { asked, first } => {
                let second = answers(turn, number, asked.iter());
                let (first, asked) = (std::mem::take(first), std::mem::take(asked));
                Some((self.ending(&first, &second, &asked), self.took))
            }
        }
    }

    /// Begins the second leg where a sender was rejected that its test is not about.
    fn ask_again(
        &mut self,
        turn: &mut AskingTurn<'_>,
        memory: &mut Memory,
        first: Vec<Answered>,
    ) -> Option<(Ending, Duration)> {
        let plain = evidence::plain_refusal(turn.report, memory.round.path);
        let mut again: Vec<AskedTest> = Vec::new();
        for (test, sender, outcome) in &first {
            if !senders::may_be_about_sender(test, sender, outcome, plain) {
                continue;
            }
            again.push((test, FOREIGN_SENDER));
            // A demand that the plain test gets as well may be about the recipient, so it does not
            // mark the sender as rejected.
            if !senders::is_said_to_plain(outcome, plain) {
                let noted = memory.rejected_senders.add(memory.round.path, test);
                if let Some(noted) = noted {
                    turn.record(noted);
                }
            }
        }
        match plan(turn, memory, &again, &[], (self.spread, self.start)) {
            Some(plan) => {
                self.talk = Conversation::begin(turn, &memory.round, plan);
                self.began = turn.now.elapsed;
                self.leg = Leg::Second { asked: again, first };
                None
            }
            None => Some((self.ending(&first, &[], &again), self.took)),
        }
    }
}

impl BatchJob {
    /// What the outcomes of both legs mean for the scheduler. Tests without an answer behind a
    /// connection that ends with a control are no longer the scheduler's business.
    fn ending(&self, first: &[Answered], second: &[Answered], again: &[AskedTest]) -> Ending {
        let ending = ending(first, second, again, self.are_left);
        if !spread::ends_with_control(self.spread, first.iter().map(|(test, ..)| *test)) {
            return ending;
        }
        let is_answered = first.iter().any(|(_, _, outcome)| outcome.is_answered());
        match ending {
            Ending::Interrupted(Cause::ConnectFailed { .. } | Cause::TlsFailed { .. })
            | Ending::Interrupted(
                Cause::Closing { stage: Stage::Greeting, .. }
                | Cause::Disconnected { stage: Stage::Greeting, .. }
                | Cause::TimedOut { stage: Stage::Greeting },
            ) => ending,
            _ if is_answered => Ending::Answered,
            _ => Ending::NotAsked,
        }
    }
}

/// True if a connection of another batch asks a test, or has answered the test.
fn is_asked_by_others(turn: &AskingTurn<'_>, path: PathId, test: &RelayTest) -> bool {
    let is_open = |number: u32| turn.connections.is_open(number);
    evidence::is_asked(turn.report, path, test, is_open)
        || evidence::is_answered(turn.report, path, test)
}

/// Returns what a job asks now, and true if the job leaves some tests for its next connection.
/// Tests that came first on a connection that the server closed come on a later connection.
fn to_ask(
    turn: &mut AskingTurn<'_>,
    round: &Round,
    tests: Vec<&'static RelayTest>,
    (spread, start): (Spread, Start),
) -> (Vec<&'static RelayTest>, bool) {
    let (mut cut_off, mut others) = (Vec::new(), Vec::new());
    for test in tests {
        if start.attempt > 0 && evidence::is_answered(turn.report, round.path, test) {
            continue;
        }
        if turn.note_missing_offer(round, test) {
            continue;
        }
        // Behind a control, a test is asked with others no second time.
        let may_be_cut_off = !spread.has_control();
        match may_be_cut_off && evidence::was_first_when_closed(turn.report, round.path, test) {
            true => cut_off.push(test),
            false => others.push(test),
        }
    }
    let are_left = !cut_off.is_empty() && !others.is_empty();
    (if others.is_empty() { cut_off } else { others }, are_left)
}

/// Returns the dialogue that asks these tests; `None` if there is nothing to ask. A test that lacks
/// a word is recorded and left out.
fn plan(
    turn: &mut AskingTurn<'_>,
    memory: &Memory,
    asked: &[AskedTest],
    additional: &[AskedTest],
    (spread, start): (Spread, Start),
) -> Option<DialogueDraft> {
    let mut made = Vec::new();
    let control = [(spread::control(), spread::control().reverse_path)];
    let behind = if spread::ends_with_control(spread, asked.iter().map(|(test, _)| *test)) {
        &control[..]
    } else {
        &[]
    };
    for (test, sender) in asked.iter().chain(behind) {
        if let Some(transaction) = turn.transaction(&memory.round, test, sender, start) {
            made.push((*test, transaction));
        }
    }
    let tests: Vec<_> = made.iter().map(|(test, _)| *test).collect();
    let instead = instead(turn, &memory.round, &made, additional);
    let (transaction, step_tests) = match made.len() {
        0 => return None,
        1 => (made.remove(0).1, Vec::new()),
        _ => match sharing::join_logins(&made) {
            Some(joined) => joined,
            None => sharing::join(made)?,
        },
    };
    let are_own_senders = asked
        .iter()
        .all(|(test, sender)| *sender == test.reverse_path);
    Some(DialogueDraft {
        tests,
        transaction: Transaction { awaits_quit_reply: true, ..transaction },
        step_tests,
        proof: false,
        attempt: start.attempt,
        shared_steps: instead,
        yields: additional.is_empty() && are_own_senders,
    })
}

/// Returns longer step lists that may replace this connection's own: one for servers that tolerate
/// any number of errors, one for those that tolerate few. `None` if there is no more to ask.
fn instead(
    turn: &AskingTurn<'_>,
    round: &Round,
    made: &[(&'static RelayTest, Transaction)],
    additional: &[AskedTest],
) -> Option<[SharedSteps; 2]> {
    let joined = |most_irregular| {
        let more = with_few_syntax_errors(turn, round, additional, most_irregular);
        let asked: Vec<_> = made.iter().cloned().chain(more).collect();
        let tests: Vec<_> = asked.iter().map(|(test, _)| *test).collect();
        let (transaction, step_tests) = sharing::join(asked)?;
        (tests.len() > made.len()).then_some(SharedSteps {
            tests,
            steps: transaction.steps,
            step_tests,
        })
    };
    Some([joined(usize::MAX)?, joined(MAX_IRREGULAR)?])
}

/// What is said for those tests whose words are all known, with at most so many syntax errors (by
/// Exim's rules).
pub(super) fn with_few_syntax_errors(
    turn: &AskingTurn<'_>,
    round: &Round,
    asked: &[AskedTest],
    most_irregular: usize,
) -> Vec<(&'static RelayTest, Transaction)> {
    let mut irregular = 0;
    let mut made = Vec::new();
    for (test, sender) in asked {
        let words = turn.words(round, test);
        let Ok(transaction) = test.transaction_from(sender, &words, round.destination.security)
        else {
            continue;
        };
        let is_irregular = sharing::is_irregular(&transaction);
        irregular += usize::from(is_irregular);
        if irregular <= most_irregular || !is_irregular {
            made.push((*test, transaction));
        }
    }
    made
}

/// The answers of those tests that a dialogue was for.
fn answers<'a>(
    turn: &AskingTurn<'_>,
    number: u32,
    asked: impl Iterator<Item = &'a AskedTest>,
) -> Vec<Answered> {
    let Some(dialogue) = turn.report.dialogues.get(&number) else { return Vec::new() };
    asked
        .filter(|(test, _)| dialogue.is_for(test.id))
        .map(|(test, sender)| (*test, *sender, Outcome::of(dialogue, test.id)))
        .collect()
}

/// What the outcomes of both legs mean for the scheduler.
fn ending(first: &[Answered], second: &[Answered], again: &[AskedTest], are_left: bool) -> Ending {
    let is_again = |test: &RelayTest| again.iter().any(|(other, _)| other.number == test.number);
    let open = first
        .iter()
        .filter(|(test, ..)| !is_again(test))
        .chain(second)
        .map(|(test, _, outcome)| senders::ending_of(test, outcome))
        .find(|ending| *ending != Ending::Answered);
    let outcomes: Vec<_> = first.iter().map(|(_, _, outcome)| outcome).collect();
    senders::ending_of_all(&outcomes, open, are_left)
}

impl AskingTurn<'_> {
    /// True if the server counts connections and accepts many questions on each; never where the
    /// user wants it slow.
    pub(super) fn counts_connections(&self, destination: &crate::event::Path) -> bool {
        !self.request.slow && evidence::counts_connections(self.report, destination.endpoint())
    }

    /// True if the server has never offered on this path what the test needs, which is recorded.
    pub(super) fn note_missing_offer(&mut self, round: &Round, test: &RelayTest) -> bool {
        let keyword = evidence::missing_offer(self.report, round.path, test);
        if let Some(keyword) = keyword {
            self.not_run(round, test, format!("the server does not offer {keyword}"));
        }
        keyword.is_some()
    }

    /// Records that a test is not run on a path, and why.
    pub(super) fn not_run(&mut self, round: &Round, test: &RelayTest, why: String) {
        self.record(Event::NotRun { path: round.path, test: test.id.to_string(), why });
    }

    /// What to say for a test, unless a word is missing, which is recorded.
    pub(super) fn transaction(
        &mut self,
        round: &Round,
        test: &'static RelayTest,
        sender: &str,
        start: Start,
    ) -> Option<Transaction> {
        let words = self.words(round, test);
        let made = test.transaction_from(sender, &words, round.destination.security);
        let mut transaction = self.made(round, test, made)?;
        transaction.pipelining &= start.pipelining;
        if let (true, Hello::Ehlo(name)) = (start.helo, &transaction.hello) {
            transaction.hello = Hello::Helo(name.clone());
        }
        Some(transaction)
    }

    /// What was made, unless a word is missing, which is recorded.
    pub(super) fn made(
        &mut self,
        round: &Round,
        test: &RelayTest,
        made: Result<Transaction, MissingWord>,
    ) -> Option<Transaction> {
        if let Err(missing) = &made {
            let why = format!("nothing is known that could stand for {{{}}}", missing.0);
            self.not_run(round, test, why);
        }
        made.ok()
    }
}
