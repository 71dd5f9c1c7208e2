//! One path: every test in turn, as the scheduler says.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use norelay_core::{
    batch,
    catalogue::{
        self, Credentials, FOREIGN_SENDER, MissingWord, RelayTest, TestId, TestRole, Words,
    },
    check::{Outcome, Reason},
    event::{Event, Path, Wait},
    path::PathId,
    report::PathView,
    schedule::{Ending, Limits, Scheduler, Start, Why},
    smtp::{Cause, End, Hello, Stage, Step, Transaction},
};
use tokio::{sync::OnceCell, time::Instant};

use super::{
    Context,
    ending::{Plain, ending_of, ending_of_all, is_about_the_sender, is_said_of_both},
    netstrings, words, work,
};
use crate::{
    drive::{self, Dialogue},
    farewells::Farewells,
    network::Network,
    secure::{
        client_identity::{ClientIdentity, Identified},
        old::Inquiry,
    },
};

/// What the tasks of a path share.
pub struct PathScan<N> {
    pub(super) context: Arc<Context<N>>,
    pub(super) index: PathId,
    pub(super) way: Path,
    /// Templates of reverse-paths that the server refuses for their own sake.
    refused_senders: Mutex<HashSet<&'static str>>,
    /// Once a TLS handshake has failed: what the server speaks, as a clause, where that is too old
    /// for us.
    too_old: OnceCell<Option<String>>,
    pub(super) farewells: Arc<Farewells>,
    /// Connections at once beside which another was turned away.
    pub(super) borne: AtomicUsize,
}

/// Asks tests on a path.
pub async fn scan_path<N: Network>(
    context: &Arc<Context<N>>,
    index: PathId,
    way: Path,
    mut tests: Vec<&'static RelayTest>,
) {
    for test in tests.extract_if(.., |test| test.protocol().is_some()) {
        netstrings::ask(context, index, &way, test).await;
    }
    if tests.is_empty() {
        return;
    }
    let scan = PathScan::new(context, index, way.clone());
    tests.retain(|test| !test.sends_message() && !is_answered(context, index, test));
    tests.sort_by_key(|test| test.asking_order(way.security));
    let asked = tests.clone();
    if let Some(cause) = scan.clone().scout_and_ask(tests).await {
        scan.ask_with_header(&asked).await;
        // What is known without asking is said.
        for test in asked
            .into_iter()
            .filter(|test| !is_answered(context, index, test))
        {
            scan.note_not_offered(test);
        }
        context
            .recorder
            .record(Event::GivenUp { path: index, cause });
    }
}

/// Whether the latest dialogue of a test has answered it: now, or before the run was stopped.
pub fn is_answered<N: Network>(context: &Context<N>, index: PathId, test: &RelayTest) -> bool {
    context.recorder.look(|report| {
        let latest = report.path(index).and_then(|path| path.latest_of(test.id));
        latest.is_some_and(|dialogue| match Outcome::of(dialogue, test.id) {
            // It may be the others on that connection that were too much.
            Outcome::Refused { reason: Reason::RateLimited, .. } => dialogue.tests.len() == 1,
            outcome => outcome.is_answered(),
        })
    })
}

impl<N: Network> PathScan<N> {
    /// The scan of a path of which nothing is known yet.
    pub fn new(context: &Arc<Context<N>>, index: PathId, way: Path) -> Arc<Self> {
        let (refused_senders, too_old, farewells) =
            (Mutex::default(), OnceCell::new(), Arc::default());
        let borne = AtomicUsize::new(usize::MAX);
        Arc::new(Self {
            context: context.clone(),
            index,
            way,
            refused_senders,
            too_old,
            farewells,
            borne,
        })
    }

