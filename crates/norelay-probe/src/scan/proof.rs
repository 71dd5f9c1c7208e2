//! The proof: messages for what was accepted, and the wait until they come back.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use norelay_core::{
    catalogue::{RelayTest, TestId},
    check::{Outcome, Reason, verdict},
    event::{Event, Path, Wait},
    octets::Octets,
    path::PathId,
    proof::{self, Candidate, Particulars, Proof, Wording},
    schedule::{Ending, Limits, Scheduler},
    smtp::Stage,
    token::{Role, Token},
};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use super::{Context, ending, path::PathScan, words};
use crate::network::Network;

/// Once one message has come back the verdict is known; the others get this long for the sake of
/// the diagnosis.
const GRACE: Duration = Duration::from_secs(10);

/// Paths and tests whose message was accepted, and the role of the address that it must come to.
pub type Delivered = Arc<Mutex<BTreeSet<(PathId, u8, Role)>>>;

/// DATA that is refused sends no message; still there is an end to asking.
const MAX_REFUSED: usize = 12;
/// Where all of it is refused as relaying, each sender and sign has its own message: some twenty in
/// the standard profile, and a few on each further path.
const MAX_DENIED: usize = 60;

/// Sends the messages that prove: as many as the user allows, not counting those that the server
/// didn't take.
pub async fn prove<N: Network>(context: &Arc<Context<N>>, delivered: &Delivered) {
    let mut left = context.request.max_messages;
    let mut proofs = proof::choose(candidates(context), left + MAX_DENIED).into_iter();
    let post = Post::new(context, delivered);
    let mut refused = 0;
    while left > 0 && refused < MAX_REFUSED {
        let mut sending: JoinSet<Fate> = proofs
            .by_ref()
            .take(left)
            .map(|proof| post.clone().prove(proof))
            .collect();
        if sending.is_empty() {
            return;
        }
        while let Some(fate) = sending.join_next().await {
            match fate {
                Ok(Fate::Taken) => left -= 1,
                Ok(Fate::Denied) => {}
                _ => refused += 1,
            }
        }
    }
}

/// What became of a message.
enum Fate {
    /// The server took it.
    Taken,
    /// It was refused as relaying.
    Denied,
    /// It was refused for another reason, or not answered.
    Refused,
}

fn was_taken(proof: &Proof, delivered: &Delivered) -> bool {
    let delivered = delivered.lock().unwrap_or_else(PoisonError::into_inner);
    proof
        .candidates
        .iter()
        .any(|candidate| delivered.contains(&(proof.path, candidate.test.number, Role::Recipient)))
}

/// The tests whose recipients were accepted.
fn candidates<N: Network>(context: &Arc<Context<N>>) -> Vec<Candidate> {
    let accepted: Vec<(PathId, Path, &'static RelayTest)> = context.recorder.look(|report| {
        let judgement = verdict::judge(report);
        let paths = report.paths().zip(judgement.paths);
        paths
            .flat_map(|(path, judged)| {
                let accepted = |outcome: &Outcome| matches!(outcome, Outcome::Accepted { .. });
                let tests = judged.tests.into_iter().filter(move |judged| {
                    judged.test.is_scored()
                        && judged.test.protocol().is_none()
                        && accepted(&judged.outcome)
                });
                tests
                    .map(move |judged| (path.id, path.way().clone(), judged.test))
                    .collect::<Vec<_>>()
            })
            .collect()
    });
    accepted
        .into_iter()
        .filter_map(|(path, way, test)| {
            let (sender, transaction) =
                PathScan::new(context, path, way).accepted_transaction(test)?;
            Some(Candidate { path, test, sender, transaction })
        })
        .collect()
}

/// Messages on their way: one at a time, while those that the server defers wait side by side, all
/// until one deadline.
pub struct Post<N> {
    context: Arc<Context<N>>,
    delivered: Delivered,
    deadline: Duration,
    turn: Semaphore,
}

impl<N: Network> Post<N> {
    /// Waits for deferred messages as long as the user waits, from now on; notes the tests whose
    /// recipients got one.
    pub fn new(context: &Arc<Context<N>>, delivered: &Delivered) -> Arc<Self> {
        let deadline = context.started.elapsed() + context.request.wait;
        Arc::new(Self {
            context: context.clone(),
            delivered: delivered.clone(),
            deadline,
            turn: Semaphore::new(1),
        })
    }

    /// Sends a message, and where a filter refuses it for its words, another; says what became of
    /// it.
    async fn prove(self: Arc<Self>, proof: Proof) -> Fate {
        self.send(&proof, Wording::Plain).await;
        if was_filtered(&self.context, &proof) {
            self.send(&proof, Wording::Neutral).await;
        }
        match was_taken(&proof, &self.delivered) {
            true => Fate::Taken,
            false
                if was_refused_for(
                    &self.context,
                    &proof,
                    &[Reason::RelayDenied, Reason::AuthRequired],
                ) =>
            {
                Fate::Denied
            }
            false => Fate::Refused,
        }
    }

