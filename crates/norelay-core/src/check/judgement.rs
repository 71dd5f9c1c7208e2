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
        /// Every test was refused by relay policy.
        Closed = "closed",
        /// Nothing spoke SMTP.
        Unreachable = "unreachable",
    }
}

impl Verdict {
    /// The exit code of a command that ends with it.
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
        /// It condemns.
        Proof = "proof",
        /// It was accepted and not explained.
        Suspicion = "suspicion",
        /// It says nothing about relaying.
        Unknown = "unknown",
        /// It is a refusal of relaying, in words or by comparison.
        Denial = "denial",
        /// It was accepted, a control shows that such an acceptance is local delivery, and its
        /// message did not come.
        LocalDelivery = "local_delivery",
        /// The server doesn't offer what it tries, or decides at another place.
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
    /// Why it is no better, a clause each.
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

    /// What became of a test or control, where the path was asked it.
    #[must_use]
    pub fn find(&self, test: TestId) -> Option<&TestJudgement> {
        self.all().find(|judged| judged.test.id == test)
    }

    /// What became of the test or control with this role, where the path was asked it.
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
    /// What became of it.
    pub outcome: Outcome,
    /// What that contributes.
    pub weight: Weight,
    /// The rule that decided the weight; `None` where no rule answered.
    pub rule: Option<&'static WeighingRule>,
    /// Its dialogues, by number, oldest first.
    pub dialogues: Vec<u32>,
    /// How long they took together, in milliseconds.
    pub elapsed_ms: u64,
}
