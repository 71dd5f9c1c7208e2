//! A path's facts, and a report as it is seen from one path.

use std::{collections::BTreeMap, iter};

use super::{Dialogue, Exchange, Report};
use crate::{
    catalogue::TestId,
    event::Path,
    path::{Endpoint, PathId},
    smtp::{Capabilities, Cause},
};

/// The catalogue's numbers have one octet.
const MAX_TESTS: usize = 256;

/// A path and what is to be done on it.
#[derive(Clone, Debug)]
pub struct PathFacts {
    /// The path.
    pub destination: Path,
    /// The tests and controls to be run.
    pub tests: Vec<TestId>,
    /// The tests and controls that were not run, with the clause that says why.
    pub not_run: BTreeMap<TestId, String>,
    /// Why the path was given up, if it was.
    pub given_up: Option<Cause>,
}

impl PathFacts {
    /// A path on which nothing was done yet.
    pub(super) fn added(destination: Path, tests: Vec<TestId>) -> Self {
        Self { destination, tests, not_run: BTreeMap::new(), given_up: None }
    }

    pub(super) fn add_tests(&mut self, tests: impl IntoIterator<Item = TestId>) {
        for test in tests {
            if !self.tests.contains(&test) && self.tests.len() < MAX_TESTS {
                self.tests.push(test);
            }
        }
    }
}

/// A report as it is seen from one of its paths.
#[derive(Clone, Copy, Debug)]
pub struct PathView<'a> {
    /// The whole report.
    pub report: &'a Report,
    /// Which path it is.
    pub id: PathId,
    /// The path's own facts.
    pub facts: &'a PathFacts,
}

impl<'a> PathView<'a> {
    /// Returns the host, address, port and protection that the path leads to.
    #[must_use]
    pub fn destination(self) -> &'a Path {
        &self.facts.destination
    }

    /// The address and port.
    #[must_use]
    pub fn endpoint(self) -> Endpoint {
        self.facts.destination.endpoint()
    }

    /// The dialogues on this path, oldest first.
    pub fn dialogues(self) -> impl DoubleEndedIterator<Item = &'a Dialogue> + Clone {
        let all = self.report.dialogues.values();
        all.filter(move |dialogue| dialogue.path == self.id)
    }

    /// The dialogues of a test on this path with their numbers, oldest first.
    pub fn dialogues_of(
        self,
        test: TestId,
    ) -> impl DoubleEndedIterator<Item = (u32, &'a Dialogue)> + Clone {
        let all = self.report.dialogues.iter();
        all.filter(move |(_, dialogue)| dialogue.path == self.id && dialogue.is_for(test))
            .map(|(number, dialogue)| (*number, dialogue))
    }

    /// The latest dialogue of a test on this path.
    #[must_use]
    pub fn latest_of(self, test: TestId) -> Option<&'a Dialogue> {
        self.dialogues_of(test)
            .next_back()
            .map(|(_, dialogue)| dialogue)
    }

    /// Returns the exchanges on this path that can decide a test, oldest first.
    pub fn answers(self, test: TestId) -> impl Iterator<Item = &'a Exchange> {
        self.dialogues_of(test)
            .flat_map(move |(_, dialogue)| dialogue.answers_for(test))
    }

    /// What the server offered on this path, connection by connection, under the path's own
    /// protection.
    pub fn offered(self) -> impl DoubleEndedIterator<Item = Capabilities> {
        let security = self.facts.destination.security;
        self.dialogues()
            .filter_map(move |dialogue| dialogue.offered(security))
    }

    /// True if the server has offered this keyword on this path.
    #[must_use]
    pub fn offers(self, keyword: &str) -> bool {
        self.offered().any(|offered| offered.offers(keyword))
    }

    /// True if the server has said what it offers on this path, and this keyword was never among
    /// it.
    #[must_use]
    pub fn never_offers(self, keyword: &str) -> bool {
        let mut offered = self.offered().peekable();
        offered.peek().is_some() && !offered.any(|offered| offered.offers(keyword))
    }

    /// The other paths of the report.
    pub fn others(self) -> impl Iterator<Item = PathView<'a>> + Clone {
        self.report.paths().filter(move |other| other.id != self.id)
    }

    /// The other paths to the same address and port: they differ by their protection.
    pub fn twins(self) -> impl Iterator<Item = PathView<'a>> + Clone {
        self.others()
            .filter(move |other| other.endpoint() == self.endpoint())
    }

    /// All paths to this path's address and port, this path first.
    pub fn at_endpoint(self) -> impl Iterator<Item = PathView<'a>> + Clone {
        iter::once(self).chain(self.twins())
    }
}
