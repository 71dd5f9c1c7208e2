//! One dialogue with a server, from the wait for its turn to its end: the pace that the user wants
//! is kept, the certificate of the test is shown, and a failed TLS handshake is asked about once.

use std::time::Duration;

use super::{
    action::{Do, HANDSHAKE_TOO_LONG, Handshake, PlannedDialogue, Saying},
    connections::{NewConnection, RoundId},
    evidence,
    sharing::SharedSteps,
    turn::AskingTurn,
    words,
};
use crate::{
    catalogue::{RelayTest, Words},
    event::{Event, Path, Wait},
    path::PathId,
    smtp::{Stage, Transaction},
};

/// One round of asking on a path, and what the round has learnt.
#[derive(Debug)]
pub(super) struct Round {
    pub id: RoundId,
    pub path: PathId,
    pub destination: Path,
    /// The user name to log in with, in tests that are asked for several.
    pub login: Option<String>,
    old_tls: OldTls,
}

/// What is known of a server whose TLS handshake failed.
#[derive(Debug, PartialEq, Eq)]
enum OldTls {
    /// No handshake has failed.
    Unasked,
    /// A connection asks what the server speaks.
    Asked,
    /// What the server speaks, as a clause, where that is too old for us.
    Known(Option<String>),
}

impl Round {
    /// A round of which nothing is known yet.
    pub fn new(turn: &mut AskingTurn<'_>, path: PathId, destination: Path) -> Self {
        let (id, login) = (turn.connections.new_round(), None);
        Self { id, path, destination, login, old_tls: OldTls::Unasked }
    }

    /// The same round, for a test that logs in as this user.
    pub fn logging_in(self, login: Option<String>) -> Self {
        Self { login, ..self }
    }
}

/// What a dialogue is for, and what is said in it.
#[derive(Debug)]
pub(super) struct DialogueDraft {
    pub tests: Vec<&'static RelayTest>,
    pub transaction: Transaction,
    /// The test that each step is for, where the dialogue is for several.
    pub step_tests: Vec<Option<&'static RelayTest>>,
    pub proof: bool,
    pub attempt: u32,
    pub shared_steps: Option<[SharedSteps; 2]>,
    pub yields: bool,
}

impl DialogueDraft {
    /// A dialogue with a message, for these tests.
    pub fn with_message(tests: Vec<&'static RelayTest>, transaction: Transaction) -> Self {
        Self {
            tests,
            transaction,
            step_tests: Vec::new(),
            proof: true,
            attempt: 0,
            shared_steps: None,
            yields: false,
        }
    }
}

/// A dialogue on its way.
#[derive(Debug)]
pub(super) struct Conversation {
    plan: DialogueDraft,
    state: TalkState,
}

#[derive(Debug)]
enum TalkState {
    /// The user wants it slow: the dialogue begins at this time.
    Paced(Duration),
    /// The connection is open.
    Open(u32),
    /// The handshake failed, and another dialogue asks what the server speaks.
    AwaitsInquiry(u32),
    /// The handshake failed, and a second connection asks what the server speaks.
    Inquires { failed: u32, inquiry: u32 },
}

impl Conversation {
    /// Begins a dialogue: now, or when the pace allows it.
    pub fn begin(turn: &mut AskingTurn<'_>, round: &Round, plan: DialogueDraft) -> Self {
        let start = turn.paced_start(round.destination.address, rejections(&plan.transaction));
        if start > turn.now.elapsed {
            let waiting = turn.waiting(Some(round.path), start, Wait::Pace);
            turn.record(waiting);
            return Self { plan, state: TalkState::Paced(start) };
        }
        let state = TalkState::Open(open(turn, round, &plan, None));
        Self { plan, state }
    }

    /// The number of the dialogue whose answers count, once it is over.
    pub fn poll(&mut self, turn: &mut AskingTurn<'_>, round: &mut Round) -> Option<u32> {
        match self.state {
            TalkState::Paced(start) if start > turn.now.elapsed => {
                turn.wake_at(start);
                None
            }
            TalkState::Paced(_) => {
                self.state = TalkState::Open(open(turn, round, &self.plan, None));
                None
            }
            TalkState::Open(number) => {
                turn.connections.take_end(number)?;
                self.closed(turn, round, number)
            }
            TalkState::AwaitsInquiry(number) => {
                matches!(round.old_tls, OldTls::Known(_)).then_some(number)
            }
            TalkState::Inquires { failed, inquiry } => {
                let found = turn.connections.take_end(inquiry)?;
                let number = if found.is_some() { inquiry } else { failed };
                round.old_tls = OldTls::Known(found);
                // Other dialogues of the round wait for what was found.
                turn.moved = true;
                Some(number)
            }
        }
    }

