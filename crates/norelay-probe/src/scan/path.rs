//! One path: every test in turn, as the scheduler says.

use std::{
    collections::HashSet,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use norelay_core::{
    batch,
    catalogue::{self, Credentials, FOREIGN_SENDER, Group, MissingWord, RelayTest, Words},
    check::Outcome,
    event::{Event, Path, Wait},
    schedule::{Ending, Limits, Scheduler, Start, Why},
    smtp::{Cause, End, Hello, Stage, Step, Transaction},
};
use tokio::{sync::OnceCell, time::Instant};

use super::{
    Context,
    ending::{Plain, ending_of, is_about_the_sender, is_said_of_both},
    netstrings, words, work,
};
use crate::{
    drive::{self, Dialogue},
    farewells::Farewells,
    network::Network,
    secure::{
        identity::{ClientIdentity, Identified},
        old::Inquiry,
    },
};

/// Connections at once to a server that has shown that it bears them; an unknown one gets [`WINDOW`].
const MAX_WINDOW: usize = 8;
const WINDOW: usize = 2;
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
    pub(super) context: Arc<Context<N>>,
    pub(super) index: u8,
    pub(super) way: Path,
    /// Templates of reverse-paths that the server refuses for their own sake.
    refused_senders: Mutex<HashSet<&'static str>>,
    /// Once a TLS handshake has failed: what the server speaks, as a clause, where that is too old for us.
    too_old: OnceCell<Option<String>>,
    farewells: Arc<Farewells>,
    /// Connections at once beside which another was turned away.
    borne: AtomicUsize,
}

/// Asks tests on a path.
pub async fn scan_path<N: Network>(
    context: &Arc<Context<N>>,
    index: u8,
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
    tests.sort_by_key(|test| match FIRST.iter().position(|id| *id == test.id) {
        Some(place) => place,
        // Refused credentials are what bans are made of: they come last.
        None if test.group == Group::Auth || test.id.ends_with("-auth") => FIRST.len() + 3,
        // What is not scored makes no verdict, where a server has had enough.
        None if test.group == Group::Adjacent => FIRST.len() + 2,
        // By then many connections have shown what the server offers.
        None => FIRST.len() + usize::from(test.requirement(way.security).is_some()),
    });
    let asked = tests.clone();
    let blocked = match context.request.concurrency {
        // The user has set the pace.
        Some(_) => scan.clone().ask_all(tests, scan.limits()).await,
        None => scan.clone().scout_and_ask(tests).await,
    };
    if let Some(cause) = blocked {
        scan.ask_with_header(&asked).await;
        // What is known without asking is said.
        for test in asked.into_iter().filter(|test| !is_answered(context, index, test)) {
            scan.note_not_offered(test);
        }
        context.recorder.record(Event::GivenUp { path: index, cause });
    }
}

/// Whether the latest dialogue of a test has answered it: now, or before the run was stopped.
pub fn is_answered<N: Network>(context: &Context<N>, index: u8, test: &RelayTest) -> bool {
    context.recorder.look(|report| {
        let latest = report.dialogues_of(index, test.id).last();
        latest.is_some_and(|(_, dialogue)| Outcome::of(dialogue, test.id).is_answered())
    })
}

impl<N: Network> PathScan<N> {
    /// The scan of a path of which nothing is known yet.
    pub fn new(context: &Arc<Context<N>>, index: u8, way: Path) -> Arc<Self> {
        let (refused_senders, too_old, farewells) = (Mutex::default(), OnceCell::new(), Arc::default());
        let borne = AtomicUsize::new(usize::MAX);
        Arc::new(Self { context: context.clone(), index, way, refused_senders, too_old, farewells, borne })
    }

    fn limits(&self) -> Limits {
        let request = &self.context.request;
        // Without a name for the server, its first greeting must be heard before anything is asked that needs one.
        let window = if self.way.host.is_none() { 1 } else { WINDOW };
        let (window, max_window) = if request.slow { (1, 1) } else { (window, MAX_WINDOW) };
        Limits {
            window: request.concurrency.unwrap_or(window),
            max_window: request.concurrency.unwrap_or(max_window).min(self.borne.load(Ordering::Relaxed)),
            deadline: request.wait,
            pipelining: !self.has_waited_in_vain(),
            answered: 0,
        }
    }

