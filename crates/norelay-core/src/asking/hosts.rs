//! One host: the whole profile on the first path that speaks, and on the others what may differ.
//!
//! Rules:
//! - The paths up to the first one that speaks get every test, one path after another.
//! - Every other path gets the plain test with a foreign sender and with the server's own senders.
//!   If one of these is answered differently than on the first path, and not rejected as relaying,
//!   the path gets every test.
//! - Another path also gets the tests that need what only this path offers, and under TLS the tests
//!   that were rejected in the clear for want of TLS.
//! - Paths to one endpoint are asked one after another: what one of them has shown, such as a
//!   missing STARTTLS, the next need not ask.
//!
//! Today's open relays are mostly a lost client address, on one port or one address family. The
//! plain test finds them, unless the gateway in front of the server may relay for senders of the
//! server's own domain alone.

use std::collections::VecDeque;

use super::{
    evidence,
    opening::ids,
    order,
    scouts::PathAsking,
    turn::{AskingTurn, PartStatus},
};
use crate::{
    catalogue::RelayTest,
    check::{self, Weight},
    event::{Event, Path},
    path::PathId,
};

/// Ports of a host that are asked side by side; each has two connections at most.
const AT_ONCE: usize = 2;

/// The asking of one host.
#[derive(Debug)]
pub(super) struct HostAsking {
    waiting: VecDeque<(PathId, Path)>,
    phase: HostPhase,
}

#[derive(Debug)]
enum HostPhase {
    /// No path has spoken yet; this one is being asked every test.
    First(Option<(PathId, Box<PathAsking>)>),
    /// The first path has spoken: the others, by endpoint.
    Others { first: PathId, ports: VecDeque<VecDeque<(PathId, Path)>>, running: Vec<Port> },
}

impl HostAsking {
    /// The asking of a host's paths, in this order.
    pub fn new(paths: Vec<(PathId, Path)>) -> Self {
        Self { waiting: paths.into(), phase: HostPhase::First(None) }
    }

    /// Does what can be done now.
    pub fn poll(&mut self, turn: &mut AskingTurn<'_>) -> PartStatus {
        loop {
            match &mut self.phase {
                HostPhase::First(Some((path, asking))) => {
                    if asking.poll(turn) == PartStatus::Waits {
                        return PartStatus::Waits;
                    }
                    let path = *path;
                    if !turn.todo.is_empty() {
                        // What the path has recorded last must be in the report.
                        return PartStatus::Waits;
                    }
                    self.phase = match evidence::has_spoken(turn.report, path) {
                        true => by_endpoint(path, std::mem::take(&mut self.waiting)),
                        false => HostPhase::First(None),
                    };
                }
                HostPhase::First(None) => {
                    let Some((path, destination)) = self.waiting.pop_front() else {
                        return PartStatus::Over;
                    };
                    let tests = turn.request.tests.clone();
                    turn.record(Event::TestsAdded { path, tests: ids(&tests) });
                    let asking = PathAsking::new(turn, path, destination, tests);
                    self.phase = HostPhase::First(Some((path, Box::new(asking))));
                }
                HostPhase::Others { first, ports, running } => {
                    running.retain_mut(|port| port.poll(turn, *first) == PartStatus::Waits);
                    if running.len() < AT_ONCE
                        && let Some(paths) = ports.pop_front()
                    {
                        running.push(Port { paths, asking: None });
                    } else {
                        return if running.is_empty() {
                            PartStatus::Over
                        } else {
                            PartStatus::Waits
                        };
                    }
                }
            }
        }
    }
}

/// Groups the other paths by endpoint, each group in the order of its paths.
fn by_endpoint(first: PathId, paths: VecDeque<(PathId, Path)>) -> HostPhase {
    let mut ports: VecDeque<VecDeque<(PathId, Path)>> = VecDeque::new();
    for (id, path) in paths {
        let same = ports.iter_mut().find(|port| {
            port.iter()
                .any(|(_, other)| other.endpoint() == path.endpoint())
        });
        match same {
            Some(port) => port.push_back((id, path)),
            None => ports.push_back(VecDeque::from([(id, path)])),
        }
    }
    HostPhase::Others { first, ports, running: Vec::new() }
}

