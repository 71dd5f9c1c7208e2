//! How a run begins: the events that say what will be done, before anything is asked.

use super::{
    evidence, order,
    request::{Means, Request},
    words,
};
use crate::{
    catalogue::RelayTest,
    event::{Event, MailExchanger, Path, Run},
    path::PathId,
    report::Report,
};

/// A token names its path in one octet, and so many paths are enough for one server.
pub const MAX_PATHS: usize = 255;

/// The ids of tests, for the log.
pub(super) fn ids(tests: &[&'static RelayTest]) -> Vec<String> {
    tests.iter().map(|test| test.id.to_string()).collect()
}

/// Returns the events that say that the run has begun, and against which server.
pub(super) fn start(
    request: &Request,
    means: &Means,
    apart: &[&'static RelayTest],
    exchangers: &[MailExchanger],
) -> [Event; 2] {
    let addresses = exchangers.iter().flat_map(|exchanger| &exchanger.addresses);
    let first = addresses
        .copied()
        .find(|address| request.family.has(*address));
    let helo = first
        .map(|address| words::helo(request, means, address))
        .unwrap_or_default();
    let run = Run {
        run: request.run,
        target: request.target.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        profile: request.profile,
        domain: request.domain.clone(),
        domain_given: request.domain_given,
        helo,
        local_domain: request.local_domain.clone(),
        named_user: request.named_user.clone(),
        trusted_senders: request.trusted_senders.clone(),
        receiving: means.receiving,
        seen_as_expected: request.seen_as_expected,
        tests: [ids(&request.tests), ids(apart)].concat(),
    };
    [Event::RunStarted(run), Event::Resolved { exchangers: exchangers.to_vec() }]
}

/// Returns the paths of each exchanger, numbered; no more than [`MAX_PATHS`].
pub(super) fn paths(request: &Request, exchangers: &[MailExchanger]) -> Vec<Vec<(PathId, Path)>> {
    let mut ids = PathId::all().take(MAX_PATHS);
    let mut hosts = Vec::new();
    for exchanger in exchangers {
        // `by_ref` on the paths would lose one when the ids run out.
        let mut paths = Vec::new();
        for path in request.paths_to(exchanger) {
            let Some(id) = ids.next() else { break };
            paths.push((id, path));
        }
        hosts.push(paths);
    }
    hosts
}

/// Returns the events that say that these paths are asked the first tests.
pub(super) fn paths_added(request: &Request, hosts: &[Vec<(PathId, Path)>]) -> Vec<Event> {
    let tests = ids(&order::first_tests(request));
    let added = hosts
        .iter()
        .flatten()
        .map(|(path, destination)| Event::PathAdded {
            path: *path,
            destination: destination.clone(),
            tests: tests.clone(),
        });
    added.collect()
}

/// Returns the paths of a run that was stopped, by host. A path of another protocol belongs to no
/// host.
pub(super) fn paths_of(report: &Report) -> Vec<Vec<(PathId, Path)>> {
    let mut hosts: Vec<Vec<(PathId, Path)>> = Vec::new();
    for path in report.paths() {
        if evidence::is_of_other_protocol(&path.facts.tests) {
            continue;
        }
        let (id, path) = (path.id, path.destination().clone());
        match hosts.iter_mut().find(|paths| paths[0].1.host == path.host) {
            Some(paths) => paths.push((id, path)),
            None => hosts.push(vec![(id, path)]),
        }
    }
    hosts
}

/// Returns the hosts of these paths, with the addresses of each.
#[must_use]
pub fn exchangers_of<T>(paths: &[(Path, T)]) -> Vec<MailExchanger> {
    let mut exchangers: Vec<MailExchanger> = Vec::new();
    for (destination, _) in paths {
        match exchangers
            .iter_mut()
            .find(|exchanger| exchanger.name == destination.host)
        {
            Some(known) if known.addresses.contains(&destination.address) => {}
            Some(known) => known.addresses.push(destination.address),
            None => {
                let (name, addresses) = (destination.host.clone(), vec![destination.address]);
                exchangers.push(MailExchanger { name, preference: None, addresses });
            }
        }
    }
    exchangers
}
