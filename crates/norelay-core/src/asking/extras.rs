//! What is asked after the proofs, one thing after another: texts that try to become two messages,
//! a message to a made-up user, and a user who authenticates.
//!
//! Rules:
//! - Texts that try to become two messages belong to the intrusive profile alone, for which the
//!   server's administrator must ask. They are judged by what arrives, so none is sent without a
//!   receiver. They are sent one after another, so that each has its own effect.
//! - The bounce of a message to a made-up user can only come to us, because the sender is a token
//!   of ours. One bounce is enough, so only the first path that accepted such a recipient gets the
//!   message.
//! - A password goes over TLS or not at all, and only on the path that users use, or the next best
//!   path.

use std::collections::VecDeque;

use super::{
    evidence,
    letters::{Expects, OutgoingMessage, Turns},
    opening::ids,
    post,
    proofs::{Candidate, MessageWording, ProofMessage},
    talk::{Conversation, DialogueDraft, Round},
    turn::{AskingTurn, PartStatus},
};
use crate::{
    catalogue::{self, Credentials, Mechanism, RelayTest, TestRole, Words},
    check::{self, Outcome},
    event::{Event, Path},
    path::PathId,
    schedule::Start,
    smtp::{Security, Stage},
    token::TokenRole,
};

/// Texts that try to become two messages.
#[derive(Debug)]
pub(super) struct SmugglingTexts {
    waiting: VecDeque<(PathId, Path, &'static RelayTest)>,
    sending: Option<OutgoingMessage>,
    turns: Turns,
}

impl SmugglingTexts {
    /// The tests that no path has answered yet, on every path that should answer them and is not
    /// given up.
    pub fn new(turn: &AskingTurn<'_>) -> Self {
        let mut waiting = VecDeque::new();
        for path in turn
            .report
            .paths()
            .filter(|path| path.facts.given_up.is_none())
        {
            let tests = path.facts.tests.iter().filter_map(|id| id.test());
            for test in tests.filter(|test| test.sends_message()) {
                if path.latest_of(test.id).is_none() {
                    waiting.push_back((path.id, path.destination().clone(), test));
                }
            }
        }
        Self { waiting, sending: None, turns: Turns::default() }
    }

    /// Does what can be done now.
    pub fn poll(&mut self, turn: &mut AskingTurn<'_>) -> PartStatus {
        loop {
            if let Some(letter) = &mut self.sending {
                if letter.poll(turn, 0, &mut self.turns) == PartStatus::Waits {
                    return PartStatus::Waits;
                }
                self.sending = None;
            }
            let Some((path, destination, test)) = self.waiting.pop_front() else {
                return PartStatus::Over;
            };
            self.sending = text(turn, path, destination, test);
        }
    }
}

fn text(
    turn: &mut AskingTurn<'_>,
    path: PathId,
    destination: Path,
    test: &'static RelayTest,
) -> Option<OutgoingMessage> {
    let round = Round::new(turn, path, destination.clone());
    if !turn.means.receiving {
        let why = "it is judged by what arrives, and there is no receiver".to_owned();
        turn.not_run(&round, test, why);
        return None;
    }
    let transaction = turn.transaction(&round, test, test.reverse_path, Start::default())?;
    let deadline = turn.now.elapsed + turn.request.wait;
    let said = (transaction, Vec::new());
    Some(OutgoingMessage::new(
        turn,
        (path, destination),
        vec![test],
        said,
        Expects::TwoMessages,
        deadline,
    ))
}

/// A message to a made-up user that the server accepts, to see whether the server sends a bounce.
#[derive(Debug)]
pub(super) struct Bounce {
    path: PathId,
    test: &'static RelayTest,
    letter: OutgoingMessage,
    turns: Turns,
}

impl Bounce {
    /// Returns the message, if a receiver can see the bounce and such a recipient was accepted.
    pub fn new(turn: &mut AskingTurn<'_>) -> Option<Self> {
        if !turn.means.receiving {
            return None;
        }
        let (path, destination, test) = accepted_unknown_user(turn)?;
        let (sender, transaction) = post::accepted(turn, (path, &destination), test)?;
        let proof =
            ProofMessage { path, candidates: vec![Candidate { path, test, sender, transaction }] };
        let deadline = turn.now.elapsed + turn.request.wait;
        let letter = OutgoingMessage::of_proof(turn, &proof, MessageWording::Neutral, deadline)?;
        Some(Self { path, test, letter, turns: Turns::default() })
    }

