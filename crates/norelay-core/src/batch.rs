//! Several plain tests on one connection, for servers that bear it and count connections instead.
//!
//! Rules:
//! - Only plain dialogues (MAIL, RCPT) with the same introduction share a connection; RSET stands between them.
//! - Each step carries the test that it is for, so that each test has its own answer.

use crate::{
    catalogue::{PLAIN, RelayTest},
    smtp::{Purpose, Stage, Step, Transaction},
};

/// Whether a test can share a connection with others.
#[must_use]
pub fn can_share(test: &RelayTest) -> bool {
    test.dialogue == PLAIN
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
            steps.push(Step { purpose: Purpose::Attempt, ..step });
            tests.push(Some(test.id.to_owned()));
        }
    }
    joined.steps = steps;
    Some((joined, tests))
}