    /// Asks once more those tests alone that begin with a proxy's header, where the server has
    /// greeted nobody who came without: a port for a load balancer waits for it, or hangs up.
    async fn ask_with_header(self: &Arc<Self>, tests: &[&'static RelayTest]) {
        let (connects, greets) = self.context.recorder.look(|report| {
            let here = || {
                let path = report.path(self.index).into_iter();
                path.flat_map(PathView::dialogues)
            };
            let greeted = |code| code == Some(220);
            let connects = here().any(|dialogue| dialogue.local.is_some());
            (
                connects,
                here().any(|dialogue| {
                    greeted(dialogue.reply_at(Stage::Greeting).map(|reply| reply.code))
                }),
            )
        });
        let is_left = |test: &&RelayTest| {
            test.begins_with_header() && !is_answered(&self.context, self.index, test)
        };
        let tests: Vec<_> = tests.iter().copied().filter(is_left).collect();
        if connects && !greets && !tests.is_empty() {
            let limits = Limits { deadline: Duration::ZERO, ..self.limits() };
            self.clone().ask_all(tests, limits, Vec::new()).await;
        }
    }

    /// Asks tests, on as few connections as the server should have; gives the cause where the path
    /// was given up. The connection of each is for its `further` ones too, where its greeting shows
    /// a server that bears it.
    pub(super) async fn ask_all(
        self: Arc<Self>,
        mut tests: Vec<&'static RelayTest>,
        mut limits: Limits,
        mut further: Vec<Vec<&'static RelayTest>>,
    ) -> Option<Cause> {
        loop {
            let shared = self.counts_connections();
            let groups = self.groups(tests, shared);
            let mut scheduler = Scheduler::new(groups.len(), limits);
            let further = std::mem::take(&mut further);
            let are_scouts = !further.is_empty();
            let start = |job: Start| {
                let (scan, tests) = (self.clone(), groups[job.job].clone());
                let further = further
                    .get(job.job)
                    .filter(|_| !shared && job.attempt == 0)
                    .cloned()
                    .unwrap_or_default();
                async move { scan.ask(tests, further, job).await }
            };
            // Where many were begun at once, it may be learnt too late for some that connections
            // count here.
            work::work(&self, &mut scheduler, start, || {
                !shared && !are_scouts && self.counts_connections()
            })
            .await;
            self.borne.fetch_min(scheduler.borne(), Ordering::Relaxed);
            tests = scheduler
                .left()
                .flat_map(|job| groups[job].clone())
                .collect();
            if tests.is_empty() || scheduler.blocked().is_some() {
                return scheduler.blocked().cloned();
            }
            limits.answered += u32::try_from(groups.len() - tests.len()).unwrap_or_default();
        }
    }

    /// Tells what is waited for, and until when; a full window is nothing to tell of.
    pub(super) fn announce(&self, until: Duration, why: Why) {
        let why = match why {
            Why::Window => return,
            Why::Greylisted => Wait::Greylisted,
            Why::Dropped => Wait::Dropped,
        };
        self.tell(until, why);
    }

    fn tell(&self, until: Duration, why: Wait) {
        let left = until.saturating_sub(self.context.started.elapsed());
        let until = Timestamp::now()
            .saturating_add(left)
            .unwrap_or(Timestamp::MAX);
        self.context.recorder.record(Event::Waiting {
            path: Some(self.index),
            test: None,
            until,
            why,
        });
    }

    /// Asks tests on one connection; where a sender is refused for its own sake and isn't what the
    /// test is about, again with a stranger's on a second.
    async fn ask(
        &self,
        tests: Vec<&'static RelayTest>,
        further: Vec<&'static RelayTest>,
        job: Start,
    ) -> (Ending, Duration) {
        let unanswered = tests
            .into_iter()
            .filter(|test| job.attempt == 0 || !is_answered(&self.context, self.index, test));
        let offered = unanswered.filter(|test| self.is_offered(test));
        let (in_vain, others): (Vec<_>, Vec<_>) =
            offered.partition(|test| self.was_first_in_vain(test));
        let are_left = !in_vain.is_empty() && !others.is_empty();
        let now = if others.is_empty() { in_vain } else { others };
        let (asked, further) = (self.with_senders(now), self.with_senders(further));
        let opened = Instant::now();
        let outcomes = self.ask_from(&asked, &further, job).await;
        let took = opened.elapsed();
        if outcomes.is_empty() {
            return (Ending::NotAsked, took);
        }
        let plain = self.plain_refusal();
        let about_sender = |(test, sender, outcome): &&(&RelayTest, &str, Outcome)| {
            is_about_the_sender(test, sender, outcome, plain)
        };
        let refused: Vec<_> = outcomes.iter().filter(about_sender).collect();
        for (test, ..) in refused
            .iter()
            .filter(|(.., outcome)| !is_said_of_both(outcome, plain))
        {
            self.note_refused_sender(test);
        }
        let again: Vec<_> = refused
            .into_iter()
            .map(|(test, ..)| (*test, FOREIGN_SENDER))
            .collect();
        let opened = Instant::now();
        let second = self.ask_from(&again, &[], job).await;
        let took = took.max(opened.elapsed());
        let is_again =
            |test: &RelayTest| again.iter().any(|(other, _)| other.number == test.number);
        let first = outcomes.iter().filter(|(test, ..)| !is_again(test));
        let open = first
            .chain(&second)
            .map(|(test, _, outcome)| ending_of(test, outcome))
            .find(|ending| *ending != Ending::Answered);
        let met_all: Vec<_> = outcomes.iter().map(|(_, _, outcome)| outcome).collect();
        (ending_of_all(&met_all, open, are_left), took)
    }

    /// Whether the server may know what a test tries; where it has shown that it doesn't, no
    /// connection is spent on it.
    fn is_offered(&self, test: &RelayTest) -> bool {
        self.note_not_offered(test).is_none()
    }

    /// The keyword that a test needs and the server has never offered on this path; says so.
    fn note_not_offered(&self, test: &RelayTest) -> Option<&'static str> {
        let lacks = |keyword: &&str| {
            self.context.recorder.look(|report| {
                report
                    .path(self.index)
                    .is_some_and(|path| path.never_offers(keyword))
            })
        };
        let keyword = test.requirement(self.way.security).filter(lacks)?;
        self.not_run(test, format!("the server does not offer {keyword}"));
        Some(keyword)
    }