    /// Does what can be done now. The run then waits for the bounce instead of the message.
    pub fn poll(&mut self, turn: &mut AskingTurn<'_>) -> PartStatus {
        if self.letter.poll(turn, 0, &mut self.turns) == PartStatus::Waits {
            return PartStatus::Waits;
        }
        let message = (self.path, self.test.number, TokenRole::Recipient);
        if turn.awaited.remove(&message) {
            turn.awaited
                .insert((self.path, self.test.number, TokenRole::Sender));
        }
        PartStatus::Over
    }
}

/// Returns the first path that accepted a made-up user.
fn accepted_unknown_user(turn: &AskingTurn<'_>) -> Option<(PathId, Path, &'static RelayTest)> {
    let judgement = check::judge(turn.report);
    let mut paths = turn.report.paths().zip(&judgement.paths);
    paths.find_map(|(path, judged)| {
        let judged = judged.of(TestRole::Backscatter)?;
        let is_accepted = matches!(judged.outcome, Outcome::Accepted { .. });
        is_accepted.then(|| (path.id, path.destination().clone(), judged.test))
    })
}

/// The positive control: after AUTH, a user's mail must still go out.
#[derive(Debug)]
pub(super) struct User {
    path: PathId,
    destination: Path,
    test: &'static RelayTest,
    /// The mechanisms that are left to try.
    mechanisms: VecDeque<Mechanism>,
    trying: Option<Trying>,
    turns: Turns,
}

#[derive(Debug)]
enum Trying {
    Message(Box<OutgoingMessage>),
    /// Without a receiver, the dialogue ends with the recipient.
    Recipient(Box<(Round, Conversation)>),
}

impl User {
    /// Returns the control, if the run has a user's credentials and a path under TLS.
    pub fn new(turn: &mut AskingTurn<'_>) -> Option<Self> {
        turn.request.credentials.as_ref()?;
        let test = catalogue::by_role(TestRole::Authenticated);
        let Some((path, destination)) = path_of_users(turn) else {
            // Without TLS there is nothing to ask; the first path says so.
            let first = PathId::all().next()?;
            turn.record(Event::TestsAdded { path: first, tests: ids(&[test]) });
            turn.record(Event::NotRun {
                path: first,
                test: test.id.to_string(),
                why: "no path offers TLS, and a password is not sent in the clear".to_owned(),
            });
            return None;
        };
        turn.record(Event::TestsAdded { path, tests: ids(&[test]) });
        let mechanisms = Mechanism::ALL.iter().copied().collect();
        Some(Self { path, destination, test, mechanisms, trying: None, turns: Turns::default() })
    }

    /// Does what can be done now.
    pub fn poll(&mut self, turn: &mut AskingTurn<'_>) -> PartStatus {
        loop {
            if let Some(trying) = &mut self.trying {
                let is_over = match trying {
                    Trying::Message(letter) => {
                        letter.poll(turn, 0, &mut self.turns) == PartStatus::Over
                    }
                    Trying::Recipient(asked) => {
                        let (round, talk) = &mut **asked;
                        talk.poll(turn, round).is_some()
                    }
                };
                if !is_over {
                    return PartStatus::Waits;
                }
                self.trying = None;
                if self.has_an_answer(turn) {
                    self.mechanisms.clear();
                }
            }
            let Some(mechanism) = self.mechanisms.pop_front() else { return PartStatus::Over };
            self.trying = self.with(turn, mechanism);
            if self.trying.is_none() {
                self.mechanisms.clear();
            }
        }
    }

    fn with(&self, turn: &mut AskingTurn<'_>, mechanism: Mechanism) -> Option<Trying> {
        let (path, destination, test) = (self.path, self.destination.clone(), self.test);
        let round = Round::new(turn, path, destination);
        let credentials = turn.request.credentials.clone()?;
        let credentials = Some(Credentials { mechanism, ..credentials });
        let words = Words { credentials, ..turn.words(&round, test) };
        let made = test.transaction(&words, round.destination.security);
        let transaction = turn.made(&round, test, made)?;
        if !turn.means.receiving {
            let plan = DialogueDraft {
                proof: false,
                ..DialogueDraft::with_message(vec![test], transaction)
            };
            let talk = Conversation::begin(turn, &round, plan);
            return Some(Trying::Recipient(Box::new((round, talk))));
        }
        let candidate = Candidate { path, test, sender: test.reverse_path, transaction };
        let proof = ProofMessage { path, candidates: vec![candidate] };
        let deadline = turn.now.elapsed + turn.request.wait;
        let message = OutgoingMessage::of_proof(turn, &proof, MessageWording::Plain, deadline)?;
        Some(Trying::Message(Box::new(message)))
    }

    /// True unless the server does not know the mechanism.
    fn has_an_answer(&self, turn: &AskingTurn<'_>) -> bool {
        let path = turn.report.path(self.path);
        let latest = path.and_then(|path| path.dialogues_of(self.test.id).next_back());
        let Some((number, dialogue)) = latest else { return true };
        // RFC 4954 section 4: 504 where the mechanism is unknown. Others say 500 to 502, or 334 to
        // nothing.
        let is_unknown = dialogue
            .reply_at(Stage::Auth)
            .is_some_and(|reply| (500..=504).contains(&reply.code));
        let outcome = evidence::outcome(turn.report, number, self.test);
        !is_unknown || matches!(outcome, Outcome::Interrupted { .. })
    }
}

/// Returns the path that users send on: a submission port first, then any path under TLS.
fn path_of_users(turn: &AskingTurn<'_>) -> Option<(PathId, Path)> {
    let secured = turn.report.paths().filter(|path| {
        path.destination().security != Security::Plain
            && path.dialogues().any(|dialogue| dialogue.tls.is_some())
    });
    let best = secured.min_by_key(|path| match path.destination().port {
        587 => 0,
        465 => 1,
        _ => 2,
    });
    best.map(|path| (path.id, path.destination().clone()))
}
