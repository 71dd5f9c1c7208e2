//! One path: every test in turn, as the scheduler says.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use norelay_core::{
    catalogue::{FOREIGN_SENDER, Group, RelayTest},
    check::{Outcome, Reason, reason},
    event::{Event, Path, Wait},
    schedule::{Action, Ending, Limits, Scheduler, Start, Why},
    smtp::{Cause, Hello, Stage, Transaction},
};
use tokio::{task::JoinSet, time::Instant};

use super::{Context, words};
use crate::{
    drive::{self, Dialogue},
    network::Network,
};

/// Connections at once to a server that has shown that it bears them; an unknown one gets [`WINDOW`].
const MAX_WINDOW: usize = 8;
const WINDOW: usize = 2;
/// fail2ban's usual limit is five refusals in ten minutes.
const SLOW: (usize, Duration) = (4, Duration::from_secs(600));
/// The most telling questions, first: a server that shuts us out after five refusals has answered these.
const FIRST: [&str; 8] = [
    "foreign-to-foreign",
    "ctl-postmaster",
    "target-host-sender",
    "null-sender",
    "percent-host",
    "double-at-host",
    "source-route-host",
    "bang-host",
];

/// What the tasks of a path share.
pub struct PathScan<N> {
    context: Arc<Context<N>>,
    index: u8,
    way: Path,
    /// Templates of reverse-paths that the server refuses for their own sake.
    refused_senders: Mutex<HashSet<&'static str>>,
    /// Whether a whole dialogue has shown that the server gives one reply a command.
    orderly: AtomicBool,
}

/// Asks tests on a path.
pub async fn scan_path<N: Network>(
    context: &Arc<Context<N>>,
    index: u8,
    way: Path,
    mut tests: Vec<&'static RelayTest>,
) {
    let scan = PathScan::new(context, index, way);
    tests.retain(|test| !is_answered(context, index, test));
    tests.sort_by_key(|test| match FIRST.iter().position(|id| *id == test.id) {
        Some(place) => place,
        // Refused credentials are what bans are made of: they come last.
        None => FIRST.len() + usize::from(test.group == Group::Auth || test.id.ends_with("-auth")),
    });
    let scheduler = Scheduler::new(tests.len(), scan.limits());
    let blocked = work(&scan, scheduler, |job: Start| {
        let scan = scan.clone();
        let test = tests[job.job];
        async move { scan.ask(test, job).await }
    })
    .await;
    if let Some(cause) = blocked {
        context.recorder.record(Event::GivenUp { path: index, cause });
    }
}

/// Whether a test was answered before the run was stopped.
fn is_answered<N: Network>(context: &Context<N>, index: u8, test: &RelayTest) -> bool {
    context.recorder.look(|report| {
        report.dialogues_of(index, test.id).any(|(_, dialogue)| Outcome::of(dialogue, test.id).is_answered())
    })
}

