//! One path from its first connection to its last answer.
//!
//! Rules:
//! - Two scouts look at the server before it gets more connections, and wait for nothing.
//! - The rest begins when both scouts have their answers; at once where their greetings name a
//!   server that accepts many questions on one connection and the scouts ask most of them; and
//!   beside the scouts where everything fits in at once, as the user chose so many connections or
//!   the greeting names a server that accepts so many.
//! - What the server calls itself is known once it has greeted. The tests of those names then join
//!   the others; a path has no test of a name that there is not.
//! - What has no answer behind a shared connection is asked again on a connection of its own.
//! - A path that is given up is still asked the tests that begin with a PROXY header, where the
//!   server has greeted nobody.
//!
//! ```text
//! Whole ──────────────────────────────────────────────► Headers ─► Over
//! Scouting ─► Rest ───────────────────────────────────►    ▲
//!     └─────► Beside (scouts and others) ─► Rest ──────────┘  (only where the path is given up)
//! ```

use std::time::Duration;

use super::{
    batch::{self, Batch, Course},
    delivery::Delivery,
    evidence,
    memory::Memory,
    opening::ids,
    order, sharing,
    spread::{MAX_IRREGULAR, Spread},
    talk::Round,
    turn::{AskingTurn, PartStatus},
    words,
};
use crate::{
    catalogue::{RelayTest, TestRole, by_role},
    event::{Event, Path},
    path::PathId,
    schedule::PathLimits,
    smtp::{Cause, Stage},
};

/// Connections at once to a server that has served so many; an unknown one gets [`WINDOW`].
const MAX_WINDOW: usize = 8;
const WINDOW: usize = 2;
/// Connections at once to a server that has no limit of them, and needs one for each question.
const MANY: usize = 24;
/// Further tests on the first connections, where the greeting shows a server that accepts them:
/// with them, the seventeen and their controls take no third connection.
const MAX_ADDITIONAL: usize = 10;

/// Tests with connections of their own beside scouts that ask most of the tests.
const MAX_BESIDE: usize = 4;
/// How long the replies to QUIT are awaited, once nothing else is.
const FAREWELL: Duration = Duration::from_secs(1);

/// The asking of some tests on one path.
#[derive(Debug)]
pub(super) struct PathAsking {
    memory: Memory,
    /// Until when the scouts' replies to QUIT are awaited, once nothing else is.
    farewell: Option<Duration>,
    /// Tests in other protocols than SMTP, which come first.
    deliveries: Vec<&'static RelayTest>,
    delivery: Option<Delivery>,
    /// All tests that are asked in SMTP, in order.
    tests: Vec<&'static RelayTest>,
    phase: PathPhase,
}

#[derive(Debug)]
enum PathPhase {
    /// Nothing was asked yet.
    Before,
    /// The server is known to accept several tests on a connection: all tests in one batch.
    Whole(Batch),
    /// The first tests alone.
    Scouting { scouts: Batch, first: Vec<&'static RelayTest>, rest: Vec<&'static RelayTest> },
    /// The first tests and the others side by side. A batch is gone once it is over.
    Beside(Box<Beside>),
    /// What is left.
    Rest(Batch),
    /// The path is given up: those tests alone that begin with a header.
    Headers(Batch, Cause),
    /// Everything is asked.
    Over,
}

#[derive(Debug)]
struct Beside {
    scouts: Option<Batch>,
    others: Option<Batch>,
    /// Why the path was given up, if it was, while the others were asked.
    blocked: Option<Cause>,
    first: Vec<&'static RelayTest>,
    rest: Vec<&'static RelayTest>,
}

impl PathAsking {
    /// Returns the asking of these tests on a path. Tests that have an answer are not asked again.
    pub fn new(
        turn: &mut AskingTurn<'_>,
        path: PathId,
        destination: Path,
        mut tests: Vec<&'static RelayTest>,
    ) -> Self {
        let deliveries = tests
            .extract_if(.., |test| test.protocol().is_some())
            .collect();
        tests.retain(|test| !test.sends_message());
        order::sort(&mut tests, destination.security);
        let memory = Memory::new(Round::new(turn, path, destination));
        let phase = PathPhase::Before;
        Self { memory, farewell: None, deliveries, delivery: None, tests, phase }
    }

    /// Does what can be done now.
    pub fn poll(&mut self, turn: &mut AskingTurn<'_>) -> PartStatus {
        if self.poll_deliveries(turn) == PartStatus::Waits {
            return PartStatus::Waits;
        }
        loop {
            let phase = std::mem::replace(&mut self.phase, PathPhase::Over);
            let (phase, course) = self.advance(turn, phase);
            self.phase = phase;
            match course {
                Advance::Waits => return PartStatus::Waits,
                Advance::Moved if matches!(self.phase, PathPhase::Over) => return PartStatus::Over,
                Advance::Moved => {}
            }
        }
    }

