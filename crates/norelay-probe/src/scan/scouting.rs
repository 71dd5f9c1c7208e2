//! How a path is begun: with a look at the server, before it gets many connections.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use norelay_core::{
    batch,
    catalogue::RelayTest,
    report::{Dialogue, PathView},
    schedule::Limits,
    smtp::{Cause, End, Stage},
};

use super::{
    path::{PathScan, is_answered},
    sharing::MAX_IRREGULAR,
};
use crate::network::Network;

/// Connections at once to a server that has shown that it bears them; an unknown one gets
/// [`WINDOW`].
const MAX_WINDOW: usize = 8;
const WINDOW: usize = 2;
/// Further tests on the first connections, where the greeting shows a server that bears it: with
/// them, the seventeen and their controls take no third.
const MAX_FURTHER: usize = 10;

impl<N: Network> PathScan<N> {
    /// The limits of a path of which nothing is known yet.
    pub(super) fn limits(&self) -> Limits {
        let request = &self.context.request;
        // Without a name for the server, its first greeting must be heard before anything is asked
        // that needs one.
        let window = if self.way.host.is_none() { 1 } else { WINDOW };
        let (window, max_window) = if request.slow { (1, 1) } else { (window, MAX_WINDOW) };
        Limits {
            window: request.concurrency.unwrap_or(window),
            max_window: request
                .concurrency
                .unwrap_or(max_window)
                .min(self.borne.load(Ordering::Relaxed)),
            deadline: request.wait,
            pipelining: !self.has_waited_in_vain(),
            answered: 0,
        }
    }

    /// Whether some MAIL or RCPT was never answered.
    fn has_waited_in_vain(&self) -> bool {
        let in_vain = |end: &End| {
            matches!(end, End::Interrupted(Cause::TimedOut { stage: Stage::Mail | Stage::Rcpt }))
        };
        self.context.recorder.look(|report| {
            let path = report.path(self.index);
            let mut here = path.into_iter().flat_map(PathView::dialogues);
            here.any(|dialogue| dialogue.end.as_ref().is_some_and(in_vain))
        })
    }

    /// Looks at the server with the first tests, without waiting for anything, before it gets many
    /// connections. Where their greetings show one that bears many questions on each, they ask most
    /// of the others as well.
    pub(super) async fn scout_and_ask(
        self: Arc<Self>,
        mut tests: Vec<&'static RelayTest>,
    ) -> Option<Cause> {
        let limits = self.limits();
        if self.counts_connections() {
            return self.ask_all(tests, limits, Vec::new()).await;
        }
        let mut rest = tests.split_off(tests.len().min(WINDOW));
        let further = if self.context.request.slow {
            Vec::new()
        } else {
            batch::deal(&tests, &rest, MAX_FURTHER)
        };
        if self.context.request.concurrency.is_some() {
            // Who comes last may be turned away: then it is good if another connection asks that as
            // well.
            let is_asked_elsewhere = self.bearable_of(&further);
            rest.sort_by_key(|test| is_asked_elsewhere.contains(&test.number));
        }
        let window = limits.window.min(WINDOW);
        let scouting = Limits { deadline: Duration::ZERO, window, ..limits };
        let mut scouts = pin!(self.clone().ask_all(tests.clone(), scouting, further));
        let shut = tokio::select! {
            biased;
            shut = &mut scouts => shut,
            beside = self.may_go_on(tests.len()) => return self.ask_beside(scouts, tests, rest, beside).await,
        };
        // Whoever is shut out for the moment may come in later: that is for the scheduler with time
        // to wait.
        if shut.is_some()
            && !matches!(
                shut,
                Some(Cause::Closing { .. } | Cause::Disconnected { .. } | Cause::Blocked { .. })
            )
        {
            return shut;
        }
        let scouts = tests.len();
        tests.retain(|test| !self.is_answered(test));
        let limits = self.limits_after(scouts - tests.len());
        tests.extend(rest.into_iter().filter(|test| !self.is_answered(test)));
        self.ask_all(tests, limits, Vec::new()).await
    }

    /// The numbers of those that the least patient of servers is asked by scouts.
    fn bearable_of(&self, further: &[Vec<&'static RelayTest>]) -> Vec<u8> {
        let asked = further.iter().flat_map(|dealt| {
            let asked = self.with_senders(dealt.iter().copied());
            self.bearable(&asked, MAX_IRREGULAR)
                .map(|(test, _)| test.number)
                .collect::<Vec<_>>()
        });
        asked.collect()
    }

    /// Waits until others may be asked beside so many scouts; gives the limits. Where the user has
    /// set no pace, that is when the scouts have their answers, or were greeted by a server that
    /// bears many questions and will be asked little else.
    async fn may_go_on(&self, scouts: usize) -> Limits {
        let many = u32::try_from(scouts).unwrap_or(u32::MAX);
        let all_leaving = self.farewells.leaving.acquire_many(many);
        match self.context.request.concurrency {
            None => {
                let _ = self.farewells.greeted.acquire_many(many).await;
                // What counts connections is asked the rest on as few as there can be, when it is
                // known what it offers.
                if !self.asks_further() || self.counts_connections() {
                    let _ = all_leaving.await;
                }
                self.limits_after(scouts)
            }
            Some(concurrency) if concurrency > scouts => {
                Limits { window: concurrency - scouts, ..self.limits() }
            }
            Some(_) => std::future::pending().await,
        }
    }

    /// Whether some connection is for further tests than it was opened for.
    fn asks_further(&self) -> bool {
        self.context.recorder.look(|report| {
            let path = report.path(self.index);
            let mut here = path.into_iter().flat_map(PathView::dialogues);
            here.any(Dialogue::is_shared)
        })
    }

    /// Asks the rest while the first tests still go on, or have their answers and await the reply
    /// to QUIT; and those again whose answers were none after all.
    async fn ask_beside(
        self: &Arc<Self>,
        scouts: impl Future<Output = Option<Cause>>,
        mut tests: Vec<&'static RelayTest>,
        rest: Vec<&'static RelayTest>,
        limits: Limits,
    ) -> Option<Cause> {
        let left: Vec<_> = rest
            .iter()
            .copied()
            .filter(|test| !self.was_left_to_others(test))
            .collect();
        let (_, blocked) = tokio::join!(scouts, self.clone().ask_all(left, limits, Vec::new()));
        tests.extend(
            rest.into_iter()
                .filter(|test| self.was_left_to_others(test)),
        );
        tests.retain(|test| !self.is_answered(test));
        match blocked {
            Some(cause) => Some(cause),
            None => self.clone().ask_all(tests, self.limits(), Vec::new()).await,
        }
    }

    /// Whether the latest connection for a test was one that it shared.
    fn was_left_to_others(&self, test: &RelayTest) -> bool {
        self.context.recorder.look(|report| {
            let path = report.path(self.index);
            let latest = path.and_then(|path| path.latest_of(test.id));
            latest.is_some_and(Dialogue::is_shared)
        })
    }

    fn is_answered(&self, test: &RelayTest) -> bool {
        is_answered(&self.context, self.index, test)
    }

    /// The limits once so many tests were answered.
    fn limits_after(&self, answered: usize) -> Limits {
        let limits = self.limits();
        let window = self
            .context
            .request
            .concurrency
            .unwrap_or(limits.window + answered);
        Limits { window, answered: u32::try_from(answered).unwrap_or_default(), ..limits }
    }
}
