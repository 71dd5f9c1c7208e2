//! What to ask of a server, and when: a state machine without I/O and without a clock.
//!
//! Rules:
//! - The paths of one host are asked one after another, hosts side by side; within a path the
//!   scheduler says how many connections there may be.
//! - Nothing goes past RCPT unless a receiver can see what comes back.
//! - Everything that was answered is read from the report, so a run that was stopped goes on where
//!   its log ends.
//! - Nothing is decided on what has not been recorded yet.
//!
//! ```text
//!            hosts (order, scouts, batches) ─► ports of other protocols ─► proofs ─►
//!            texts that may become two messages ─► bounce ─► user ─► arrivals ─► over
//! ```
//!
//! The caller records and does what [`Asking::next`] says, and tells what became of it:
//!
//! ```text
//! loop {
//!     match asking.next(&report, now) {
//!         Do::Record(event) => record(event),
//!         Do::Open(connection) => spawn(dialogue(connection)),   // greeted, leaving, ended
//!         Do::Knock(endpoint) => asking.knocked(connect(endpoint).is_ok()),
//!         Do::Wait(until) => sleep until then, until something has ended, or a message has come,
//!         Do::Done => break,
//!     }
//! }
//! ```

mod arrivals;
mod batch;
mod connections;
mod evidence;
mod extras;
mod hosts;
mod letters;
mod opening;
mod order;
mod post;
pub mod proofs;
mod protocols;
mod request;
mod scouts;
mod senders;
pub mod sharing;
mod talk;
pub mod words;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    time::Duration,
};

use jiff::Timestamp;

use self::{
    arrivals::Arrivals,
    connections::Connections,
    extras::{Bounce, SmugglingTexts, User},
    hosts::HostAsking,
    post::ProofMail,
    protocols::Ports,
    scouts::PathAsking,
    sharing::Further,
    talk::Round,
};
pub use self::{
    connections::Orderly,
    opening::MAX_PATHS,
    request::{Family, Means, Request, Traps},
};
use crate::{
    catalogue::{Certificate, Profile, RelayTest, Words},
    event::{Event, MailExchanger, Path, Wait},
    octets::Octets,
    pace::Pace,
    path::{Endpoint, PathId},
    report::Report,
    schedule::Why,
    smtp::{self, Reply, Transaction},
    token::Role,
};

/// fail2ban's usual limit is five rejections in ten minutes.
const SLOW: (usize, Duration) = (3, Duration::from_secs(600));

/// Why a handshake failed that had no end in time.
pub const HANDSHAKE_TOO_LONG: &str = "it took too long";

/// Paths and tests whose message was accepted, and the role of the address that it must come to.
type Awaited = BTreeSet<(PathId, u8, Role)>;

/// What to do now.
#[derive(Debug)]
pub enum Do {
    /// Record a fact.
    Record(Box<Event>),
    /// Open a connection, and have this dialogue on it.
    Open(Box<PlannedDialogue>),
    /// See whether a port accepts connections, and tell [`Asking::knocked`].
    Knock(Endpoint),
    /// Nothing, until this time (since the start of the run) comes, a connection has been greeted
    /// or has ended, or a message has arrived.
    Wait(Option<Duration>),
    /// Nothing any more.
    Done,
}

/// One dialogue to be had.
#[derive(Clone, Debug)]
pub struct PlannedDialogue {
    /// The number of the dialogue in the run.
    pub dialogue: u32,
    /// The path's number.
    pub path: PathId,
    /// The path.
    pub way: Path,
    /// The tests that the dialogue is for.
    pub tests: Vec<&'static RelayTest>,
    /// True if a message is sent for proof.
    pub proof: bool,
    /// How often these tests were tried before.
    pub attempt: u32,
    /// What is said.
    pub saying: Saying,
    /// How a TLS handshake is made.
    pub handshake: Handshake,
    /// How long a reply may take.
    pub reply_timeout: Duration,
}

