//! The report: the events of a run, folded. It keeps facts; `check` says what they mean.
//!
//! Rules:
//! - Folding never fails: an event that fits nothing (from a damaged log) is counted and left out.
//! - Everything is bounded: paths, dialogues, exchanges, receipts.
//! - The words for tests become [`TestId`]s here, once. A test that the catalogue doesn't have
//!   becomes [`TestId::UNKNOWN`] and keeps its place: it still counts among the tests of a
//!   dialogue, and an exchange that is for it is for none of the others.

mod canary;
mod dialogue;
mod path;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::{
    canary::{Canaries, SentCanary},
    dialogue::{Dialogue, Exchange},
    path::{PathFacts, PathView},
};
use crate::{
    catalogue::TestId,
    event::{Event, MailExchanger, Receipt, Record, Run, VERSION, Wait},
    octets::Octets,
    path::PathId,
    token::TokenRole,
};

/// More than 255 paths, or 20,000 connections, are no test of a server.
const MAX_DIALOGUES: usize = 20_000;
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
    /// True if the run was stopped before its end.
    pub stopped: bool,
    /// The target's mail exchangers.
    pub exchangers: Vec<MailExchanger>,
    /// The paths, in the order of their ids.
    paths: Vec<PathFacts>,
    /// The dialogues, by number.
    pub dialogues: BTreeMap<u32, Dialogue>,
    /// The messages that came.
    pub receipts: Vec<(Timestamp, Receipt)>,
    /// The messages that showed whether the receiver works.
    pub canaries: Canaries,
    /// For what the run waits now.
    pub waiting: Option<(Timestamp, Wait)>,
    /// Facts from outside the relay dialogue.
    pub notes: Vec<Note>,
    /// Events that fitted nothing.
    pub misfits: u64,
}

/// The name and version of the report as JSON.
pub const SCHEMA: &str = "norelay.report/1";
/// The tag of the note that this run asks again what failed in an earlier run, and nothing else.
/// Its arguments are the earlier run and how much is asked again.
pub const RETESTED: &str = "retested";

/// A fact from outside the relay dialogue.
#[derive(Clone, Debug)]
pub struct Note {
    /// The path, where it is about one.
    pub path: Option<PathId>,
    /// Its kind.
    pub tag: String,
    /// Its particulars.
    pub arguments: Vec<Octets>,
}

/// The ids that these words are.
fn ids(words: &[String]) -> Vec<TestId> {
    words.iter().map(|word| TestId::named(word)).collect()
}

fn id_of(word: Option<String>) -> Option<TestId> {
    word.map(|word| TestId::named(&word))
}