    fn not_run(&self, test: &RelayTest, why: String) {
        self.context
            .recorder
            .record(Event::NotRun { path: self.index, test: test.id.into(), why });
    }

    /// Asks tests from the senders that stand beside them; what can't be asked for want of a word
    /// is left out. Where the connection was for the further ones too, theirs are among the
    /// outcomes.
    async fn ask_from(
        &self,
        asked: &[Asked],
        further: &[Asked],
        job: Start,
    ) -> Vec<(&'static RelayTest, &'static str, Outcome)> {
        let made = asked
            .iter()
            .filter_map(|(test, sender)| Some((*test, self.transaction(test, sender, job)?)));
        let mut made: Vec<_> = made.collect();
        let tests = ids_of(&made);
        let further_said = self.further(&made, further);
        let (transaction, step_tests) = match made.len() {
            0 => return Vec::new(),
            1 => (made.remove(0).1, Vec::new()),
            _ => match batch::join(made) {
                Some(joined) => joined,
                None => return Vec::new(),
            },
        };
        let yields = further.is_empty()
            && asked
                .iter()
                .all(|(test, sender)| *sender == test.reverse_path);
        let planned = self.planned(tests, transaction, step_tests, false, job.attempt);
        let number = self
            .converse(Dialogue { further: further_said, yields, ..planned })
            .await;
        let was_for = self.dialogue_of(number, |dialogue| dialogue.tests.clone());
        let were_asked = asked
            .iter()
            .chain(further)
            .filter(|(test, _)| was_for.contains(&test.id));
        were_asked
            .map(|(test, sender)| (*test, *sender, self.outcome(number, test.id)))
            .collect()
    }

    fn plain_refusal(&self) -> Plain {
        let plain = catalogue::by_role(TestRole::Plain).id;
        self.context.recorder.look(|report| {
            let dialogue = report.path(self.index)?.latest_of(plain)?;
            match Outcome::of(dialogue, plain) {
                Outcome::Refused { stage, reason, .. } => Some((stage, reason)),
                _ => None,
            }
        })
    }

