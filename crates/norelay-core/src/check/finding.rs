//! Findings: what is worth knowing about a run beside the verdict, in words.
//!
//! Rules:
//! - A finding never changes the relay verdict.
//! - What was observed is an [`Observation`]; level and words come from the table of observations.
//! - Findings are ordered by level (worst first), then in the table's order, then by path. The
//!   same report always gives the same list.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::{
    adjacent, dane,
    judgement::Judgement,
    message_findings,
    observation::{KINDS, Kind, Level, Observation, Observed, Topic},
    offer_findings, path_findings, receiver,
};
use crate::{
    octets::{Octets, harmless},
    path::PathId,
    report::{Note, Report},
};

/// One thing worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The name of the finding's kind; a promise.
    pub tag: String,
    /// How much the finding matters.
    pub level: Level,
    /// The path that the finding is about, or `None` for the run as a whole.
    pub path: Option<PathId>,
    /// The sentence that users read.
    pub text: String,
}

impl Finding {
    /// What the finding is about.
    #[must_use]
    pub fn topic(&self) -> Topic {
        Topic::of(&self.tag)
    }
}

impl Observed {
    /// Returns the finding, and the place of its row in the table.
    fn worded(&self) -> (usize, Finding) {
        let tag = self.observation.tag();
        let place = KINDS.iter().position(|kind| kind.tag == tag);
        // What only another version of norelay knows is shown last, and never alarms.
        let level = Kind::of(tag).map_or(Level::Info, |kind| kind.level);
        let finding = Finding {
            tag: harmless(tag),
            level,
            path: self.path,
            text: harmless(&self.observation.words()),
        };
        (place.unwrap_or(KINDS.len()), finding)
    }
}

/// What is worth knowing about a run.
#[must_use]
pub fn findings(report: &Report, judgement: &Judgement) -> Vec<Finding> {
    let mut observed = of_run(report);
    for (path, judged) in report.paths().zip(&judgement.paths) {
        observed.extend(path_findings::of(path, judged));
    }
    observed.extend(adjacent::of(report, judgement));
    observed.extend(offer_findings::of(report));
    observed.extend(message_findings::of(report, judgement));
    observed.extend(
        report
            .notes
            .iter()
            .filter_map(|note| recorded(report, note)),
    );
    let mut worded: Vec<_> = observed.iter().map(Observed::worded).collect();
    worded.sort_by_key(|(place, finding)| (Reverse(finding.level), *place, finding.path));
    worded.into_iter().map(|(_, finding)| finding).collect()
}

/// What the run as a whole lacks.
fn of_run(report: &Report) -> Vec<Observed> {
    let mut observed = Vec::new();
    if let Some(run) = report.run.as_ref().filter(|run| !run.domain_given) {
        let domain = run.domain.clone();
        observed.push(Observation::ProbeDomainFallback { domain }.of_run());
    }
    observed.extend(unproven_receiver(report));
    if report.stopped {
        observed.push(Observation::RunStopped.of_run());
    }
    if report.misfits > 0 {
        let events = report.misfits.to_string();
        observed.push(Observation::LogDamaged { events }.of_run());
    }
    observed
}

/// A receiver that no canary has reached by the end of the run.
fn unproven_receiver(report: &Report) -> Option<Observed> {
    let check = receiver::check(report).filter(|check| !check.works)?;
    let is_over = report.finished.is_some() && !report.stopped;
    is_over.then(|| Observation::ReceiverUnproven { says: check.says }.of_run())
}

/// Returns what the template of a reverse-path stands for, for users.
fn sender_words(template: &str) -> &str {
    let domain = template.rsplit_once('@').map(|(_, domain)| domain);
    match domain.map(|domain| domain.trim_end_matches('>')) {
        Some("{domain}") => "a sender in the probe domain",
        Some("{second_domain}") => "a sender in the second probe domain",
        Some("{local_domain}") => "a sender in the hosted domain",
        Some(name) if name.starts_with('{') => "a sender at the server's own name or address",
        Some(_) if template.contains('{') => "a sender at a domain of the server",
        _ if template == "<>" => "the null sender",
        None if template.contains('{') => "a sender without a domain",
        // Logs of other versions may have an address.
        _ => template,
    }
}

/// Reads a fact that the event log has under its tag.
fn recorded(report: &Report, note: &Note) -> Option<Observed> {
    // TLSA records mean nothing until they are compared with the certificates of the run.
    if note.tag == dane::RECORDS {
        return dane::compared(report, note);
    }
    let particulars = note.arguments.iter().map(Octets::to_string).collect();
    let observation = match Observation::read(&note.tag, particulars) {
        // The event names the template of the sender, which tells users nothing.
        Observation::SenderRefused { sender, substitute } => Observation::SenderRefused {
            sender: sender_words(&sender).to_owned(),
            substitute: sender_words(&substitute).to_owned(),
        },
        observation => observation,
    };
    Some(Observed { observation, path: note.path })
}