impl PlannedDialogue {
    /// The one dialogue of a run that asks nothing else.
    #[must_use]
    pub fn alone(way: Path, transaction: Transaction, reply_timeout: Duration) -> Self {
        Self {
            dialogue: 1,
            path: PathId::FIRST,
            way,
            tests: Vec::new(),
            proof: false,
            attempt: 0,
            saying: Saying::Smtp { transaction, step_tests: Vec::new() },
            handshake: Handshake::Usual,
            reply_timeout,
        }
    }
}

/// What is said on a connection.
#[derive(Clone, Debug)]
pub enum Saying {
    /// A transaction of SMTP, and the test that each of its steps is for, where the dialogue is for
    /// several.
    Smtp {
        /// What is said.
        transaction: Transaction,
        /// The test that each step is for.
        step_tests: Vec<Option<&'static RelayTest>>,
    },
    /// A message by QMTP or QMQP: everything is said at once.
    Netstring {
        /// The octets to be sent.
        request: Vec<u8>,
        /// The text of the message, for the log.
        text: Octets,
    },
}

/// How a TLS handshake is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// As any client makes it.
    Usual,
    /// With a certificate of the client.
    Showing(Certificate),
    /// A handshake has failed with these words: what does the server speak?
    Inquiring(String),
    /// Such an inquiry was answered so: the handshake need not be made.
    Answered(String),
}

/// What a connection says in the place of its own steps, once its greeting has shown more.
#[derive(Clone, Debug, Default)]
pub struct Instead {
    /// The tests that the connection is for now.
    pub tests: Vec<&'static RelayTest>,
    /// What is said after the introduction.
    pub steps: Vec<smtp::Step>,
    /// The test that each step is for.
    pub step_tests: Vec<Option<&'static RelayTest>>,
}

impl From<Further> for Instead {
    fn from(further: Further) -> Self {
        let Further { tests, steps, step_tests } = further;
        Self { tests, steps, step_tests }
    }
}

/// A moment of the run.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Since the start of the run.
    pub elapsed: Duration,
    /// By the clock of the world, for what is written into messages and the log.
    pub at: Timestamp,
}

/// Which paths a run has, and what it asks on them.
#[derive(Debug)]
pub enum Agenda {
    /// All that is requested, at these exchangers.
    New(Vec<MailExchanger>),
    /// What is not answered in the report of a run that was stopped.
    Resumed,
    /// These tests on these paths and nothing else; the note says in the log why.
    Again(Vec<(Path, Vec<&'static RelayTest>)>, Box<Event>),
}

/// The asking of a whole run.
#[derive(Debug)]
pub struct Asking {
    stage: RunStage,
    desk: Desk,
}

/// What all stages of the asking share.
#[derive(Debug)]
struct Desk {
    request: Request,
    means: Means,
    /// The tests that are asked at ports of their own, in other protocols than SMTP.
    other_protocols: Vec<&'static RelayTest>,
    exchangers: Vec<MailExchanger>,
    todo: VecDeque<Do>,
    connections: Connections,
    paces: BTreeMap<IpAddr, Pace>,
    awaited: Awaited,
    knock: Option<bool>,
}

/// What is being asked.
#[derive(Debug)]
enum RunStage {
    /// All hosts, side by side.
    Hosts(Vec<HostAsking>),
    /// Certain tests on certain paths, one after another.
    Paths(PathTests, Option<Box<PathAsking>>),
    /// The ports of other protocols.
    Ports(Ports),
    /// The messages that prove.
    Proofs(ProofMail),
    /// Texts that may become two messages.
    Texts(Box<SmugglingTexts>),
    /// A message to a made-up user.
    Bounce(Option<Box<Bounce>>),
    /// A user who authenticates.
    User(Option<Box<User>>),
    /// What was sent may still arrive.
    Arrivals(Option<Arrivals>),
    /// Everything is asked.
    Over,
}

/// Whether a part of the asking goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The part waits for something, or has put something into `todo`.
    Waits,
    /// The part is over. Asked again, it says so again.
    Over,
}

/// One call of [`Asking::next`]: what every part of the asking may read and write.
struct AskingTurn<'a> {
    request: &'a Request,
    means: &'a Means,
    report: &'a Report,
    now: Moment,
    todo: &'a mut VecDeque<Do>,
    connections: &'a mut Connections,
    paces: &'a mut BTreeMap<IpAddr, Pace>,
    awaited: &'a mut Awaited,
    knock: &'a mut Option<bool>,
    /// The earliest time that some part waits for.
    wake: Option<Duration>,
    /// True if a part has changed what another part waits for.
    moved: bool,
}

