//! The stages of a run, one after another: the hosts, the ports of other protocols, the proofs, and
//! what is asked after them.

use std::collections::VecDeque;

use super::{
    action::{Agenda, Do, Moment},
    arrivals::Arrivals,
    delivery,
    extras::{Bounce, SmugglingTexts, User},
    hosts::HostAsking,
    logins::{LoginScope, Logins},
    opening,
    ports::Ports,
    post::ProofMail,
    scouts::PathAsking,
    turn::{AskingTurn, Desk, HostPaths, PartStatus},
    words,
};
use crate::{
    catalogue::RelayTest,
    check::Observation,
    event::{Event, Path},
    octets::Octets,
    path::PathId,
    report::Report,
};

/// What is being asked.
#[derive(Debug)]
pub(super) enum RunStage {
    /// All hosts, side by side.
    Hosts(Vec<HostAsking>),
    /// Certain tests on certain paths, one after another.
    Paths(PathTests, Option<Box<PathAsking>>),
    /// The ports of other protocols.
    Ports(Ports),
    /// A user who authenticates. Failed logins would slow the user's login down.
    User(Option<Box<User>>),
    /// Logins with made-up credentials.
    Logins(Logins),
    /// The messages that prove.
    Proofs(ProofMail),
    /// Texts that may become two messages.
    Texts(Box<SmugglingTexts>),
    /// A message to a made-up user.
    Bounce(Option<Box<Bounce>>),
    /// What was sent may still arrive.
    Arrivals(Option<Arrivals>),
    /// Everything is asked.
    Over,
}

impl RunStage {
    /// Does what can be done now in this stage.
    pub fn poll(&mut self, turn: &mut AskingTurn<'_>) -> PartStatus {
        match self {
            Self::Hosts(hosts) => {
                hosts.retain_mut(|host| host.poll(turn) == PartStatus::Waits);
                if hosts.is_empty() { PartStatus::Over } else { PartStatus::Waits }
            }
            Self::Paths(waiting, asking) => poll_paths(turn, waiting, asking),
            Self::Ports(ports) => ports.poll(turn),
            Self::Logins(logins) => logins.poll(turn),
            Self::Proofs(post) => post.poll(turn),
            Self::Texts(texts) => texts.poll(turn),
            Self::Bounce(bounce) => bounce
                .as_mut()
                .map_or(PartStatus::Over, |bounce| bounce.poll(turn)),
            Self::User(user) => user
                .as_mut()
                .map_or(PartStatus::Over, |user| user.poll(turn)),
            Self::Arrivals(wait) => wait
                .as_mut()
                .map_or(PartStatus::Over, |wait| wait.poll(turn)),
            Self::Over => PartStatus::Over,
        }
    }
}

