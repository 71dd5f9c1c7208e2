//! What to do now: one to three steps, only where something is to be done.
//!
//! Rules:
//! - Steps follow from the verdict and from the reasons in the report, never from a server's self-description alone.
//! - A closed server needs no advice.

use norelay_core::{
    check::{
        Outcome, Reason, Verdict,
        verdict::{TestJudgement, Weight},
    },
    diagnosis::{Diagnosis, diagnose},
    remedy,
    smtp::Cause,
};

use super::{Phase, Seen};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to do.
    pub what: &'static str,
    /// Why, and how.
    pub how: String,
}

fn step(what: &'static str, how: impl Into<String>) -> Step {
    Step { what, how: how.into() }
}

/// Why a server relays, and what helps.
#[derive(Clone, Debug)]
pub struct Why {
    /// The cause, as a sentence.
    pub headline: String,
    /// The comparisons that show it.
    pub evidence: Vec<String>,
    /// What it is not.
    pub rules_out: Vec<String>,
    /// What helps: address of the page, title, server.
    pub remedies: Vec<(String, &'static str, &'static str)>,
}

/// The causes, the surest first.
#[must_use]
pub fn causes(seen: Seen) -> Vec<Why> {
    if seen.phase != Phase::Over && seen.judgement.verdict != Verdict::OpenRelay {
        return Vec::new();
    }
    diagnose(seen.report, seen.judgement).iter().map(why).collect()
}

fn why(diagnosis: &Diagnosis) -> Why {
    let remedies = diagnosis.remedies.iter().filter_map(|key| remedy::by_key(key));
    let remedies =
        remedies.map(|one| (format!("/fix/{}#{}", one.server, one.name), one.title(), remedy::title_of(one.server)));
    Why {
        headline: diagnosis.headline(),
        evidence: diagnosis.evidence.clone(),
        rules_out: diagnosis.rules_out.clone(),
        remedies: remedies.collect(),
    }
}

/// The steps, most urgent first.
#[must_use]
pub fn steps(seen: Seen) -> Vec<Step> {
    let verdict = seen.judgement.verdict;
    if seen.phase != Phase::Over && verdict != Verdict::OpenRelay {
        return Vec::new();
    }
    match verdict {
        Verdict::OpenRelay => open(seen),
        Verdict::Suspect => suspect(seen),
        Verdict::Inconclusive => inconclusive(seen),
        Verdict::Unreachable => unreachable(),
        Verdict::Closed => Vec::new(),
    }
}

fn worst(seen: Seen<'_>, weight: Weight) -> impl Iterator<Item = &TestJudgement> {
    seen.judgement.paths.iter().flat_map(|path| &path.tests).filter(move |judged| judged.weight == weight)
}

fn open(seen: Seen) -> Vec<Step> {
    let close = match causes(seen).is_empty() {
        true => "See the tests below: each opens to the dialogue that was relayed.",
        false => "Below is why it relays, as the tests show it, and what puts that right.",
    };
    vec![
        step("Close it now.", close),
        step(
            "Look through the queue before you let it go on.",
            "An open relay is found within hours. Remove messages that aren't your users', and check whether your \
             address has been put on blacklists.",
        ),
        step("Test again.", "Run this test again after the change: closed is closed only when every path refuses."),
    ]
}

fn suspect(seen: Seen) -> Vec<Step> {
    let is_receiving = seen.report.run.as_ref().is_some_and(|run| run.receiving);
    let mut steps = vec![step(
        "Look in the server's log for the recipients that were accepted.",
        "The transcripts below show them, with times. If the log shows them queued for another server, it relays; \
         if it shows them delivered locally, bounced or discarded, it doesn't.",
    )];
    if is_receiving {
        steps.push(step(
            "Come back later.",
            "A queue may hold a message for hours. If it arrives, this page says so; nothing else needs doing.",
        ));
    } else {
        steps.push(step(
            "Test with a receiver.",
            "Give norelay a domain whose mail it receives. Then it sends a message through every test that was \
             accepted, and only one that comes back is called relaying.",
        ));
    }
    steps
}

fn inconclusive(seen: Seen) -> Vec<Step> {
    let unknown: Vec<&Outcome> = worst(seen, Weight::Unknown).map(|judged| &judged.outcome).collect();
    let mut steps = Vec::new();
    for outcome in unknown {
        let next = remedy(outcome);
        if !steps.contains(&next) {
            steps.push(next);
        }
    }
    steps.truncate(3);
    steps
}

fn remedy(outcome: &Outcome) -> Step {
    match outcome {
        Outcome::Refused { reason, .. } | Outcome::Deferred { reason, .. } => remedy_of_reason(*reason),
        Outcome::Interrupted { cause: Cause::Blocked { .. } } => step(
            "Let our addresses through for the time of the test.",
            "The server stopped taking our connections in the middle: it limits how much one client may ask, or a log \
             watcher such as fail2ban has banned it after a few refusals. Add the addresses that tests come from to the \
             exceptions, or test again more slowly.",
        ),
        Outcome::Interrupted { .. } => step(
            "Test again.",
            "The server hung up or fell silent before it answered. If it happens each time, its log says why: a limit \
             on errors, connections or speed.",
        ),
        Outcome::NotRun { .. } => step(
            "Test again with more knowledge.",
            "Some tests need a name that wasn't known, such as a mail domain that the server hosts. Give the domain \
             or a mail address instead of the bare address.",
        ),
        Outcome::Relayed { .. } | Outcome::Accepted { .. } => step("Read the transcripts.", "They say what happened."),
    }
}

fn remedy_of_reason(reason: Reason) -> Step {
    match reason {
        Reason::Reputation => step(
            "Test from another address, or let ours through.",
            "The server refused us because of our address, not because we asked it to relay. A stranger with a clean \
             address might fare differently.",
        ),
        Reason::Greylisted => step(
            "Test again in a quarter of an hour.",
            "The server greylists: it answers strangers only when they come back.",
        ),
        Reason::RateLimited => step("Test again later.", "The server limits how often it may be asked."),
        Reason::TlsRequired => step("Test the path with TLS.", "The server answers only after STARTTLS."),
        Reason::SenderDomain | Reason::RecipientDomain => step(
            "Test with a probe domain that resolves.",
            "The server disliked the domain of our probe addresses before it came to the question of relaying.",
        ),
        Reason::UnknownUser | Reason::Policy | Reason::Unclassified | Reason::Syntax => step(
            "Give a mail domain that the server hosts.",
            "The refusals don't speak of relaying. If the server accepts postmaster of its own domain from us, the \
             comparison tells that the others were refused for relaying.",
        ),
        Reason::RelayDenied | Reason::AuthRequired => step("Read the transcripts.", "They say what happened."),
    }
}

fn unreachable() -> Vec<Step> {
    vec![
        step(
            "Check the name, the address and the port.",
            "Mail from outside comes to port 25 of the domain's mail exchangers.",
        ),
        step(
            "Check the way to it.",
            "A firewall in front of the server, or one on our side: many networks let nobody connect to port 25 \
             elsewhere. The address that tests come from is on the front page.",
        ),
    ]
}
