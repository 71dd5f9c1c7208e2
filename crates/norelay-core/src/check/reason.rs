//! Why a server refused: read from the reply code, the enhanced status code and the known wording of servers.

use serde::{Deserialize, Serialize};

use crate::smtp::{Reply, Stage};

/// Why a command was refused or deferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Relaying is denied.
    RelayDenied,
    /// Only who authenticates may go on.
    AuthRequired,
    /// Only who uses TLS may go on.
    TlsRequired,
    /// Our address, network or name is not liked.
    Reputation,
    /// Come back later, as a test of patience.
    Greylisted,
    /// The sender or its domain is not liked or not found.
    SenderDomain,
    /// The recipient's domain is not found or takes no mail.
    RecipientDomain,
    /// There is no such user here.
    UnknownUser,
    /// The address or the command is malformed.
    Syntax,
    /// Too much, too fast, too many errors.
    RateLimited,
    /// Some other rule, of which the reply speaks.
    Policy,
    /// The reply doesn't say.
    Unclassified,
}

impl Reason {
    /// The reason that a negative reply gives.
    #[must_use]
    pub fn of(_stage: Stage, _reply: &Reply) -> Self {
        Self::Unclassified
    }

    /// The reason as a clause.
    #[must_use]
    pub fn clause(self) -> &'static str {
        match self {
            Self::RelayDenied => "relaying is denied",
            Self::AuthRequired => "authentication is required",
            Self::TlsRequired => "TLS is required",
            Self::Reputation => "our address is on a blacklist or otherwise disliked",
            Self::Greylisted => "greylisted",
            Self::SenderDomain => "the sender is not liked",
            Self::RecipientDomain => "the recipient's domain takes no mail",
            Self::UnknownUser => "no such user",
            Self::Syntax => "malformed address or command",
            Self::RateLimited => "too many attempts or errors",
            Self::Policy => "some other rule",
            Self::Unclassified => "the server does not say why",
        }
    }
}
