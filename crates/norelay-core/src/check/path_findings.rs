//! What is worth knowing about one path: its controls, rejections of our address, and replies that
//! broke the protocol.

use std::collections::BTreeSet;

use super::{
    boilerplate,
    circumstances::is_for_users,
    judgement::{PathJudgement, TestJudgement, Verdict},
    observation::{Observation, Observed},
    offered::not_offered,
    outcome::Outcome,
    reason::Reason,
    weigh::rules::login_accepted,
};
use crate::{
    catalogue::{self, TestRole},
    report::{Dialogue, PathView},
    seen::neighbour,
    smtp::{Cause, End, Reply, Stage, Violation},
};

/// Returns what is worth knowing about a path.
pub(super) fn of(path: PathView<'_>, judged: &PathJudgement) -> Vec<Observed> {
    let mut observations = controls(path, judged);
    // What a server rejects from its own network, it rejects from outside as well. Only an
    // acceptance may be owed to the network that we asked from.
    if matches!(judged.verdict, Verdict::OpenRelay | Verdict::Suspect) {
        let ours = neighbour(path).map(|ours| ours.to_string());
        observations.extend(ours.map(|ours| Observation::AskedFromNearby { ours }));
    }
    observations.extend(about_our_address(&judged.tests));
    observations.extend(given_up(path, &judged.tests));
    observations.extend(logins(path, &judged.tests));
    if judged.verdict != Verdict::Unreachable {
        observations.extend(violations(path));
    } else if path.report.paths().len() > 1 && not_offered(path).is_none() {
        // If there is only one path, the summary already says why the path is unreachable.
        let why = judged.why.first().cloned();
        let why = why.unwrap_or_else(|| "no connection was tried".to_owned());
        observations.push(Observation::PathUnreachable { why });
    }
    observations
        .into_iter()
        .map(|observation| observation.on(path.id))
        .collect()
}

/// What the answers to the controls show.
fn controls(path: PathView<'_>, judged: &PathJudgement) -> Vec<Observation> {
    let mut observations = Vec::new();
    let accepted: Vec<_> = boilerplate::UNKNOWN_USERS
        .into_iter()
        .filter(|role| is_accepted(judged, *role))
        .map(|role| catalogue::by_role(role).id.as_str())
        .collect();
    if !accepted.is_empty() {
        observations.push(Observation::AcceptsAnyLocalPart { tests: accepted.join(", ") });
    }
    if is_accepted(judged, TestRole::ImpossibleForeign) {
        observations.push(Observation::AcceptsImpossibleDomain);
    }
    // RFC 5321 section 4.5.1 is about servers that receive mail, so about no submission port
    // (RFC 6409), and a demand for TLS or authentication is no rejection of postmaster. Neither is
    // a rejection of our address.
    if let Some(Outcome::Refused { stage: Stage::Mail | Stage::Rcpt, reply, reason }) =
        outcome_of(judged, TestRole::Postmaster)
        && !matches!(reason, Reason::Reputation | Reason::TlsRequired | Reason::AuthRequired)
        && !is_for_users(path)
    {
        observations.push(Observation::PostmasterRefused { reply: reply.to_string() });
    }
    // The control ends at RCPT, so only a rejection at RCPT can be compared with the control.
    if is_accepted(judged, TestRole::SecondForeign)
        && let Some(Outcome::Refused { stage: Stage::Rcpt, .. }) =
            outcome_of(judged, TestRole::Plain)
    {
        let run = path.report.run.as_ref();
        let domain = run.map(|run| run.domain.clone()).unwrap_or_default();
        observations.push(Observation::SecondDomainAccepted { domain });
    }
    observations
}

/// The logins with made-up credentials that were accepted: the first of each user.
fn logins(path: PathView<'_>, tests: &[TestJudgement]) -> Vec<Observation> {
    let mut users = BTreeSet::new();
    let mut observations = Vec::new();
    for judged in tests {
        let Some(dialogue) = login_accepted::accepted_login(path.report, judged) else { continue };
        let user = dialogue.login.as_deref().unwrap_or("a made-up user");
        if users.insert(user.to_owned()) {
            let (mechanism, user) = (judged.test.mechanism().to_owned(), user.to_owned());
            observations.push(Observation::MadeUpCredentialsAccepted { mechanism, user });
        }
    }
    observations
}