    /// Sends one message, patiently.
    pub async fn send(self: &Arc<Self>, proof: &Proof, wording: Wording) {
        let way = self
            .context
            .recorder
            .look(|report| Some(report.path(proof.path)?.way().clone()));
        let Some(way) = way else { return };
        let scan = PathScan::new(&self.context, proof.path, way.clone());
        let limits = Limits {
            window: 1,
            max_window: 1,
            deadline: self.deadline,
            pipelining: false,
            answered: 1,
        };
        let message = proof.transaction(text(&self.context, proof, &way, wording));
        let ids: Vec<TestId> = proof
            .candidates
            .iter()
            .map(|candidate| candidate.test.id)
            .collect();
        super::work::work(
            &scan.clone(),
            &mut Scheduler::new(1, limits),
            |job| {
                let (post, scan, ids, message, path) =
                    (self.clone(), scan.clone(), ids.clone(), message.clone(), proof.path);
                async move {
                    let _turn = post.turn.acquire().await;
                    let number = scan
                        .have(scan.planned(ids.clone(), message.0, message.1, true, job.attempt))
                        .await;
                    let outcomes: Vec<_> = ids
                        .iter()
                        .map(|id| (id, scan.outcome(number, *id)))
                        .collect();
                    // A recipient that was taken is no message: a test that asks for DATA by itself
                    // ends there.
                    let is_message = |outcome: &Outcome| {
                        matches!(outcome, Outcome::Accepted { stage: Stage::EndOfData, .. })
                    };
                    let taken = outcomes.iter().filter(|(_, outcome)| is_message(outcome));
                    let numbers = taken
                        .filter_map(|(id, _)| id.test())
                        .map(|test| (path, test.number, Role::Recipient));
                    post.delivered
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(numbers);
                    let unanswered = outcomes.iter().find(|(_, outcome)| !outcome.is_answered());
                    (
                        unanswered.map_or(Ending::Answered, |(_, outcome)| ending::ending(outcome)),
                        Duration::ZERO,
                    )
                }
            },
            || false,
        )
        .await;
    }
}

/// Whether the message was refused for what it is, not for where it goes.
fn was_filtered<N: Network>(context: &Context<N>, proof: &Proof) -> bool {
    was_refused_for(context, proof, &[Reason::Policy, Reason::Unclassified, Reason::Syntax])
}

/// Whether the last message was refused for one of these reasons.
fn was_refused_for<N: Network>(context: &Context<N>, proof: &Proof, reasons: &[Reason]) -> bool {
    context.recorder.look(|report| {
        proof.candidates.iter().any(|candidate| {
            let path = report.path(proof.path).into_iter();
            let dialogues = path.flat_map(|path| path.dialogues_of(candidate.test.id));
            let mut sent = dialogues.filter(|(_, dialogue)| dialogue.proof);
            let last = sent.next_back();
            last.is_some_and(|(_, dialogue)| match Outcome::of(dialogue, candidate.test.id) {
                Outcome::Refused { stage: Stage::Data | Stage::EndOfData, reason, .. } => {
                    reasons.contains(&reason)
                }
                _ => false,
            })
        })
    })
}

pub fn text<N: Network>(
    context: &Arc<Context<N>>,
    proof: &Proof,
    way: &Path,
    wording: Wording,
) -> Octets {
    let request = &context.request;
    let test = proof.candidates[0].test;
    let token = |role| {
        request
            .key
            .mint(Token { run: request.run, path: proof.path, test: test.number, role })
    };
    let target = match &way.host {
        Some(host) => format!("{host} ({way})"),
        None => way.to_string(),
    };
    let particulars = Particulars {
        domain: &request.domain,
        from: &format!("{}@{}", token(Role::Sender), request.domain),
        token: &token(Role::Message),
        target: &target,
        helo: &words::helo(context, way.endpoint().into()),
        version: env!("CARGO_PKG_VERSION"),
        at: Timestamp::now(),
        wording,
    };
    proof::message(proof, &particulars)
}

/// Waits until every delivered message has come back, or [`GRACE`] after the first, or as long as
/// the user waits.
pub async fn wait<N: Network>(context: &Arc<Context<N>>, delivered: &Delivered) {
    let delivered = delivered
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    if delivered.is_empty() {
        return;
    }
    let started = Instant::now();
    let mut deadline = started + context.request.wait;
    let until = Timestamp::now()
        .saturating_add(context.request.wait)
        .unwrap_or(Timestamp::MAX);
    context
        .recorder
        .record(Event::Waiting { path: None, test: None, until, why: Wait::Arrival });
    let mut seen_one = false;
    loop {
        let notified = context.arrived.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        let arrived: BTreeSet<(PathId, u8, Role)> = context.recorder.look(|report| {
            let tokens = report.receipts.iter().map(|(_, receipt)| receipt.token);
            tokens
                .map(|token| (token.path, token.test, token.role))
                .collect()
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
