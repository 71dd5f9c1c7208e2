//! What the facts of a run mean: the types of a judgement, without a decision in them.
//!
//! Rules:
//! - Verdicts and weights are listed worst first, so that the worst is the least.
//! - Every weight that a rule gave names that rule.

use super::outcome::Outcome;
use crate::{
    catalogue::{RelayTest, TestId, TestRole},
    path::PathId,
};

norelay_smtp::words! {
    /// The verdict, worst first.
    pub enum Verdict {
        /// A message came back through the server.
        OpenRelay = "open",
        /// Something was accepted, nothing came back, and no control explains it.
        Suspect = "suspect",
        /// Some test has no answer about relaying.
        Inconclusive = "inconclusive",
        /// The server denied relaying in every test.
        Closed = "closed",
        /// Nothing spoke SMTP.
        Unreachable = "unreachable",
    }
}

impl Verdict {
    /// The exit code of a command that ends with this verdict.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::OpenRelay => 1,
            Self::Suspect | Self::Inconclusive => 2,
            Self::Unreachable => 4,
        }
    }
}

/// A rule that gives a test its weight.
#[derive(Debug, PartialEq, Eq)]
pub struct WeighingRule {
    /// Its name in JSON, in snake case; stable.
    pub name: &'static str,
    /// What the rule says, as a sentence without its full stop.
    pub says: &'static str,
}

norelay_smtp::words! {
    /// What an outcome contributes to the verdict.
    pub enum Weight {
        /// A message came back: the server relays.
        Proof = "proof",
        /// The server accepted the test, and nothing explains the acceptance.
        Suspicion = "suspicion",
        /// The test has no answer about relaying.
        Unknown = "unknown",
        /// The server denied relaying, in words or by comparison.
        Denial = "denial",
        /// The server accepted the test, a control shows that the server delivers such mail itself,
        /// and no message came.
        LocalDelivery = "local_delivery",
        /// The server does not offer what the test needs, or decides at another place.
        NotOffered = "not_offered",
    }
}

/// What the facts of a run mean.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The worst of the paths' verdicts.
    pub verdict: Verdict,
    /// One sentence.
    pub summary: String,
    /// A judgement for each of the report's paths.
    pub paths: Vec<PathJudgement>,
}

impl Judgement {
    /// The judgement of a path.
    #[must_use]
    pub fn path(&self, id: PathId) -> Option<&PathJudgement> {
        self.paths.get(id.place())
    }

    /// The paths' judgements with the paths' ids, in the order of the ids.
    pub fn paths(&self) -> impl DoubleEndedIterator<Item = (PathId, &PathJudgement)> + Clone {
        PathId::all().zip(&self.paths)
    }
}

/// What the facts about a path mean.
#[derive(Clone, Debug)]
pub struct PathJudgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why the verdict is no better, a clause each.
    pub why: Vec<String>,
    /// The tests, in display order.
    pub tests: Vec<TestJudgement>,
    /// The controls and whatever else is not scored, in display order.
    pub controls: Vec<TestJudgement>,
}

impl PathJudgement {
    /// The tests, then the controls, each in display order.
    pub fn all(&self) -> impl Iterator<Item = &TestJudgement> {
        self.tests.iter().chain(&self.controls)
    }

    /// Returns the judgement of a test or control; `None` if this path was not asked.
    #[must_use]
    pub fn find(&self, test: TestId) -> Option<&TestJudgement> {
        self.all().find(|judged| judged.test.id == test)
    }

    /// Returns the judgement of the test or control with this role; `None` if this path was not
    /// asked.
    #[must_use]
    pub fn of(&self, role: TestRole) -> Option<&TestJudgement> {
        self.all().find(|judged| judged.test.is(role))
    }
}

/// What the facts about a test mean.
#[derive(Clone, Debug)]
pub struct TestJudgement {
    /// The test.
    pub test: &'static RelayTest,
    /// What became of the test.
    pub outcome: Outcome,
    /// What the outcome contributes to the verdict.
    pub weight: Weight,
    /// The rule that decided the weight; `None` where no rule answered.
    pub rule: Option<&'static WeighingRule>,
    /// The numbers of the test's dialogues, oldest first.
    pub dialogues: Vec<u32>,
    /// How long these dialogues took together, in milliseconds.
    pub elapsed_ms: u64,
}
