//! Marks: which colour and icon stand beside which words.

use norelay_core::{
    check::{Outcome, TestJudgement, Verdict, Weight},
    smtp::Stage,
};

/// A colour (by its class in the style sheet) and an icon (by its name in the sprite).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The class.
    pub tone: &'static str,
    icon: &'static str,
}

const fn mark(tone: &'static str, icon: &'static str) -> Mark {
    Mark { tone, icon }
}

/// Proven to relay.
pub const OPEN: Mark =
    mark("open", r##"<svg class="icon" aria-hidden="true"><use href="#i-open"/></svg>"##);
/// Accepted, not proven.
pub const SUSPECT: Mark =
    mark("suspect", r##"<svg class="icon" aria-hidden="true"><use href="#i-suspect"/></svg>"##);
/// Says nothing about relaying.
pub const UNKNOWN: Mark =
    mark("unknown", r##"<svg class="icon" aria-hidden="true"><use href="#i-unknown"/></svg>"##);
/// Refused.
pub const CLOSED: Mark =
    mark("closed", r##"<svg class="icon" aria-hidden="true"><use href="#i-closed"/></svg>"##);
/// No connection, or not run.
pub const QUIET: Mark =
    mark("quiet", r##"<svg class="icon" aria-hidden="true"><use href="#i-none"/></svg>"##);
/// To be asked later by the server's wish.
pub const DEFERRED: Mark =
    mark("unknown", r##"<svg class="icon" aria-hidden="true"><use href="#i-clock"/></svg>"##);
/// The connection broke.
pub const BROKEN: Mark =
    mark("unknown", r##"<svg class="icon" aria-hidden="true"><use href="#i-broken"/></svg>"##);
/// Under way.
pub const BUSY: Mark =
    mark("busy", r##"<svg class="icon spin" aria-hidden="true"><use href="#i-busy"/></svg>"##);
/// Its turn will come.
pub const PENDING: Mark =
    mark("quiet", r##"<svg class="icon" aria-hidden="true"><use href="#i-wait"/></svg>"##);

impl Mark {
    /// The icon, as markup of our own.
    #[must_use]
    pub fn icon(&self) -> &'static str {
        self.icon
    }
}

/// A verdict's mark and word.
#[must_use]
pub fn of_verdict(verdict: Verdict) -> (Mark, &'static str) {
    match verdict {
        Verdict::OpenRelay => (OPEN, "Open relay"),
        Verdict::Suspect => (SUSPECT, "Suspect"),
        Verdict::Inconclusive => (UNKNOWN, "Could not tell"),
        Verdict::Closed => (CLOSED, "Closed"),
        Verdict::Unreachable => (QUIET, "Could not connect"),
    }
}

/// The mark and words of a test that is answered or over.
#[must_use]
pub fn of_test(judged: &TestJudgement) -> (Mark, &'static str) {
    match (&judged.outcome, judged.weight) {
        (Outcome::Relayed { .. }, _) => (OPEN, "Relayed"),
        (_, Weight::LocalDelivery) => (CLOSED, "Delivered locally"),
        (_, Weight::NotOffered) => (QUIET, "Not offered"),
        (Outcome::Accepted { stage: Stage::EndOfData, .. }, _) => (SUSPECT, "Message accepted"),
        (Outcome::Accepted { .. }, _) => (SUSPECT, "Recipient accepted"),
        (Outcome::Refused { .. }, Weight::Denial) => (CLOSED, "Refused"),
        (Outcome::Refused { .. }, Weight::Suspicion) => (SUSPECT, "Only the message refused"),
        (Outcome::Refused { .. }, _) => (UNKNOWN, "Refused for another reason"),
        (Outcome::Deferred { .. }, _) => (DEFERRED, "Deferred"),
        (Outcome::Interrupted { .. }, _) => (BROKEN, "No answer"),
        (Outcome::NotRun { .. }, _) => (QUIET, "Not run"),
    }
}

/// The mark and words of a control, which is no pass and no failure.
#[must_use]
pub fn of_control(judged: &TestJudgement) -> (Mark, &'static str) {
    match &judged.outcome {
        Outcome::Relayed { .. } | Outcome::Accepted { .. } => {
            (mark("quiet", CLOSED_SHAPE), "Accepted")
        }
        Outcome::Refused { .. } => (QUIET, "Refused"),
        _ => of_test(judged),
    }
}

const CLOSED_SHAPE: &str = r##"<svg class="icon" aria-hidden="true"><use href="#i-tick"/></svg>"##;
