//! How the tests of a path are spread over connections.
//!
//! Rules:
//! - An unknown server gets one test a connection, until connections of ours have shown that the
//!   server offers PIPELINING, rejects at once, and gives one reply to each command.
//! - Then a few tests share a connection, and a control stands behind them: postmaster, whom the
//!   server has accepted before. If the server rejects the control there, no rejection on this
//!   connection counts.
//! - If the server rejects connections, more tests share one, and others than those of MAIL and
//!   RCPT share one too.
//! - If a shared connection fails, no further one is opened. Each test without an answer gets a
//!   connection of its own, and is never shared again.
//! - A server whose greeting says that it counts connections gets all tests on as few as there can
//!   be.

use super::{evidence, memory::Memory, sharing, talk::Round, turn::AskingTurn};
use crate::{
    catalogue::{RelayTest, TestRole, by_role},
    smtp::Security,
};

/// Tests on one connection, where a server counts connections: Debian's sendmail accepts ten
/// connections in ten minutes, and has no limit that a hundred and more rejected transactions on
/// one would meet. The thorough profile's tests fit on one.
const MAX_ON_ONE: usize = 150;
/// Tests on one connection of an unknown server: the seventeen, their controls and the server's own
/// names fit on four. Postfix slows down after ten errors (`smtpd_soft_error_limit`). Servers that
/// close a connection sooner are known by their greeting.
const MAX_FEW: usize = 6;
/// The same where the server rejects connections: one error less than Postfix's limit.
const MAX_MORE: usize = 9;
/// Syntax errors on one connection: Exim's `smtp_max_synprot_errors`, by default.
pub(super) const MAX_IRREGULAR: usize = 3;

/// How many tests a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// Each test has its own connection.
    Alone,
    /// A few tests share a connection, and a control stands behind them.
    Few,
    /// More tests share a connection, and a control stands behind them.
    More,
    /// All tests share a connection that can.
    All,
}

impl Spread {
    /// True if a control stands behind tests that share a connection.
    pub fn has_control(self) -> bool {
        matches!(self, Self::Few | Self::More)
    }

    /// True if tests that are being asked in this way are to be asked in the other way, once that
    /// is known to be better. Tests with connections of their own keep them, unless connections
    /// are what the server has too many of.
    pub fn gives_way_to(self, other: Self) -> bool {
        match self {
            Self::Alone => matches!(other, Self::More | Self::All),
            Self::Few | Self::More => other != self,
            Self::All => false,
        }
    }
}

/// The control that stands behind tests that share a connection.
pub(super) fn control() -> &'static RelayTest {
    by_role(TestRole::Postmaster)
}

/// The tests by connection.
pub(super) fn groups(
    tests: Vec<&'static RelayTest>,
    spread: Spread,
    turn: &AskingTurn<'_>,
    memory: &Memory,
) -> Vec<Vec<&'static RelayTest>> {
    match spread {
        Spread::Alone => one_by_one(tests),
        Spread::All => all(tests, turn, &memory.round),
        Spread::Few | Spread::More => with_control(tests, spread, turn, memory),
    }
}

/// True if a control stands behind these tests on one connection: not behind a login, whose tests
/// are one question.
pub(super) fn ends_with_control<'a>(
    spread: Spread,
    tests: impl IntoIterator<Item = &'a RelayTest>,
) -> bool {
    let tests: Vec<_> = tests.into_iter().collect();
    let logs_in = tests.iter().any(|test| test.login().is_some());
    spread.has_control() && tests.len() > 1 && !logs_in
}

/// Each test on its own, but for those that share a login.
fn one_by_one(tests: Vec<&'static RelayTest>) -> Vec<Vec<&'static RelayTest>> {
    sharing::with_one_login(tests.into_iter().map(|test| vec![test]).collect())
}

fn all(
    tests: Vec<&'static RelayTest>,
    turn: &AskingTurn<'_>,
    round: &Round,
) -> Vec<Vec<&'static RelayTest>> {
    let hellos = round.destination.security != Security::StartTls;
    let groups = sharing::groups(tests, MAX_ON_ONE, hellos, |test| {
        evidence::is_known_offered(turn.report, round.path, test)
    });
    sharing::with_one_login(groups)
}

/// Those tests dealt out that may share a connection, then the others.
fn with_control(
    tests: Vec<&'static RelayTest>,
    spread: Spread,
    turn: &AskingTurn<'_>,
    memory: &Memory,
) -> Vec<Vec<&'static RelayTest>> {
    let path = memory.round.path;
    let may_share = |test: &RelayTest| {
        let fits = match spread {
            Spread::More => {
                sharing::can_share(test)
                    && !sharing::says_data(test)
                    && evidence::is_known_offered(turn.report, path, test)
            }
            _ => sharing::is_plain(test),
        };
        let was_shared = evidence::was_asked_with_others(turn.report, path, test);
        fits && !was_shared && !test.is(TestRole::Postmaster)
    };
    let (shared, alone): (Vec<_>, Vec<_>) = tests.into_iter().partition(|test| may_share(test));
    let mut marked = Vec::new();
    for (test, sender) in memory.with_senders(shared) {
        let words = turn.words(&memory.round, test);
        let made = test.transaction_from(sender, &words, memory.round.destination.security);
        marked.push((test, made.is_ok_and(|made| sharing::is_irregular(&made))));
    }
    let most = if spread == Spread::More { MAX_MORE } else { MAX_FEW };
    let mut groups = sharing::deal_evenly(marked, most, MAX_IRREGULAR);
    groups.extend(one_by_one(alone));
    groups
}

impl AskingTurn<'_> {
    /// How the tests of a round's path are to be spread, as far as is known now.
    pub(super) fn spread(&self, round: &Round) -> Spread {
        let path = round.path;
        if self.request.slow {
            return Spread::Alone;
        }
        if self.counts_connections(&round.destination) {
            return Spread::All;
        }
        if evidence::has_failed_to_share(self.report, path)
            || !evidence::accepts_postmaster(self.report, path)
            || !evidence::answers_promptly(self.report, path)
        {
            return Spread::Alone;
        }
        if evidence::rejects_connections(self.report, path) {
            Spread::More
        } else if evidence::offers_pipelining(self.report, path) {
            Spread::Few
        } else {
            Spread::Alone
        }
    }
}