impl Report {
    /// The paths, in the order of their ids.
    pub fn paths(
        &self,
    ) -> impl DoubleEndedIterator<Item = PathView<'_>> + ExactSizeIterator + Clone {
        PathId::all()
            .zip(&self.paths)
            .map(|(id, facts)| PathView { report: self, id, facts })
    }

    /// The path with this id.
    #[must_use]
    pub fn path(&self, id: PathId) -> Option<PathView<'_>> {
        let facts = self.paths.get(id.place())?;
        Some(PathView { report: self, id, facts })
    }

    fn path_mut(&mut self, id: PathId) -> Option<&mut PathFacts> {
        self.paths.get_mut(id.place())
    }

    /// Returns the earlier run and how much of it was asked again, if this run is a retest.
    #[must_use]
    pub fn retested(&self) -> Option<(String, String)> {
        let note = self.notes.iter().find(|note| note.tag == RETESTED)?;
        let [run, counts] = &note.arguments[..] else { return None };
        Some((run.to_string(), counts.to_string()))
    }

    /// Returns the report of a whole log.
    #[must_use]
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut report = Self::default();
        for record in records {
            report.apply(record);
        }
        report
    }

    /// Folds one more event.
    pub fn apply(&mut self, record: &Record) {
        // A record of another version may mean something else, so it counts as a misfit.
        if record.v != VERSION || !self.take(record.at, record.event.clone()) {
            self.misfits += 1;
        }
    }

    /// Folds an event. Returns true if the event fitted the report.
    fn take(&mut self, at: Timestamp, event: Event) -> bool {
        match event {
            Event::RunStarted(run) => {
                self.started = Some(at);
                self.run = Some(run);
            }
            Event::Resolved { exchangers } => self.exchangers = exchangers,
            Event::PathAdded { path, destination, tests } => {
                // Paths are numbered in order: a gap or a repetition comes from a damaged log.
                let fits = path.place() == self.paths.len();
                if fits {
                    self.paths.push(PathFacts::added(destination, ids(&tests)));
                }
                return fits;
            }
            Event::TestsAdded { path, tests } => match self.path_mut(path) {
                Some(path) => path.add_tests(ids(&tests)),
                None => return false,
            },
            Event::Opened { dialogue, path, tests, proof, attempt, login } => {
                let fits = self.path(path).is_some()
                    && self.dialogues.len() < MAX_DIALOGUES
                    && !self.dialogues.contains_key(&dialogue);
                if fits {
                    let opened = Dialogue::opened(at, path, ids(&tests), proof, attempt);
                    let opened = Dialogue { login, ..opened };
                    self.dialogues.insert(dialogue, opened);
                    // A new connection ends any wait.
                    self.waiting = None;
                    // A resumed run goes on, whatever its log said of an end.
                    (self.finished, self.stopped) = (None, false);
                }
                return fits;
            }
            Event::NotRun { path, test, why } => match self.path_mut(path) {
                Some(path) => drop(path.not_run.insert(TestId::named(&test), why)),
                None => return false,
            },
            Event::Resumed => {
                // A path that was given up gets another chance.
                (self.finished, self.stopped) = (None, false);
                self.paths.iter_mut().for_each(|path| path.given_up = None);
            }
            Event::GivenUp { path, cause } => match self.path_mut(path) {
                Some(path) => path.given_up = Some(cause),
                None => return false,
            },
            Event::Waiting { until, why, .. } => self.waiting = Some((until, why)),
            Event::Received(receipt) => return self.take_receipt(at, receipt),
            Event::CanarySent { canary: number, exchanger, failure } => {
                return self
                    .canaries
                    .sent(SentCanary { number, at, exchanger, failure });
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

    fn take_receipt(&mut self, at: Timestamp, receipt: Receipt) -> bool {
        let is_ours = self
            .run
            .as_ref()
            .is_some_and(|run| run.run == receipt.token.run);
        if is_ours && receipt.token.role == TokenRole::Canary {
            // A canary that comes after the end shows a receiver that was too slow.
            if self.finished.is_none() {
                self.canaries.arrived(receipt.token.test, at);
            }
        } else if is_ours && self.receipts.len() < MAX_RECEIPTS {
            self.receipts.push((at, receipt));
        }
        is_ours
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
            Event::Shared { tests, .. } => return dialogue.share(ids(&tests)),
            Event::Secured { tls, .. } => dialogue.tls = Some(tls),
            Event::Sent { stage, test, line, .. } => {
                dialogue.sent(after_ms, stage, id_of(test), line);
            }
            Event::Replied { stage, test, purpose, reply, .. } => {
                dialogue.replied(after_ms, stage, id_of(test), purpose, reply);
            }
            Event::Ended { end, .. } => dialogue.end = Some(end),
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Path,
        smtp::{Security, Stage},
    };

    #[test]
    fn a_test_of_another_version_keeps_its_place() {
        let (known, foreign) = ("foreign-to-foreign".to_owned(), "of-another-version".to_owned());
        let tests = vec![foreign.clone(), known.clone()];
        let (address, path) = ([192, 0, 2, 7].into(), PathId::FIRST);
        let destination = Path { host: None, address, port: 25, security: Security::Plain };
        let rcpt = |test: &String| Event::Sent {
            dialogue: 0,
            after_ms: 0,
            stage: Stage::Rcpt,
            test: Some(test.clone()),
            line: "RCPT TO:<a@b.example>".into(),
        };
        let events = [
            Event::PathAdded { path, destination, tests: tests.clone() },
            Event::Opened { dialogue: 0, path, tests, proof: false, attempt: 0, login: None },
            rcpt(&foreign),
            rcpt(&known),
        ];
        let report = Report::of(&events.map(|event| Record::new(Timestamp::UNIX_EPOCH, event)));
        let known = TestId::named(&known);
        let path = report.path(path).expect("the path was added");
        assert_eq!(path.facts.tests, [TestId::UNKNOWN, known]);
        assert!(path.dialogues().all(Dialogue::is_shared));
        assert_eq!(path.answers(known).count(), 1);
    }
}