impl Desk {
    fn turn<'a>(&'a mut self, report: &'a Report, now: Moment) -> AskingTurn<'a> {
        AskingTurn {
            request: &self.request,
            means: &self.means,
            report,
            now,
            todo: &mut self.todo,
            connections: &mut self.connections,
            paces: &mut self.paces,
            awaited: &mut self.awaited,
            knock: &mut self.knock,
            wake: None,
            moved: false,
        }
    }
}

impl AskingTurn<'_> {
    /// Records a fact. The report knows it from the next turn on.
    fn record(&mut self, event: Event) {
        self.todo.push_back(Do::Record(Box::new(event)));
    }

    /// Asks for another turn at this time.
    fn wake_at(&mut self, time: Duration) {
        self.wake = Some(self.wake.map_or(time, |wake| wake.min(time)));
    }

    /// The words for a test on the path of a round.
    fn words(&self, round: &Round, test: &RelayTest) -> Words {
        words::words(self.request, self.means, self.report, (round.path, &round.way), test)
    }

    /// Tells what is waited for, once for each time. A full window is nothing to tell of.
    fn announce(
        &mut self,
        announced: &mut Option<Duration>,
        path: PathId,
        until: Option<Duration>,
        why: Why,
    ) {
        let Some(until) = until else { return };
        self.wake_at(until);
        if announced.replace(until) == Some(until) {
            return;
        }
        let why = match why {
            Why::Window => return,
            Why::Greylisted => Wait::Greylisted,
            Why::Dropped => Wait::Dropped,
        };
        let waiting = self.waiting(Some(path), until, why);
        self.record(waiting);
    }
}

impl Asking {
    /// The asking of a run. `report` is what was recorded before, for a run that is resumed.
    #[must_use]
    pub fn new(mut request: Request, means: Means, agenda: Agenda, report: &Report) -> Self {
        let exchangers = match &agenda {
            Agenda::New(exchangers) => exchangers.clone(),
            Agenda::Resumed => report.exchangers.clone(),
            Agenda::Again(paths, _) => exchangers_of(paths),
        };
        request.receivers = words::receivers(&request, &exchangers, &means);
        // What cannot be asked for want of something of our own is no gap in what is known of the
        // server.
        let left_out =
            words::left_out(&request, &means).filter(|_| request.profile >= Profile::Thorough);
        let can_be_asked = |test: &&RelayTest| words::lacks(&request, &means, test).is_none();
        let tests = request.tests.iter().copied().filter(can_be_asked);
        let (other_protocols, tests): (Vec<_>, Vec<_>) =
            tests.partition(|test| test.protocol().is_some());
        request.tests = tests;
        let mut desk = Desk {
            request,
            means,
            other_protocols,
            exchangers,
            todo: VecDeque::new(),
            connections: Connections::default(),
            paces: BTreeMap::new(),
            awaited: Awaited::new(),
            knock: None,
        };
        let stage = desk.begin(agenda, left_out, report);
        Self { stage, desk }
    }

    /// The events that say what the run will do. They come before anything else, and may be
    /// recorded with an earlier time.
    pub fn opening(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(Do::Record(event)) = self
            .desk
            .todo
            .pop_front_if(|next| matches!(next, Do::Record(_)))
        {
            events.push(*event);
        }
        events
    }

