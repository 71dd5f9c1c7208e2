//! Credentials of a user of the target, for the control that legitimate mail still goes out.
//!
//! Rules:
//! - A password is neither shown nor stored. The step that sends the password is secret, so its
//!   events hide the line.

use data_encoding::BASE64;

use crate::smtp::{Purpose, Stage, Step};

/// A user of the target, with the password. Neither shown nor stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name to authenticate with.
    pub user: String,
    /// The password.
    pub password: String,
    /// The mechanism: PLAIN (RFC 4616) or LOGIN.
    pub mechanism: Mechanism,
}

norelay_smtp::words! {
    /// How a password is sent (RFC 4954), by its name in AUTH.
    pub enum Mechanism {
        /// With the command (RFC 4616).
        Plain = "PLAIN",
        /// In two turns.
        Login = "LOGIN",
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// Returns the text in base64, as AUTH sends it (RFC 4954 section 4).
fn encode(text: &str) -> String {
    BASE64.encode(text.as_bytes())
}

impl Credentials {
    /// Returns the AUTH command, as a condition of what follows.
    #[must_use]
    pub fn step(&self) -> Step {
        let auth = format!("AUTH {}", self.mechanism);
        let (line, turns) = match self.mechanism {
            Mechanism::Plain => (
                format!("{auth} {}", encode(&format!("\0{}\0{}", self.user, self.password))),
                vec![],
            ),
            Mechanism::Login => {
                (auth, vec![encode(&self.user).into(), encode(&self.password).into()])
            }
        };
        let requires = Some("AUTH".to_owned());
        Step { turns, requires, secret: true, ..Step::new(Stage::Auth, Purpose::Condition, line) }
    }
}
