//! What the facts mean: pure functions from dialogues and receipts to outcomes and verdicts.
//!
//! Rules:
//! - A single proof condemns; only a full set of refusals by relay policy acquits.
//! - What was interrupted, deferred or refused for another reason is never a pass.
//! - Facts and their wording are apart: an [`Outcome`] has no adjectives.

mod adjacent;
mod arrival;
pub mod dane;
pub(crate) mod elsewhere;
pub mod finding;
pub(crate) mod footer;
mod late;
pub mod outcome;
pub mod reason;
pub(crate) mod submission;
pub mod verdict;
mod wording;

pub use finding::{Finding, Level, findings};
pub use outcome::{Hops, Outcome};
pub use reason::Reason;
pub use verdict::{Judgement, PathJudgement, TestJudgement, Verdict, Weight, judge};
