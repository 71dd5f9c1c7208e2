//! One row of the table: a relay test or control, and what its columns say together.

use super::{
    columns::{AskedOn, AskingOrder, Group, Profile, Strength, TestRole},
    line::{Certificate, Line, PathKind},
    smuggling,
    test_id::TestId,
};
use crate::{
    cause::RelayCause,
    smtp::{Security, Stage, netstring::Protocol},
};

/// One test or control.
#[derive(Debug)]
pub struct RelayTest {
    /// Its number in the display order.
    pub number: u8,
    /// Its name.
    pub id: TestId,
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
    /// What code knows it as, where some code asks for it by name.
    pub role: Option<TestRole>,
    /// When it is asked, among the tests of a path; [`RelayTest::asking_order`] says it for a path.
    pub order: AskingOrder,
    /// The paths that it is asked on.
    pub paths: AskedOn,
    /// The cause that an acceptance points to; `None` for the plain question, which needs other
    /// paths beside it, and for what is not scored.
    pub cause: Option<RelayCause>,
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
            .unwrap_or(self.id.as_str())
            .trim_start_matches(['#', ' '])
    }

    /// True if the test has this role.
    #[must_use]
    pub fn is(&self, role: TestRole) -> bool {
        self.role == Some(role)
    }

    /// When the test is asked on a path that is protected in this way.
    #[must_use]
    pub fn asking_order(&self, security: Security) -> AskingOrder {
        match self.order {
            AskingOrder::Usual if self.requirement(security).is_some() => AskingOrder::Extension,
            order => order,
        }
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

    /// Returns the kind of paths that this row is about, where the row is no test of its own: the plain
    /// test on such a path answers it.
    #[must_use]
    pub fn path_kind(&self) -> Option<PathKind> {
        first!(self, Line::OnPath(kind) => kind)
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
}
