//! Which tests share a connection, on servers that count connections.

use norelay_core::{
    batch,
    catalogue::RelayTest,
    check::Outcome,
    event::Path,
    smtp::{Cause, End, Security, Stage},
};

use super::path::PathScan;
use crate::network::Network;

/// Tests on one connection, where a server bears it: Debian's sendmail takes ten connections in ten minutes, and has no
/// limit that a hundred and more refused transactions on one would meet. The thorough profile's have room on one.
const MAX_SHARING: usize = 150;

impl<N: Network> PathScan<N> {
    /// Whether the server counts connections and bears many questions on one.
    pub(super) fn bears_many(&self) -> bool {
        let bears_many = self.context.recorder.look(|report| {
            let is_here = |way: &Path| (way.address, way.port) == (self.way.address, self.way.port);
            let paths: Vec<_> = (0..=u8::MAX).zip(&report.paths).filter(|(_, facts)| is_here(&facts.way)).collect();
            let here =
                report.dialogues.values().filter(|dialogue| paths.iter().any(|(path, _)| *path == dialogue.path));
            here.filter_map(|dialogue| dialogue.reply_at(Stage::Greeting))
                .any(|greeting| greeting.text().contains(" Sendmail "))
        });
        bears_many && !self.context.request.slow
    }

    /// The tests by connection: one each, where they don't share.
    pub(super) fn groups(&self, tests: Vec<&'static RelayTest>, shared: bool) -> Vec<Vec<&'static RelayTest>> {
        if !shared {
            return tests.into_iter().map(|test| vec![test]).collect();
        }
        let hellos = self.way.security != Security::StartTls;
        batch::groups(tests, MAX_SHARING, hellos, |test| self.is_known_offered(test))
    }

    /// Whether a test came first on a connection with others, and the server closed it before its answer: again, it would
    /// keep all those behind it from theirs.
    pub(super) fn was_first_in_vain(&self, test: &RelayTest) -> bool {
        self.context.recorder.look(|report| {
            report.dialogues_of(self.index, test.id).any(|(_, dialogue)| {
                let is_closed =
                    matches!(dialogue.end, Some(End::Interrupted(Cause::Closing { .. } | Cause::Disconnected { .. })));
                let is_first = dialogue.tests.len() > 1 && dialogue.tests.first().is_some_and(|id| id == test.id);
                is_first && is_closed && !Outcome::of(dialogue, test.id).is_answered()
            })
        })
    }

    /// Whether the server has offered what a test needs on this path, if anything.
    fn is_known_offered(&self, test: &RelayTest) -> bool {
        let requirement = test.requirement(self.way.security);
        let offers = |keyword| {
            self.context.recorder.look(|report| report.offers_on(self.index).any(|offered| offered.offers(keyword)))
        };
        requirement.is_none_or(offers)
    }
}
