//! Logins with made-up credentials: whether the server verifies passwords.
//!
//! Rules:
//! - Logins come after everything else that is asked before a message, and one after another: a
//!   guard that counts failed logins then keeps nothing else from its answer.
//! - One path answers for its host. Another path is asked if the first path does not offer the
//!   mechanism, wants TLS for it, or accepted the login and rejected the recipient. If the user
//!   wants every test on every path, each path that offers the mechanism is asked.
//! - A made-up user logs in once with each mechanism. A user who may exist logs in once with each
//!   form of the name and each mechanism, and the password is the same each time. Names that many
//!   systems have are tried with one mechanism, and no longer once made-up credentials worked.
//! - If an answer comes much later than the first answers, or is a deferral, the run pauses. Dovecot
//!   doubles its delay with each failed login, and forgets all of them after fifteen seconds
//!   without one (its `auth-penalty.c`). Postfix waits for Dovecot for ten seconds, and answers 454
//!   then.

use std::{collections::VecDeque, time::Duration};

use super::{
    batch::{Batch, Course},
    evidence,
    memory::Memory,
    opening::ids,
    senders::is_at_login,
    sharing,
    talk::Round,
    turn::{AskingTurn, HostPaths, PartStatus},
    words,
};
use crate::{
    catalogue::RelayTest,
    check::{Outcome, Reason},
    event::{Event, Wait},
    path::PathId,
    schedule::PathLimits,
    smtp::{Cause, Security, Stage},
};

/// A second more than Dovecot remembers a failed login for.
const FORGOTTEN: Duration = Duration::from_secs(16);
/// How long after a deferral the login is tried again: once the server may have forgotten the
/// failures before, and once most limits have passed.
const RETURNS: [Duration; 2] = [FORGOTTEN, Duration::from_secs(61)];
/// A reply to AUTH that comes so late is not slow by chance. Many servers answer each failed login
/// after two or three seconds.
const LATE: Duration = Duration::from_secs(4);

/// All logins of a run.
#[derive(Debug)]
pub(super) struct Logins(VecDeque<HostLogins>);

/// The logins at one host.
#[derive(Debug)]
struct HostLogins {
    paths: HostPaths,
    scope: LoginScope,
    left: VecDeque<Login>,
    attempt: Option<LoginAttempt>,
    /// Nothing is tried before this time.
    quiet_until: Duration,
    /// How late the quickest reply to AUTH came.
    quickest: Option<Duration>,
}

/// How many paths of a host answer a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginScope {
    /// One path answers for the host.
    OnePath,
    /// Every path answers for itself.
    EachPath,
}

/// A login: the tests that it answers, and the user where the tests are for several.
#[derive(Debug)]
struct Login {
    tests: Vec<&'static RelayTest>,
    user: Option<String>,
    /// True if nobody said that the user exists.
    is_guess: bool,
    /// The paths on which it was tried in this process.
    tried: Vec<PathId>,
    deferrals: usize,
}

/// A login under way.
#[derive(Debug)]
struct LoginAttempt {
    login: Login,
    path: PathId,
    memory: Memory,
    batch: Batch,
}

/// What became of a login on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LoginAnswer {
    /// The credentials were rejected, or the recipient was accepted.
    Final,
    /// The server deferred the login.
    Deferred,
    /// The server left the login unanswered. It may have counted the login all the same.
    Unanswered,
    /// The server wants TLS for the login, so another path may answer.
    WantsTls,
    /// Another path may answer otherwise.
    OfThisPath,
    /// The login was not tried here.
    None,
}

impl Logins {
    /// The logins at these hosts.
    pub fn new(turn: &AskingTurn<'_>, hosts: Vec<HostPaths>, scope: LoginScope) -> Self {
        let hosts = hosts
            .into_iter()
            .map(|paths| HostLogins::new(turn, paths, scope));
        Self(hosts.collect())
    }

    /// Does what can be done now.
    pub fn poll(&mut self, turn: &mut AskingTurn<'_>) -> PartStatus {
        while let Some(host) = self.0.front_mut() {
            if host.poll(turn) == PartStatus::Waits {
                return PartStatus::Waits;
            }
            self.0.pop_front();
        }
        PartStatus::Over
    }
}