    /// Ends the connection. Returns its number, unless the handshake failed and another connection
    /// must find out why.
    fn closed(&mut self, turn: &mut AskingTurn<'_>, round: &mut Round, number: u32) -> Option<u32> {
        let failure = evidence::tls_failure(turn.report, number)
            .filter(|failure| *failure != HANDSHAKE_TOO_LONG)
            .map(str::to_owned);
        // A test that shows a certificate expects that the handshake may fail.
        let Some(failure) = failure.filter(|_| certificate(&self.plan).is_none()) else {
            return Some(number);
        };
        match round.old_tls {
            OldTls::Known(_) => return Some(number),
            // One inquiry is enough for all connections of the round.
            OldTls::Asked => self.state = TalkState::AwaitsInquiry(number),
            OldTls::Unasked => {
                round.old_tls = OldTls::Asked;
                let inquiry = open(turn, round, &self.plan, Some(failure));
                self.state = TalkState::Inquires { failed: number, inquiry };
            }
        }
        None
    }
}

/// Returns how many of a dialogue's commands a server may count as rejected.
fn rejections(transaction: &Transaction) -> usize {
    let can_be_rejected = [Stage::Rcpt, Stage::Auth, Stage::Other];
    transaction
        .steps
        .iter()
        .filter(|step| can_be_rejected.contains(&step.stage))
        .count()
}

/// The certificate that the dialogue's test shows: such a test is alone on its connection.
fn certificate(plan: &DialogueDraft) -> Option<crate::catalogue::Certificate> {
    plan.tests.first().and_then(|test| test.certificate())
}

fn open(
    turn: &mut AskingTurn<'_>,
    round: &Round,
    plan: &DialogueDraft,
    failure: Option<String>,
) -> u32 {
    let handshake = match (certificate(plan), failure, &round.old_tls) {
        (Some(certificate), ..) => Handshake::Showing(certificate),
        (None, Some(failure), _) => Handshake::Inquiring(failure),
        (None, None, OldTls::Known(Some(answer))) => Handshake::Answered(answer.clone()),
        (None, None, _) => Handshake::Usual,
    };
    let entry = NewConnection {
        round: round.id,
        path: round.path,
        tests: plan.tests.clone(),
        attempt: plan.attempt,
        shared_steps: plan.shared_steps.clone(),
        yields: plan.yields,
    };
    let dialogue = turn.connections.open(turn.report, entry);
    turn.todo.push_back(Do::Open(Box::new(PlannedDialogue {
        dialogue,
        path: round.path,
        destination: round.destination.clone(),
        tests: plan.tests.clone(),
        proof: plan.proof,
        attempt: plan.attempt,
        login: round.login.clone(),
        saying: Saying::Smtp {
            transaction: plan.transaction.clone(),
            step_tests: plan.step_tests.clone(),
        },
        handshake,
        reply_timeout: turn.request.reply_timeout,
    })));
    dialogue
}

impl AskingTurn<'_> {
    /// When a dialogue with the server at an address may begin.
    fn paced_start(&mut self, address: std::net::IpAddr, rejections: usize) -> Duration {
        if !self.request.slow {
            return self.now.elapsed;
        }
        let pace = self
            .paces
            .entry(address)
            .or_insert_with(|| crate::pace::Pace::new(super::turn::SLOW.0, super::turn::SLOW.1));
        pace.take(rejections, self.now.elapsed)
    }

    /// The words for a test on the path of a round.
    pub(super) fn words(&self, round: &Round, test: &RelayTest) -> Words {
        let place = (round.path, &round.destination);
        let words = words::words(self.request, self.means, self.report, place, test);
        Words { login: round.login.clone(), ..words }
    }

    /// The event that says that the run waits, and until when.
    pub(super) fn waiting(&self, path: Option<PathId>, until: Duration, why: Wait) -> Event {
        let left = until.saturating_sub(self.now.elapsed);
        let until = self
            .now
            .at
            .saturating_add(left)
            .unwrap_or(jiff::Timestamp::MAX);
        Event::Waiting { path, test: None, until, why }
    }
}
