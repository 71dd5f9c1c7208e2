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
            if let Line::Requires(keyword) = line {
                requires = Some((*keyword).to_owned());
            }
            line.arrange(&mut made, words)?;
            made.steps.extend(self.steps_of_each(line, words)?);
            if let Some(step) = self.step(line, reverse_path, words)? {
                // A keyword is needed by the next line alone.
                made.steps.push(Step { requires: requires.take(), ..step });
            }
        }
        Ok(made)
    }

    /// Returns the commands of a line that is said for each listed domain. None of them ends the
    /// dialogue, because the others are still to be asked.
    fn steps_of_each(&self, line: &Line, words: &Words) -> Result<Vec<Step>, MissingWord> {
        let mut steps = Vec::new();
        if *line != Line::EachMailAndRcpt {
            return Ok(steps);
        }
        for domain in &words.listed {
            let words = Words { listed_domain: Some(domain.clone()), ..words.clone() };
            if !steps.is_empty() {
                steps.push(Step::new(Stage::Rset, Purpose::Attempt, "RSET"));
            }
            let mail = Step::mail(&words.expand(self.reverse_path)?);
            steps.push(Step { purpose: Purpose::Attempt, ..mail });
            steps.push(Step::rcpt(Purpose::Attempt, &words.expand(self.forward_path)?));
        }
        Ok(steps)
    }

    /// Returns the command that a line of the dialogue stands for, if it stands for one.
    fn step(
        &self,
        line: &Line,
        reverse_path: &str,
        words: &Words,
    ) -> Result<Option<Step>, MissingWord> {
        let step = match *line {
            Line::Credentials => match &words.credentials {
                Some(credentials) => credentials.step(),
                None => return Err(MissingWord("credentials".to_owned())),
            },
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
            _ => return Ok(None),
        };
        Ok(Some(step))
    }
}

impl Line {
    /// Changes how the connection of a transaction begins or ends, if the line is about that.
    fn arrange(&self, made: &mut Transaction, words: &Words) -> Result<(), MissingWord> {
        match *self {
            Self::Preface(preface) => made.preface = words.expand(preface)?,
            Self::Helo(name) => {
                made.hello = introduction(words.expand_text(name)?, made.security);
            }
            Self::NoHello => made.hello = Hello::Silent,
            Self::Chunking => made.chunking = true,
            // A client shows its certificate under TLS only.
            Self::ClientCertificate(_) if made.security == Security::Plain => {
                made.security = Security::StartTls;
            }
            Self::BehindStartTls => {
                made.injects = true;
                made.security = Security::StartTls;
            }
            Self::Ambiguous => made.ambiguous = true,
            Self::Smuggle(end) => {
                made.ambiguous = true;
                made.message = Some(words.expand(&smuggling::TEXT.replace("{end}", end))?);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns HELO with this name, or EHLO if STARTTLS follows: only the reply to EHLO offers STARTTLS
/// (RFC 3207 section 2), and the test is about the name in either command.
fn introduction(name: String, security: Security) -> Hello {
    match security {
        Security::StartTls => Hello::Ehlo(name),
        Security::Plain | Security::Tls => Hello::Helo(name),
    }
}
