//! The catalogue: every relay test and control, as a table (`table.rs`) and a document each
//! (`catalogue/relay/`).
//!
//! Rules:
//! - Ids and numbers are promises: they never change their meaning, and 1 to 17 are the abuse.net
//!   relay tester's, in its order.
//! - A test is data. What it says is made from templates and [`Words`]; a word that isn't known
//!   makes a test that isn't run.

mod columns;
mod credentials;
mod line;
pub mod listed;
mod relay_test;
mod selection;
mod smuggling;
mod table;
mod test_id;
mod transaction;
pub mod words;

pub use self::{
    columns::{AskedOn, AskingOrder, Group, Profile, Strength, TestRole},
    credentials::{Credentials, Mechanism},
    line::{Certificate, FOREIGN_SENDER, Line, PLAIN, PathKind},
    relay_test::RelayTest,
    selection::{NoSelection, Selection, find, in_display_order, on_path, select},
    table::TESTS,
    test_id::TestId,
    words::{MissingWord, Words},
};

/// The test with this id.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static RelayTest> {
    TESTS.iter().find(|test| test.id == id)
}

/// The test with this number.
#[must_use]
pub fn by_number(number: u8) -> Option<&'static RelayTest> {
    TESTS.iter().find(|test| test.number == number)
}

/// The test with this role.
///
/// # Panics
/// Never: every role has exactly one row.
#[must_use]
pub fn by_role(role: TestRole) -> &'static RelayTest {
    TESTS
        .iter()
        .find(|test| test.is(role))
        .expect("every role has a row of the table: a test holds it")
}
