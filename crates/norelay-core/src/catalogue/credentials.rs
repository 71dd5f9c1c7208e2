//! Credentials of a user of the target, for the control that legitimate mail still goes out.
//!
//! Rules:
//! - A password is neither shown nor stored: the step that says it is secret, and so are its
//!   events.

use data_encoding::BASE64;

use crate::smtp::{Purpose, Stage, Step};

/// A user of the target and how to prove it. Neither shown nor stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name to authenticate with.
    pub user: String,
    /// The password.
    pub password: String,
    /// The mechanism: PLAIN (RFC 4616) or LOGIN.
    pub mechanism: Mechanism,
}

/// How a password is sent (RFC 4954).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// With the command.
    Plain,
    /// In two turns.
    Login,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// The AUTH command, as a condition of what follows.
    #[must_use]
    pub fn step(&self) -> Step {
        let encode = |text: &str| BASE64.encode(text.as_bytes());
        let (line, turns) = match self.mechanism {
            Mechanism::Plain => (
                format!("AUTH PLAIN {}", encode(&format!("\0{}\0{}", self.user, self.password))),
                vec![],
            ),
            Mechanism::Login => (
                "AUTH LOGIN".to_owned(),
                vec![encode(&self.user).into(), encode(&self.password).into()],
            ),
        };
        let requires = Some("AUTH".to_owned());
        Step { turns, requires, secret: true, ..Step::new(Stage::Auth, Purpose::Condition, line) }
    }
}