impl HostLogins {
    fn new(turn: &AskingTurn<'_>, paths: HostPaths, scope: LoginScope) -> Self {
        let left = logins(turn, &paths);
        let (quiet_until, quickest) = (Duration::ZERO, None);
        Self { paths, scope, left, attempt: None, quiet_until, quickest }
    }

    fn poll(&mut self, turn: &mut AskingTurn<'_>) -> PartStatus {
        loop {
            if let Some(mut attempt) = self.attempt.take() {
                let course = attempt.batch.poll(turn, &mut attempt.memory);
                // What was recorded last must be in the report.
                let (Course::Over(blocked), true) = (course, turn.todo.is_empty()) else {
                    self.attempt = Some(attempt);
                    return PartStatus::Waits;
                };
                self.ended(turn, attempt, blocked);
                continue;
            }
            if !turn.todo.is_empty() {
                return PartStatus::Waits;
            }
            if self.quiet_until > turn.now.elapsed {
                turn.wake_at(self.quiet_until);
                return PartStatus::Waits;
            }
            let Some(login) = self.left.pop_front() else { return PartStatus::Over };
            self.try_next(turn, login);
        }
    }

    /// Tries a login on the next path that may answer it, if there is one.
    fn try_next(&mut self, turn: &mut AskingTurn<'_>, login: Login) {
        if login.is_guess && self.accepts_made_up(turn) {
            return;
        }
        self.note_missing_offers(turn, &login);
        let Some(place) = self.next_path(turn, &login) else { return };
        let (path, destination, _) = &self.paths[place];
        let (path, destination) = (*path, destination.clone());
        let view = turn.report.path(path);
        let known = view.map_or(&[][..], |view| &view.facts.tests);
        if !login.tests.iter().all(|test| known.contains(&test.id)) {
            turn.record(Event::TestsAdded { path, tests: ids(&login.tests) });
        }
        let round = Round::new(turn, path, destination).logging_in(login.user.clone());
        let memory = Memory::new(round);
        let batch = Batch::new(login.tests.clone(), limits(turn, path), Vec::new());
        self.attempt = Some(LoginAttempt { login, path, memory, batch });
    }

    /// The place of the path that is asked next, if a path that offers the mechanism is left.
    fn next_path(&self, turn: &AskingTurn<'_>, login: &Login) -> Option<usize> {
        for (place, (path, _, tests)) in self.paths.iter().enumerate() {
            let test = login.tests[0];
            let is_planned = tests.iter().any(|planned| planned.number == test.number);
            if !is_planned || login.tried.contains(path) || !is_usable(turn, *path) {
                continue;
            }
            match login.answer(turn, *path) {
                LoginAnswer::Final if self.scope == LoginScope::OnePath => return None,
                LoginAnswer::Final | LoginAnswer::WantsTls | LoginAnswer::OfThisPath => {}
                _ if is_not_offered(turn, *path, test) => {}
                _ if evidence::wants_tls_for_logins(turn.report, *path) => {}
                _ => return Some(place),
            }
        }
        None
    }

    /// Records on the first path of the host what is known not to be offered there, once.
    fn note_missing_offers(&self, turn: &mut AskingTurn<'_>, login: &Login) {
        let mut usable = self
            .paths
            .iter()
            .filter(|(path, ..)| is_usable(turn, *path));
        let Some((path, destination, _)) = usable.next() else { return };
        for test in &login.tests {
            if is_missing(turn, *path, test) {
                turn.record(Event::TestsAdded { path: *path, tests: ids(&[test]) });
                let round = Round::new(turn, *path, destination.clone());
                turn.note_missing_offer(&round, test);
            }
        }
    }