/// Certain tests on certain paths, with the number of each path.
type PathTests = VecDeque<(PathId, Path, Vec<&'static RelayTest>)>;

/// Asks one path after another.
fn poll_paths(
    turn: &mut AskingTurn<'_>,
    waiting: &mut PathTests,
    asking: &mut Option<Box<PathAsking>>,
) -> PartStatus {
    loop {
        if let Some(path) = asking
            && path.poll(turn) == PartStatus::Waits
        {
            return PartStatus::Waits;
        }
        let Some((path, destination, tests)) = waiting.pop_front() else { return PartStatus::Over };
        *asking = Some(Box::new(PathAsking::new(turn, path, destination, tests)));
    }
}

impl Desk {
    /// Returns the stage after this one. Stages that have nothing to do end at once.
    pub fn following(&mut self, stage: &RunStage, report: &Report, now: Moment) -> RunStage {
        if let RunStage::Hosts(_) = stage {
            let (exchangers, tests) = (&self.exchangers, &self.other_protocols);
            let ports = Ports::of(&self.request, exchangers, tests);
            return RunStage::Ports(ports);
        }
        if let RunStage::Paths(..) | RunStage::Ports(_) = stage {
            // Messages in other protocols were sent before the proofs and may come back any time.
            self.awaited = delivery::accepted(report);
        }
        if let RunStage::User(_) = stage {
            return RunStage::Logins(self.logins(report, now));
        }
        let mut turn = self.turn(report, now);
        match stage {
            RunStage::Hosts(_) | RunStage::Paths(..) | RunStage::Ports(_) => {
                RunStage::User(User::new(&mut turn).map(Box::new))
            }
            // Without a receiver, no message could be seen to come back.
            RunStage::User(_) | RunStage::Logins(_) if turn.means.receiving => {
                RunStage::Proofs(ProofMail::new(&mut turn))
            }
            RunStage::User(_) | RunStage::Logins(_) | RunStage::Proofs(_) => {
                RunStage::Texts(Box::new(SmugglingTexts::new(&turn)))
            }
            RunStage::Texts(_) => RunStage::Bounce(Bounce::new(&mut turn).map(Box::new)),
            RunStage::Bounce(_) => RunStage::Arrivals(Arrivals::new(&mut turn)),
            RunStage::Arrivals(_) | RunStage::Over => RunStage::Over,
        }
    }

    /// The logins of the run: at every host of it, or on the paths where they are asked again.
    fn logins(&mut self, report: &Report, now: Moment) -> Logins {
        let again = std::mem::take(&mut self.login_paths);
        let tests = self.logins.clone();
        let scope = match self.request.every_path || !again.is_empty() {
            true => LoginScope::EachPath,
            false => LoginScope::OnePath,
        };
        let of_host = |paths: Vec<(PathId, Path)>| -> HostPaths {
            let all = paths.into_iter();
            all.map(|(id, path)| (id, path, tests.clone())).collect()
        };
        let hosts = match again.is_empty() {
            true => opening::paths_of(report).into_iter().map(of_host).collect(),
            false => vec![again],
        };
        Logins::new(&self.turn(report, now), hosts, scope)
    }

    /// Puts into `todo` what says that the run begins; returns the first stage.
    pub fn begin(&mut self, agenda: Agenda, left_out: Option<String>, report: &Report) -> RunStage {
        let mut events = Vec::new();
        let stage = match agenda {
            Agenda::New(_) => {
                events.extend(self.start());
                let left_out = left_out.map(Octets::from);
                events.extend(left_out.map(|tests| Observation::NotAsked { tests }.event(None)));
                let hosts = opening::paths(&self.request, &self.exchangers);
                events.extend(opening::paths_added(&self.request, &hosts));
                RunStage::Hosts(hosts.into_iter().map(HostAsking::new).collect())
            }
            Agenda::Resumed => {
                events.push(Event::Resumed);
                let hosts = opening::paths_of(report);
                RunStage::Hosts(hosts.into_iter().map(HostAsking::new).collect())
            }
            Agenda::Again(paths, note) => {
                events.extend(self.start());
                events.push(*note);
                let mut asked = VecDeque::new();
                for (path, (destination, mut tests)) in PathId::all().zip(paths) {
                    tests.retain(|test| {
                        words::lacks(&self.request, &self.means, test).is_none()
                            && words::has_subject(&self.request, test)
                            && test.own_name_place().is_none()
                    });
                    let (way_added, tests_added) = (destination.clone(), opening::ids(&tests));
                    events.push(Event::PathAdded {
                        path,
                        destination: way_added,
                        tests: tests_added,
                    });
                    let (logins, tests): (Vec<_>, Vec<_>) =
                        tests.into_iter().partition(|test| test.login().is_some());
                    if !logins.is_empty() {
                        self.login_paths.push((path, destination.clone(), logins));
                    }
                    asked.push_back((path, destination, tests));
                }
                // In such a run, nothing but the plan is asked.
                self.logins = Vec::new();
                RunStage::Paths(asked, None)
            }
        };
        self.todo
            .extend(events.into_iter().map(|event| Do::Record(Box::new(event))));
        stage
    }

    fn start(&self) -> [Event; 2] {
        let apart: Vec<_> = self
            .other_protocols
            .iter()
            .chain(&self.logins)
            .chain(&self.of_own_names)
            .copied()
            .collect();
        opening::start(&self.request, &self.means, &apart, &self.exchangers)
    }
}
