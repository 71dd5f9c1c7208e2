//! Why nothing is known about a list.

use serde::{Deserialize, Serialize};

use crate::unanswered::Failure;

/// Why nothing is known about a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownReason {
    /// The list's test entry is missing.
    SelfTestMissed,
    /// The list has an entry that must never be listed.
    ListsEverything,
    /// No list can have given the answer.
    Rewritten,
    /// No answer came in time.
    TimedOut,
    /// The resolver failed to find out.
    ServerFailure,
    /// The resolver refused to find out.
    Refused,
    /// The resolver could not be reached.
    Unreachable,
    /// The answer was no DNS message.
    Malformed,
    /// The list doesn't answer public resolvers.
    PublicResolver,
    /// The list was asked too much.
    Quota,
    /// The list says that the zone's name is mistyped.
    TypingError,
    /// The list doesn't accept the key.
    KeyRejected,
    /// The list has no entries of this kind.
    WrongKind,
    /// The list refuses to answer.
    NotAllowed,
    /// The text is no DNS zone.
    NoSuchZone,
    /// The name would be too long for DNS.
    NameTooLong,
    /// The time of the whole run was over before the list answered.
    Unfinished,
}

impl UnknownReason {
    /// The word in outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelfTestMissed => "self_test_missed",
            Self::ListsEverything => "lists_everything",
            Self::Rewritten => "rewritten",
            Self::TimedOut => "timed_out",
            Self::ServerFailure => "server_failure",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Malformed => "malformed",
            Self::PublicResolver => "public_resolver",
            Self::Quota => "quota",
            Self::TypingError => "typing_error",
            Self::KeyRejected => "key_rejected",
            Self::WrongKind => "wrong_kind",
            Self::NotAllowed => "not_allowed",
            Self::NoSuchZone => "no_such_zone",
            Self::NameTooLong => "name_too_long",
            Self::Unfinished => "unfinished",
        }
    }

    /// The reason as a clause.
    #[must_use]
    pub fn clause(self) -> &'static str {
        match self {
            Self::SelfTestMissed => {
                "its test entry is missing: it is dead, or doesn't answer this resolver"
            }
            Self::ListsEverything => {
                "it lists what must never be listed: it is dead, or lists everybody"
            }
            Self::Rewritten => "the answer is no list's: a resolver on the way rewrites answers",
            Self::TimedOut => Failure::TimedOut.clause(),
            Self::ServerFailure => Failure::ServerFailure.clause(),
            Self::Refused => Failure::Refused.clause(),
            Self::Unreachable => Failure::Unreachable.clause(),
            Self::Malformed => Failure::Malformed.clause(),
            Self::PublicResolver => "it doesn't answer public resolvers",
            Self::Quota => "this resolver has asked it too much",
            Self::TypingError => "it says that its zone's name is mistyped",
            Self::KeyRejected => "it doesn't take the key",
            Self::WrongKind => "it doesn't list this kind of thing",
            Self::NotAllowed => "it refuses to answer this resolver",
            Self::NoSuchZone => "that is no DNS zone",
            Self::NameTooLong => "the name would be too long for DNS",
            Self::Unfinished => Failure::Unfinished.clause(),
        }
    }
}

impl From<Failure> for UnknownReason {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TimedOut => Self::TimedOut,
            Failure::ServerFailure => Self::ServerFailure,
            Failure::Refused => Self::Refused,
            Failure::Unreachable => Self::Unreachable,
            Failure::Malformed => Self::Malformed,
            Failure::Unfinished => Self::Unfinished,
        }
    }
}
