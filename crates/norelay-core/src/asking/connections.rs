//! The connections that are open, and what those of a path have shown of the server's habits: how
//! late the server greets, and whether it gives one reply to each command.
//!
//! Rules:
//! - Until the reply to QUIT has shown, after a rejection, that rejections are one reply, every
//!   dialogue that a rejection ends waits for the reply to QUIT. The same holds for acceptances: a
//!   server may be in order with one and in disorder with the other.
//! - What a connection asks beside its own tests is decided by its greeting, once.

use std::{collections::BTreeMap, time::Duration};

use super::{
    action::Instead,
    evidence,
    sharing::{Patience, SharedSteps},
};
use crate::{
    catalogue::{RelayTest, TestRole},
    path::PathId,
    report::{Dialogue, Report},
    smtp::{Reply, Stage},
};

/// How much later than the latest greeting so far a greeting may come, at the first attempt. A
/// connection that a full queue has lost is open for us and unknown to the server: nothing will
/// ever be said on it.
const GREETING: Duration = Duration::from_secs(10);

/// The connections of one round of asking on a path share what they learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RoundId(u32);

/// After which answers the server is known to say nothing more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orderly {
    /// True if a rejection was one reply.
    pub after_rejection: bool,
    /// True if an acceptance was one reply.
    pub after_acceptance: bool,
}

/// What the connections of a round have shown.
#[derive(Clone, Copy, Debug, Default)]
struct Habits {
    orderly: Orderly,
    /// How late the latest greeting came.
    latest_greeting: Option<Duration>,
    /// How many connections were greeted.
    greeted: usize,
    /// How many connections wait for nothing but the reply to QUIT, or have done so.
    leaving: usize,
}

/// An open connection.
#[derive(Debug)]
struct OpenConnection {
    round: RoundId,
    path: PathId,
    tests: Vec<&'static RelayTest>,
    attempt: u32,
    /// What the connection asks in the place of its own tests, for either kind of patient server.
    shared_steps: Option<[SharedSteps; 2]>,
    /// True if the connection is for nothing once another connection asks its tests.
    yields: bool,
    is_greeted: bool,
    /// True if the connection waits for nothing but the reply to QUIT.
    is_leaving: bool,
}

/// What the asking has to know of a connection beside what the report will tell.
#[derive(Debug)]
pub(super) struct NewConnection {
    pub round: RoundId,
    pub path: PathId,
    pub tests: Vec<&'static RelayTest>,
    pub attempt: u32,
    pub shared_steps: Option<[SharedSteps; 2]>,
    pub yields: bool,
}

/// The register of all connections of a run.
#[derive(Debug, Default)]
pub(super) struct Connections {
    latest: u32,
    rounds: u32,
    live: BTreeMap<u32, OpenConnection>,
    /// Connections whose end was told and not yet fetched, with what an inquiry about TLS found.
    ended: BTreeMap<u32, Option<String>>,
    habits: BTreeMap<RoundId, Habits>,
}

impl Connections {
    /// A new round, of whose server nothing is known yet.
    pub fn new_round(&mut self) -> RoundId {
        self.rounds += 1;
        RoundId(self.rounds)
    }

    /// Registers a connection; returns its number in the run, which follows all numbers of the
    /// report.
    pub fn open(&mut self, report: &Report, entry: NewConnection) -> u32 {
        let NewConnection { round, path, tests, attempt, shared_steps, yields } = entry;
        let in_report = report
            .dialogues
            .keys()
            .next_back()
            .copied()
            .unwrap_or_default();
        self.latest = self.latest.max(in_report) + 1;
        let (is_greeted, is_leaving) = (false, false);
        let live = OpenConnection {
            round,
            path,
            tests,
            attempt,
            shared_steps,
            yields,
            is_greeted,
            is_leaving,
        };
        self.live.insert(self.latest, live);
        self.latest
    }

    /// Returns how long the connection may wait for the greeting, if others have been greeted.
    pub fn greeting_limit(&self, dialogue: u32) -> Option<Duration> {
        // Only a first attempt is cut short. If the greeting is late again, the server is slow.
        let live = self.live.get(&dialogue).filter(|live| live.attempt == 0)?;
        Some(self.habits.get(&live.round)?.latest_greeting? + GREETING)
    }

    /// After which answers the connection need not wait for the reply to QUIT. A connection that
    /// waits for the reply already goes on waiting. A connection that ends with a control always
    /// waits: the reply shows that no other reply is missing.
    pub fn orderly(&self, dialogue: u32) -> Orderly {
        let live = self.live.get(&dialogue);
        let live = live.filter(|live| !live.is_leaving && !ends_with_control(&live.tests));
        live.and_then(|live| self.habits.get(&live.round))
            .map(|habits| habits.orderly)
            .unwrap_or_default()
    }

    /// The greeting has come: returns what the connection asks instead of its own tests, if that
    /// changes.
    pub fn greeted(&mut self, report: &Report, dialogue: u32, greeting: &Reply) -> Option<Instead> {
        let live = self
            .live
            .get_mut(&dialogue)
            .filter(|_| greeting.code == 220)?;
        live.is_greeted = true;
        let shared_steps =
            live.shared_steps
                .take()
                .and_then(|[all, fewer]| match Patience::of(greeting)? {
                    Patience::Endless => Some(all),
                    Patience::FewErrors => Some(fewer),
                });
        match shared_steps {
            Some(shared_steps) => Some(Instead::from(shared_steps)),
            None => self.gives_way(report, dialogue),
        }
    }

