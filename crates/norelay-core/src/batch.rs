//! Several tests on one connection, for servers that bear it and count connections instead.
//!
//! Rules:
//! - Only dialogues with the same introduction share a connection; RSET stands between them.
//! - Each step carries the test that it is for, so that each test has its own answer.
//! - A test that says DATA comes last: where the answer is 354, the connection is of no more use.

use crate::{
    catalogue::{Line, RelayTest},
    smtp::{Purpose, Stage, Step, Transaction},
};

/// Whether a test can share a connection with others: it begins as they do, and leaves nothing behind that RSET leaves.
#[must_use]
pub fn can_share(test: &RelayTest) -> bool {
    test.dialogue.iter().all(|line| match line {
        Line::Mail | Line::Rcpt => true,
        Line::Say(stage, ..) => !matches!(stage, Stage::Ehlo | Stage::Auth),
        _ => false,
    })
}

/// The tests by connection: those that can share one, at most `most` on each, and the others alone.
#[must_use]
pub fn groups(tests: Vec<&'static RelayTest>, most: usize) -> Vec<Vec<&'static RelayTest>> {
    let (shared, alone): (Vec<_>, Vec<_>) = tests.into_iter().partition(|test| can_share(test));
    let (last, shared): (Vec<_>, Vec<_>) = shared.into_iter().partition(|test| says_data(test));
    let mut groups: Vec<_> = shared.chunks(most).map(<[_]>::to_vec).collect();
    for test in last {
        match groups.iter_mut().find(|group| group.len() < most && !group.iter().any(|test| says_data(test))) {
            Some(group) => group.push(test),
            None => groups.push(vec![test]),
        }
    }
    groups.extend(alone.into_iter().map(|test| vec![test]));
    groups
}

fn says_data(test: &RelayTest) -> bool {
    test.dialogue.iter().any(|line| matches!(line, Line::Say(Stage::Data, ..)))
}

/// One transaction that says all that the given ones say, in order, and the test that each of its steps is for.
#[must_use]
pub fn join(asked: Vec<(&'static RelayTest, Transaction)>) -> Option<(Transaction, Vec<Option<String>>)> {
    let mut joined = asked.first()?.1.clone();
    let (mut steps, mut tests) = (Vec::new(), Vec::new());
    for (test, transaction) in asked {
        if !steps.is_empty() {
            steps.push(Step::new(Stage::Rset, Purpose::Attempt, "RSET"));
            tests.push(None);
        }
        for step in transaction.steps {
            let purpose = if step.purpose == Purpose::Attempt { Purpose::Aside } else { Purpose::Attempt };
            steps.push(Step { purpose, ..step });
            tests.push(Some(test.id.to_owned()));
        }
    }
    joined.steps = steps;
    Some((joined, tests))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn tests_share_connections_where_nothing_stays_behind() {
        let tests = |ids: &[&str]| ids.iter().filter_map(|id| catalogue::by_id(id)).collect::<Vec<_>>();
        for (asked, expected) in [
            (&["null-sender", "percent-host", "bang-host"][..], &["null-sender percent-host", "bang-host"][..]),
            (&["helo-localhost", "null-sender"], &["null-sender", "helo-localhost"]),
            (
                &["data-after-refused", "vrfy-disclosure", "null-sender", "bare-sender"],
                &["vrfy-disclosure null-sender", "bare-sender data-after-refused"],
            ),
            (&["data-after-refused", "data-before-mail"], &["data-after-refused", "data-before-mail"]),
            (&["auth-plain-random", "xclient-loopback"], &["auth-plain-random", "xclient-loopback"]),
        ] {
            let ids = |group: &Vec<&RelayTest>| group.iter().map(|test| test.id).collect::<Vec<_>>().join(" ");
            assert_eq!(groups(tests(asked), 2).iter().map(ids).collect::<Vec<_>>(), expected);
        }
    }
}
