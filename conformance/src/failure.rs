//! What went wrong in the suite itself, as opposed to in norelay.
//!
//! Rule: a failure says what was being done and what the system answered, because whoever
//! reads it has only the output of a CI run.

use std::fmt;

/// Something that the suite tried and that did not work.
#[derive(Debug)]
pub struct Failure {
    doing: String,
    cause: String,
}

/// The result of everything that touches the system.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure while `doing` something (a clause that follows "could not").
    pub fn new(doing: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self { doing: doing.into(), cause: cause.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "could not {}: {}", self.doing, self.cause)
    }
}

/// Gives an error of the system its place.
pub trait Doing<T> {
    /// Says what was being done when the error came.
    fn doing(self, doing: impl FnOnce() -> String) -> Outcome<T>;
}

impl<T, E: fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Outcome<T> {
        self.map_err(|error| Failure::new(doing(), error))
    }
}