    /// What the greeting has changed is recorded: from now on the greeted connection counts.
    pub fn introduced(&mut self, dialogue: u32) {
        if let Some(live) = self.live.get(&dialogue).filter(|live| live.is_greeted) {
            self.habits.entry(live.round).or_default().greeted += 1;
        }
    }

    /// The connection is over without a greeting: returns an empty dialogue if another connection
    /// asks its tests.
    pub fn closed(&mut self, report: &Report, dialogue: u32) -> Option<Instead> {
        let live = self.live.get(&dialogue)?;
        if live.is_greeted { None } else { self.gives_way(report, dialogue) }
    }

    /// Returns an empty dialogue if the connection yields and other connections ask its tests.
    fn gives_way(&self, report: &Report, dialogue: u32) -> Option<Instead> {
        let live = self.live.get(&dialogue).filter(|live| live.yields)?;
        let is_open = |number: u32| self.live.contains_key(&number);
        evidence::is_asked_by_others(report, dialogue, live.path, &live.tests, is_open)
            .then(Instead::default)
    }

    /// The connection waits for nothing but the reply to QUIT.
    pub fn leaving(&mut self, dialogue: u32) {
        if let Some(live) = self.live.get_mut(&dialogue)
            && !live.is_leaving
        {
            live.is_leaving = true;
            self.habits.entry(live.round).or_default().leaving += 1;
        }
    }

    /// The connection is over; `found` is what an inquiry about TLS has found.
    pub fn ended(&mut self, dialogue: u32, found: Option<String>) {
        if self.live.remove(&dialogue).is_some() {
            self.ended.insert(dialogue, found);
        }
    }

    /// Returns, once, that the connection is over, with what an inquiry about TLS has found.
    pub fn take_end(&mut self, dialogue: u32) -> Option<Option<String>> {
        self.ended.remove(&dialogue)
    }

    /// How many connections of a round were greeted, and how many came to their QUIT.
    pub fn counts(&self, round: RoundId) -> (usize, usize) {
        self.habits
            .get(&round)
            .map_or((0, 0), |habits| (habits.greeted, habits.leaving))
    }

    /// True if the connection is open.
    pub fn is_open(&self, dialogue: u32) -> bool {
        self.live.contains_key(&dialogue)
    }

    /// Learns from a dialogue that is over.
    pub fn learn(&mut self, round: RoundId, dialogue: &Dialogue) {
        let habits = self.habits.entry(round).or_default();
        let greeting = dialogue
            .exchanges
            .iter()
            .find(|exchange| exchange.stage == Stage::Greeting);
        let greeted = greeting.filter(|exchange| {
            exchange
                .reply
                .as_ref()
                .is_some_and(|reply| reply.code == 220)
        });
        if let Some(after_ms) = greeted.and_then(|exchange| exchange.replied_ms) {
            // A greeting within the same millisecond still counts as one.
            let after = Duration::from_millis(after_ms.max(1));
            habits.latest_greeting = habits.latest_greeting.max(Some(after));
        }
        if dialogue
            .reply_at(Stage::Quit)
            .is_some_and(|reply| reply.code == 221)
        {
            // The reply before 221 is the one that ended the questions.
            let mut before = dialogue
                .exchanges
                .iter()
                .rev()
                .filter(|exchange| exchange.stage != Stage::Quit);
            let last = before.find_map(|exchange| exchange.reply.as_ref());
            if last.is_some_and(Reply::is_positive) {
                habits.orderly.after_acceptance = true;
            } else {
                habits.orderly.after_rejection = true;
            }
        }
    }
}

/// True if several tests share the connection and a control stands behind them.
fn ends_with_control(tests: &[&'static RelayTest]) -> bool {
    let last = tests.last().filter(|_| tests.len() > 1);
    last.is_some_and(|test| test.is(TestRole::Postmaster))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        catalogue::by_role,
        event::{Event, Path, Record},
        smtp::Security,
    };

    /// The report of a path with a shared connection for the plain test that never ended.
    fn stopped() -> Report {
        let plain = by_role(TestRole::Plain).id.to_string();
        let shared = vec![plain.clone(), by_role(TestRole::Postmaster).id.to_string()];
        let destination = Path {
            host: None,
            address: [192, 0, 2, 7].into(),
            port: 25,
            security: Security::Plain,
        };
        let path = PathId::FIRST;
        let events = [
            Event::PathAdded { path, destination, tests: shared.clone() },
            Event::Opened {
                dialogue: 1,
                path,
                tests: vec![plain],
                proof: false,
                attempt: 0,
                login: None,
            },
            Event::Shared { dialogue: 1, after_ms: 1, tests: shared },
        ];
        let records = events.map(|event| Record::new(Timestamp::UNIX_EPOCH, event));
        Report::of(&records)
    }

    #[test]
    fn a_connection_gives_way_to_open_ones_alone() {
        let (report, mut connections) = (stopped(), Connections::default());
        let round = connections.new_round();
        let entry = NewConnection {
            round,
            path: PathId::FIRST,
            tests: vec![by_role(TestRole::Plain)],
            attempt: 0,
            shared_steps: None,
            yields: true,
        };
        let dialogue = connections.open(&report, entry);
        assert_eq!(dialogue, 2, "numbers go on behind those of the log");
        let greeting = Reply { code: 220, lines: vec!["mx.target.example ESMTP Exim".into()] };
        let instead = connections.greeted(&report, dialogue, &greeting);
        assert!(instead.is_none(), "the other connection ended with the run: {instead:?}");
    }
}
