//! The ports of QMTP and QMQP, one after another: each becomes a path if something listens there.

use std::collections::VecDeque;

use super::{
    action::Do,
    evidence,
    opening::{MAX_PATHS, ids},
    request::Request,
    scouts::PathAsking,
    turn::{AskingTurn, PartStatus},
};
use crate::{
    catalogue::RelayTest,
    event::{Event, MailExchanger, Path},
    path::PathId,
    smtp::Security,
};

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
                    let Some((destination, test)) = self.waiting.pop_front() else {
                        return PartStatus::Over;
                    };
                    self.phase = begin(turn, destination, test);
                }
                PortPhase::Knocked(destination, test) => match turn.knock.take() {
                    None => {
                        self.phase = PortPhase::Knocked(destination, test);
                        return PartStatus::Waits;
                    }
                    Some(false) => {}
                    Some(true) => self.phase = add(turn, destination, test),
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

fn begin(turn: &mut AskingTurn<'_>, destination: Path, test: &'static RelayTest) -> PortPhase {
    // A run that is resumed has been here before.
    let mut paths = turn.report.paths();
    let known = paths
        .find(|path| *path.destination() == destination)
        .map(|path| path.id);
    match known {
        Some(path) if evidence::is_answered(turn.report, path, test) => PortPhase::Idle,
        Some(path) => asking(turn, path, destination, test),
        None => {
            turn.todo.push_back(Do::Knock(destination.endpoint()));
            PortPhase::Knocked(destination, test)
        }
    }
}

/// Makes a path of a port that accepts connections.
fn add(turn: &mut AskingTurn<'_>, destination: Path, test: &'static RelayTest) -> PortPhase {
    let next = PathId::all().take(MAX_PATHS).nth(turn.report.paths().len());
    let Some(path) = next else { return PortPhase::Idle };
    turn.record(Event::PathAdded { path, destination: destination.clone(), tests: ids(&[test]) });
    asking(turn, path, destination, test)
}

fn asking(
    turn: &mut AskingTurn<'_>,
    path: PathId,
    destination: Path,
    test: &'static RelayTest,
) -> PortPhase {
    PortPhase::Asked(Box::new(PathAsking::new(turn, path, destination, vec![test])))
}
