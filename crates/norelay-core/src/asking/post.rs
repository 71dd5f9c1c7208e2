//! The messages that prove: as many as the user allows, not counting those that the server
//! rejected.

use std::{collections::VecDeque, time::Duration};

use super::{
    evidence,
    letters::{self, OutgoingMessage, Turns},
    proofs::{self, Candidate, MessageWording, ProofMessage},
    senders,
    talk::Round,
    turn::{AskingTurn, PartStatus},
};
use crate::{
    catalogue::RelayTest,
    check::{self, Outcome, Reason},
    event::Path,
    path::PathId,
    schedule::Start,
    smtp::Transaction,
    token::TokenRole,
};

/// A rejected DATA sends no message. Still there is an end to asking.
const MAX_REJECTED: usize = 12;
/// Where the server rejects all of it as relaying, each sender and sign has its own message: some
/// twenty in the standard profile, and a few on each further path.
const MAX_DENIED: usize = 60;

/// The messages of a run that prove.
#[derive(Debug)]
pub(super) struct ProofMail {
    deadline: Duration,
    proofs: VecDeque<ProofMessage>,
    /// Messages that the server may still accept.
    left: usize,
    rejected: usize,
    turns: Turns,
    /// The messages under way, by number.
    sending: Vec<(usize, Sending)>,
    sent: usize,
}

#[derive(Debug)]
struct Sending {
    proof: ProofMessage,
    wording: MessageWording,
    letter: OutgoingMessage,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The server accepted it.
    Accepted,
    /// The server rejected it as relaying.
    Denied,
    /// The server rejected it for another reason, or gave no answer.
    Rejected,
}

impl ProofMail {
    /// Chooses the messages by what was accepted until now.
    pub fn new(turn: &mut AskingTurn<'_>) -> Self {
        let left = turn.request.max_messages;
        Self {
            deadline: turn.now.elapsed + turn.request.wait,
            proofs: proofs::choose(candidates(turn), left + MAX_DENIED).into(),
            left,
            rejected: 0,
            turns: Turns::default(),
            sending: Vec::new(),
            sent: 0,
        }
    }

    /// Does what can be done now.
    pub fn poll(&mut self, turn: &mut AskingTurn<'_>) -> PartStatus {
        loop {
            if self.sending.is_empty() && !self.begin_next(turn) {
                return PartStatus::Over;
            }
            let mut sending = std::mem::take(&mut self.sending);
            sending.retain_mut(|(number, sending)| {
                match sending.poll(turn, *number, &mut self.turns, self.deadline) {
                    None => true,
                    Some(Fate::Accepted) => {
                        self.left -= 1;
                        false
                    }
                    // A denial sends nothing, so it uses up no message.
                    Some(Fate::Denied) => false,
                    Some(Fate::Rejected) => {
                        self.rejected += 1;
                        false
                    }
                }
            });
            self.sending = sending;
            if !self.sending.is_empty() {
                return PartStatus::Waits;
            }
        }
    }

    /// Begins as many messages as may still be accepted; returns false if there is none to send.
    fn begin_next(&mut self, turn: &mut AskingTurn<'_>) -> bool {
        if self.left == 0 || self.rejected >= MAX_REJECTED {
            return false;
        }
        for proof in self.proofs.drain(..self.left.min(self.proofs.len())) {
            let wording = MessageWording::Plain;
            let letter = OutgoingMessage::of_proof(turn, &proof, wording, self.deadline);
            // A path that the report does not know cannot get a message, and must not be tried
            // again and again.
            let Some(letter) = letter else {
                self.rejected += 1;
                continue;
            };
            self.sent += 1;
            self.sending
                .push((self.sent, Sending { proof, wording, letter }));
        }
        !self.sending.is_empty()
    }
}

impl Sending {
    /// What became of the message, once that is known. A message that a filter rejects for its
    /// words is sent again in other words.
    fn poll(
        &mut self,
        turn: &mut AskingTurn<'_>,
        number: usize,
        turns: &mut Turns,
        deadline: Duration,
    ) -> Option<Fate> {
        loop {
            if self.letter.poll(turn, number, turns) == PartStatus::Waits {
                return None;
            }
            // A filter may reject the words "relay" and "test", where a spammer's words would pass.
            let is_filtered = self.wording == MessageWording::Plain
                && letters::was_rejected_for(
                    turn,
                    &self.proof,
                    &[Reason::Policy, Reason::Unclassified, Reason::Syntax],
                );
            let again = is_filtered
                .then(|| {
                    OutgoingMessage::of_proof(turn, &self.proof, MessageWording::Neutral, deadline)
                })
                .flatten();
            let Some(letter) = again else { return Some(self.fate(turn)) };
            (self.letter, self.wording) = (letter, MessageWording::Neutral);
        }
    }

    /// Returns what the server did with the message, by what the run awaits now.
    fn fate(&self, turn: &AskingTurn<'_>) -> Fate {
        let is_awaited = |candidate: &Candidate| {
            turn.awaited
                .contains(&(self.proof.path, candidate.test.number, TokenRole::Recipient))
        };
        let denials = [Reason::RelayDenied, Reason::AuthRequired];
        if self.proof.candidates.iter().any(is_awaited) {
            Fate::Accepted
        } else if letters::was_rejected_for(turn, &self.proof, &denials) {
            Fate::Denied
        } else {
            Fate::Rejected
        }
    }
}

/// The tests whose recipients were accepted, and what their dialogues said.
fn candidates(turn: &mut AskingTurn<'_>) -> Vec<Candidate> {
    let judgement = check::judge(turn.report);
    let mut candidates = Vec::new();
    for (path, judged) in turn.report.paths().zip(&judgement.paths) {
        for judged in &judged.tests {
            let test = judged.test;
            let is_accepted = matches!(judged.outcome, Outcome::Accepted { .. });
            if !test.is_scored() || test.protocol().is_some() || !is_accepted {
                continue;
            }
            if let Some((sender, transaction)) = accepted(turn, (path.id, path.destination()), test)
            {
                candidates.push(Candidate { path: path.id, test, sender, transaction });
            }
        }
    }
    candidates
}

/// The template of the sender that a test was accepted from, and what its dialogue said.
pub(super) fn accepted(
    turn: &mut AskingTurn<'_>,
    (path, destination): (PathId, &Path),
    test: &'static RelayTest,
) -> Option<(&'static str, Transaction)> {
    let login = evidence::accepted_login(turn.report, path, test);
    let round = Round::new(turn, path, destination.clone()).logging_in(login);
    let sender = senders::accepted_from(turn.report, path, test);
    let transaction = turn.transaction(&round, test, sender, Start::default())?;
    Some((sender, transaction))
}
