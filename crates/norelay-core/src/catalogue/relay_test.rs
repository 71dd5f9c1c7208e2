//! One row of the table: a relay test or control, and what its columns say together.

use super::{
    columns::{AskedOn, AskingOrder, Group, Profile, Strength, TestRole},
    line::{Certificate, Line, PathKind},
    smuggling,
    test_id::TestId,
    words::{OWN_NAMES, TRUSTED_SENDERS},
};
use crate::{
    cause::RelayCause,
    smtp::{Security, Stage, netstring::Protocol},
};

/// One test or control.
#[derive(Debug)]
pub struct RelayTest {
    /// The test's number, which is its place in the display order.
    pub number: u8,
    /// The test's id.
    pub id: TestId,
    /// The smallest profile that the test belongs to.
    pub profile: Profile,
    /// What the test probes.
    pub group: Group,
    /// What follows `MAIL FROM:`, as a template.
    pub reverse_path: &'static str,
    /// What follows `RCPT TO:`, as a template.
    pub forward_path: &'static str,
    /// What is said, in order.
    pub dialogue: &'static [Line],
    /// How much an acceptance shows.
    pub strength: Strength,
    /// The role of the test, if code asks for this very test.
    pub role: Option<TestRole>,
    /// When the test is asked on a path; [`RelayTest::asking_order`] adds what the path changes.
    pub order: AskingOrder,
    /// The paths that the test is asked on.
    pub paths: AskedOn,
    /// The cause that an acceptance points to; `None` for the plain question, which needs other
    /// paths beside it, and for what is not scored.
    pub cause: Option<RelayCause>,
    /// Its document, in Markdown; the first line is its title.
    pub document: &'static str,
}

/// Returns what the first line of a test's dialogue with this pattern holds.
macro_rules! first {
    ($test:expr, $line:pat => $says:expr) => {
        $test.dialogue.iter().find_map(|line| match *line {
            $line => Some($says),
            _ => None,
        })
    };
}