    fn poll_deliveries(&mut self, turn: &mut AskingTurn<'_>) -> PartStatus {
        loop {
            if let Some(delivery) = &mut self.delivery {
                if delivery.poll(turn) == PartStatus::Waits {
                    return PartStatus::Waits;
                }
                self.delivery = None;
            }
            if self.deliveries.is_empty() {
                return PartStatus::Over;
            }
            let test = self.deliveries.remove(0);
            self.delivery = Delivery::begin(turn, &self.memory.round, test);
        }
    }

    fn advance(&mut self, turn: &mut AskingTurn<'_>, phase: PathPhase) -> (PathPhase, Advance) {
        match phase {
            PathPhase::Before => (self.begin(turn), Advance::Moved),
            PathPhase::Whole(mut batch) => match batch.poll(turn, &mut self.memory) {
                Course::Goes => (PathPhase::Whole(batch), Advance::Waits),
                Course::Over(cause) => (self.conclude(turn, cause), Advance::Moved),
            },
            PathPhase::Rest(mut batch) => match batch.poll(turn, &mut self.memory) {
                Course::Goes => (PathPhase::Rest(batch), Advance::Waits),
                Course::Over(cause) => (self.conclude(turn, cause), Advance::Moved),
            },
            PathPhase::Scouting { scouts, first, rest } => self.scout(turn, scouts, first, rest),
            PathPhase::Beside(beside) => self.ask_beside(turn, beside),
            PathPhase::Headers(mut batch, cause) => match batch.poll(turn, &mut self.memory) {
                Course::Goes => (PathPhase::Headers(batch, cause), Advance::Waits),
                Course::Over(_) => {
                    self.give_up(turn, cause);
                    (PathPhase::Over, Advance::Moved)
                }
            },
            PathPhase::Over => (PathPhase::Over, Advance::Moved),
        }
    }

    /// Chooses the scouts, and what their connections may ask beside their own tests.
    fn begin(&mut self, turn: &mut AskingTurn<'_>) -> PathPhase {
        let path = self.memory.round.path;
        self.tests
            .retain(|test| !evidence::is_answered(turn.report, path, test));
        self.add_own_names(turn);
        if self.tests.is_empty() && self.awaits_own_names(turn) {
            // Somebody must hear the server's names.
            self.add(turn, vec![by_role(TestRole::Plain)]);
        }
        order::sort(&mut self.tests, self.memory.round.destination.security);
        let mut first = self.tests.clone();
        if first.is_empty() {
            return PathPhase::Over;
        }
        let limits = self.limits(turn);
        if turn.spread(&self.memory.round) != Spread::Alone {
            return PathPhase::Whole(Batch::new(first, limits, Vec::new()));
        }
        let mut rest = first.split_off(first.len().min(WINDOW));
        let additional = match turn.request.slow {
            true => Vec::new(),
            false => sharing::deal(&first, &rest, MAX_ADDITIONAL),
        };
        let at_once = turn.request.concurrency.unwrap_or_default();
        if at_once >= first.len() + rest.len() {
            // The connection that comes last may be rejected. Then another connection should ask
            // its test as well.
            let shared = self.asked_by_scouts(turn, &additional);
            rest.sort_by_key(|test| shared.contains(&test.number));
        }
        let scouting =
            PathLimits { deadline: Duration::ZERO, window: limits.window.min(WINDOW), ..limits };
        let scouts = Batch::new(first.clone(), scouting, additional);
        PathPhase::Scouting { scouts, first, rest }
    }