    /// Whether some MAIL or RCPT was never answered.
    fn has_waited_in_vain(&self) -> bool {
        let in_vain = |end: &End| matches!(end, End::Interrupted(Cause::TimedOut { stage: Stage::Mail | Stage::Rcpt }));
        self.context.recorder.look(|report| {
            let mut here = report.dialogues.values().filter(|dialogue| dialogue.path == self.index);
            here.any(|dialogue| dialogue.end.as_ref().is_some_and(in_vain))
        })
    }

    /// Looks at the server with the first tests, without waiting for anything, before it gets many connections.
    async fn scout_and_ask(self: Arc<Self>, mut tests: Vec<&'static RelayTest>) -> Option<Cause> {
        let rest = tests.split_off(tests.len().min(WINDOW));
        let scouting = Limits { deadline: Duration::ZERO, ..self.limits() };
        let mut scouts = pin!(self.clone().ask_all(tests.clone(), scouting));
        let all_leaving = self.farewells.leaving.acquire_many(u32::try_from(tests.len()).unwrap_or(u32::MAX));
        let shut = tokio::select! {
            biased;
            shut = &mut scouts => shut,
            _ = all_leaving => return self.ask_beside(scouts, tests, rest).await,
        };
        // Whoever is shut out for the moment may come in later: that is for the scheduler with time to wait.
        if shut.is_some()
            && !matches!(shut, Some(Cause::Closing { .. } | Cause::Disconnected { .. } | Cause::Blocked { .. }))
        {
            return shut;
        }
        let scouts = tests.len();
        tests.retain(|test| !is_answered(&self.context, self.index, test));
        let limits = self.limits_after(scouts - tests.len());
        tests.extend(rest);
        self.ask_all(tests, limits).await
    }

    /// Asks the rest while the first tests, which have their answers, await the reply to QUIT; and those again whose
    /// answers were none after all.
    async fn ask_beside(
        self: &Arc<Self>,
        scouts: impl Future<Output = Option<Cause>>,
        mut tests: Vec<&'static RelayTest>,
        rest: Vec<&'static RelayTest>,
    ) -> Option<Cause> {
        let limits = self.limits_after(tests.len());
        let (_, blocked) = tokio::join!(scouts, self.clone().ask_all(rest, limits));
        tests.retain(|test| !is_answered(&self.context, self.index, test));
        match blocked {
            Some(cause) => Some(cause),
            None => self.clone().ask_all(tests, self.limits()).await,
        }
    }

