//! QMTP and QMQP: a message for a token at the ports of these protocols, where something listens.
//!
//! Rules:
//! - These protocols have no question before the message, so without a receiver it stays unknown
//!   what listens there.
//! - A port where nothing listens is no path.

use std::collections::VecDeque;

use super::{
    action::{Do, Handshake, PlannedDialogue, Saying},
    connections::NewConnection,
    evidence, letters,
    opening::{MAX_PATHS, ids},
    proofs::{Candidate, MessageWording, ProofMessage},
    request::Request,
    scouts::PathAsking,
    talk::Round,
    turn::{AskingTurn, PartStatus},
};
use crate::{
    catalogue::RelayTest,
    check::Outcome,
    event::{Event, MailExchanger, Path},
    octets::Octets,
    path::PathId,
    report::Report,
    schedule::Start,
    smtp::Security,
    token::Role,
};

/// The messages in other protocols that were accepted, which must arrive if they are relayed.
pub(super) fn accepted(report: &Report) -> super::turn::Awaited {
    let mut awaited = super::turn::Awaited::new();
    for dialogue in report.dialogues.values() {
        let test = dialogue.tests.first().and_then(|id| id.test());
        let Some(test) = test.filter(|test| test.protocol().is_some()) else { continue };
        if matches!(Outcome::of(dialogue, test.id), Outcome::Accepted { .. }) {
            awaited.insert((dialogue.path, test.number, Role::Recipient));
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
        let text = letters::text(turn, &proof, &round.way, MessageWording::Plain);
        let request = protocol.request(text.as_bytes(), sender.as_bytes(), recipient.as_bytes());
        let entry = NewConnection {
            round: round.id,
            path,
            tests: vec![test],
            attempt: 0,
            further: None,
            yields: false,
        };
        let dialogue = turn.connections.open(turn.report, entry);
        turn.todo.push_back(Do::Open(Box::new(PlannedDialogue {
            dialogue,
            path,
            way: round.way.clone(),
            tests: vec![test],
            proof: true,
            attempt: 0,
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

/// The ports of these protocols, one after another.
#[derive(Debug)]
pub(super) struct Ports {
    waiting: VecDeque<(Path, &'static RelayTest)>,
    phase: PortPhase,
}

#[derive(Debug)]
enum PortPhase {
    Idle,
    /// It is to be seen whether the port accepts connections.
    Knocked(Path, &'static RelayTest),
    Asked(Box<PathAsking>),
}

impl Ports {
    /// The ports of these exchangers for these tests.
    pub fn of(
        request: &Request,
        exchangers: &[MailExchanger],
        tests: &[&'static RelayTest],
    ) -> Self {
        let mut waiting = VecDeque::new();
        for exchanger in exchangers {
            for address in &exchanger.addresses {
                if !request.family.has(*address) {
                    continue;
                }
                for test in tests {
                    let Some(protocol) = test.protocol() else { continue };
                    let (host, port) = (exchanger.name.clone(), protocol.port());
                    let path = Path { host, address: *address, port, security: Security::Plain };
                    waiting.push_back((path, *test));
                }
            }
        }
        Self { waiting, phase: PortPhase::Idle }
    }

    /// Does what can be done now.
    pub fn poll(&mut self, turn: &mut AskingTurn<'_>) -> PartStatus {
        loop {
            match std::mem::replace(&mut self.phase, PortPhase::Idle) {
                PortPhase::Idle => {
                    let Some((way, test)) = self.waiting.pop_front() else {
                        return PartStatus::Over;
                    };
                    self.phase = begin(turn, way, test);
                }
                PortPhase::Knocked(way, test) => match turn.knock.take() {
                    None => {
                        self.phase = PortPhase::Knocked(way, test);
                        return PartStatus::Waits;
                    }
                    Some(false) => {}
                    Some(true) => self.phase = add(turn, way, test),
                },
                PortPhase::Asked(mut asking) => {
                    if asking.poll(turn) == PartStatus::Waits {
                        self.phase = PortPhase::Asked(asking);
                        return PartStatus::Waits;
                    }
                }
            }
        }
    }
}

fn begin(turn: &mut AskingTurn<'_>, way: Path, test: &'static RelayTest) -> PortPhase {
    // A run that is resumed has been here before.
    let mut paths = turn.report.paths();
    let known = paths.find(|path| *path.way() == way).map(|path| path.id);
    match known {
        Some(path) if evidence::is_answered(turn.report, path, test) => PortPhase::Idle,
        Some(path) => asking(turn, path, way, test),
        None => {
            turn.todo.push_back(Do::Knock(way.endpoint()));
            PortPhase::Knocked(way, test)
        }
    }
}

/// Makes a path of a port that accepts connections.
fn add(turn: &mut AskingTurn<'_>, way: Path, test: &'static RelayTest) -> PortPhase {
    let next = PathId::all().take(MAX_PATHS).nth(turn.report.paths().len());
    let Some(path) = next else { return PortPhase::Idle };
    turn.record(Event::PathAdded { path, way: way.clone(), tests: ids(&[test]) });
    asking(turn, path, way, test)
}

fn asking(
    turn: &mut AskingTurn<'_>,
    path: PathId,
    way: Path,
    test: &'static RelayTest,
) -> PortPhase {
    PortPhase::Asked(Box::new(PathAsking::new(turn, path, way, vec![test])))
}
