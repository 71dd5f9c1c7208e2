//! The report: the events of a run, folded. It keeps facts; `check` says what they mean.
//!
//! Rules:
//! - Folding never fails: an event that fits nothing (from a damaged log) is counted and left out.
//! - Everything is bounded: paths, dialogues, exchanges, receipts.

mod dialogue;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::dialogue::{Dialogue, Exchange};
use crate::{
    event::{Event, MailExchanger, Path, Receipt, Record, Run, VERSION, Wait},
    octets::Octets,
    smtp::{Capabilities, Cause},
};

/// More than 255 paths, or 20,000 connections, are no test of a server.
const MAX_DIALOGUES: usize = 20_000;
/// The catalogue's numbers have one octet.
const MAX_TESTS: usize = 256;
const MAX_RECEIPTS: usize = 10_000;
const MAX_NOTES: usize = 10_000;

/// The facts of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was asked.
    pub run: Option<Run>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// The target's mail exchangers.
    pub exchangers: Vec<MailExchanger>,
    /// The paths, by index.
    pub paths: Vec<PathFacts>,
    /// The dialogues, by number.
    pub dialogues: BTreeMap<u32, Dialogue>,
    /// The messages that came.
    pub receipts: Vec<(Timestamp, Receipt)>,
    /// For what the run waits now.
    pub waiting: Option<(Timestamp, Wait)>,
    /// Facts from outside the relay dialogue.
    pub notes: Vec<Note>,
    /// Events that fitted nothing.
    pub misfits: u64,
}

/// A path and what is to be done on it.
#[derive(Clone, Debug)]
pub struct PathFacts {
    /// The path.
    pub way: Path,
    /// The tests and controls to be run, by id.
    pub tests: Vec<String>,
    /// Those that were not, with the clause that says why.
    pub not_run: BTreeMap<String, String>,
    /// Why the path was given up, if it was.
    pub given_up: Option<Cause>,
}

impl PathFacts {
    fn add_tests(&mut self, tests: Vec<String>) {
        for test in tests {
            if !self.tests.contains(&test) && self.tests.len() < MAX_TESTS {
                self.tests.push(test);
            }
        }
    }
}

/// The name and version of the report as JSON.
pub const SCHEMA: &str = "norelay.report/1";
/// The tag of the note that only what failed in an earlier run was asked again: which run, and how
/// much.
pub const RETESTED: &str = "retested";

/// A fact from outside the relay dialogue.
#[derive(Clone, Debug)]
pub struct Note {
    /// The path, where it is about one.
    pub path: Option<u8>,
    /// Its kind.
    pub tag: String,
    /// Its particulars.
    pub arguments: Vec<Octets>,
}

impl Report {
    /// The earlier run, and how much of it was asked again, where this run asked nothing else.
    #[must_use]
    pub fn retested(&self) -> Option<(String, String)> {
        let note = self.notes.iter().find(|note| note.tag == RETESTED)?;
        let [run, counts] = &note.arguments[..] else { return None };
        Some((run.to_string(), counts.to_string()))
    }