impl RelayTest {
    /// The test's title, from the heading of its document.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.document
            .lines()
            .next()
            .unwrap_or(self.id.as_str())
            .trim_start_matches(['#', ' '])
    }

    /// True if the test has this role.
    #[must_use]
    pub fn is(&self, role: TestRole) -> bool {
        self.role == Some(role)
    }

    /// Returns when the test is asked on a path with this protection.
    #[must_use]
    pub fn asking_order(&self, security: Security) -> AskingOrder {
        match self.order {
            AskingOrder::Usual if self.requirement(security).is_some() => AskingOrder::Extension,
            order => order,
        }
    }

    /// True if the row is a control.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.group == Group::Control
    }

    /// True if the row needs a user's credentials. It belongs to no profile and is asked if the
    /// user gives credentials.
    #[must_use]
    pub fn needs_credentials(&self) -> bool {
        self.dialogue.contains(&Line::Credentials)
    }

    /// Returns the kind of paths that this row is about, where the row is no test of its own: the
    /// plain test on such a path answers it.
    #[must_use]
    pub fn path_kind(&self) -> Option<PathKind> {
        first!(self, Line::OnPath(kind) => kind)
    }

    /// The protocol of the test, if that is not SMTP.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        first!(self, Line::Protocol(protocol) => protocol)
    }

    /// True if the row has a dialogue of its own. Other rows are answered by the dialogues of
    /// others.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        !self
            .dialogue
            .iter()
            .any(|line| matches!(line, Line::OnPath(_) | Line::ReadFrom(_)))
    }

    /// The AUTH command with made-up credentials that the test says, and the answers to its 334s.
    #[must_use]
    pub fn login(&self) -> Option<(&'static str, &'static [&'static str])> {
        first!(self, Line::Exchange(_, line, turns) => (line, turns))
    }

    /// The mechanism of the login with made-up credentials, such as `PLAIN`; empty without a login.
    #[must_use]
    pub fn mechanism(&self) -> &'static str {
        let command = self.login().and_then(|(line, _)| line.split(' ').nth(1));
        command.unwrap_or_default()
    }

    /// True if the test logs in as users who may exist, hence once for each of them.
    #[must_use]
    pub fn is_for_users(&self) -> bool {
        self.uses("login")
    }

    /// The certificate that the client shows.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        first!(self, Line::ClientCertificate(certificate) => certificate)
    }

    /// True if the client sends a proxy's header before the greeting.
    #[must_use]
    pub fn begins_with_header(&self) -> bool {
        self.dialogue
            .iter()
            .any(|line| matches!(line, Line::Preface(_)))
    }

    /// True if the result of the test counts for the relay verdict.
    #[must_use]
    pub fn is_scored(&self) -> bool {
        !matches!(self.group, Group::Control | Group::Adjacent)
    }

    /// True if the test is about the reverse-path, so that a rejection of the sender is an answer.
    #[must_use]
    pub fn is_about_sender(&self) -> bool {
        matches!(self.group, Group::Sender | Group::Adjacent) || self.asks_several()
    }

    /// True if the test asks the same of several domains in one dialogue. The acceptance of one is
    /// an acceptance, whatever the server says to the others.
    #[must_use]
    pub fn asks_several(&self) -> bool {
        self.dialogue.contains(&Line::EachMailAndRcpt)
    }

    /// True if a message sent for the test would reach our receiver alone: the dialogue asks for no
    /// recipient but ours.
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

    /// True if the recipient is postmaster of the probe domain. That address has no token, so the
    /// token in the sender is the proof.
    #[must_use]
    pub fn is_for_postmaster(&self) -> bool {
        self.forward_path == "<postmaster@{domain}>"
    }

    /// True if a server may read one of the test's lines as two.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.dialogue.contains(&Line::Ambiguous)
    }

    /// True if the test sends a message at once. Such a test can only be judged by what arrives.
    #[must_use]
    pub fn sends_message(&self) -> bool {
        self.dialogue
            .iter()
            .any(|line| matches!(line, Line::Smuggle(_)))
    }

    /// True if the test asks with MAIL and RCPT alone, as any client with mail does: no text, no
    /// credentials, nothing that a proxy or a user would send.
    #[must_use]
    pub fn is_asked_by_rcpt(&self) -> bool {
        self.dialogue.iter().all(|line| match line {
            Line::Helo(_)
            | Line::NoHello
            | Line::Mail
            | Line::Rcpt
            | Line::EachMailAndRcpt
            | Line::OnPath(_)
            | Line::ReadFrom(_) => true,
            Line::Say(stage, ..) => matches!(stage, Stage::Mail | Stage::Rcpt | Stage::Rset),
            _ => false,
        })
    }

    /// The EHLO keyword, with its parameters, that a path with this protection must offer for the
    /// test; `None` if the test needs none.
    #[must_use]
    pub fn requirement(&self, security: Security) -> Option<&'static str> {
        self.dialogue.iter().find_map(|line| match line {
            Line::Requires(keyword) => Some(*keyword),
            Line::BehindStartTls if security != Security::StartTls => Some("STARTTLS"),
            Line::ClientCertificate(_) if security == Security::Plain => Some("STARTTLS"),
            _ => None,
        })
    }

    /// Returns the place of the own name of the server that the test uses, from 0. A path has the
    /// test only if the server gives itself so many names.
    #[must_use]
    pub fn own_name_place(&self) -> Option<usize> {
        OWN_NAMES.iter().position(|word| self.uses(word))
    }

    /// Returns the place of the trusted sender that the test uses, from 0. A run has the test only
    /// if the user gave so many.
    #[must_use]
    pub fn trusted_sender_place(&self) -> Option<usize> {
        TRUSTED_SENDERS.iter().position(|word| self.uses(word))
    }

    /// True if a template of the test has this word, `{word}`.
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
}
