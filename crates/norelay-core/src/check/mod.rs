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
mod message_findings;
mod message_rejection;
pub mod observation;
mod offer_findings;
mod offered;
pub mod outcome;
mod path_findings;
pub mod reason;
pub mod receiver;
mod summary;
mod verdict;
mod weigh;
mod wording;

pub use arrival::receipts_of;
pub(crate) use circumstances::SUBMISSION_PORTS;
pub use finding::{Finding, findings};
pub use judge::judge;
pub use judgement::{Judgement, PathJudgement, TestJudgement, Verdict, WeighingRule, Weight};
pub use observation::{Level, Observation, Topic};
pub use offered::not_offered;
pub use outcome::{Hops, Outcome, is_of_tls};
pub use reason::Reason;
pub use summary::{clause, numbers, unreachable_words};
pub(crate) use weigh::rules::{login_accepted, other_domain};