    /// The numbers of the tests that scouts ask even of the least patient server.
    fn asked_by_scouts(
        &self,
        turn: &AskingTurn<'_>,
        additional: &[Vec<&'static RelayTest>],
    ) -> Vec<u8> {
        let mut numbers = Vec::new();
        for dealt in additional {
            let asked = self.memory.with_senders(dealt.iter().copied());
            let made =
                batch::with_few_syntax_errors(turn, &self.memory.round, &asked, MAX_IRREGULAR);
            numbers.extend(made.iter().map(|(test, _)| test.number));
        }
        numbers
    }

    fn scout(
        &mut self,
        turn: &mut AskingTurn<'_>,
        mut scouts: Batch,
        mut first: Vec<&'static RelayTest>,
        mut rest: Vec<&'static RelayTest>,
    ) -> (PathPhase, Advance) {
        let Course::Over(shut) = scouts.poll(turn, &mut self.memory) else {
            let others = self.not_shared(turn, &rest).len();
            let Some(limits) = self.limits_beside(turn, first.len(), others) else {
                return (PathPhase::Scouting { scouts, first, rest }, Advance::Waits);
            };
            self.join_own_names(turn, &mut rest);
            let left = self.not_shared(turn, &rest);
            let others = Some(Batch::new(left, limits, Vec::new()));
            let beside = Beside { scouts: Some(scouts), others, blocked: None, first, rest };
            return (PathPhase::Beside(Box::new(beside)), Advance::Moved);
        };
        // A server that rejects connections for the moment may accept them later: the next batch
        // has time to wait.
        if let Some(cause) = shut
            && !matches!(
                cause,
                Cause::Closing { .. } | Cause::Disconnected { .. } | Cause::Blocked { .. }
            )
        {
            return (self.conclude(turn, Some(cause)), Advance::Moved);
        }
        self.join_own_names(turn, &mut rest);
        // As many tests as the scouts answered widen the window of what follows.
        let scouted = first.len();
        first.retain(|test| !self.is_answered(turn, test));
        let limits = self.limits_after(turn, scouted - first.len());
        first.extend(
            rest.into_iter()
                .filter(|test| !self.is_answered(turn, test)),
        );
        (PathPhase::Rest(Batch::new(first, limits, Vec::new())), Advance::Moved)
    }

    /// The tests that no scout asks: the others have their answers soon.
    fn not_shared(
        &self,
        turn: &AskingTurn<'_>,
        tests: &[&'static RelayTest],
    ) -> Vec<&'static RelayTest> {
        let path = self.memory.round.path;
        let mut left = tests.to_vec();
        left.retain(|test| !evidence::was_shared(turn.report, path, test));
        left
    }

    fn ask_beside(
        &mut self,
        turn: &mut AskingTurn<'_>,
        mut beside: Box<Beside>,
    ) -> (PathPhase, Advance) {
        if let Some(scouts) = &mut beside.scouts
            && let Course::Over(_) = scouts.poll(turn, &mut self.memory)
        {
            beside.scouts = None;
        }
        if let Some(others) = &mut beside.others
            && let Course::Over(blocked) = others.poll(turn, &mut self.memory)
        {
            (beside.others, beside.blocked) = (None, blocked);
        }
        if beside.scouts.is_some() || beside.others.is_some() {
            return (PathPhase::Beside(beside), Advance::Waits);
        }
        if let Some(cause) = beside.blocked {
            return (self.conclude(turn, Some(cause)), Advance::Moved);
        }
        // What a scout was to ask and did not is left for the last batch.
        let path = self.memory.round.path;
        let shared = beside.rest.into_iter();
        let shared = shared.filter(|test| evidence::was_shared(turn.report, path, test));
        let mut tests = beside.first;
        tests.extend(shared);
        tests.retain(|test| !self.is_answered(turn, test));
        let limits = self.limits(turn);
        (PathPhase::Rest(Batch::new(tests, limits, Vec::new())), Advance::Moved)
    }

    /// The limits for asking so many others beside so many scouts, once that may be.
    fn limits_beside(
        &mut self,
        turn: &mut AskingTurn<'_>,
        scouts: usize,
        others: usize,
    ) -> Option<PathLimits> {
        let Some(concurrency) = turn.request.concurrency else {
            return self
                .may_begin_beside(turn, scouts, others)
                .then(|| self.limits_after(turn, scouts));
        };
        // What does not fit in at once is asked sooner on the connections that tests share behind
        // the scouts.
        let window = concurrency.saturating_sub(scouts);
        (window > 0 && window >= others).then(|| PathLimits { window, ..self.limits(turn) })
    }

    /// True if others may be asked beside scouts that are still under way.
    fn may_begin_beside(
        &mut self,
        turn: &mut AskingTurn<'_>,
        scouts: usize,
        others: usize,
    ) -> bool {
        let round = &self.memory.round;
        let (greeted, leaving) = turn.connections.counts(round.id);
        if greeted < scouts || others == 0 {
            return false;
        }
        // A server that counts connections gets the rest on as few as there can be, once it is
        // known what the server offers.
        let asks_much = evidence::has_shared(turn.report, round.path)
            && !turn.counts_connections(&round.destination);
        if asks_much && others <= MAX_BESIDE || self.accepts_many_connections(turn) {
            return true;
        }
        if leaving < scouts {
            return false;
        }
        // The replies to QUIT show whether the rest may share connections.
        let until = *self.farewell.get_or_insert(turn.now.elapsed + FAREWELL);
        let may_share = !turn.request.slow && evidence::offers_pipelining(turn.report, round.path);
        if may_share && turn.now.elapsed < until {
            turn.wake_at(until);
            return false;
        }
        true
    }

    /// Returns the phase that follows when everything was asked, or the path is to be given up.
    fn conclude(&mut self, turn: &mut AskingTurn<'_>, cause: Option<Cause>) -> PathPhase {
        let Some(cause) = cause else {
            // A name that came late, as in a reply to EHLO, has its tests after all others.
            let named = self.add_own_names(turn);
            return match named.is_empty() {
                true => PathPhase::Over,
                false => PathPhase::Rest(Batch::new(named, self.limits(turn), Vec::new())),
            };
        };
        let is_left =
            |test: &&&RelayTest| test.begins_with_header() && !self.is_answered(turn, test);
        let headers: Vec<_> = self.tests.iter().filter(is_left).copied().collect();
        if headers.is_empty()
            || !evidence::connects_without_greeting(turn.report, self.memory.round.path)
        {
            self.give_up(turn, cause);
            return PathPhase::Over;
        }
        // The path is lost already, so the last tests wait for nothing.
        let limits = PathLimits { deadline: Duration::ZERO, ..self.limits(turn) };
        PathPhase::Headers(Batch::new(headers, limits, Vec::new()), cause)
    }

    /// Records what is known without asking, and that the path is given up.
    fn give_up(&mut self, turn: &mut AskingTurn<'_>, cause: Cause) {
        for test in std::mem::take(&mut self.tests) {
            if !self.is_answered(turn, test) {
                turn.note_missing_offer(&self.memory.round, test);
            }
        }
        turn.record(Event::GivenUp { path: self.memory.round.path, cause });
    }

    /// Adds the tests of names that the server has given itself by now to those that are asked, at
    /// their places in the asking order.
    fn join_own_names(&mut self, turn: &mut AskingTurn<'_>, rest: &mut Vec<&'static RelayTest>) {
        let named = self.add_own_names(turn);
        if !named.is_empty() {
            rest.extend(named);
            order::sort(rest, self.memory.round.destination.security);
        }
    }

    /// Puts the tests of names that the server has given itself by now on the path, and returns
    /// those that are new.
    fn add_own_names(&mut self, turn: &mut AskingTurn<'_>) -> Vec<&'static RelayTest> {
        let Round { path, destination, .. } = &self.memory.round;
        let names = words::own_names(turn.request, turn.means, turn.report, (*path, destination));
        let named = turn.of_own_names.iter().copied().filter(|test| {
            test.own_name_place()
                .is_some_and(|place| place < names.len())
                && !self.tests.iter().any(|other| other.number == test.number)
                && !self.is_answered(turn, test)
        });
        let named = named.collect();
        self.add(turn, named)
    }

    /// True if tests of the server's names are wanted, and the path has not greeted yet.
    fn awaits_own_names(&self, turn: &AskingTurn<'_>) -> bool {
        let mut dialogues = evidence::dialogues(turn.report, self.memory.round.path);
        !turn.of_own_names.is_empty()
            && !dialogues.any(|dialogue| dialogue.reply_at(Stage::Greeting).is_some())
    }

    /// Puts tests on the path, and returns them.
    fn add(
        &mut self,
        turn: &mut AskingTurn<'_>,
        tests: Vec<&'static RelayTest>,
    ) -> Vec<&'static RelayTest> {
        let path = self.memory.round.path;
        if !tests.is_empty() {
            turn.record(Event::TestsAdded { path, tests: ids(&tests) });
            self.tests.extend(&tests);
        }
        tests
    }

    fn is_answered(&self, turn: &AskingTurn<'_>, test: &RelayTest) -> bool {
        evidence::is_answered(turn.report, self.memory.round.path, test)
    }

    /// True if the server is known to have no limit of connections from one client.
    fn accepts_many_connections(&self, turn: &AskingTurn<'_>) -> bool {
        let endpoint = self.memory.round.destination.endpoint();
        !turn.request.slow && evidence::accepts_many_connections(turn.report, endpoint)
    }

    /// The limits of a path, by what is known of the server.
    fn limits(&self, turn: &AskingTurn<'_>) -> PathLimits {
        let (request, round) = (turn.request, &self.memory.round);
        // Without a name for the server, its first greeting must be heard before anything is asked
        // that needs one.
        let window = if round.destination.host.is_none() { 1 } else { WINDOW };
        let (window, max_window) = match self.accepts_many_connections(turn) {
            true => (MANY, MANY),
            false if request.slow => (1, 1),
            false => (window, MAX_WINDOW),
        };
        PathLimits {
            window: request.concurrency.unwrap_or(window),
            max_window: request
                .concurrency
                .unwrap_or(max_window)
                .min(self.memory.most_at_once),
            deadline: request.wait,
            pipelining: !evidence::has_unanswered_envelope(turn.report, round.path),
            answered: 0,
        }
    }

    /// The limits once so many tests were answered.
    fn limits_after(&self, turn: &AskingTurn<'_>, answered: usize) -> PathLimits {
        let limits = self.limits(turn);
        let window = turn.request.concurrency.unwrap_or(limits.window + answered);
        PathLimits { window, answered: u32::try_from(answered).unwrap_or_default(), ..limits }
    }
}

/// Whether a phase has ended.
enum Advance {
    Waits,
    Moved,
}
