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
//!            hosts (order, scouts, batches) ─► ports of other protocols ─► user ─►
//!            made-up logins ─► proofs ─► texts that may become two messages ─► bounce ─►
//!            arrivals ─► over
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
//!         Do::SendCanary(canary) => spawn(hand over to the probe domain's mail exchanger),
//!         Do::Wait(until) => sleep until then, until something has ended, or a message has come,
//!         Do::Done => break,
//!     }
//! }
//! ```

mod action;
mod arrivals;
mod batch;
mod canary;
mod connections;
mod delivery;
mod evidence;
mod extras;
mod hosts;
mod letters;
mod logins;
mod memory;
mod opening;
mod order;
mod ports;
mod post;
pub mod proofs;
mod request;
mod scouts;
mod senders;
pub mod sharing;
mod spread;
mod stages;
mod talk;
mod turn;
pub mod words;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

pub use self::{
    action::{
        Agenda, Do, HANDSHAKE_TOO_LONG, Handshake, Instead, Moment, PlannedCanary, PlannedDialogue,
        Saying,
    },
    connections::Orderly,
    opening::{MAX_PATHS, exchangers_of},
    request::{Family, Means, Request, Traps},
};
use self::{
    connections::Connections,
    stages::RunStage,
    turn::{Awaited, Desk, PartStatus},
};
use crate::{
    catalogue::{Profile, RelayTest},
    event::Event,
    report::Report,
    smtp::Reply,
};

/// The asking of a whole run.
#[derive(Debug)]
pub struct Asking {
    stage: RunStage,
    desk: Desk,
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
        let can_be_asked = |test: &&RelayTest| {
            words::has_subject(&request, test) && words::lacks(&request, &means, test).is_none()
        };
        let tests = request.tests.iter().copied().filter(can_be_asked);
        let (other_protocols, tests): (Vec<_>, Vec<_>) =
            tests.partition(|test| test.protocol().is_some());
        let (logins, tests): (Vec<_>, Vec<_>) =
            tests.into_iter().partition(|test| test.login().is_some());
        let (of_own_names, tests) = tests
            .into_iter()
            .partition(|test| test.own_name_place().is_some());
        request.tests = tests;
        let mut desk = Desk {
            request,
            means,
            other_protocols,
            logins,
            login_paths: Vec::new(),
            of_own_names,
            exchangers,
            todo: VecDeque::new(),
            connections: Connections::default(),
            paces: BTreeMap::new(),
            awaited: Awaited::new(),
            knock: None,
            owes_canary: false,
        };
        desk.owes_canary = desk.means.receiving;
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
            let owes_canary = std::mem::take(&mut self.desk.owes_canary);
            let mut turn = self.desk.turn(report, now);
            if owes_canary {
                turn.send_canary();
                continue;
            }
            let step = self.stage.poll(&mut turn);
            let (wake, moved) = (turn.wake, turn.moved);
            if moved || !self.desk.todo.is_empty() {
                continue;
            }
            match (step, &self.stage) {
                (PartStatus::Waits, _) => return Do::Wait(wake),
                (PartStatus::Over, RunStage::Over) => return Do::Done,
                (PartStatus::Over, _) => self.stage = self.desk.following(&self.stage, report, now),
            }
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

    /// The greeting, and what it has changed, is recorded. The other tests of the path may begin
    /// only then: the report must know which of them the greeted connection asks.
    pub fn introduced(&mut self, dialogue: u32) {
        self.desk.connections.introduced(dialogue);
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

    /// True if the port accepts connections that [`Do::Knock`] asked about.
    pub fn knocked(&mut self, accepts: bool) {
        self.desk.knock = Some(accepts);
    }
}
