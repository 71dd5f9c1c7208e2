//! What to do now, on the page of a result, and why a server relays.

use norelay_core::{
    advice,
    check::Verdict,
    diagnosis::{Assumption, Diagnosis},
    remedy,
};

use super::{RunPhase, RunView};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextStep {
    /// What to do.
    pub what: &'static str,
    /// Why, and how.
    pub how: String,
}

impl NextStep {
    fn of(step: &advice::AdviceStep) -> Self {
        Self { what: step.what, how: [step.how, step.on_page].join(" ").trim_end().to_owned() }
    }
}

fn step(what: &'static str, how: impl Into<String>) -> NextStep {
    NextStep { what, how: how.into() }
}

/// Why a server relays, and what helps.
#[derive(Clone, Debug)]
pub struct ShownCause {
    /// The cause, as a sentence.
    pub headline: String,
    /// The comparisons that show the cause.
    pub evidence: Vec<String>,
    /// The causes that were excluded.
    pub rules_out: Vec<String>,
    /// The remedies: address of the page, title, server.
    pub remedies: Vec<(String, String, &'static str)>,
    /// How to find out whether the remedies fit, if the software is not known well enough.
    pub check: Option<String>,
}

/// The causes, the surest first.
#[must_use]
pub fn causes(seen: RunView) -> Vec<ShownCause> {
    if seen.phase != RunPhase::Over && seen.judgement().verdict != Verdict::OpenRelay {
        return Vec::new();
    }
    seen.assessment.causes.iter().map(why).collect()
}

fn why(diagnosis: &Diagnosis) -> ShownCause {
    let remedies = diagnosis
        .remedies
        .iter()
        .filter_map(|key| remedy::by_key(key));
    let remedies = remedies.map(|one| {
        let condition = diagnosis
            .assumption_of(&one.key())
            .map(|assumed| format!("{}: ", assumed.condition()));
        let title = format!("{}{}", condition.unwrap_or_default(), one.title());
        (format!("/fix/{}#{}", one.server, one.name), title, remedy::title_of(one.server))
    });
    ShownCause {
        headline: diagnosis.headline(),
        evidence: diagnosis.evidence.clone(),
        rules_out: diagnosis.rules_out.clone(),
        remedies: remedies.collect(),
        check: diagnosis.assumptions.first().map(Assumption::advice),
    }
}

/// The steps, most urgent first.
#[must_use]
pub fn steps(seen: RunView) -> Vec<NextStep> {
    match (seen.judgement().verdict, seen.phase) {
        (Verdict::OpenRelay, _) => open(seen),
        (_, RunPhase::Over) => seen.assessment.advice.iter().map(NextStep::of).collect(),
        _ => Vec::new(),
    }
}

fn open(seen: RunView) -> Vec<NextStep> {
    let close = match causes(seen).is_empty() {
        true => "See the tests below: each opens to the dialogue that was relayed.",
        false => "Below is why it relays, as the tests show it, and what puts that right.",
    };
    vec![
        step("Close it now.", close),
        step(
            "Look through the queue before you let it go on.",
            "An open relay is found within hours. Remove messages that aren't your users', and \
             check whether your \
             address has been put on blacklists.",
        ),
        step(
            "Test again.",
            "Run this test again after the change: closed is closed only when every path refuses.",
        ),
    ]
}
