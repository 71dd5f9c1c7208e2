//! The proof: messages for what was accepted, and the wait until they come back.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use norelay_core::{
    catalogue::{self, RelayTest},
    check::{Outcome, Reason, verdict},
    event::{Event, Path, Wait},
    octets::Octets,
    proof::{self, Candidate, Particulars, Proof, Wording},
    schedule::{Ending, Limits, Scheduler},
    smtp::Stage,
    token::{Role, Token},
};
use tokio::time::Instant;

use super::{
    Context,
    path::{self, PathScan},
    words,
};
use crate::network::Network;

/// Once one message has come back the verdict is known; the others get this long for the sake of the diagnosis.
const GRACE: Duration = Duration::from_secs(10);

/// Paths and tests whose message was accepted, and the role of the address that it must come to.
pub type Delivered = Arc<Mutex<BTreeSet<(u8, u8, Role)>>>;

/// DATA that is refused sends no message; still there is an end to asking.
const MAX_REFUSED: usize = 12;

/// Sends the messages that prove: as many as the user allows, not counting those that the server didn't take.
pub async fn prove<N: Network>(context: &Arc<Context<N>>, delivered: &Delivered) {
    let mut left = context.request.max_messages;
    for proof in proof::choose(candidates(context), left + MAX_REFUSED) {
        if left == 0 {
            return;
        }
        send(context, &proof, Wording::Plain, delivered).await;
        if was_filtered(context, &proof) {
            send(context, &proof, Wording::Neutral, delivered).await;
        }
        left -= usize::from(was_taken(&proof, delivered));
    }
}

fn was_taken(proof: &Proof, delivered: &Delivered) -> bool {
    let delivered = delivered.lock().unwrap_or_else(PoisonError::into_inner);
    proof.candidates.iter().any(|candidate| delivered.contains(&(proof.path, candidate.test.number, Role::Recipient)))
}

/// The tests whose recipients were accepted.
fn candidates<N: Network>(context: &Arc<Context<N>>) -> Vec<Candidate> {
    let accepted: Vec<(u8, Path, &'static RelayTest)> = context.recorder.look(|report| {
        let judgement = verdict::judge(report);
        let paths = (0..).zip(&report.paths).zip(judgement.paths);
        paths
            .flat_map(|((index, facts), judged)| {
                let accepted = |outcome: &Outcome| matches!(outcome, Outcome::Accepted { .. });
                let tests = judged.tests.into_iter().filter(move |judged| {
                    judged.test.is_scored() && judged.test.protocol().is_none() && accepted(&judged.outcome)
                });
                tests.map(move |judged| (index, facts.way.clone(), judged.test)).collect::<Vec<_>>()
            })
            .collect()
    });
    accepted
        .into_iter()
        .filter_map(|(path, way, test)| {
            let (sender, transaction) = PathScan::new(context, path, way).accepted_transaction(test)?;
            Some(Candidate { path, test, sender, transaction })
        })
        .collect()
}

/// Sends one message, patiently; notes the tests whose recipients got it.
pub async fn send<N: Network>(context: &Arc<Context<N>>, proof: &Proof, wording: Wording, delivered: &Delivered) {
    let Some(way) = context.recorder.look(|report| Some(report.paths.get(usize::from(proof.path))?.way.clone())) else {
        return;
    };
    let scan = PathScan::new(context, proof.path, way.clone());
    let deadline = context.started.elapsed() + context.request.wait;
    let limits = Limits { window: 1, max_window: 1, deadline, pipelining: false, answered: 1 };
    let ids: Vec<String> = proof.candidates.iter().map(|candidate| candidate.test.id.to_owned()).collect();
    let (transaction, step_tests) = proof.transaction(text(context, proof, &way, wording));
    super::work::work(&scan.clone(), Scheduler::new(1, limits), |job| {
        let (scan, delivered, ids) = (scan.clone(), delivered.clone(), ids.clone());
        let (transaction, step_tests, path) = (transaction.clone(), step_tests.clone(), proof.path);
        async move {
            let number = scan.dialogue(ids.clone(), transaction, step_tests, true, job.attempt).await;
            let outcomes: Vec<_> = ids.iter().map(|id| (id, scan.outcome(number, id))).collect();
            let taken = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Accepted { .. }));
            let numbers =
                taken.filter_map(|(id, _)| catalogue::by_id(id)).map(|test| (path, test.number, Role::Recipient));
            delivered.lock().unwrap_or_else(PoisonError::into_inner).extend(numbers);
            let unanswered = outcomes.iter().find(|(_, outcome)| !outcome.is_answered());
            unanswered.map_or(Ending::Answered, |(_, outcome)| path::ending(outcome))
        }
    })
    .await;
}

/// Whether the message was refused for what it is, not for where it goes.
fn was_filtered<N: Network>(context: &Arc<Context<N>>, proof: &Proof) -> bool {
    context.recorder.look(|report| {
        proof.candidates.iter().any(|candidate| {
            let dialogues = report.dialogues_of(proof.path, candidate.test.id);
            let last = dialogues.filter(|(_, dialogue)| dialogue.proof).last();
            last.is_some_and(|(_, dialogue)| {
                matches!(
                    Outcome::of(dialogue, candidate.test.id),
                    Outcome::Refused {
                        stage: Stage::Data | Stage::EndOfData,
                        reason: Reason::Policy | Reason::Unclassified | Reason::Syntax,
                        ..
                    }
                )
            })
        })
    })
}

pub fn text<N: Network>(context: &Arc<Context<N>>, proof: &Proof, way: &Path, wording: Wording) -> Octets {
    let request = &context.request;
    let test = proof.candidates[0].test;
    let token = |role| request.key.mint(Token { run: request.run, path: proof.path, test: test.number, role });
    let target = match &way.host {
        Some(host) => format!("{host} ({way})"),
        None => way.to_string(),
    };
    let particulars = Particulars {
        domain: &request.domain,
        from: &format!("{}@{}", token(Role::Sender), request.domain),
        token: &token(Role::Message),
        target: &target,
        helo: &words::helo(context, (way.address, way.port).into()),
        version: env!("CARGO_PKG_VERSION"),
        at: Timestamp::now(),
        wording,
    };
    proof::message(proof, &particulars)
}

/// Waits until every delivered message has come back, or [`GRACE`] after the first, or as long as the user waits.
pub async fn wait<N: Network>(context: &Arc<Context<N>>, delivered: &Delivered) {
    let delivered = delivered.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if delivered.is_empty() {
        return;
    }
    let started = Instant::now();
    let mut deadline = started + context.request.wait;
    let until = Timestamp::now().saturating_add(context.request.wait).unwrap_or(Timestamp::MAX);
    context.recorder.record(Event::Waiting { path: None, test: None, until, why: Wait::Arrival });
    let mut seen_one = false;
    loop {
        let notified = context.arrived.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        let arrived: BTreeSet<(u8, u8, Role)> = context.recorder.look(|report| {
            let tokens = report.receipts.iter().map(|(_, receipt)| receipt.token);
            tokens.map(|token| (token.path, token.test, token.role)).collect()
        });
        let has_come = arrived.iter().any(|(_, _, role)| *role != Role::Sender);
        if delivered.is_subset(&arrived) {
            return;
        }
        if has_come && !seen_one {
            seen_one = true;
            deadline = deadline.min(Instant::now() + GRACE);
        }
        if tokio::time::timeout_at(deadline, notified).await.is_err() {
            return;
        }
    }
}
