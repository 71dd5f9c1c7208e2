//! Which test comes first on a path, and which tests every path gets. The catalogue's columns say
//! both.

use super::request::Request;
use crate::{
    catalogue::{AskedOn, RelayTest, TestRole},
    smtp::Security,
};

/// Sorts the tests of a path into the order in which they are asked.
pub(super) fn sort(tests: &mut [&'static RelayTest], security: Security) {
    tests.sort_by_key(|test| test.asking_order(security));
}

/// The tests that a path is asked at first: those for every path, which are the plain test, its
/// control and the server's own senders. All tests come at once where the user wants every test on
/// every path, or the run lacks the plain test.
pub(super) fn first_tests(request: &Request) -> Vec<&'static RelayTest> {
    let on_every_path: Vec<_> = request
        .tests
        .iter()
        .copied()
        .filter(|test| test.paths == AskedOn::EveryPath)
        .collect();
    let has_plain = on_every_path.iter().any(|test| test.is(TestRole::Plain));
    if request.every_path || !has_plain { request.tests.clone() } else { on_every_path }
}
