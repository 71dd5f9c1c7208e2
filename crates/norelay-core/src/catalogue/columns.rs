//! What stands in the columns of the table: the group, profile and strength of a test.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What makes a server fall for a test: tests of one group have one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Nothing but being asked.
    Plain,
    /// Trust in the reverse-path.
    Sender,
    /// `user%domain`.
    Percent,
    /// A second `@`, or one in quotes.
    At,
    /// A source route, `@host:user@domain`.
    Route,
    /// A bang path, `domain!user`.
    Bang,
    /// Other ways to write a recipient, and encapsulated addresses.
    Syntax,
    /// How the list of permitted recipient domains is compared or found.
    RecipientDomain,
    /// Trust in the name given with HELO.
    Hello,
    /// Trust that comes with a port, an address family or TLS.
    Path,
    /// A state that a session should have left.
    State,
    /// Trust in credentials of any kind.
    Auth,
    /// Trust in what a proxy would have said.
    Proxy,
    /// What must be accepted or refused if the server is in order: never scored as relaying.
    Control,
    /// Other things worth knowing: never scored as relaying.
    Adjacent,
}

/// Which runs a test belongs to; each profile contains the ones before it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The seventeen, and the controls that judge them.
    Classic,
    /// What every run should ask today.
    #[default]
    Standard,
    /// All that is harmless.
    Thorough,
    /// What may upset a server: only for the server's own administrator.
    Intrusive,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classic => "classic",
            Self::Standard => "standard",
            Self::Thorough => "thorough",
            Self::Intrusive => "intrusive",
        })
    }
}

/// How much an acceptance of the recipient says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// The recipient is plainly somewhere else.
    Strong,
    /// Servers that take any local part of their own domain accept it too, and relay nothing.
    Weak,
}
