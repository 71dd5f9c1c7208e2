//! Messages on their way: what is sent past RCPT, patiently.
//!
//! Rules:
//! - A message goes only to token addresses of the probe domain, and only where a receiver can see
//!   it come back.
//! - Messages of one post go one at a time. Those that the server defers wait side by side, until
//!   one deadline.

use std::{collections::VecDeque, time::Duration};

use super::{
    evidence,
    proofs::{self, MessageParticulars, MessageWording, ProofMessage},
    senders,
    talk::{Conversation, DialogueDraft, Round},
    turn::{AskingTurn, PartStatus},
    words,
};
use crate::{
    catalogue::RelayTest,
    check::{Outcome, Reason},
    event::Path,
    octets::Octets,
    path::PathId,
    report::{Dialogue, Exchange},
    schedule::{Action, Ending, PathLimits, Scheduler},
    smtp::{Reply, Stage, Transaction},
    token::{Token, TokenRole},
};

/// A message that is sent until the server accepts or rejects it, or the deadline comes.
#[derive(Debug)]
pub(super) struct OutgoingMessage {
    round: Round,
    tests: Vec<&'static RelayTest>,
    transaction: Transaction,
    step_tests: Vec<Option<&'static RelayTest>>,
    expects: Expects,
    scheduler: Scheduler,
    announced: Option<Duration>,
    state: MessageState,
}

#[derive(Debug)]
enum MessageState {
    Idle,
    /// The message waits until no other message of its post is under way.
    AwaitsTurn {
        attempt: u32,
    },
    Talks(Box<Conversation>),
}

/// What must arrive once a message is accepted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expects {
    /// The message, at the recipient of each accepted test.
    Recipients,
    /// What a text that tries to become two messages has become.
    TwoMessages,
}

/// The messages of a post that wait for their turn, by number; the first one has the turn.
#[derive(Debug, Default)]
pub(super) struct Turns(VecDeque<usize>);

impl OutgoingMessage {
    /// A message whose dialogue says this.
    pub fn new(
        turn: &mut AskingTurn<'_>,
        (path, destination): (PathId, Path),
        tests: Vec<&'static RelayTest>,
        (transaction, step_tests): (Transaction, Vec<Option<&'static RelayTest>>),
        expects: Expects,
        deadline: Duration,
    ) -> Self {
        let limits =
            PathLimits { window: 1, max_window: 1, deadline, pipelining: false, answered: 1 };
        Self {
            round: Round::new(turn, path, destination),
            tests,
            transaction,
            step_tests,
            expects,
            scheduler: Scheduler::new(1, limits),
            announced: None,
            state: MessageState::Idle,
        }
    }

    /// The message that proves these tests, in this wording; nothing if its path is unknown.
    pub fn of_proof(
        turn: &mut AskingTurn<'_>,
        proof: &ProofMessage,
        wording: MessageWording,
        deadline: Duration,
    ) -> Option<Self> {
        let destination = turn.report.path(proof.path)?.destination().clone();
        let said = proof.transaction(text(turn, proof, &destination, wording));
        let tests = proof
            .candidates
            .iter()
            .map(|candidate| candidate.test)
            .collect();
        let path = (proof.path, destination);
        Some(Self::new(turn, path, tests, said, Expects::Recipients, deadline))
    }

    /// Does what can be done now; `number` names the message among those that share `turns`.
    pub fn poll(
        &mut self,
        turn: &mut AskingTurn<'_>,
        number: usize,
        turns: &mut Turns,
    ) -> PartStatus {
        loop {
            match &mut self.state {
                MessageState::Idle => match self.scheduler.next(turn.now.elapsed) {
                    Action::Finish => return PartStatus::Over,
                    Action::Start(start) => {
                        turns.0.push_back(number);
                        self.state = MessageState::AwaitsTurn { attempt: start.attempt };
                    }
                    Action::Wait { until, why } => {
                        turn.announce(&mut self.announced, self.round.path, until, why);
                        return PartStatus::Waits;
                    }
                },
                MessageState::AwaitsTurn { attempt } => {
                    if turns.0.front() != Some(&number) {
                        return PartStatus::Waits;
                    }
                    let plan = DialogueDraft {
                        attempt: *attempt,
                        step_tests: self.step_tests.clone(),
                        ..DialogueDraft::with_message(self.tests.clone(), self.transaction.clone())
                    };
                    self.state =
                        MessageState::Talks(Box::new(Conversation::begin(turn, &self.round, plan)));
                }
                MessageState::Talks(talk) => {
                    let Some(dialogue) = talk.poll(turn, &mut self.round) else {
                        return PartStatus::Waits;
                    };
                    turns.0.pop_front();
                    turn.moved = true;
                    self.state = MessageState::Idle;
                    let ending = self.ended(turn, dialogue);
                    self.scheduler
                        .finished(0, &ending, Duration::ZERO, turn.now.elapsed);
                }
            }
        }
    }

    /// Notes what must arrive now; returns what the dialogue means for the scheduler.
    fn ended(&self, turn: &mut AskingTurn<'_>, number: u32) -> Ending {
        let path = self.round.path;
        let outcomes: Vec<_> = self
            .tests
            .iter()
            .map(|test| (*test, evidence::outcome(turn.report, number, test)))
            .collect();
        match self.expects {
            Expects::Recipients => {
                // An accepted recipient is no message yet: a test that says DATA by itself ends
                // there.
                let accepted = outcomes.iter().filter(|(_, outcome)| {
                    matches!(outcome, Outcome::Accepted { stage: Stage::EndOfData, .. })
                });
                turn.awaited
                    .extend(accepted.map(|(test, _)| (path, test.number, TokenRole::Recipient)));
            }
            Expects::TwoMessages => {
                let roles = turn.report.dialogues.get(&number).map(two_messages);
                let number = self.tests.first().map_or(0, |test| test.number);
                let roles = roles.unwrap_or_default().into_iter();
                turn.awaited.extend(roles.map(|role| (path, number, role)));
            }
        }
        // Several recipients may have several outcomes: one that is open decides when to come back.
        match self.expects {
            Expects::Recipients => {
                let open = outcomes.iter().find(|(_, outcome)| !outcome.is_answered());
                open.map_or(Ending::Answered, |(_, outcome)| senders::ending(outcome))
            }
            Expects::TwoMessages => outcomes
                .first()
                .map_or(Ending::Answered, |(_, outcome)| senders::ending(outcome)),
        }
    }
}

/// Returns the replies of those exchanges that are at this stage.
fn replies_at<'a>(stage: Stage, exchanges: &[&'a Exchange]) -> Vec<&'a Reply> {
    let of_stage = exchanges.iter().filter(|exchange| exchange.stage == stage);
    of_stage
        .filter_map(|exchange| exchange.reply.as_ref())
        .collect()
}