/// Does what a scheduler says until it is done; gives the cause where the path was given up.
pub async fn work<N, F>(
    scan: &Arc<PathScan<N>>,
    mut scheduler: Scheduler,
    mut start: impl FnMut(Start) -> F,
) -> Option<Cause>
where
    N: Network,
    F: Future<Output = Ending> + Send + 'static,
{
    let started = scan.context.started;
    let mut running = JoinSet::new();
    let mut announced = None;
    loop {
        match scheduler.next(started.elapsed()) {
            Action::Finish => return scheduler.blocked().cloned(),
            Action::Start(job) => {
                let opened = Instant::now();
                let ending = start(job);
                running.spawn(async move { (job.job, ending.await, opened.elapsed()) });
            }
            Action::Wait { until, why, .. } => {
                if let Some(until) = until.filter(|until| announced != Some(*until)) {
                    announced = Some(until);
                    scan.announce(until, why);
                }
                let wake = async {
                    match until {
                        Some(until) => tokio::time::sleep_until(started + until).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    Some(Ok((job, ending, took))) = running.join_next() => {
                        scheduler.finished(job, &ending, took, started.elapsed());
                    }
                    () = wake => {}
                }
            }
        }
    }
}

impl<N: Network> PathScan<N> {
    /// The scan of a path of which nothing is known yet.
    pub fn new(context: &Arc<Context<N>>, index: u8, way: Path) -> Arc<Self> {
        let (refused_senders, orderly) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { context: context.clone(), index, way, refused_senders, orderly })
    }

    fn limits(&self) -> Limits {
        let request = &self.context.request;
        // Without a name for the server, its first greeting must be heard before anything is asked that needs one.
        let window = if self.way.host.is_none() { 1 } else { WINDOW };
        Limits {
            window: request.concurrency.unwrap_or(window),
            max_window: request.concurrency.unwrap_or(MAX_WINDOW),
            deadline: request.wait,
            pace: request.slow.then_some(SLOW),
        }
    }

    fn announce(&self, until: Duration, why: Why) {
        let why = match why {
            Why::Window => return,
            Why::Greylisted => Wait::Greylisted,
            Why::Dropped => Wait::Dropped,
            Why::Pace => Wait::Pace,
        };
        let left = until.saturating_sub(self.context.started.elapsed());
        let until = Timestamp::now().saturating_add(left).unwrap_or(Timestamp::MAX);
        self.context.recorder.record(Event::Waiting { path: Some(self.index), test: None, until, why });
    }

    /// Asks one test; where the sender is refused for its own sake and isn't what the test is about, again with a
    /// stranger's.
    async fn ask(&self, test: &'static RelayTest, job: Start) -> Ending {
        let outcome = match self.transaction(test, self.sender_for(test), job) {
            Some(transaction) => self.converse(test, transaction, job.attempt).await,
            None => return Ending::Answered,
        };
        if !self.is_about_the_sender(test, &outcome) {
            return ending(&outcome);
        }
        let senders = || self.refused_senders.lock().unwrap_or_else(PoisonError::into_inner);
        if senders().insert(test.reverse_path) {
            let arguments = vec![test.reverse_path.into(), FOREIGN_SENDER.into()];
            let tag = "sender_refused".to_owned();
            self.context.recorder.record(Event::Noted { path: Some(self.index), tag, arguments });
        }
        match self.transaction(test, FOREIGN_SENDER, job) {
            Some(transaction) => ending(&self.converse(test, transaction, job.attempt).await),
            None => Ending::Answered,
        }
    }

    /// The template of the reverse-path that the server doesn't refuse for its own sake.
    fn sender_for(&self, test: &RelayTest) -> &'static str {
        let refused = self.refused_senders.lock().unwrap_or_else(PoisonError::into_inner);
        match refused.contains(test.reverse_path) && !test.is_about_sender() {
            true => FOREIGN_SENDER,
            false => test.reverse_path,
        }
    }

    /// Whether a refusal may be about a sender that the test is not about.
    fn is_about_the_sender(&self, test: &RelayTest, outcome: &Outcome) -> bool {
        let may_be = match outcome {
            Outcome::Refused { stage: Stage::Mail, reason, .. } => *reason != Reason::AuthRequired,
            Outcome::Refused { reason, .. } | Outcome::Deferred { reason, .. } => {
                matches!(reason, Reason::SenderDomain | Reason::Policy | Reason::Unclassified)
            }
            _ => false,
        };
        may_be && !test.is_about_sender() && self.sender_for(test) != FOREIGN_SENDER
    }

    /// What to say for a test, unless a word is missing, which is recorded.
    fn transaction(&self, test: &'static RelayTest, sender: &str, job: Start) -> Option<Transaction> {
        let words = words::words(&self.context, self.index, &self.way, test);
        match test.transaction_from(sender, &words, self.way.security) {
            Ok(mut transaction) => {
                transaction.pipelining &= job.pipelining;
                if let (true, Hello::Ehlo(name)) = (job.helo, &transaction.hello) {
                    transaction.hello = Hello::Helo(name.clone());
                }
                Some(transaction)
            }
            Err(missing) => {
                let why = format!("nothing is known that could stand for {{{}}}", missing.0);
                let test = test.id.to_owned();
                self.context.recorder.record(Event::NotRun { path: self.index, test, why });
                None
            }
        }
    }

    /// What to say for a test that was accepted, for its proof.
    pub fn accepted_transaction(&self, test: &'static RelayTest) -> Option<Transaction> {
        let substituted = self.context.recorder.look(|report| {
            let mut notes = report.notes.iter().filter(|note| note.tag == "sender_refused");
            notes.any(|note| {
                note.path == Some(self.index)
                    && note.arguments.first().is_some_and(|sender| sender.as_bytes() == test.reverse_path.as_bytes())
            })
        });
        let sender = if substituted && !test.is_about_sender() { FOREIGN_SENDER } else { test.reverse_path };
        self.transaction(test, sender, Start { job: 0, attempt: 0, pipelining: false, helo: false })
    }

    async fn converse(&self, test: &RelayTest, mut transaction: Transaction, attempt: u32) -> Outcome {
        transaction.farewell = !self.orderly.load(Ordering::Relaxed);
        let number = self.dialogue(vec![test.id.to_owned()], transaction, Vec::new(), false, attempt).await;
        let said_farewell = self.context.recorder.look(|report| {
            let farewell = report.dialogues.get(&number).and_then(|dialogue| dialogue.reply_at(Stage::Quit));
            farewell.is_some_and(|reply| reply.code == 221)
        });
        self.orderly.fetch_or(said_farewell, Ordering::Relaxed);
        self.outcome(number, test.id)
    }

    /// What a dialogue says about a test.
    pub fn outcome(&self, number: u32, test: &str) -> Outcome {
        self.context.recorder.look(|report| match report.dialogues.get(&number) {
            Some(dialogue) => Outcome::of(dialogue, test),
            None => Outcome::Interrupted { cause: Cause::Stopped },
        })
    }

    /// Has a dialogue; says its number.
    pub async fn dialogue(
        &self,
        tests: Vec<String>,
        transaction: Transaction,
        step_tests: Vec<Option<String>>,
        proof: bool,
        attempt: u32,
    ) -> u32 {
        let (path, way) = (self.index, self.way.clone());
        let reply_timeout = self.context.request.reply_timeout;
        let dialogue = Dialogue { path, way, tests, proof, attempt, transaction, step_tests, reply_timeout };
        drive::drive(self.context.network.clone(), &self.context.recorder, dialogue).await
    }
}

/// What an outcome means for the scheduler.
pub fn ending(outcome: &Outcome) -> Ending {
    match outcome {
        Outcome::Deferred { reason, reply, .. } => {
            Ending::Deferred { reason: *reason, retry_after: reason::retry_after(reply) }
        }
        Outcome::Interrupted { cause } => Ending::Interrupted(cause.clone()),
        _ => Ending::Answered,
    }
}
