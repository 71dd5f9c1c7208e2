//! One turn of the asking: what every part of it may read and write.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    time::Duration,
};

use super::{
    action::{Do, Moment},
    connections::Connections,
    request::{Means, Request},
};
use crate::{
    catalogue::RelayTest,
    event::{Event, MailExchanger, Path, Wait},
    pace::Pace,
    path::PathId,
    report::Report,
    schedule::Why,
    token::TokenRole,
};

/// fail2ban's usual limit is five rejections in ten minutes.
pub(super) const SLOW: (usize, Duration) = (3, Duration::from_secs(600));

/// Paths and tests whose message was accepted, and the role of the address that it must come to.
pub(super) type Awaited = BTreeSet<(PathId, u8, TokenRole)>;

/// The paths of a host, each with the logins that it may be asked.
pub(super) type HostPaths = Vec<(PathId, Path, Vec<&'static RelayTest>)>;

/// What all stages of the asking share.
#[derive(Debug)]
pub(super) struct Desk {
    pub request: Request,
    pub means: Means,
    /// The tests that are asked at ports of their own, in other protocols than SMTP.
    pub other_protocols: Vec<&'static RelayTest>,
    /// The tests that log in with made-up credentials, which are asked after everything else.
    pub logins: Vec<&'static RelayTest>,
    /// The paths that are asked certain logins, where the run asks again what failed.
    pub login_paths: HostPaths,
    /// The tests of names that the server gives itself. Each path gets those that have a name.
    pub of_own_names: Vec<&'static RelayTest>,
    pub exchangers: Vec<MailExchanger>,
    pub todo: VecDeque<Do>,
    pub connections: Connections,
    pub paces: BTreeMap<IpAddr, Pace>,
    pub awaited: Awaited,
    pub knock: Option<bool>,
    /// True until the canary that a run begins with is sent.
    pub owes_canary: bool,
}

/// Whether a part of the asking goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartStatus {
    /// The part waits for something, or has put something into `todo`.
    Waits,
    /// The part is over. Asked again, it says so again.
    Over,
}

/// One call of [`Asking::next`]: what every part of the asking may read and write.
pub(super) struct AskingTurn<'a> {
    pub request: &'a Request,
    pub means: &'a Means,
    pub of_own_names: &'a [&'static RelayTest],
    pub report: &'a Report,
    pub now: Moment,
    pub todo: &'a mut VecDeque<Do>,
    pub connections: &'a mut Connections,
    pub paces: &'a mut BTreeMap<IpAddr, Pace>,
    pub awaited: &'a mut Awaited,
    pub knock: &'a mut Option<bool>,
    /// The earliest time that some part waits for.
    pub wake: Option<Duration>,
    /// True if a part has changed what another part waits for.
    pub moved: bool,
}

impl Desk {
    pub fn turn<'a>(&'a mut self, report: &'a Report, now: Moment) -> AskingTurn<'a> {
        AskingTurn {
            request: &self.request,
            means: &self.means,
            of_own_names: &self.of_own_names,
            report,
            now,
            todo: &mut self.todo,
            connections: &mut self.connections,
            paces: &mut self.paces,
            awaited: &mut self.awaited,
            knock: &mut self.knock,
            wake: None,
            moved: false,
        }
    }
}

impl AskingTurn<'_> {
    /// Records a fact. The report knows it from the next turn on.
    pub fn record(&mut self, event: Event) {
        self.todo.push_back(Do::Record(Box::new(event)));
    }

    /// Asks for another turn at this time.
    pub fn wake_at(&mut self, time: Duration) {
        self.wake = Some(self.wake.map_or(time, |wake| wake.min(time)));
    }

    /// Tells what is waited for, once for each time. A full window is nothing to tell of.
    pub fn announce(
        &mut self,
        announced: &mut Option<Duration>,
        path: PathId,
        until: Option<Duration>,
        why: Why,
    ) {
        let Some(until) = until else { return };
        self.wake_at(until);
        if announced.replace(until) == Some(until) {
            return;
        }
        let why = match why {
            Why::Window => return,
            Why::Greylisted => Wait::Greylisted,
            Why::Dropped => Wait::Dropped,
        };
        let waiting = self.waiting(Some(path), until, why);
        self.record(waiting);
    }
}
