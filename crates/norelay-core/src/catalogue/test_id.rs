//! The id of a test or control as a type: a word of the catalogue, or one that is not in it.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{RelayTest, TESTS};

/// The id of a test or control.
///
/// Ids are words in logs, requests and reports. Whatever reads such a word makes a `TestId` of it,
/// and a word that the catalogue doesn't have becomes [`TestId::UNKNOWN`]: logs of other versions
/// may name tests that this version doesn't know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TestId(&'static str);

impl TestId {
    /// The id of every test that the catalogue doesn't have. It equals no row's id.
    pub const UNKNOWN: Self = Self("unknown");

    /// The id of a row of the table.
    pub(super) const fn of_row(id: &'static str) -> Self {
        Self(id)
    }

    /// The id that this word is, or [`TestId::UNKNOWN`].
    #[must_use]
    pub fn named(word: &str) -> Self {
        let row = TESTS.iter().find(|test| test.id == word);
        row.map_or(Self::UNKNOWN, |test| test.id)
    }

    /// The row with this id; none for [`TestId::UNKNOWN`].
    #[must_use]
    pub fn test(self) -> Option<&'static RelayTest> {
        TESTS.iter().find(|test| test.id == self)
    }

    /// The words of these ids, as events have them.
    #[must_use]
    pub fn words(ids: &[Self]) -> Vec<String> {
        ids.iter().copied().map(String::from).collect()
    }

    /// The word, as logs and reports have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for TestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl PartialEq<str> for TestId {
    fn eq(&self, word: &str) -> bool {
        self.0 == word
    }
}

impl PartialEq<&str> for TestId {
    fn eq(&self, word: &&str) -> bool {
        self.0 == *word
    }
}

impl From<TestId> for String {
    fn from(id: TestId) -> Self {
        id.0.to_owned()
    }
}

impl Serialize for TestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_word_is_no_row() {
        assert_eq!(TestId::named("of-another-version"), TestId::UNKNOWN);
        assert!(TestId::UNKNOWN.test().is_none());
        for test in TESTS {
            let id = TestId::named(test.id.as_str());
            assert_eq!((id, id.test().map(|row| row.number)), (test.id, Some(test.number)));
        }
    }
}
