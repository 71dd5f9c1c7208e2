//! Which tests share a connection, on servers that count connections.

use norelay_core::{
    batch::{self, Patience},
    catalogue::RelayTest,
    check::Outcome,
    report::PathView,
    smtp::{Cause, End, Security, Stage, Transaction},
};

use super::{
    path::{Asked, PathScan, ids_of},
    words,
};
use crate::{drive::Further, network::Network};

/// Tests on one connection, where a server bears it: Debian's sendmail takes ten connections in ten
/// minutes, and has no limit that a hundred and more refused transactions on one would meet. The
/// thorough profile's have room on one.
const MAX_SHARING: usize = 150;
/// Exim's `smtp_max_synprot_errors`, by default.
pub(super) const MAX_IRREGULAR: usize = 3;

impl<N: Network> PathScan<N> {
    /// Whether the server counts connections and bears many questions on one.
    pub(super) fn counts_connections(&self) -> bool {
        let counts = self.context.recorder.look(|report| {
            let here = report
                .paths()
                .filter(|path| path.endpoint() == self.way.endpoint());
            here.flat_map(PathView::dialogues)
                .filter_map(|dialogue| dialogue.reply_at(Stage::Greeting))
                .any(|greeting| Patience::of(greeting) == Some(Patience::Endless))
        });
        counts && !self.context.request.slow
    }

    /// What a connection is for in the place of what was made for it, if there is more to ask: with
    /// endless patience, and with less.
    pub(super) fn further(
        &self,
        made: &[(&'static RelayTest, Transaction)],
        further: &[Asked],
    ) -> Option<[Further; 2]> {
        let joined = |most_irregular| {
            let asked: Vec<_> = made
                .iter()
                .cloned()
                .chain(self.bearable(further, most_irregular))
                .collect();
            let tests = ids_of(&asked);
            let (transaction, step_tests) = batch::join(asked)?;
            (tests.len() > made.len()).then_some(Further {
                tests,
                steps: transaction.steps,
                step_tests,
            })
        };
        Some([joined(usize::MAX)?, joined(MAX_IRREGULAR)?])
    }

    /// What is said for those tests whose words are all known, but for so many syntax errors (by
    /// Exim's rules).
    pub(super) fn bearable<'a>(
        &'a self,
        asked: &'a [Asked],
        most_irregular: usize,
    ) -> impl Iterator<Item = (&'static RelayTest, Transaction)> + 'a {
        let mut irregular = 0;
        asked.iter().filter_map(move |(test, sender)| {
            let words = words::words(&self.context, self.index, &self.way, test);
            let transaction = test
                .transaction_from(sender, &words, self.way.security)
                .ok()?;
            let is_irregular = batch::is_irregular(&transaction);
            irregular += usize::from(is_irregular);
            (irregular <= most_irregular || !is_irregular).then_some((*test, transaction))
        })
    }

    /// The tests by connection: one each, where they don't share.
    pub(super) fn groups(
        &self,
        tests: Vec<&'static RelayTest>,
        shared: bool,
    ) -> Vec<Vec<&'static RelayTest>> {
        if !shared {
            return tests.into_iter().map(|test| vec![test]).collect();
        }
        let hellos = self.way.security != Security::StartTls;
        batch::groups(tests, MAX_SHARING, hellos, |test| self.is_known_offered(test))
    }

    /// Whether a test came first on a connection with others, and the server closed it before its
    /// answer: again, it would keep all those behind it from theirs.
    pub(super) fn was_first_in_vain(&self, test: &RelayTest) -> bool {
        self.context.recorder.look(|report| {
            let path = report.path(self.index).into_iter();
            path.flat_map(|path| path.dialogues_of(test.id))
                .any(|(_, dialogue)| {
                    let is_closed = matches!(
                        dialogue.end,
                        Some(End::Interrupted(Cause::Closing { .. } | Cause::Disconnected { .. }))
                    );
                    let is_first = dialogue.is_shared() && dialogue.tests.first() == Some(&test.id);
                    is_first && is_closed && !Outcome::of(dialogue, test.id).is_answered()
                })
        })
    }

    /// Whether the server has offered what a test needs on this path, if anything.
    fn is_known_offered(&self, test: &RelayTest) -> bool {
        let requirement = test.requirement(self.way.security);
        let offers = |keyword| {
            self.context.recorder.look(|report| {
                report
                    .path(self.index)
                    .is_some_and(|path| path.offers(keyword))
            })
        };
        requirement.is_none_or(offers)
    }
}
