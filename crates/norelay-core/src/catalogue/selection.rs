//! Which tests a run asks: for the command and the service, for a resumed run, and for a retest.
//!
//! Rules:
//! - Every list of tests that leaves this file is in display order and has no test twice.
//! - A test without a dialogue of its own cannot be asked for: the dialogues of others answer it.

use std::{fmt, net::IpAddr};

use super::{
    by_id, by_number, columns::Profile, relay_test::RelayTest, table::TESTS, test_id::TestId,
};
use crate::{octets::Octets, smtp::Security};

/// How much of an unknown name an error repeats, in characters.
const MAX_SHOWN: usize = 60;

/// What a user asks for.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// The tests to choose from, where `only` is empty.
    pub profile: Profile,
    /// Only these tests, by id or number, whatever their profile.
    pub only: &'a [String],
    /// Not these tests, by id or number.
    pub skip: &'a [String],
}

/// Why a selection cannot be run. The text is the first half of a sentence, without a full stop:
/// the caller knows how the user can do better, and adds that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSelection {
    /// The catalogue has no test of this name.
    UnknownTest(String),
    /// The test with this id is read from the answers to other tests.
    ReadFromOthers(TestId),
    /// Without a scored test there is no verdict.
    NothingLeft,
}

impl fmt::Display for NoSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTest(name) => {
                let shown: String = name.chars().take(MAX_SHOWN).collect();
                write!(f, "There is no test \"{}\"", Octets::from(shown))
            }
            Self::ReadFromOthers(id) => write!(f, "{id} is read from the answers to other tests"),
            Self::NothingLeft => f.write_str("No relay test is left to run"),
        }
    }
}

impl Selection<'_> {
    /// Returns the tests and controls to ask.
    ///
    /// # Errors
    /// A name isn't known or can't be asked for, or no scored test is left.
    pub fn tests(&self) -> Result<Vec<&'static RelayTest>, NoSelection> {
        let (only, skip) = (named(self.only)?, named(self.skip)?);
        if let Some(row) = only.iter().find(|test| !test.is_asked()) {
            return Err(NoSelection::ReadFromOthers(row.id));
        }
        let mut chosen = match only.is_empty() {
            true => select(self.profile).collect(),
            false => in_display_order(only),
        };
        chosen.retain(|test| !skip.iter().any(|other| other.number == test.number));
        match chosen.iter().any(|test| test.is_scored()) {
            true => Ok(chosen),
            false => Err(NoSelection::NothingLeft),
        }
    }
}

fn named(names: &[String]) -> Result<Vec<&'static RelayTest>, NoSelection> {
    names.iter().map(|name| find(name)).collect()
}

/// Returns the test that a user names by id or number.
///
/// # Errors
/// There is none.
pub fn find(name: &str) -> Result<&'static RelayTest, NoSelection> {
    by_id(name)
        .or_else(|| by_number(name.parse().ok()?))
        .ok_or_else(|| NoSelection::UnknownTest(name.to_owned()))
}

/// Returns these tests in display order, none twice.
pub fn in_display_order(
    tests: impl IntoIterator<Item = &'static RelayTest>,
) -> Vec<&'static RelayTest> {
    let mut tests: Vec<_> = tests.into_iter().collect();
    tests.sort_unstable_by_key(|test| test.number);
    tests.dedup_by_key(|test| test.number);
    tests
}

/// The tests and controls of a profile, in display order.
pub fn select(profile: Profile) -> impl Iterator<Item = &'static RelayTest> {
    TESTS
        .iter()
        .filter(move |test| test.profile <= profile && !test.needs_credentials() && test.is_asked())
}

/// The rows that the plain test answers on a path, besides its own.
pub fn on_path(
    address: IpAddr,
    port: u16,
    security: Security,
) -> impl Iterator<Item = &'static RelayTest> {
    TESTS.iter().filter(move |test| {
        test.path_kind()
            .is_some_and(|kind| kind.includes(address, port, security))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_chosen_or_refused() {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        for (only, skip, expected) in [
            (&["17", "null-sender", "3"][..], &[][..], Ok(&[3, 17][..])),
            (&["1", "ctl-postmaster"], &["3"], Ok(&[1, 140])),
            (&["140"], &[], Err("No relay test is left to run")),
            (&["1"], &["foreign-to-foreign"], Err("No relay test is left to run")),
            (&["1", "x\r\n"], &[], Err("There is no test \"x\\x0d\\x0a\"")),
            (&["1"], &["0"], Err("There is no test \"0\"")),
            (&["1", "104"], &[], Err("plain-ipv6 is read from the answers to other tests")),
            (&["1"], &["104"], Ok(&[1])),
        ] {
            let (only, skip): (Vec<String>, Vec<String>) = (named(only), named(skip));
            let selection = Selection { profile: Profile::Classic, only: &only, skip: &skip };
            let numbers = selection
                .tests()
                .map(|tests| tests.iter().map(|test| test.number).collect::<Vec<_>>())
                .map_err(|error| error.to_string());
            assert_eq!(numbers, expected.map(<[_]>::to_vec).map_err(str::to_owned), "{only:?}");
        }
    }
}