    fn note_refused_sender(&self, test: &RelayTest) {
        let mut refused = self
            .refused_senders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if refused.insert(test.reverse_path) {
            let arguments = vec![test.reverse_path.into(), FOREIGN_SENDER.into()];
            let tag = "sender_refused".to_owned();
            self.context
                .recorder
                .record(Event::Noted { path: Some(self.index), tag, arguments });
        }
    }

    pub(super) fn with_senders(
        &self,
        tests: impl IntoIterator<Item = &'static RelayTest>,
    ) -> Vec<Asked> {
        tests
            .into_iter()
            .map(|test| (test, self.sender_for(test)))
            .collect()
    }

    /// The template of the reverse-path that the server doesn't refuse for its own sake.
    fn sender_for(&self, test: &RelayTest) -> &'static str {
        let refused = self
            .refused_senders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match refused.contains(test.reverse_path) && !test.is_about_sender() {
            true => FOREIGN_SENDER,
            false => test.reverse_path,
        }
    }

    /// What to say for a test, unless a word is missing, which is recorded.
    fn transaction(
        &self,
        test: &'static RelayTest,
        sender: &str,
        job: Start,
    ) -> Option<Transaction> {
        let words = words::words(&self.context, self.index, &self.way, test);
        let mut transaction =
            self.made(test, test.transaction_from(sender, &words, self.way.security))?;
        transaction.pipelining &= job.pipelining;
        if let (true, Hello::Ehlo(name)) = (job.helo, &transaction.hello) {
            transaction.hello = Hello::Helo(name.clone());
        }
        Some(transaction)
    }

    fn made(
        &self,
        test: &RelayTest,
        made: Result<Transaction, MissingWord>,
    ) -> Option<Transaction> {
        if let Err(missing) = &made {
            self.not_run(test, format!("nothing is known that could stand for {{{}}}", missing.0));
        }
        made.ok()
    }

    /// What to say for a test that was accepted, for its proof, and the template of its sender.
    pub fn accepted_transaction(
        &self,
        test: &'static RelayTest,
    ) -> Option<(&'static str, Transaction)> {
        let substituted = self.context.recorder.look(|report| {
            let mut notes = report
                .notes
                .iter()
                .filter(|note| note.tag == "sender_refused");
            notes.any(|note| {
                note.path == Some(self.index)
                    && note
                        .arguments
                        .first()
                        .is_some_and(|sender| sender.as_bytes() == test.reverse_path.as_bytes())
            })
        });
        let sender =
            if substituted && !test.is_about_sender() { FOREIGN_SENDER } else { test.reverse_path };
        let job = Start { job: 0, attempt: 0, pipelining: false, helo: false };
        Some((sender, self.transaction(test, sender, job)?))
    }

    /// What to say for a test that sends a message at once.
    pub fn whole_transaction(&self, test: &'static RelayTest) -> Option<Transaction> {
        self.transaction(
            test,
            test.reverse_path,
            Start { job: 0, attempt: 0, pipelining: false, helo: false },
        )
    }

    /// What to say for a user who authenticates.
    pub fn authenticated_transaction(
        &self,
        test: &'static RelayTest,
        credentials: Credentials,
    ) -> Option<Transaction> {
        let words = words::words(&self.context, self.index, &self.way, test);
        let words = Words { credentials: Some(credentials), ..words };
        self.made(test, test.transaction(&words, self.way.security))
    }

    /// Has a dialogue; until one has shown that the server gives one reply a command, it waits for
    /// QUIT's.
    async fn converse(&self, mut dialogue: Dialogue) -> u32 {
        dialogue.transaction.awaits_quit_reply = true;
        let number = self.have(dialogue).await;
        self.dialogue_of(number, |dialogue| self.farewells.note(dialogue));
        number
    }

    /// What a dialogue says about a test.
    pub fn outcome(&self, number: u32, test: TestId) -> Outcome {
        self.context
            .recorder
            .look(|report| match report.dialogues.get(&number) {
                Some(dialogue) => Outcome::of(dialogue, test),
                None => Outcome::Interrupted { cause: Cause::Stopped },
            })
    }

    /// What a dialogue shows; nothing, where there was none.
    pub fn dialogue_of<T: Default>(
        &self,
        number: u32,
        show: impl FnOnce(&norelay_core::report::Dialogue) -> T,
    ) -> T {
        self.context
            .recorder
            .look(|report| report.dialogues.get(&number).map(show).unwrap_or_default())
    }

    /// A dialogue on this path.
    pub fn planned(
        &self,
        tests: Vec<TestId>,
        transaction: Transaction,
        step_tests: Vec<Option<TestId>>,
        proof: bool,
        attempt: u32,
    ) -> Dialogue {
        Dialogue {
            path: self.index,
            way: self.way.clone(),
            tests,
            proof,
            attempt,
            transaction,
            step_tests,
            reply_timeout: self.context.request.reply_timeout,
            farewells: Some(self.farewells.clone()),
            further: None,
            yields: false,
        }
    }

    /// Has a dialogue; says its number.
    pub async fn have(&self, dialogue: Dialogue) -> u32 {
        let (network, recorder) = (&self.context.network, &self.context.recorder);
        self.keep_pace(&dialogue.transaction).await;
        if let Some(identity) = self.identity(&dialogue.tests) {
            return drive::drive(
                Arc::new(Identified::new(network.clone(), identity)),
                recorder,
                dialogue,
            )
            .await;
        }
        if let Some(Some(answer)) = self.too_old.get() {
            return drive::drive(
                Arc::new(Inquiry::answered(network.clone(), answer)),
                recorder,
                dialogue,
            )
            .await;
        }
        let number = drive::drive(network.clone(), recorder, dialogue.clone()).await;
        match self.tls_failure(number) {
            Some(failure) if failure != drive::TOO_LONG => {
                self.inquire(dialogue, &failure).await.unwrap_or(number)
            }
            _ => number,
        }
    }

    /// The certificate that the dialogue's test shows: such a test is alone on its connection.
    fn identity(&self, tests: &[TestId]) -> Option<Arc<ClientIdentity>> {
        tests
            .first()
            .and_then(|id| id.test())
            .and_then(|test| self.context.identity(test))
    }

    /// Waits until a dialogue may be had, where the user wants it slow.
    async fn keep_pace(&self, transaction: &Transaction) {
        if !self.context.request.slow {
            return;
        }
        let can_be_refused =
            |step: &&Step| matches!(step.stage, Stage::Rcpt | Stage::Auth | Stage::Other);
        let refusals = transaction.steps.iter().filter(can_be_refused).count();
        let start = self.context.slow_start(self.way.address, refusals);
        if start > self.context.started.elapsed() {
            self.tell(start, Wait::Pace);
            tokio::time::sleep_until(self.context.started + start).await;
        }
    }

    fn tls_failure(&self, number: u32) -> Option<String> {
        self.context
            .recorder
            .look(|report| match report.dialogues.get(&number)?.end.as_ref()? {
                End::Interrupted(Cause::TlsFailed { error }) => Some(error.clone()),
                _ => None,
            })
    }

    /// Asks once, on a connection of its own, what a server speaks whose handshake failed; says
    /// that dialogue's number, if it told.
    async fn inquire(&self, dialogue: Dialogue, failure: &str) -> Option<u32> {
        let mut number = None;
        let inquire = async {
            let inquiry = Arc::new(Inquiry::new(self.context.network.clone(), failure));
            number = Some(drive::drive(inquiry.clone(), &self.context.recorder, dialogue).await);
            inquiry.found()
        };
        let answer = self.too_old.get_or_init(|| inquire).await;
        number.filter(|_| answer.is_some())
    }
}

/// A test, and the template of the sender that it is asked from.
pub(super) type Asked = (&'static RelayTest, &'static str);

pub(super) fn ids_of(made: &[(&RelayTest, Transaction)]) -> Vec<TestId> {
    made.iter().map(|(test, _)| test.id).collect()
}