    /// A login is over on a path.
    fn ended(&mut self, turn: &mut AskingTurn<'_>, attempt: LoginAttempt, blocked: Option<Cause>) {
        let LoginAttempt { mut login, path, .. } = attempt;
        if let Some(cause) = blocked {
            return self.blocked(turn, path, cause);
        }
        let answer = login.answer(turn, path);
        self.pause_if_slower(turn, &login, path);
        if answer == LoginAnswer::Deferred
            && let Some(pause) = login.returns().get(login.deferrals)
        {
            login.deferrals += 1;
            self.pause(turn, path, *pause);
            return self.left.push_front(login);
        }
        login.tried.push(path);
        let is_over =
            matches!(answer, LoginAnswer::Final | LoginAnswer::Deferred | LoginAnswer::Unanswered);
        if !is_over || self.scope == LoginScope::EachPath {
            self.left.push_front(login);
        }
    }

    /// The server rejects our connections. Nothing more is tried at this host, which is recorded.
    fn blocked(&mut self, turn: &mut AskingTurn<'_>, path: PathId, cause: Cause) {
        for login in std::mem::take(&mut self.left) {
            if !self.accepts_made_up(turn) || !login.is_guess {
                turn.record(Event::TestsAdded { path, tests: ids(&login.tests) });
            }
        }
        turn.record(Event::GivenUp { path, cause });
    }

    /// Pauses where the server answers much later than it did.
    fn pause_if_slower(&mut self, turn: &mut AskingTurn<'_>, login: &Login, path: PathId) {
        let user = login.user.as_deref();
        let Some(delay) = evidence::login_delay(turn.report, path, login.tests[0], user) else {
            return;
        };
        let quickest = self.quickest.map_or(delay, |quickest| quickest.min(delay));
        self.quickest = Some(quickest);
        if delay >= LATE && delay >= 2 * quickest && !self.left.is_empty() {
            self.pause(turn, path, FORGOTTEN);
        }
    }

    fn pause(&mut self, turn: &mut AskingTurn<'_>, path: PathId, pause: Duration) {
        self.quiet_until = self.quiet_until.max(turn.now.elapsed + pause);
        let waiting = turn.waiting(Some(path), self.quiet_until, Wait::Pace);
        turn.record(waiting);
    }

    /// True if the server accepted made-up credentials on some path of the host.
    fn accepts_made_up(&self, turn: &AskingTurn<'_>) -> bool {
        self.paths.iter().any(|(path, ..)| {
            evidence::dialogues(turn.report, *path).any(|dialogue| {
                let mut tests = dialogue.tests.iter().filter_map(|id| id.test());
                tests.any(|test| {
                    test.login().is_some()
                        && matches!(Outcome::of(dialogue, test.id), Outcome::Accepted { .. })
                })
            })
        })
    }
}

impl Login {
    fn new(tests: Vec<&'static RelayTest>, user: Option<String>, is_guess: bool) -> Self {
        Self { tests, user, is_guess, tried: Vec::new(), deferrals: 0 }
    }

    /// When the login is tried again where the server defers it: for a user who may exist, only
    /// once, because each attempt may count against the account.
    fn returns(&self) -> &'static [Duration] {
        let most = if self.user.is_some() { 1 } else { RETURNS.len() };
        &RETURNS[..most]
    }

    /// What became of the login on a path, by the least that one of its tests says.
    fn answer(&self, turn: &AskingTurn<'_>, path: PathId) -> LoginAnswer {
        let user = self.user.as_deref();
        let outcomes = self
            .tests
            .iter()
            .map(|test| evidence::outcome_of_login(turn.report, path, test, user));
        let answers: Vec<_> = outcomes
            .map(|outcome| outcome.map_or(LoginAnswer::None, |outcome| LoginAnswer::of(&outcome)))
            .collect();
        // What one test of the login has shown is no answer for another that wants TLS: the test
        // after a failed login goes on, and may have its recipient accepted.
        let order = [
            LoginAnswer::Deferred,
            LoginAnswer::Unanswered,
            LoginAnswer::None,
            LoginAnswer::WantsTls,
            LoginAnswer::Final,
        ];
        let least = order.into_iter().find(|answer| answers.contains(answer));
        least.unwrap_or(LoginAnswer::OfThisPath)
    }
}

