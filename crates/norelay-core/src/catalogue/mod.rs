//! The catalogue: every relay test and control, as a table (`table.rs`) and a document each
//! (`catalogue/relay/`).
//!
//! Rules:
//! - Ids and numbers are promises: they never change their meaning, and 1 to 17 are the abuse.net
//!   relay tester's, in its order.
//! - A test is data. What it says is made from templates and [`Words`]; a word that isn't known
//!   makes a test that isn't run.

mod credentials;
mod smuggling;
mod table;
mod test_id;
pub mod words;

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

pub use self::{
    credentials::{Credentials, Mechanism},
    table::TESTS,
    test_id::TestId,
    words::{MissingWord, Words},
};
use crate::{
    octets::Octets,
    smtp::{Hello, Purpose, Security, Stage, Step, Transaction, netstring::Protocol},
};

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

/// One line of a test's dialogue, as a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Octets before the greeting.
    Preface(&'static str),
    /// HELO in the place of EHLO.
    Helo(&'static str),
    /// Neither HELO nor EHLO.
    NoHello,
    /// The test's MAIL.
    Mail,
    /// The test's RCPT.
    Rcpt,
    /// Another command.
    Say(Stage, Purpose, &'static str),
    /// A command with the lines that answer its 334s.
    Exchange(Purpose, &'static str, &'static [&'static str]),
    /// The EHLO keyword that the next line needs, with its parameters, if any: `AUTH PLAIN`.
    Requires(&'static str),
    /// BDAT in the place of DATA.
    Chunking,
    /// The plain test, where a path is such: it is asked there in any case, and has no dialogue of
    /// its own.
    OnPath(Way),
    /// Not in SMTP: MAIL's and RCPT's addresses and a message in this protocol, at its own port.
    Protocol(Protocol),
    /// No dialogue of its own: it is read from the answers to these tests.
    ReadFrom(&'static [&'static str]),
    /// Under TLS, by a client who shows a certificate.
    ClientCertificate(Certificate),
    /// The next line travels in the clear, right behind STARTTLS.
    BehindStartTls,
    /// The server may take a line for two, and answer twice.
    Ambiguous,
    /// A text with these octets before other commands and a second text.
    Smuggle(&'static str),
    /// AUTH with the credentials of a user, where the run has some.
    Credentials,
}

/// What a path has that the first one of the ancestor, port 25 in the clear over IPv4, hadn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// An IPv6 address.
    V6,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// Such a port.
    Ports(&'static [u16]),
}

impl Way {
    fn is(self, address: IpAddr, port: u16, security: Security) -> bool {
        match self {
            Self::V6 => address.is_ipv6(),
            Self::StartTls => security == Security::StartTls,
            Self::Ports(ports) => ports.contains(&port),
        }
    }
}

/// The certificate that a client shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// One that it has made and signed itself.
    SelfSigned,
    /// One of the user's, from an authority that the server may trust.
    Given,
}

/// The reverse-path of a stranger: a token at the probe domain.
pub const FOREIGN_SENDER: &str = "<{sender}@{domain}>";

/// MAIL and RCPT.
pub const PLAIN: &[Line] = &[Line::Mail, Line::Rcpt];

/// One test or control.
#[derive(Debug)]
pub struct RelayTest {
    /// Its number in the display order.
    pub number: u8,
    /// Its name.
    pub id: &'static str,
    /// The runs that it belongs to.
    pub profile: Profile,
    /// What it probes.
    pub group: Group,
    /// What follows `MAIL FROM:`, as a template.
    pub reverse_path: &'static str,
    /// What follows `RCPT TO:`, as a template.
    pub forward_path: &'static str,
    /// What is said, in order.
    pub dialogue: &'static [Line],
    /// How much an acceptance says.
    pub strength: Strength,
    /// Its document, in Markdown; the first line is its title.
    pub document: &'static str,
}

/// What the first line of a test's dialogue that is such a one says.
macro_rules! first {
    ($test:expr, $line:pat => $says:expr) => {
        $test.dialogue.iter().find_map(|line| match *line {
            $line => Some($says),
            _ => None,
        })
    };
}

impl RelayTest {
    /// What it is called, from its document's heading.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.document
            .lines()
            .next()
            .unwrap_or(self.id)
            .trim_start_matches(['#', ' '])
    }

    /// Whether it is a control.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.group == Group::Control
    }

    /// Whether it needs a user's credentials: it belongs to no profile and is run where they are
    /// given.
    #[must_use]
    pub fn needs_credentials(&self) -> bool {
        self.dialogue.contains(&Line::Credentials)
    }

    /// Which paths it is about, where it is no test of its own but the plain one on these paths.
    #[must_use]
    pub fn way(&self) -> Option<Way> {
        first!(self, Line::OnPath(way) => way)
    }

    /// The protocol that it is asked in, where that isn't SMTP.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        first!(self, Line::Protocol(protocol) => protocol)
    }

    /// Whether it is asked by a dialogue of its own, and not answered by others'.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        !self
            .dialogue
            .iter()
            .any(|line| matches!(line, Line::OnPath(_) | Line::ReadFrom(_)))
    }

    /// The certificate that the client shows.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        first!(self, Line::ClientCertificate(certificate) => certificate)
    }

    /// Whether something is said before the greeting: a proxy's header.
    #[must_use]
    pub fn begins_with_header(&self) -> bool {
        self.dialogue
            .iter()
            .any(|line| matches!(line, Line::Preface(_)))
    }

    /// Whether its result counts for the relay verdict.
    #[must_use]
    pub fn is_scored(&self) -> bool {
        !matches!(self.group, Group::Control | Group::Adjacent)
    }

    /// Whether the reverse-path is what the test is about, so that a refusal of the sender answers
    /// it.
    #[must_use]
    pub fn is_about_sender(&self) -> bool {
        matches!(self.group, Group::Sender | Group::Adjacent)
    }

    /// Whether a message sent for it would reach nobody but us: not where another recipient is
    /// asked for as well.
    #[must_use]
    pub fn spares_bystanders(&self) -> bool {
        let last_mail = self
            .dialogue
            .iter()
            .rposition(|line| *line == Line::Mail)
            .unwrap_or(0);
        let is_ours = |line: &str| line.contains("{user}") && !line.contains("{local_user}");
        (is_ours(self.forward_path) || self.is_for_postmaster())
            && self.dialogue[last_mail..].iter().all(|line| match line {
                Line::Say(Stage::Rcpt, _, line) => is_ours(line),
                _ => true,
            })
    }

    /// Whether its recipient is postmaster of the probe domain: no token in that address, so the
    /// sender's proves.
    #[must_use]
    pub fn is_for_postmaster(&self) -> bool {
        self.forward_path == "<postmaster@{domain}>"
    }

    /// Whether a server may take one of its lines for two.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.dialogue.contains(&Line::Ambiguous)
    }

    /// Whether it sends a message at once: it can only be judged by what arrives.
    #[must_use]
    pub fn sends_message(&self) -> bool {
        self.dialogue
            .iter()
            .any(|line| matches!(line, Line::Smuggle(_)))
    }

    /// Whether it asks with MAIL and RCPT alone, as every stranger who brings mail does: no text,
    /// no credentials, nothing that a proxy or a user would say.
    #[must_use]
    pub fn is_asked_by_rcpt(&self) -> bool {
        self.dialogue.iter().all(|line| match line {
            Line::Helo(_)
            | Line::NoHello
            | Line::Mail
            | Line::Rcpt
            | Line::OnPath(_)
            | Line::ReadFrom(_) => true,
            Line::Say(stage, ..) => matches!(stage, Stage::Mail | Stage::Rcpt | Stage::Rset),
            _ => false,
        })
    }

    /// The EHLO keyword without which it can't be asked on such a path, with its parameters, if
    /// any.
    #[must_use]
    pub fn requirement(&self, security: Security) -> Option<&'static str> {
        self.dialogue.iter().find_map(|line| match line {
            Line::Requires(keyword) => Some(*keyword),
            Line::BehindStartTls if security != Security::StartTls => Some("STARTTLS"),
            Line::ClientCertificate(_) if security == Security::Plain => Some("STARTTLS"),
            _ => None,
        })
    }

    /// Whether a template of it has this word, `{word}`.
    #[must_use]
    pub fn uses(&self, word: &str) -> bool {
        let word = format!("{{{word}}}");
        let has = |template: &str| template.contains(&word);
        has(self.reverse_path)
            || has(self.forward_path)
            || self.dialogue.iter().any(|line| match line {
                Line::Preface(text) | Line::Helo(text) | Line::Say(_, _, text) => has(text),
                Line::Exchange(_, text, turns) => has(text) || turns.iter().any(|turn| has(turn)),
                Line::Smuggle(_) => has(smuggling::TEXT),
                _ => false,
            })
    }

    /// What one connection has to say for this test.
    ///
    /// # Errors
    /// The first word that a template needs and `words` doesn't know.
    pub fn transaction(
        &self,
        words: &Words,
        security: Security,
    ) -> Result<Transaction, MissingWord> {
        self.transaction_from(self.reverse_path, words, security)
    }

    /// As [`RelayTest::transaction`], with another template for the reverse-path.
    ///
    /// # Errors
    /// The first word that a template needs and `words` doesn't know.
    #[expect(clippy::too_many_lines, reason = "one match with an arm for each kind of line")]
    pub fn transaction_from(
        &self,
        reverse_path: &str,
        words: &Words,
        security: Security,
    ) -> Result<Transaction, MissingWord> {
        let mut made = Transaction {
            preface: Octets::default(),
            hello: Hello::Ehlo(words.expand_text("{helo}")?),
            security,
            steps: Vec::new(),
            message: None,
            pipelining: true,
            awaits_quit_reply: false,
            chunking: false,
            injects: false,
            ambiguous: false,
        };
        let mut requires = None;
        for line in self.dialogue {
            let step = match *line {
                Line::Preface(preface) => {
                    made.preface = words.expand(preface)?;
                    continue;
                }
                Line::Helo(name) => {
                    made.hello = introduction(words.expand_text(name)?, security);
                    continue;
                }
                Line::NoHello => {
                    made.hello = Hello::Silent;
                    continue;
                }
                Line::Requires(keyword) => {
                    requires = Some(keyword.to_owned());
                    continue;
                }
                Line::Chunking => {
                    made.chunking = true;
                    continue;
                }
                Line::OnPath(_) | Line::ReadFrom(_) | Line::Protocol(_) => continue,
                Line::ClientCertificate(_) => {
                    made.security =
                        if security == Security::Plain { Security::StartTls } else { security };
                    continue;
                }
                Line::BehindStartTls => {
                    made.injects = true;
                    made.security = Security::StartTls;
                    continue;
                }
                Line::Ambiguous => {
                    made.ambiguous = true;
                    continue;
                }
                Line::Smuggle(end) => {
                    made.ambiguous = true;
                    made.message = Some(words.expand(&smuggling::TEXT.replace("{end}", end))?);
                    continue;
                }
                Line::Credentials => {
                    let missing = || MissingWord("credentials".to_owned());
                    words.credentials.as_ref().ok_or_else(missing)?.step()
                }
                Line::Mail => Step::mail(&words.expand(reverse_path)?),
                Line::Rcpt => Step::rcpt(Purpose::Question, &words.expand(self.forward_path)?),
                Line::Say(stage, purpose, line) => Step::new(stage, purpose, words.expand(line)?),
                Line::Exchange(purpose, line, turns) => {
                    let turns = turns
                        .iter()
                        .map(|turn| words.expand(turn))
                        .collect::<Result<_, _>>()?;
                    Step { turns, ..Step::new(Stage::Auth, purpose, words.expand(line)?) }
                }
            };
            made.steps.push(Step { requires: requires.take(), ..step });
        }
        Ok(made)
    }
}

/// HELO; but only the answer to EHLO offers STARTTLS, and what is trusted is the name.
fn introduction(name: String, security: Security) -> Hello {
    match security {
        Security::StartTls => Hello::Ehlo(name),
        Security::Plain | Security::Tls => Hello::Helo(name),
    }
}

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
        test.way()
            .is_some_and(|way| way.is(address, port, security))
    })
}
