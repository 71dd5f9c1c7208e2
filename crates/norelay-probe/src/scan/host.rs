//! One host: the whole profile on the first path that speaks, the plain test on the others with a
//! foreign sender and with the server's own, and the whole profile on those that answer one of them
//! differently; the others are asked what they offer and the first one doesn't, and under TLS what
//! was refused in the clear for want of it.
//!
//! Today's open relays are mostly a lost client address, on one port or one address family: the
//! plain test finds them, but where the gateway that stands for everybody may relay for senders of
//! the server's own domain alone.

use std::sync::Arc;

use norelay_core::{
    catalogue::{AskedOn, RelayTest, TestRole},
    check::{
        Outcome, Reason,
        verdict::{self, Verdict, Weight},
    },
    event::{Event, Path},
    path::PathId,
    report::PathView,
    smtp::{Cause, Security},
};
use tokio::task::JoinSet;

use super::{Context, Request, ids, path};
use crate::network::Network;

/// Ports of a host that are asked side by side; each has two connections at most.
const AT_ONCE: usize = 2;

/// The tests that a path is asked at first: where the plain test is among those of the run, the
/// tests for every path, which are the plain test, its control and the server's own senders.
pub fn first_tests(request: &Request) -> Vec<&'static RelayTest> {
    let on_every_path = request
        .tests
        .iter()
        .copied()
        .filter(|test| test.paths == AskedOn::EveryPath);
    let plain: Vec<_> = on_every_path.collect();
    if request.every_path || !plain.iter().any(|test| test.is(TestRole::Plain)) {
        request.tests.clone()
    } else {
        plain
    }
}

/// Asks all paths of a host.
pub async fn scan_host<N: Network>(context: &Arc<Context<N>>, paths: Vec<(PathId, Path)>) {
    let mut paths = paths.into_iter();
    let mut first = None;
    for (index, way) in paths.by_ref() {
        scan_wholly(context, index, way).await;
        if has_spoken(context, index) {
            first = Some(index);
            break;
        }
    }
    let Some(first) = first else { return };
    let mut running = JoinSet::new();
    for port in by_port(paths) {
        if running.len() >= AT_ONCE {
            running.join_next().await;
        }
        let context = context.clone();
        running.spawn(async move {
            for (index, way) in port {
                scan_further(&context, first, index, way).await;
            }
        });
    }
    while running.join_next().await.is_some() {}
}

/// The paths by address and port: what one of them has shown, such as a missing STARTTLS, the next
/// need not ask.
fn by_port(paths: impl Iterator<Item = (PathId, Path)>) -> Vec<Vec<(PathId, Path)>> {
    let mut ports: Vec<Vec<(PathId, Path)>> = Vec::new();
    for (index, way) in paths {
        let is_same = |port: &&mut Vec<(PathId, Path)>| {
            port.iter()
                .any(|(_, other)| other.endpoint() == way.endpoint())
        };
        match ports.iter_mut().find(is_same) {
            Some(port) => port.push((index, way)),
            None => ports.push(vec![(index, way)]),
        }
    }
    ports
}

async fn scan_wholly<N: Network>(context: &Arc<Context<N>>, index: PathId, way: Path) {
    context
        .recorder
        .record(Event::TestsAdded { path: index, tests: ids(&context.request.tests) });
    path::scan_path(context, index, way, context.request.tests.clone()).await;
}

/// Asks a further path the plain tests and, where one is answered otherwise than on the first path
/// and not denied, all.
async fn scan_further<N: Network>(
    context: &Arc<Context<N>>,
    first: PathId,
    index: PathId,
    way: Path,
) {
    if let Some(cause) = shut_port(context, index) {
        return context
            .recorder
            .record(Event::GivenUp { path: index, cause });
    }
    let plain = first_tests(&context.request);
    if let Some(keyword) = context
        .recorder
        .look(|report| verdict::not_offered(report.path(index)?))
    {
        let why = format!("the server does not offer {keyword}");
        let not_run = |test: String| Event::NotRun { path: index, test, why: why.clone() };
        return ids(&plain)
            .into_iter()
            .for_each(|test| context.recorder.record(not_run(test)));
    }
    path::scan_path(context, index, way.clone(), plain.clone()).await;
    if !has_spoken(context, index) {
        return;
    }
    let differs = plain.iter().any(|test| {
        let weight = weight(context, index, test);
        weight != Some(Weight::Denial) && weight != self::weight(context, first, test)
    });
    let is_asked = |test: &RelayTest| plain.iter().any(|asked| asked.number == test.number);
    let can_be_asked = |test: &RelayTest, path: PathId| {
        context.recorder.look(|report| {
            report.path(path).is_none_or(|path| {
                let requirement = test.requirement(path.way().security);
                requirement.is_none_or(|keyword| path.offers(keyword))
            })
        })
    };
    let is_new = |test: &RelayTest| can_be_asked(test, index) && !can_be_asked(test, first);
    let tests = context.request.tests.iter().copied();
    let wants_tls = wanting_tls(context, &way);
    let is_left = |test: &RelayTest| differs || is_new(test) || wants_tls.contains(&test.number);
    let rest: Vec<_> = tests
        .filter(|test| !is_asked(test) && is_left(test))
        .collect();
    if !rest.is_empty() {
        context
            .recorder
            .record(Event::TestsAdded { path: index, tests: ids(&rest) });
        path::scan_path(context, index, way, rest).await;
    }
}

/// Why another path at the same address and port was given up, if nothing there takes connections.
fn shut_port<N: Network>(context: &Context<N>, index: PathId) -> Option<Cause> {
    context.recorder.look(|report| {
        let mut twins = report.path(index)?.at_endpoint();
        twins.find_map(|twin| {
            twin.facts
                .given_up
                .clone()
                .filter(|cause| matches!(cause, Cause::ConnectFailed { .. }))
        })
    })
}

/// Whether there is a server on the path, and the path is one that it offers.
fn has_spoken<N: Network>(context: &Context<N>, index: PathId) -> bool {
    context.recorder.look(|report| {
        let judgement = verdict::judge(report);
        judgement
            .path(index)
            .is_some_and(|judged| judged.verdict != Verdict::Unreachable)
    })
}

/// The tests, by number, that were refused at the same port in the clear for want of TLS: under it
/// they have no answer yet.
fn wanting_tls<N: Network>(context: &Context<N>, way: &Path) -> Vec<u8> {
    if way.security == Security::Plain {
        return Vec::new();
    }
    let wants_tls =
        |outcome: &Outcome| matches!(outcome, Outcome::Refused { reason: Reason::TlsRequired, .. });
    context.recorder.look(|report| {
        let judged = verdict::judge(report).paths.into_iter().zip(report.paths());
        let is_clear_twin = |path: PathView<'_>| {
            path.way().security == Security::Plain && path.endpoint() == way.endpoint()
        };
        let clear = judged.filter(|(_, path)| is_clear_twin(*path));
        let tests = clear.flat_map(|(judged, _)| judged.tests);
        tests
            .filter(|judged| wants_tls(&judged.outcome))
            .map(|judged| judged.test.number)
            .collect()
    })
}

/// What a test contributes to a path's verdict; a control contributes nothing.
fn weight<N: Network>(context: &Context<N>, index: PathId, test: &RelayTest) -> Option<Weight> {
    context.recorder.look(|report| {
        verdict::judge(report)
            .path(index)?
            .tests
            .iter()
            .find(|judged| judged.test.number == test.number)
            .map(|judged| judged.weight)
    })
}