    /// What to do now, by what was recorded until now.
    pub fn next(&mut self, report: &Report, now: Moment) -> Do {
        loop {
            if let Some(next) = self.desk.todo.pop_front() {
                return next;
            }
            let mut turn = self.desk.turn(report, now);
            let step = self.stage.poll(&mut turn);
            let (wake, moved) = (turn.wake, turn.moved);
            if moved || !self.desk.todo.is_empty() {
                continue;
            }
            match (step, &self.stage) {
                (Standing::Waits, _) => return Do::Wait(wake),
                (Standing::Over, RunStage::Over) => return Do::Done,
                (Standing::Over, _) => self.stage = self.following(report, now),
            }
        }
    }

    /// The stage after this one; stages that have nothing to do are skipped.
    fn following(&mut self, report: &Report, now: Moment) -> RunStage {
        if let RunStage::Hosts(_) = self.stage {
            let (exchangers, tests) = (&self.desk.exchangers, &self.desk.other_protocols);
            let ports = Ports::of(&self.desk.request, exchangers, tests);
            return RunStage::Ports(ports);
        }
        if let RunStage::Paths(..) | RunStage::Ports(_) = self.stage {
            self.desk.awaited = protocols::accepted(report);
        }
        let mut turn = self.desk.turn(report, now);
        match self.stage {
            RunStage::Hosts(_) | RunStage::Paths(..) | RunStage::Ports(_)
                if turn.means.receiving =>
            {
                RunStage::Proofs(ProofMail::new(&mut turn))
            }
            RunStage::Hosts(_) | RunStage::Paths(..) | RunStage::Ports(_) | RunStage::Proofs(_) => {
                RunStage::Texts(Box::new(SmugglingTexts::new(&turn)))
            }
            RunStage::Texts(_) => RunStage::Bounce(Bounce::new(&mut turn).map(Box::new)),
            RunStage::Bounce(_) => RunStage::User(User::new(&mut turn).map(Box::new)),
            RunStage::User(_) => RunStage::Arrivals(Arrivals::new(&mut turn)),
            RunStage::Arrivals(_) | RunStage::Over => RunStage::Over,
        }
    }

    /// How long a connection that has been made may wait for the greeting, if others have been
    /// greeted sooner.
    #[must_use]
    pub fn greeting_limit(&self, dialogue: u32) -> Option<Duration> {
        self.desk.connections.greeting_limit(dialogue)
    }

    /// The greeting has come, whole: returns what the connection says in the place of its own
    /// steps, if that changes.
    pub fn greeted(&mut self, report: &Report, dialogue: u32, greeting: &Reply) -> Option<Instead> {
        self.desk.connections.greeted(report, dialogue, greeting)
    }

    /// After which answers the server is known to say nothing more: the dialogue need not wait for
    /// the reply to QUIT then.
    #[must_use]
    pub fn orderly(&self, dialogue: u32) -> Orderly {
        self.desk.connections.orderly(dialogue)
    }

    /// The dialogue waits for nothing but the reply to QUIT.
    pub fn leaving(&mut self, dialogue: u32) {
        self.desk.connections.leaving(dialogue);
    }

    /// The connection is over, and its end is about to be recorded: returns what the connection was
    /// for in the end, if that changes.
    pub fn closing(&mut self, report: &Report, dialogue: u32) -> Option<Instead> {
        self.desk.connections.closed(report, dialogue)
    }

    /// The connection is over, and its end is recorded. `found` is what the server speaks, as a
    /// clause, where the handshake was an inquiry that found something.
    pub fn ended(&mut self, dialogue: u32, found: Option<String>) {
        self.desk.connections.ended(dialogue, found);
    }

    /// Whether the port accepts connections that [`Do::Knock`] asked about.
    pub fn knocked(&mut self, accepts: bool) {
        self.desk.knock = Some(accepts);
    }
}