/// Returns the tokens whose message must arrive if the server relays what it accepted: the token of
/// the text, and the token of the message within the text.
fn two_messages(dialogue: &Dialogue) -> Vec<TokenRole> {
    let (extra, usual): (Vec<_>, Vec<_>) = dialogue
        .exchanges
        .iter()
        .partition(|exchange| exchange.is_extra_reply());
    let accepts_token = replies_at(Stage::Rcpt, &usual)
        .first()
        .is_some_and(|reply| reply.is_positive());
    // The answers to MAIL, to RCPT for the token and for the mailbox, to DATA, and to the end of
    // the text within.
    let within = replies_at(Stage::EndOfData, &extra);
    let accepts_inner =
        matches!(within[..], [_, token, _, data, _] if token.is_positive() && data.code == 354);
    let mut roles = Vec::new();
    if accepts_token && dialogue.has_delivered() {
        roles.push(TokenRole::Recipient);
    }
    if accepts_inner {
        roles.push(TokenRole::Inner);
    }
    roles
}

/// True if the latest message for a proof was rejected for one of these reasons.
pub(super) fn was_rejected_for(
    turn: &AskingTurn<'_>,
    proof: &ProofMessage,
    reasons: &[Reason],
) -> bool {
    let Some(path) = turn.report.path(proof.path) else { return false };
    proof.candidates.iter().any(|candidate| {
        let test = candidate.test.id;
        let mut messages = path
            .dialogues_of(test)
            .filter(|(_, dialogue)| dialogue.proof);
        let latest = messages
            .next_back()
            .map(|(_, dialogue)| Outcome::of(dialogue, test));
        match latest {
            Some(Outcome::Refused { stage: Stage::Data | Stage::EndOfData, reason, .. }) => {
                reasons.contains(&reason)
            }
            _ => false,
        }
    })
}

/// The text of the message that proves some tests on a path.
pub(super) fn text(
    turn: &AskingTurn<'_>,
    proof: &ProofMessage,
    destination: &Path,
    wording: MessageWording,
) -> Octets {
    let (request, test) = (turn.request, proof.candidates[0].test);
    let token = |role| {
        let (run, path) = (request.run, proof.path);
        request
            .key
            .mint(Token { run, path, test: test.number, role })
    };
    let target = match &destination.host {
        Some(host) => format!("{host} ({destination})"),
        None => destination.to_string(),
    };
    proofs::message(
        proof,
        &MessageParticulars {
            domain: &request.domain,
            from: &format!("{}@{}", token(TokenRole::Sender), request.domain),
            token: &token(TokenRole::Message),
            target: &target,
            helo: &words::helo(request, turn.means, destination.address),
            version: env!("CARGO_PKG_VERSION"),
            at: turn.now.at,
            wording,
        },
    )
}
