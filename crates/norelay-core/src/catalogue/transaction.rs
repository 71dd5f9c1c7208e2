//! What one connection says for a test: its templates and lines, filled in with the words of a run.

use super::{
    line::Line,
    relay_test::RelayTest,
    smuggling,
    words::{MissingWord, Words},
};
use crate::{
    octets::Octets,
    smtp::{Hello, Purpose, Security, Stage, Step, Transaction},
};

impl RelayTest {
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