    /// Folds a whole log.
    #[must_use]
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut report = Self::default();
        for record in records {
            report.apply(record);
        }
        report
    }

    /// Takes one more event.
    pub fn apply(&mut self, record: &Record) {
        if record.v != VERSION || !self.take(record.at, record.event.clone()) {
            self.misfits += 1;
        }
    }

    /// Says whether the event fitted.
    fn take(&mut self, at: Timestamp, event: Event) -> bool {
        match event {
            Event::RunStarted(run) => {
                self.started = Some(at);
                self.run = Some(run);
            }
            Event::Resolved { exchangers } => self.exchangers = exchangers,
            Event::PathAdded { path, way, tests } => {
                let fits = usize::from(path) == self.paths.len();
                if fits {
                    self.paths.push(PathFacts {
                        way,
                        tests,
                        not_run: BTreeMap::new(),
                        given_up: None,
                    });
                }
                return fits;
            }
            Event::TestsAdded { path, tests } => match self.paths.get_mut(usize::from(path)) {
                Some(path) => path.add_tests(tests),
                None => return false,
            },
            Event::Opened { dialogue, path, tests, proof, attempt } => {
                let fits = usize::from(path) < self.paths.len()
                    && self.dialogues.len() < MAX_DIALOGUES
                    && !self.dialogues.contains_key(&dialogue);
                if fits {
                    self.dialogues
                        .insert(dialogue, Dialogue::opened(at, path, tests, proof, attempt));
                    self.waiting = None;
                    // A run that was resumed is not over.
                    (self.finished, self.stopped) = (None, false);
                }
                return fits;
            }
            Event::NotRun { path, test, why } => match self.paths.get_mut(usize::from(path)) {
                Some(path) => drop(path.not_run.insert(test, why)),
                None => return false,
            },
            Event::Resumed => {
                (self.finished, self.stopped) = (None, false);
                self.paths.iter_mut().for_each(|path| path.given_up = None);
            }
            Event::GivenUp { path, cause } => match self.paths.get_mut(usize::from(path)) {
                Some(path) => path.given_up = Some(cause),
                None => return false,
            },
            Event::Waiting { until, why, .. } => self.waiting = Some((until, why)),
            Event::Received(receipt) => {
                let is_ours = self
                    .run
                    .as_ref()
                    .is_some_and(|run| run.run == receipt.token.run);
                if is_ours && self.receipts.len() < MAX_RECEIPTS {
                    self.receipts.push((at, receipt));
                }
                return is_ours;
            }
            Event::Noted { path, tag, arguments } if self.notes.len() < MAX_NOTES => {
                self.notes.push(Note { path, tag, arguments });
            }
            Event::Noted { .. } => return false,
            Event::RunFinished { stopped } => {
                self.finished = Some(at);
                self.stopped = stopped;
                self.waiting = None;
            }
            other => return self.take_dialogue(other),
        }
        true
    }

    fn take_dialogue(&mut self, event: Event) -> bool {
        let (number, after_ms) = match &event {
            Event::Connected { dialogue, after_ms, .. }
            | Event::Shared { dialogue, after_ms, .. }
            | Event::Secured { dialogue, after_ms, .. }
            | Event::Sent { dialogue, after_ms, .. }
            | Event::Replied { dialogue, after_ms, .. }
            | Event::Ended { dialogue, after_ms, .. } => (*dialogue, *after_ms),
            _ => return false,
        };
        let Some(dialogue) = self.dialogues.get_mut(&number) else { return false };
        dialogue.elapsed_ms = dialogue.elapsed_ms.max(after_ms);
        match event {
            Event::Connected { local, .. } => dialogue.local = Some(local),
            Event::Shared { tests, .. } => return dialogue.share(tests),
            Event::Secured { tls, .. } => dialogue.tls = Some(tls),
            Event::Sent { stage, test, line, .. } => dialogue.sent(after_ms, stage, test, line),
            Event::Replied { stage, test, purpose, reply, .. } => {
                dialogue.replied(after_ms, stage, test, purpose, reply)
            }
            Event::Ended { end, .. } => dialogue.end = Some(end),
            _ => {}
        }
        true
    }

    /// What the server offered on a path, connection by connection, under the path's own
    /// protection.
    pub fn offers_on(&self, path: u8) -> impl DoubleEndedIterator<Item = Capabilities> {
        let security = self
            .paths
            .get(usize::from(path))
            .map(|facts| facts.way.security);
        let of_path = self
            .dialogues
            .values()
            .filter(move |dialogue| dialogue.path == path);
        of_path.filter_map(move |dialogue| dialogue.offered(security?))
    }

    /// Whether the server has said what it offers on a path, and never was this keyword among it.
    #[must_use]
    pub fn never_offers(&self, path: u8, keyword: &str) -> bool {
        let mut offers = self.offers_on(path).peekable();
        offers.peek().is_some() && !offers.any(|offered| offered.offers(keyword))
    }

    /// The dialogues of a test on a path, oldest first.
    pub fn dialogues_of<'a>(
        &'a self,
        path: u8,
        test: &'a str,
    ) -> impl Iterator<Item = (u32, &'a Dialogue)> {
        let of_path = self
            .dialogues
            .iter()
            .filter(move |(_, dialogue)| dialogue.path == path);
        of_path
            .filter(move |(_, dialogue)| dialogue.tests.iter().any(|id| id == test))
            .map(|(number, dialogue)| (*number, dialogue))
    }
}