impl Desk {
    /// Puts into `todo` what says that the run begins; returns the first stage.
    fn begin(&mut self, agenda: Agenda, left_out: Option<String>, report: &Report) -> RunStage {
        let mut events = Vec::new();
        let stage = match agenda {
            Agenda::New(_) => {
                events.extend(self.start());
                events.extend(left_out.map(|left_out| Event::Noted {
                    path: None,
                    tag: "not_asked".to_owned(),
                    arguments: vec![left_out.as_str().into()],
                }));
                let hosts = opening::paths(&self.request, &self.exchangers);
                events.extend(opening::paths_added(&self.request, &hosts));
                RunStage::Hosts(hosts.into_iter().map(HostAsking::new).collect())
            }
            Agenda::Resumed => {
                events.push(Event::Resumed);
                let hosts = opening::paths_of(report);
                RunStage::Hosts(hosts.into_iter().map(HostAsking::new).collect())
            }
            Agenda::Again(paths, note) => {
                events.extend(self.start());
                events.push(*note);
                let mut asked = VecDeque::new();
                for (path, (way, mut tests)) in PathId::all().zip(paths) {
                    tests.retain(|test| words::lacks(&self.request, &self.means, test).is_none());
                    let (way_added, tests_added) = (way.clone(), opening::ids(&tests));
                    events.push(Event::PathAdded { path, way: way_added, tests: tests_added });
                    asked.push_back((path, way, tests));
                }
                RunStage::Paths(asked, None)
            }
        };
        self.todo
            .extend(events.into_iter().map(|event| Do::Record(Box::new(event))));
        stage
    }

    fn start(&self) -> [Event; 2] {
        opening::start(&self.request, &self.means, &self.other_protocols, &self.exchangers)
    }
}

impl RunStage {
    /// Does what can be done now in this stage.
    fn poll(&mut self, turn: &mut AskingTurn<'_>) -> Standing {
        match self {
            Self::Hosts(hosts) => {
                hosts.retain_mut(|host| host.poll(turn) == Standing::Waits);
                if hosts.is_empty() { Standing::Over } else { Standing::Waits }
            }
            Self::Paths(waiting, asking) => poll_paths(turn, waiting, asking),
            Self::Ports(ports) => ports.poll(turn),
            Self::Proofs(post) => post.poll(turn),
            Self::Texts(texts) => texts.poll(turn),
            Self::Bounce(bounce) => bounce
                .as_mut()
                .map_or(Standing::Over, |bounce| bounce.poll(turn)),
            Self::User(user) => user.as_mut().map_or(Standing::Over, |user| user.poll(turn)),
            Self::Arrivals(wait) => wait.as_mut().map_or(Standing::Over, |wait| wait.poll(turn)),
            Self::Over => Standing::Over,
        }
    }
}

/// Certain tests on certain paths, with the number of each path.
type PathTests = VecDeque<(PathId, Path, Vec<&'static RelayTest>)>;

/// Asks one path after another.
fn poll_paths(
    turn: &mut AskingTurn<'_>,
    waiting: &mut PathTests,
    asking: &mut Option<Box<PathAsking>>,
) -> Standing {
    loop {
        if let Some(path) = asking
            && path.poll(turn) == Standing::Waits
        {
            return Standing::Waits;
        }
        let Some((path, way, tests)) = waiting.pop_front() else { return Standing::Over };
        *asking = Some(Box::new(PathAsking::new(turn, path, way, tests)));
    }
}

/// The hosts of paths, with their addresses.
#[must_use]
pub fn exchangers_of<T>(paths: &[(Path, T)]) -> Vec<MailExchanger> {
    let mut exchangers: Vec<MailExchanger> = Vec::new();
    for (way, _) in paths {
        match exchangers
            .iter_mut()
            .find(|exchanger| exchanger.name == way.host)
        {
            Some(known) if known.addresses.contains(&way.address) => {}
            Some(known) => known.addresses.push(way.address),
            None => {
                let (name, addresses) = (way.host.clone(), vec![way.address]);
                exchangers.push(MailExchanger { name, preference: None, addresses });
            }
        }
    }
    exchangers
}