/// The other paths to one endpoint.
#[derive(Debug)]
struct Port {
    paths: VecDeque<(PathId, Path)>,
    asking: Option<OtherPath>,
}

/// One of the other paths, while it is asked.
#[derive(Debug)]
struct OtherPath {
    path: PathId,
    destination: Path,
    asking: PathAsking,
    part: OtherPathPart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OtherPathPart {
    /// The plain tests.
    Plain,
    /// The tests that are left.
    Rest,
}

impl Port {
    fn poll(&mut self, turn: &mut AskingTurn<'_>, first: PathId) -> PartStatus {
        loop {
            let Some(other) = &mut self.asking else {
                let Some((path, destination)) = self.paths.pop_front() else {
                    return PartStatus::Over;
                };
                if !turn.todo.is_empty() {
                    self.paths.push_front((path, destination));
                    return PartStatus::Waits;
                }
                self.asking = begin(turn, path, destination);
                continue;
            };
            if other.asking.poll(turn) == PartStatus::Waits {
                return PartStatus::Waits;
            }
            if !turn.todo.is_empty() {
                return PartStatus::Waits;
            }
            let rest = match other.part {
                OtherPathPart::Plain => rest(turn, first, other.path, &other.destination),
                OtherPathPart::Rest => Vec::new(),
            };
            if rest.is_empty() {
                self.asking = None;
                continue;
            }
            turn.record(Event::TestsAdded { path: other.path, tests: ids(&rest) });
            other.asking = PathAsking::new(turn, other.path, other.destination.clone(), rest);
            other.part = OtherPathPart::Rest;
        }
    }
}

/// Begins one of the other paths. A path that is known to be closed or not offered is recorded as
/// such instead.
fn begin(turn: &mut AskingTurn<'_>, path: PathId, destination: Path) -> Option<OtherPath> {
    if let Some(cause) = evidence::closed_port(turn.report, path) {
        turn.record(Event::GivenUp { path, cause });
        return None;
    }
    let plain = order::first_tests(turn.request);
    if let Some(keyword) = evidence::not_offered(turn.report, path) {
        let why = format!("the server does not offer {keyword}");
        for test in ids(&plain) {
            turn.record(Event::NotRun { path, test, why: why.clone() });
        }
        return None;
    }
    let asking = PathAsking::new(turn, path, destination.clone(), plain);
    Some(OtherPath { path, destination, asking, part: OtherPathPart::Plain })
}

/// Returns what one of the other paths is asked after the plain tests.
fn rest(
    turn: &AskingTurn<'_>,
    first: PathId,
    path: PathId,
    destination: &Path,
) -> Vec<&'static RelayTest> {
    if !evidence::has_spoken(turn.report, path) {
        return Vec::new();
    }
    let judgement = check::judge(turn.report);
    let plain = order::first_tests(turn.request);
    let differs = plain.iter().any(|test| {
        let weight = evidence::weight(&judgement, path, test);
        weight != Some(Weight::Denial) && weight != evidence::weight(&judgement, first, test)
    });
    let wants_tls = evidence::wanting_tls(turn.report, &judgement, destination);
    let is_offered =
        |test: &RelayTest, path: PathId| evidence::is_known_offered(turn.report, path, test);
    let mut rest = Vec::new();
    for test in &turn.request.tests {
        let was_asked = plain.iter().any(|asked| asked.number == test.number);
        let is_left = differs
            || wants_tls.contains(&test.number)
            || is_offered(test, path) && !is_offered(test, first);
        if !was_asked && is_left {
            rest.push(*test);
        }
    }
    rest
}
