//! Several tests on one connection, for servers that accept many questions on one connection and
//! count connections instead.
//!
//! Rules:
//! - RSET stands between two tests. Each step carries the test that the step is for, so that each
//!   test has its own answer.
//! - Only dialogues with the same introduction share a connection, or dialogues that are about the
//!   introduction: a new HELO replaces the one before (RFC 5321 section 4.1.4), and a dialogue
//!   without HELO comes first.
//! - A test that says DATA comes last: after a 354, nothing else can be asked on the connection.

use crate::{
    catalogue::{Line, RelayTest},
    smtp::{Hello, Purpose, Reply, Stage, Step, Transaction},
};

/// The tests that share a connection, and what is said for all of them after the introduction.
#[derive(Clone, Debug)]
pub struct SharedSteps {
    /// The tests, the connection's own among them.
    pub tests: Vec<&'static RelayTest>,
    /// What is said.
    pub steps: Vec<Step>,
    /// The test that each step is for.
    pub step_tests: Vec<Option<&'static RelayTest>>,
}

/// How often a connection may say HELO: sendmail logs the third HELO as a possible attack and
/// delays its replies to later ones.
const MAX_HELLOS: usize = 2;

/// How many questions a server accepts on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Any number: sendmail, which counts connections instead.
    Endless,
    /// Many, but no more than three syntax errors: Exim.
    FewErrors,
}

impl Patience {
    /// Returns how many questions the server accepts, if its greeting names such a server. A server
    /// of that name with a lower limit hangs up, and is then asked the rest one by one.
    #[must_use]
    pub fn of(greeting: &Reply) -> Option<Self> {
        let text = greeting.text();
        let names = [(" Sendmail ", Self::Endless), (" Exim ", Self::FewErrors)];
        names
            .into_iter()
            .find_map(|(name, patience)| text.contains(name).then_some(patience))
    }
}

/// True if the greeting names a server without a limit of connections from one client: OpenSMTPD,
/// which hangs up on pipelined commands ("500 5.5.1 Pipelining not supported").
#[must_use]
pub fn accepts_many_connections(greeting: &Reply) -> bool {
    greeting.text().contains(" OpenSMTPD")
}

/// True if the greeting names a server that closes a connection after few errors: chasquid at the
/// third, Exchange and Stalwart after the fifth.
#[must_use]
pub fn closes_after_few_errors(greeting: &Reply) -> bool {
    let names = [" chasquid", " Microsoft ESMTP ", "Stalwart "];
    names.iter().any(|name| greeting.text().contains(name))
}

/// True if a test can share a connection with others: the test begins as they do, and RSET undoes
/// all that the test did. If the test needs a keyword, the server must be known to offer it.
#[must_use]
pub fn can_share(test: &RelayTest) -> bool {
    test.dialogue.iter().all(|line| match line {
        Line::Mail | Line::Rcpt | Line::EachMailAndRcpt | Line::Requires(_) => true,
        Line::Say(stage, ..) => !matches!(stage, Stage::Ehlo | Stage::Auth),
        _ => false,
    })
}

/// True for a line about HELO: another name, or none.
fn is_introduction(line: &Line) -> bool {
    matches!(line, Line::Helo(_) | Line::NoHello)
}

/// True if a test is about the introduction and could share a connection otherwise.
fn introduces(test: &RelayTest) -> bool {
    test.dialogue.iter().any(is_introduction)
        && test.dialogue.iter().all(|line| match line {
            Line::Mail | Line::Rcpt => true,
            Line::Say(stage, ..) => *stage == Stage::Other,
            line => is_introduction(line),
        })
}

/// Returns the tests by connection: first the tests that can share one, at most `most` on each;
/// then the tests about the introduction; then each other test alone, with the unscored tests last.
///
/// A test shares only if what the test needs is `offered`. With `hellos`, a connection may say HELO
/// more than once.
#[must_use]
pub fn groups(
    tests: Vec<&'static RelayTest>,
    most: usize,
    hellos: bool,
    offered: impl Fn(&RelayTest) -> bool,
) -> Vec<Vec<&'static RelayTest>> {
    let (shared, alone): (Vec<_>, Vec<_>) = tests
        .into_iter()
        .partition(|test| can_share(test) && offered(test));
    let (last, shared): (Vec<_>, Vec<_>) = shared.into_iter().partition(|test| says_data(test));
    let mut groups: Vec<_> = shared.chunks(most).map(<[_]>::to_vec).collect();
    // One test with DATA at the end of each connection.
    for test in last {
        match groups
            .iter_mut()
            .find(|group| group.len() < most && !group.iter().any(|test| says_data(test)))
        {
            Some(group) => group.push(test),
            None => groups.push(vec![test]),
        }
    }
    let (introducing, mut alone): (Vec<_>, Vec<_>) = alone
        .into_iter()
        .partition(|test| hellos && introduces(test));
    groups.extend(by_introduction(introducing));
    alone.sort_by_key(|test| !test.is_scored());
    groups.extend(alone.into_iter().map(|test| vec![test]));
    groups
}