    /// Asks once more those tests alone that begin with a proxy's header, where the server has greeted nobody who came
    /// without: a port for a load balancer waits for it, or hangs up.
    async fn ask_with_header(self: &Arc<Self>, tests: &[&'static RelayTest]) {
        let (connects, greets) = self.context.recorder.look(|report| {
            let here = || report.dialogues.values().filter(|dialogue| dialogue.path == self.index);
            let greeted = |code| code == Some(220);
            let connects = here().any(|dialogue| dialogue.local.is_some());
            (connects, here().any(|dialogue| greeted(dialogue.reply_at(Stage::Greeting).map(|reply| reply.code))))
        });
        let is_left = |test: &&RelayTest| test.begins_with_header() && !is_answered(&self.context, self.index, test);
        let tests: Vec<_> = tests.iter().copied().filter(is_left).collect();
        if connects && !greets && !tests.is_empty() {
            let limits = Limits { deadline: Duration::ZERO, ..self.limits() };
            self.clone().ask_all(tests, limits).await;
        }
    }

    /// The limits once so many tests were answered.
    fn limits_after(&self, answered: usize) -> Limits {
        let limits = self.limits();
        Limits { window: limits.window + answered, answered: u32::try_from(answered).unwrap_or_default(), ..limits }
    }

    /// Asks tests, on as few connections as the server should have; gives the cause where the path was given up.
    async fn ask_all(self: Arc<Self>, mut tests: Vec<&'static RelayTest>, mut limits: Limits) -> Option<Cause> {
        loop {
            let shared = self.bears_many();
            let groups = self.groups(tests, shared);
            let mut scheduler = Scheduler::new(groups.len(), limits);
            let start = |job: Start| {
                let (scan, tests) = (self.clone(), groups[job.job].clone());
                async move { scan.ask(tests, job).await }
            };
            // Where many were begun at once, it may be learnt too late for some that connections count here.
            work::work(&self, &mut scheduler, start, || !shared && self.bears_many()).await;
            self.borne.fetch_min(scheduler.borne(), Ordering::Relaxed);
            tests = scheduler.left().flat_map(|job| groups[job].clone()).collect();
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
        let until = Timestamp::now().saturating_add(left).unwrap_or(Timestamp::MAX);
        self.context.recorder.record(Event::Waiting { path: Some(self.index), test: None, until, why });
    }

    /// Asks tests on one connection; where a sender is refused for its own sake and isn't what the test is about, again
    /// with a stranger's on a second.
    async fn ask(&self, tests: Vec<&'static RelayTest>, job: Start) -> (Ending, Duration) {
        let unanswered =
            tests.into_iter().filter(|test| job.attempt == 0 || !is_answered(&self.context, self.index, test));
        let offered = unanswered.filter(|test| self.is_offered(test));
        let (in_vain, others): (Vec<_>, Vec<_>) = offered.partition(|test| self.was_first_in_vain(test));
        let are_left = !in_vain.is_empty() && !others.is_empty();
        let now = if others.is_empty() { in_vain } else { others };
        let asked: Vec<_> = now.into_iter().map(|test| (test, self.sender_for(test))).collect();
        let opened = Instant::now();
        let outcomes = self.ask_from(&asked, job).await;
        let took = opened.elapsed();
        if outcomes.is_empty() {
            return (Ending::NotAsked, took);
        }
        let plain = self.plain_refusal();
        let about_sender =
            |(test, sender, outcome): &&(&RelayTest, &str, Outcome)| is_about_the_sender(test, sender, outcome, plain);
        let refused: Vec<_> = outcomes.iter().filter(about_sender).collect();
        for (test, ..) in refused.iter().filter(|(.., outcome)| !is_said_of_both(outcome, plain)) {
            self.note_refused_sender(test);
        }
        let again: Vec<_> = refused.into_iter().map(|(test, ..)| (*test, FOREIGN_SENDER)).collect();
        let opened = Instant::now();
        let second = self.ask_from(&again, job).await;
        let took = took.max(opened.elapsed());
        let is_again = |test: &RelayTest| again.iter().any(|(other, _)| other.number == test.number);
        let first = outcomes.iter().filter(|(test, ..)| !is_again(test));
        let open = first
            .chain(&second)
            .map(|(test, _, outcome)| ending_of(test, outcome))
            .find(|ending| *ending != Ending::Answered);
        let is_closed = matches!(open, Some(Ending::Interrupted(Cause::Closing { .. } | Cause::Disconnected { .. })));
        let has_answered = outcomes.iter().any(|(_, _, outcome)| outcome.is_answered());
        let ending = match open {
            Some(_) if is_closed && has_answered => Ending::Continued,
            None if are_left && has_answered => Ending::Continued,
            open => open.unwrap_or(Ending::Answered),
        };
        (ending, took)
    }

    /// Whether the server may know what a test tries; where it has shown that it doesn't, no connection is spent on it.
    fn is_offered(&self, test: &RelayTest) -> bool {
        self.note_not_offered(test).is_none()
    }

    /// The keyword that a test needs and the server has never offered on this path; says so.
    fn note_not_offered(&self, test: &RelayTest) -> Option<&'static str> {
        let lacks = |keyword: &&str| self.context.recorder.look(|report| report.never_offers(self.index, keyword));
        let keyword = test.requirement(self.way.security).filter(lacks)?;
        self.not_run(test, format!("the server does not offer {keyword}"));
        Some(keyword)
    }

    fn not_run(&self, test: &RelayTest, why: String) {
        self.context.recorder.record(Event::NotRun { path: self.index, test: test.id.to_owned(), why });
    }

    /// Asks tests from the senders that stand beside them; what can't be asked for want of a word is left out.
    async fn ask_from(&self, asked: &[Asked], job: Start) -> Vec<(&'static RelayTest, &'static str, Outcome)> {
        let made =
            asked.iter().filter_map(|(test, sender)| Some((*test, *sender, self.transaction(test, sender, job)?)));
        let made: Vec<_> = made.collect();
        let tests: Vec<String> = made.iter().map(|(test, ..)| test.id.to_owned()).collect();
        let senders: Vec<_> = made.iter().map(|(test, sender, _)| (*test, *sender)).collect();
        let mut transactions: Vec<_> = made.into_iter().map(|(test, _, transaction)| (test, transaction)).collect();
        let (transaction, step_tests) = match transactions.len() {
            0 => return Vec::new(),
            1 => (transactions.remove(0).1, Vec::new()),
            _ => match batch::join(transactions) {
                Some(joined) => joined,
                None => return Vec::new(),
            },
        };
        let number = self.converse(tests, transaction, step_tests, job.attempt).await;
        senders.into_iter().map(|(test, sender)| (test, sender, self.outcome(number, test.id))).collect()
    }

    fn plain_refusal(&self) -> Plain {
        const PLAIN: &str = "foreign-to-foreign";
        self.context.recorder.look(|report| {
            let (_, dialogue) = report.dialogues_of(self.index, PLAIN).last()?;
            match Outcome::of(dialogue, PLAIN) {
                Outcome::Refused { stage, reason, .. } => Some((stage, reason)),
                _ => None,
            }
        })
    }

    fn note_refused_sender(&self, test: &RelayTest) {
        let mut refused = self.refused_senders.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.insert(test.reverse_path) {
            let arguments = vec![test.reverse_path.into(), FOREIGN_SENDER.into()];
            let tag = "sender_refused".to_owned();
            self.context.recorder.record(Event::Noted { path: Some(self.index), tag, arguments });
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

    /// What to say for a test, unless a word is missing, which is recorded.
    fn transaction(&self, test: &'static RelayTest, sender: &str, job: Start) -> Option<Transaction> {
        let words = words::words(&self.context, self.index, &self.way, test);
        let mut transaction = self.made(test, test.transaction_from(sender, &words, self.way.security))?;
        transaction.pipelining &= job.pipelining;
        if let (true, Hello::Ehlo(name)) = (job.helo, &transaction.hello) {
            transaction.hello = Hello::Helo(name.clone());
        }
        Some(transaction)
    }

    fn made(&self, test: &RelayTest, made: Result<Transaction, MissingWord>) -> Option<Transaction> {
        if let Err(missing) = &made {
            self.not_run(test, format!("nothing is known that could stand for {{{}}}", missing.0));
        }
        made.ok()
    }

    /// What to say for a test that was accepted, for its proof, and the template of its sender.
    pub fn accepted_transaction(&self, test: &'static RelayTest) -> Option<(&'static str, Transaction)> {
        let substituted = self.context.recorder.look(|report| {
            let mut notes = report.notes.iter().filter(|note| note.tag == "sender_refused");
            notes.any(|note| {
                note.path == Some(self.index)
                    && note.arguments.first().is_some_and(|sender| sender.as_bytes() == test.reverse_path.as_bytes())
            })
        });
        let sender = if substituted && !test.is_about_sender() { FOREIGN_SENDER } else { test.reverse_path };
        let job = Start { job: 0, attempt: 0, pipelining: false, helo: false };
        Some((sender, self.transaction(test, sender, job)?))
    }

    /// What to say for a test that sends a message at once.
    pub fn whole_transaction(&self, test: &'static RelayTest) -> Option<Transaction> {
        self.transaction(test, test.reverse_path, Start { job: 0, attempt: 0, pipelining: false, helo: false })
    }

    /// What to say for a user who authenticates.
    pub fn authenticated_transaction(&self, test: &'static RelayTest, credentials: Credentials) -> Option<Transaction> {
        let words = words::words(&self.context, self.index, &self.way, test);
        let words = Words { credentials: Some(credentials), ..words };
        self.made(test, test.transaction(&words, self.way.security))
    }

    /// Has a dialogue; until one has shown that the server gives one reply a command, it waits for QUIT's.
    async fn converse(
        &self,
        tests: Vec<String>,
        mut transaction: Transaction,
        step_tests: Vec<Option<String>>,
        attempt: u32,
    ) -> u32 {
        transaction.farewell = true;
        let number = self.dialogue(tests, transaction, step_tests, false, attempt).await;
        self.dialogue_of(number, |dialogue| self.farewells.note(dialogue));
        number
    }

    /// What a dialogue says about a test.
    pub fn outcome(&self, number: u32, test: &str) -> Outcome {
        self.context.recorder.look(|report| match report.dialogues.get(&number) {
            Some(dialogue) => Outcome::of(dialogue, test),
            None => Outcome::Interrupted { cause: Cause::Stopped },
        })
    }

    /// What a dialogue shows; nothing, where there was none.
    pub fn dialogue_of<T: Default>(&self, number: u32, show: impl FnOnce(&norelay_core::report::Dialogue) -> T) -> T {
        self.context.recorder.look(|report| report.dialogues.get(&number).map(show).unwrap_or_default())
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
        let farewells = Some(self.farewells.clone());
        let dialogue = Dialogue { path, way, tests, proof, attempt, transaction, step_tests, reply_timeout, farewells };
        let (network, recorder) = (&self.context.network, &self.context.recorder);
        self.keep_pace(&dialogue.transaction).await;
        if let Some(identity) = self.identity(&dialogue.tests) {
            return drive::drive(Arc::new(Identified::new(network.clone(), identity)), recorder, dialogue).await;
        }
        if let Some(Some(answer)) = self.too_old.get() {
            return drive::drive(Arc::new(Inquiry::answered(network.clone(), answer)), recorder, dialogue).await;
        }
        let number = drive::drive(network.clone(), recorder, dialogue.clone()).await;
        match self.tls_failure(number) {
            Some(failure) if failure != drive::TOO_LONG => self.inquire(dialogue, &failure).await.unwrap_or(number),
            _ => number,
        }
    }

    /// The certificate that the dialogue's test shows: such a test is alone on its connection.
    fn identity(&self, tests: &[String]) -> Option<Arc<ClientIdentity>> {
        tests.first().and_then(|id| catalogue::by_id(id)).and_then(|test| self.context.identity(test))
    }

    /// Waits until a dialogue may be had, where the user wants it slow.
    async fn keep_pace(&self, transaction: &Transaction) {
        if !self.context.request.slow {
            return;
        }
        let can_be_refused = |step: &&Step| matches!(step.stage, Stage::Rcpt | Stage::Auth | Stage::Other);
        let refusals = transaction.steps.iter().filter(can_be_refused).count();
        let start = self.context.slow_start(self.way.address, refusals);
        if start > self.context.started.elapsed() {
            self.tell(start, Wait::Pace);
            tokio::time::sleep_until(self.context.started + start).await;
        }
    }

    fn tls_failure(&self, number: u32) -> Option<String> {
        self.context.recorder.look(|report| match report.dialogues.get(&number)?.end.as_ref()? {
            End::Interrupted(Cause::TlsFailed { error }) => Some(error.clone()),
            _ => None,
        })
    }

    /// Asks once, on a connection of its own, what a server speaks whose handshake failed; says that dialogue's number,
    /// if it told.
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
type Asked = (&'static RelayTest, &'static str);
