//! Questions without an answer.

/// What a look-up gave. An empty list means that there are no such records.
pub type Looked<T> = Result<T, Failure>;

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer came in time.
    TimedOut,
    /// The resolver could not find out (SERVFAIL).
    ServerFailure,
    /// The resolver refused to answer (REFUSED, NOTIMP …).
    Refused,
    /// The resolver could not be reached.
    Unreachable,
    /// The answer was no DNS message.
    Malformed,
    /// The time of the whole run was over.
    Unfinished,
}

impl Failure {
    /// Returns the reason as a clause.
    #[must_use]
    pub fn clause(self) -> &'static str {
        match self {
            Self::TimedOut => "no answer in time",
            Self::ServerFailure => "the resolver got no answer from it",
            Self::Refused => "the resolver refuses to ask it",
            Self::Unreachable => "the resolver can't be reached",
            Self::Malformed => "what came was no DNS",
            Self::Unfinished => "the run's time was over",
        }
    }
}