/// Returns the tests about the introduction by connection. A test without HELO comes first, since
/// the server cannot forget a HELO.
fn by_introduction(tests: Vec<&'static RelayTest>) -> Vec<Vec<&'static RelayTest>> {
    let (mut silent, named): (Vec<_>, Vec<_>) = tests
        .into_iter()
        .partition(|test| test.dialogue.contains(&Line::NoHello));
    let mut named = named.chunks(MAX_HELLOS);
    silent.extend(named.next().into_iter().flatten());
    let first = Some(silent).filter(|first| !first.is_empty());
    first.into_iter().chain(named.map(<[_]>::to_vec)).collect()
}

/// True if the test consists of MAIL and RCPT alone.
#[must_use]
pub fn is_plain(test: &RelayTest) -> bool {
    let mut lines = test.dialogue.iter();
    lines.all(|line| matches!(line, Line::Mail | Line::Rcpt))
}

/// Returns what each connection of `scouts` may ask beside its own test: at most `most` of the
/// tests that consist of MAIL and RCPT alone.
///
/// The tests are dealt in turn, because similar tests (such as those with syntax errors) stand
/// together in the catalogue.
#[must_use]
pub fn deal(
    scouts: &[&RelayTest],
    tests: &[&'static RelayTest],
    most: usize,
) -> Vec<Vec<&'static RelayTest>> {
    // A scout that says more than MAIL and RCPT has another introduction or leaves something
    // behind.
    if !scouts.iter().all(|scout| is_plain(scout)) {
        return vec![Vec::new(); scouts.len()];
    }
    let plain: Vec<_> = tests
        .iter()
        .copied()
        .filter(|test| is_plain(test))
        .take(scouts.len() * most)
        .collect();
    (0..scouts.len())
        .map(|scout| {
            plain
                .iter()
                .skip(scout)
                .step_by(scouts.len())
                .copied()
                .collect()
        })
        .collect()
}

/// Deals the tests out to as few connections as may be, with at most `most` tests and
/// `most_irregular` syntax errors on each. `tests` says of each whether it is one (by Exim's
/// rules). On a connection, tests keep their order, and controls come last: what a server accepts
/// must change nothing for the tests behind it.
#[must_use]
pub fn deal_evenly(
    tests: Vec<(&'static RelayTest, bool)>,
    most: usize,
    most_irregular: usize,
) -> Vec<Vec<&'static RelayTest>> {
    let irregular = tests
        .iter()
        .filter(|(_, is_irregular)| *is_irregular)
        .count();
    let connections = tests
        .len()
        .div_ceil(most)
        .max(irregular.div_ceil(most_irregular));
    let mut dealt: Vec<Vec<(bool, usize, &'static RelayTest)>> = vec![Vec::new(); connections];
    for wanted in [true, false] {
        for (place, (test, is_irregular)) in tests.iter().enumerate() {
            let emptiest = dealt.iter_mut().min_by_key(|connection| connection.len());
            if let Some(connection) = emptiest.filter(|_| *is_irregular == wanted) {
                connection.push((!test.is_scored(), place, *test));
            }
        }
    }
    for connection in &mut dealt {
        connection.sort_by_key(|(is_control, place, _)| (*is_control, *place));
    }
    dealt.sort_by_key(|connection| {
        connection
            .first()
            .map(|(is_control, place, _)| (*is_control, *place))
    });
    let mut groups = Vec::new();
    for connection in dealt {
        groups.push(connection.into_iter().map(|(.., test)| test).collect());
    }
    groups
}

/// True if a transaction has an address that a default Exim counts as a syntax error: an address
/// with a domain literal, without a domain, or with two domains.
#[must_use]
pub fn is_irregular(transaction: &Transaction) -> bool {
    transaction
        .steps
        .iter()
        .any(|step| is_irregular_path(&step.line.to_text()))
}

/// True if the address between the angle brackets of a MAIL or RCPT line is irregular.
fn is_irregular_path(line: &str) -> bool {
    let Some(path) = line
        .split_once('<')
        .and_then(|(_, rest)| rest.rsplit_once('>'))
        .map(|(path, _)| path)
    else {
        return true;
    };
    // An `@` within quotation marks does not begin a domain.
    let unquoted: String = path.split('"').step_by(2).collect();
    let routed = unquoted
        .strip_prefix('@')
        .and_then(|rest| rest.split_once(':'));
    let mailbox = routed.map_or(unquoted.as_str(), |(_, mailbox)| mailbox);
    !path.is_empty() && (path.contains('[') || mailbox.matches('@').count() != 1)
}

/// True if a test says DATA out of turn.
#[must_use]
pub fn says_data(test: &RelayTest) -> bool {
    test.dialogue
        .iter()
        .any(|line| matches!(line, Line::Say(Stage::Data, ..)))
}

/// Returns one transaction that says all that the given ones say, in order, and the test that each
/// step is for.
#[must_use]
pub fn join(
    asked: Vec<(&'static RelayTest, Transaction)>,
) -> Option<(Transaction, Vec<Option<&'static RelayTest>>)> {
    let mut joined = asked.first()?.1.clone();
    if asked.iter().any(|(test, _)| introduces(test)) {
        // Each test then says its own HELO, as a step.
        joined.hello = Hello::Silent;
    }
    let (mut steps, mut tests) = (Vec::new(), Vec::new());
    for (test, transaction) in asked {
        if !steps.is_empty() {
            steps.push(Step::new(Stage::Rset, Purpose::Attempt, "RSET"));
            tests.push(None);
        }
        let own = match transaction.hello {
            Hello::Helo(name) if joined.hello == Hello::Silent => {
                Some(Step::new(Stage::Helo, Purpose::Condition, format!("HELO {name}")))
            }
            _ => None,
        };
        // A rejected question must not end a dialogue that has other tests to ask. So questions
        // become attempts, and what was an attempt decides nothing.
        for step in own.into_iter().chain(transaction.steps) {
            let is_aside = step.purpose == Purpose::Attempt && !test.asks_several();
            let purpose = if is_aside { Purpose::Aside } else { Purpose::Attempt };
            steps.push(Step { purpose, requires: None, ..step });
            tests.push(Some(test));
        }
    }
    joined.steps = steps;
    Some((joined, tests))
}

/// The tests by connection, where tests that log in with the same credentials and in the same way
/// share one login: whether it is accepted is the question of one of them, and what is accepted
/// after its failure the question of the other.
#[must_use]
pub fn with_one_login(groups: Vec<Vec<&'static RelayTest>>) -> Vec<Vec<&'static RelayTest>> {
    let mut joined: Vec<Vec<&'static RelayTest>> = Vec::new();
    for group in groups {
        let login = login_of(&group);
        let same = joined
            .iter_mut()
            .find(|other| login.is_some() && login_of(other) == login);
        match same {
            Some(other) => other.extend(group),
            None => joined.push(group),
        }
    }
    joined
}

/// Returns what the tests of a group log in with, if all of them log in alike.
fn login_of(group: &[&RelayTest]) -> Option<(&'static str, &'static [&'static str])> {
    let first = group.first()?.login()?;
    let is_same = |test: &&RelayTest| test.login() == Some(first);
    group.iter().all(is_same).then_some(first)
}

/// One transaction for tests that share a login, and the test that each of its steps is for. The
/// reply to AUTH is the answer of the tests that ask it as their question; the other tests see
/// what comes after it.
#[must_use]
pub fn join_logins(
    asked: &[(&'static RelayTest, Transaction)],
) -> Option<(Transaction, Vec<Option<&'static RelayTest>>)> {
    let tests: Vec<_> = asked.iter().map(|(test, _)| *test).collect();
    login_of(&tests).filter(|_| tests.len() == 2)?;
    let is_question = |step: &Step| step.stage == Stage::Auth && step.purpose == Purpose::Question;
    let (asking, transaction) = asked
        .iter()
        .find(|(_, transaction)| transaction.steps.iter().any(is_question))?;
    let mut joined = transaction.clone();
    let mut step_tests = vec![None; joined.steps.len()];
    for (step, test) in joined.steps.iter_mut().zip(&mut step_tests) {
        if is_question(step) {
            (step.purpose, *test) = (Purpose::Attempt, Some(*asking));
        }
    }
    Some((joined, step_tests))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue, smtp::Security};

    #[test]
    fn tests_share_connections_where_nothing_stays_behind() {
        let tests = |ids: &[&str]| {
            ids.iter()
                .filter_map(|id| catalogue::by_id(id))
                .collect::<Vec<_>>()
        };
        for (asked, expected) in [
            (
                &["null-sender", "percent-host", "bang-host"][..],
                &["null-sender percent-host", "bang-host"][..],
            ),
            (&["helo-localhost", "null-sender"], &["null-sender", "helo-localhost"]),
            (
                &["data-after-refused", "vrfy-disclosure", "null-sender", "bare-sender"],
                &["vrfy-disclosure null-sender", "bare-sender data-after-refused"],
            ),
            (
                &["data-after-refused", "data-before-mail"],
                &["data-after-refused", "data-before-mail"],
            ),
            (
                &["auth-plain-random", "xclient-loopback"],
                &["auth-plain-random", "xclient-loopback"],
            ),
            (
                &[
                    "helo-localhost",
                    "helo-target-host",
                    "lmtp-exposed",
                    "helo-local-domain",
                    "no-helo",
                    "helo-target-ip",
                ],
                &[
                    "lmtp-exposed no-helo helo-localhost helo-target-host",
                    "helo-local-domain helo-target-ip",
                ],
            ),
            (
                &["turn-open", "orcpt-mismatch", "etrn-open"],
                &["turn-open orcpt-mismatch", "etrn-open"],
            ),
            (
                &["proxy-local", "starttls-injection", "proxy-v1-loopback"],
                &["proxy-local", "proxy-v1-loopback", "starttls-injection"],
            ),
        ] {
            let ids = |group: &Vec<&RelayTest>| {
                group
                    .iter()
                    .map(|test| test.id.as_str())
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let offered = |test: &RelayTest| test.requirement(Security::Plain) != Some("ETRN");
            assert_eq!(
                groups(tests(asked), 2, true, offered)
                    .iter()
                    .map(ids)
                    .collect::<Vec<_>>(),
                expected
            );
        }
    }

    #[test]
    fn addresses_are_regular_or_syntax_errors_elsewhere() {
        for (path, is_irregular) in [
            ("", false),
            ("a@b.example", false),
            ("\"a@b.example\"@c.example", false),
            ("@c.example:a@b.example", false),
            ("b.example!a@c.example", false),
            ("a%b.example@c.example", false),
            ("a", true),
            ("\"a@b.example\"", true),
            ("b.example!a", true),
            ("a@b.example@c.example", true),
            ("a@[192.0.2.1]", true),
            ("@[192.0.2.1]:a@b.example", true),
        ] {
            assert_eq!(is_irregular_path(&format!("RCPT TO:<{path}>")), is_irregular, "{path}");
        }
    }

    #[test]
    fn each_introduction_is_said_on_the_connection_that_they_share() {
        let words = catalogue::Words::default();
        let ids = ["no-helo", "helo-localhost", "helo-loopback-ip"];
        let tests = ids.iter().filter_map(|id| catalogue::by_id(id));
        let asked = tests.map(|test| {
            let lines = |line: &Line| match line {
                Line::Helo(name) => Some(Hello::Helo((*name).to_owned())),
                _ => None,
            };
            let hello = test
                .dialogue
                .iter()
                .find_map(lines)
                .unwrap_or(Hello::Silent);
            let plain = catalogue::by_id("no-brackets")
                .and_then(|plain| plain.transaction(&words, Security::Plain).ok());
            (test, Transaction { hello, ..plain.expect("it can be said") })
        });
        let (joined, tests) = join(asked.collect()).expect("there are some");
        assert_eq!(joined.hello, Hello::Silent);
        let said: Vec<_> = joined
            .steps
            .iter()
            .zip(tests)
            .map(|(step, test)| (step.line.to_string(), test))
            .collect();
        let hellos: Vec<_> = said
            .iter()
            .filter(|(line, _)| line.starts_with("HELO"))
            .collect();
        assert_eq!(hellos.len(), 2);
        for ((line, test), (name, id)) in hellos
            .into_iter()
            .zip([("localhost", ids[1]), ("[127.0.0.1]", ids[2])])
        {
            assert_eq!(
                (line.as_str(), test.map(|test| test.id.as_str())),
                (format!("HELO {name}").as_str(), Some(id))
            );
        }
    }
}