fn outcome_of(judged: &PathJudgement, role: TestRole) -> Option<&Outcome> {
    judged.of(role).map(|judged| &judged.outcome)
}

fn is_accepted(judged: &PathJudgement, role: TestRole) -> bool {
    matches!(outcome_of(judged, role), Some(Outcome::Accepted { .. }))
}

/// Rejections for our own address or name: how many, and the first.
fn about_our_address(tests: &[TestJudgement]) -> Option<Observation> {
    let rejections: Vec<_> = tests
        .iter()
        .filter_map(|judged| match &judged.outcome {
            Outcome::Refused { reason: Reason::Reputation, reply, .. }
            | Outcome::Deferred { reason: Reason::Reputation, reply, .. } => Some(reply),
            _ => None,
        })
        .collect();
    let reply = rejections.first()?.to_string();
    Some(Observation::RefusedForReputation { tests: rejections.len().to_string(), reply })
}

/// Why a path was given up, and after how many tests.
fn given_up(path: PathView<'_>, tests: &[TestJudgement]) -> Option<Observation> {
    let cause = path.facts.given_up.as_ref();
    let answered = tests
        .iter()
        .find_map(|judged| answered_before_block(&judged.outcome, cause))?
        .to_string();
    // A server that has banned an address no longer talks to the address. A reply that speaks of a
    // limit therefore shows that there is no ban.
    Some(match limit_met(path) {
        Some(reply) => Observation::RateLimited { answered, reply: reply.to_string() },
        None => Observation::Blocked { answered },
    })
}

/// Returns how many tests were answered before the server blocked us, if a block interrupted this
/// test. If each attempt at a test was rejected by itself, the test has a cause of its own, and the
/// path has the block.
fn answered_before_block(outcome: &Outcome, given_up: Option<&Cause>) -> Option<u32> {
    match (outcome, given_up) {
        (Outcome::Interrupted { cause: Cause::Blocked { answered } }, _)
        | (Outcome::Interrupted { .. }, Some(Cause::Blocked { answered })) => Some(*answered),
        _ => None,
    }
}

/// Returns the reply that speaks of a limit, if the last trouble on a path was a limit.
fn limit_met(path: PathView<'_>) -> Option<&Reply> {
    for dialogue in path.dialogues().rev() {
        let limit = limit_in(dialogue);
        if limit.is_some() || matches!(dialogue.end, Some(End::Interrupted(_))) {
            return limit;
        }
    }
    None
}

/// Returns the first reply of a dialogue that speaks of a limit.
fn limit_in(dialogue: &Dialogue) -> Option<&Reply> {
    let replies = dialogue
        .exchanges
        .iter()
        .filter_map(|exchange| Some((exchange.stage, exchange.reply.as_ref()?)));
    let closing = match &dialogue.end {
        Some(End::Interrupted(Cause::Closing { stage, reply })) => Some((*stage, reply)),
        _ => None,
    };
    replies
        .chain(closing)
        .find(|(stage, reply)| Reason::of(*stage, reply) == Reason::RateLimited)
        .map(|(_, reply)| reply)
}

/// Replies that broke the protocol. Text that was injected before TLS is a weakness by itself, so
/// such text is told apart from all other violations.
fn violations(path: PathView<'_>) -> Vec<Observation> {
    let (mut injected, mut others) = (0, Vec::new());
    for dialogue in path.dialogues() {
        match &dialogue.end {
            Some(End::Interrupted(Cause::Violated {
                violation: Violation::InjectedBeforeTls,
                ..
            })) => injected += 1,
            Some(End::Interrupted(cause @ Cause::Violated { .. })) => others.push(cause),
            _ => {}
        }
    }
    let mut observations = Vec::new();
    if injected > 0 {
        observations.push(Observation::InjectedBeforeTls { connections: connections(injected) });
    }
    if let Some(first) = others.first() {
        let (connections, first) = (connections(others.len()), first.to_string());
        observations.push(Observation::ProtocolViolation { connections, first });
    }
    observations
}

fn connections(number: usize) -> String {
    format!("{number} connection{}", if number == 1 { "" } else { "s" })
}