impl LoginAnswer {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted { .. } | Outcome::Relayed { .. } => Self::Final,
            Outcome::Refused { stage: Stage::Auth, reason, .. } => match reason {
                Reason::TlsRequired => Self::WantsTls,
                _ => Self::Final,
            },
            // The login may have been accepted, and another port may relay then.
            Outcome::Refused { .. } => Self::OfThisPath,
            Outcome::Deferred { .. } => Self::Deferred,
            Outcome::Interrupted { cause } if is_at_login(cause) => Self::Unanswered,
            Outcome::Interrupted { .. } | Outcome::NotRun { .. } => Self::None,
        }
    }
}

/// What is tried at a host, in order: tests with the same credentials one after another, because
/// Dovecot counts the same failure once.
fn logins(turn: &AskingTurn<'_>, paths: &HostPaths) -> VecDeque<Login> {
    let mut tests: Vec<&'static RelayTest> = Vec::new();
    for test in paths.iter().flat_map(|(_, _, tests)| tests) {
        if !tests.iter().any(|known| known.number == test.number) {
            tests.push(test);
        }
    }
    tests.sort_by_key(|test| test.number);
    let (of_users, others): (Vec<_>, Vec<_>) =
        tests.into_iter().partition(|test| test.is_for_users());
    let alone = others.into_iter().map(|test| vec![test]).collect();
    let mut logins: VecDeque<_> = sharing::with_one_login(alone)
        .into_iter()
        .map(|tests| Login::new(tests, None, false))
        .collect();
    let of_guesses = with_one_mechanism(turn, paths, &of_users);
    for user in words::login_names(turn.request) {
        let is_guess = Some(&user) != turn.request.named_user.as_ref();
        let asked = if is_guess { &of_guesses } else { &of_users };
        let of_user = asked
            .iter()
            .map(|test| Login::new(vec![test], Some(user.clone()), is_guess));
        logins.extend(of_user);
    }
    logins
}

/// Those of these tests that need the first mechanism that some path offers.
fn with_one_mechanism(
    turn: &AskingTurn<'_>,
    paths: &HostPaths,
    tests: &[&'static RelayTest],
) -> Vec<&'static RelayTest> {
    let is_offered = |test: &&&RelayTest| {
        paths.iter().any(|(path, destination, _)| {
            let view = turn.report.path(*path);
            let keyword = test.requirement(destination.security);
            view.zip(keyword)
                .is_some_and(|(view, keyword)| view.offers(keyword))
        })
    };
    let Some(first) = tests.iter().find(is_offered).or(tests.first()) else { return Vec::new() };
    let mechanism = |test: &RelayTest| test.requirement(Security::Plain);
    let is_alike = |test: &&RelayTest| mechanism(test) == mechanism(first);
    tests.iter().copied().filter(is_alike).collect()
}

/// True if something may be asked on a path: it exists, and the server did not stop serving us.
fn is_usable(turn: &AskingTurn<'_>, path: PathId) -> bool {
    let Some(view) = turn.report.path(path) else { return false };
    let is_unasked = view.dialogues().next().is_none();
    let has_spoken = view.dialogues().any(|dialogue| dialogue.has_spoken());
    view.facts.given_up.is_none()
        && evidence::not_offered(turn.report, path).is_none()
        && (is_unasked && view.facts.not_run.is_empty() || has_spoken)
}

/// True if the report does not say yet that the server never offers on this path what a test needs.
fn is_missing(turn: &AskingTurn<'_>, path: PathId, test: &RelayTest) -> bool {
    let view = turn.report.path(path);
    let is_said = view.is_some_and(|view| view.facts.not_run.contains_key(&test.id));
    !is_said && evidence::missing_offer(turn.report, path, test).is_some()
}

/// True if the server is known not to offer on this path what a test needs.
fn is_not_offered(turn: &AskingTurn<'_>, path: PathId, test: &RelayTest) -> bool {
    evidence::missing_offer(turn.report, path, test).is_some()
        || evidence::was_not_offered(turn.report, path, test)
}

/// One connection at a time.
fn limits(turn: &AskingTurn<'_>, path: PathId) -> PathLimits {
    let has_spoken = evidence::dialogues(turn.report, path).any(|dialogue| dialogue.has_spoken());
    PathLimits {
        window: 1,
        max_window: 1,
        deadline: turn.request.wait,
        pipelining: !evidence::has_unanswered_envelope(turn.report, path),
        answered: u32::from(has_spoken),
    }
}
