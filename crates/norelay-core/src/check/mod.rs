//! What the facts mean: pure functions from dialogues and receipts to outcomes and verdicts.
//!
//! Rules:
//! - A single proof condemns; only a full set of refusals by relay policy acquits.
//! - What was interrupted, deferred or refused for another reason is never a pass.
//! - Facts and their wording are apart: an [`Outcome`] has no adjectives.

mod adjacent;
mod arrival;
pub(crate) mod boilerplate;
mod circumstances;
pub mod dane;
pub mod finding;
mod judge;
pub mod judgement;
mod message_rejection;
mod offered;
pub mod outcome;
pub mod reason;
mod summary;
pub mod verdict;
mod weigh;
mod wording;

pub use finding::{Finding, Level, findings};
pub use outcome::{Hops, Outcome};
pub use reason::Reason;
pub use verdict::{Judgement, PathJudgement, TestJudgement, Verdict, WeighingRule, Weight, judge};
pub(crate) use weigh::rules::{other_domain, submission_port};
