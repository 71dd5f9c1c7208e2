//! A batch of tests on one path: on as few connections as the server should have, when the
//! scheduler says so.
//!
//! Rules:
//! - Where the server counts connections, tests share one; otherwise each test has its own.
//! - A test whose sender is rejected on its own account is asked again from the foreign sender, on
//!   a second connection of the same job.
//! - What the server is known not to offer is recorded, and takes no connection.
//! - Where it turns out, while connections are open, that the server counts them, no more are
//!   opened; what is left begins anew on shared ones.

use std::{collections::BTreeMap, time::Duration};

use super::{
    evidence,
    senders::{self, RejectedSenders},
    sharing::{self, SharedSteps},
    talk::{Conversation, DialogueDraft, Round},
    turn::{AskingTurn, PartStatus},
};
use crate::{
    catalogue::{FOREIGN_SENDER, MissingWord, RelayTest},
    check::Outcome,
    event::Event,
    schedule::{Action, Ending, PathLimits, Scheduler, Start},
    smtp::{Cause, Hello, Security, Transaction},
};

/// Tests on one connection, where a server counts connections: Debian's sendmail accepts ten
/// connections in ten minutes, and has no limit that a hundred and more rejected transactions on
/// one would meet. The thorough profile's tests fit on one.
const MAX_SHARING: usize = 150;
/// Exim's `smtp_max_synprot_errors`, by default.
pub(super) const MAX_IRREGULAR: usize = 3;

/// A test, and the template of the sender that the test is asked from.
pub(super) type AskedTest = (&'static RelayTest, &'static str);

/// What all batches of one round on a path share.
#[derive(Debug)]
pub(super) struct Memory {
    pub round: Round,
    rejected_senders: RejectedSenders,
    /// Connections at once beside which the server rejected another.
    pub most_at_once: usize,
}

impl Memory {
    /// The memory of a round of which nothing is known yet.
    pub fn new(round: Round) -> Self {
        Self { round, rejected_senders: RejectedSenders::default(), most_at_once: usize::MAX }
    }

    /// Returns the tests with the senders that they are asked from.
    pub fn with_senders(
        &self,
        tests: impl IntoIterator<Item = &'static RelayTest>,
    ) -> Vec<AskedTest> {
        tests
            .into_iter()
            .map(|test| (test, self.rejected_senders.sender_for(test)))
            .collect()
    }
}

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
    is_shared: bool,
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
            let left = pass.left();
            let blocked = pass.scheduler.blocked().cloned();
            if left.is_empty() || blocked.is_some() {
                return Course::Over(blocked);
            }
            let answered = pass.groups.len().saturating_sub(left.len());
            self.limits.answered += u32::try_from(answered).unwrap_or_default();
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
        let is_shared = turn.counts_connections(&memory.round.destination);
        let groups = groups(tests, is_shared, turn, memory);
        let scheduler = Scheduler::new(groups.len(), limits);
        Self { groups, additional, is_shared, scheduler, running: BTreeMap::new(), announced: None }
    }

    /// The tests that were not begun, in order.
    fn left(&self) -> Vec<&'static RelayTest> {
        self.scheduler
            .left()
            .flat_map(|job| self.groups[job].iter().copied())
            .collect()
    }

    /// [`PartStatus::Over`] once nothing runs and nothing is to be begun under this scheduler.
    fn poll(&mut self, turn: &mut AskingTurn<'_>, memory: &mut Memory) -> PartStatus {
        loop {
            self.poll_running(turn, memory);
            // The greetings have shown that the server counts connections: the rest begins anew on
            // shared ones, once the open ones are over.
            if !self.is_shared
                && self.additional.is_empty()
                && turn.counts_connections(&memory.round.destination)
            {
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
            Some(additional) if !self.is_shared && start.attempt == 0 => additional.clone(),
            _ => Vec::new(),
        };
        match BatchJob::begin(turn, memory, tests, additional, start) {
            Some(job) => drop(self.running.insert(start.job, job)),
            None => {
                let now = turn.now.elapsed;
                self.scheduler
                    .finished(start.job, &Ending::NotAsked, Duration::ZERO, now);
            }
        }
    }
}

/// The tests by connection: one each, where they do not share.
fn groups(
    tests: Vec<&'static RelayTest>,
    is_shared: bool,
    turn: &AskingTurn<'_>,
    memory: &Memory,
) -> Vec<Vec<&'static RelayTest>> {
    if !is_shared {
        return sharing::with_one_login(tests.into_iter().map(|test| vec![test]).collect());
    }
    let Round { path, destination, .. } = &memory.round;
    let hellos = destination.security != Security::StartTls;
    let groups = sharing::groups(tests, MAX_SHARING, hellos, |test| {
        evidence::is_known_offered(turn.report, *path, test)
    });
    sharing::with_one_login(groups)
}

/// Some tests on one connection, and those whose sender was rejected on a second.
#[derive(Debug)]
struct BatchJob {
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
        tests: Vec<&'static RelayTest>,
        additional: Vec<&'static RelayTest>,
        start: Start,
    ) -> Option<Self> {
        let (now, are_left) = to_ask(turn, &memory.round, tests, start);
        let (asked, additional) = (memory.with_senders(now), memory.with_senders(additional));
        let plan = plan(turn, memory, &asked, &additional, start)?;
        let talk = Conversation::begin(turn, &memory.round, plan);
        let began = turn.now.elapsed;
        let leg = Leg::First { asked, additional };
        Some(Self { start, began, took: Duration::ZERO, are_left, leg, talk })
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
                let first = std::mem::take(first);
                Some((ending(&first, &second, asked, self.are_left), self.took))
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
        match plan(turn, memory, &again, &[], self.start) {
            Some(plan) => {
                self.talk = Conversation::begin(turn, &memory.round, plan);
                self.began = turn.now.elapsed;
                self.leg = Leg::Second { asked: again, first };
                None
            }
            None => Some((ending(&first, &[], &again, self.are_left), self.took)),
        }
    }
}

/// Returns what a job asks now, and true if the job leaves some tests for its next connection.
/// Tests that came first on a connection that the server closed come on a later connection.
fn to_ask(
    turn: &mut AskingTurn<'_>,
    round: &Round,
    tests: Vec<&'static RelayTest>,
    start: Start,
) -> (Vec<&'static RelayTest>, bool) {
    let (mut cut_off, mut others) = (Vec::new(), Vec::new());
    for test in tests {
        if start.attempt > 0 && evidence::is_answered(turn.report, round.path, test) {
            continue;
        }
        if turn.note_missing_offer(round, test) {
            continue;
        }
        match evidence::was_first_when_closed(turn.report, round.path, test) {
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
    start: Start,
) -> Option<DialogueDraft> {
    let mut made = Vec::new();
    for (test, sender) in asked {
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
