//! One message by QMTP or QMQP, for a token.
//!
//! Rules:
//! - These protocols have no question before the message, so without a receiver it stays unknown
//!   what listens there.

use super::{
    action::{Do, Handshake, PlannedDialogue, Saying},
    connections::NewConnection,
    letters,
    proofs::{Candidate, MessageWording, ProofMessage},
    talk::Round,
    turn::{AskingTurn, Awaited, PartStatus},
};
use crate::{
    catalogue::RelayTest, check::Outcome, octets::Octets, report::Report, schedule::Start,
    token::TokenRole,
};

/// The messages in other protocols that were accepted, which must arrive if they are relayed.
pub(super) fn accepted(report: &Report) -> Awaited {
    let mut awaited = Awaited::new();
    for dialogue in report.dialogues.values() {
        let test = dialogue.tests.first().and_then(|id| id.test());
        let Some(test) = test.filter(|test| test.protocol().is_some()) else { continue };
        if matches!(Outcome::of(dialogue, test.id), Outcome::Accepted { .. }) {
            awaited.insert((dialogue.path, test.number, TokenRole::Recipient));
        }
    }
    awaited
}

/// One message that is handed over in such a protocol.
#[derive(Debug)]
pub(super) struct Delivery(u32);

impl Delivery {
    /// Hands over the message of a test, where a receiver can see it come back; otherwise records
    /// why not.
    pub fn begin(
        turn: &mut AskingTurn<'_>,
        round: &Round,
        test: &'static RelayTest,
    ) -> Option<Self> {
        if !turn.means.receiving {
            let why =
                "something listens there, only a message can ask it, and there is no receiver";
            turn.not_run(round, test, why.to_owned());
            return None;
        }
        let protocol = test.protocol()?;
        let transaction = turn.transaction(round, test, test.reverse_path, Start::default())?;
        let addresses: Vec<Octets> = transaction
            .steps
            .iter()
            .filter_map(|step| address_in(&step.line))
            .collect();
        let [sender, recipient] = addresses.as_slice() else { return None };
        let (sender, recipient) = (sender.clone(), recipient.clone());
        let path = round.path;
        let candidate = Candidate { path, test, sender: test.reverse_path, transaction };
        let proof = ProofMessage { path, candidates: vec![candidate] };
        let text = letters::text(turn, &proof, &round.destination, MessageWording::Plain);
        let request = protocol.request(text.as_bytes(), sender.as_bytes(), recipient.as_bytes());
        let entry = NewConnection {
            round: round.id,
            path,
            tests: vec![test],
            attempt: 0,
            shared_steps: None,
            yields: false,
        };
        let dialogue = turn.connections.open(turn.report, entry);
        turn.todo.push_back(Do::Open(Box::new(PlannedDialogue {
            dialogue,
            path,
            destination: round.destination.clone(),
            tests: vec![test],
            proof: true,
            attempt: 0,
            login: None,
            saying: Saying::Netstring { request, text },
            handshake: Handshake::Usual,
            reply_timeout: turn.request.reply_timeout,
        })));
        Some(Self(dialogue))
    }

    /// [`PartStatus::Over`] once the connection is over.
    pub fn poll(&self, turn: &mut AskingTurn<'_>) -> PartStatus {
        if turn.connections.take_end(self.0).is_some() {
            PartStatus::Over
        } else {
            PartStatus::Waits
        }
    }
}

/// What stands between the brackets of a MAIL or RCPT.
fn address_in(line: &Octets) -> Option<Octets> {
    let line = line.as_bytes();
    let start = line.iter().position(|octet| *octet == b'<')? + 1;
    let end = line.iter().rposition(|octet| *octet == b'>')?;
    line.get(start..end).map(Octets::from)
}
