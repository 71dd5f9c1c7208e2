//! What each line of a dialogue means, where it is specified, and how a closed server answers in
//! its place.
//!
//! Rules:
//! - The explanations are tables. The first row that fits a line explains it.
//! - A row says what the line means in the protocol. The judgement says what the line means for the
//!   verdict.
//! - The answer of a closed server was seen on a real server of that kind in its default
//!   configuration. Otherwise none is shown.

use std::borrow::Cow;

use crate::{
    catalogue::RelayTest,
    check::Reason,
    report::Exchange,
    smtp::{Reply, ReplyClass, Stage},
};

mod table;

/// What a line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// A sentence or two.
    pub text: Cow<'static, str>,
    /// Where it is specified.
    pub source: &'static str,
    /// How a closed server answers the same command, where this answer is not a refusal.
    pub closed: Option<&'static str>,
}

impl Explanation {
    fn new(text: impl Into<Cow<'static, str>>, source: &'static str) -> Self {
        Self { text: text.into(), source, closed: None }
    }
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.text)?;
        if !self.source.is_empty() {
            write!(f, " ({})", self.source)?;
        }
        match self.closed {
            Some(answer) => write!(f, " A closed server says here: {answer}"),
            None => Ok(()),
        }
    }
}

/// Explains a line that the client sent. `row` counts the lines; only a message has several.
#[must_use]
pub fn sent(exchange: &Exchange, row: usize) -> Option<Explanation> {
    let (_, line) = exchange.sent.as_ref()?;
    let is_final_dot = exchange.stage == Stage::EndOfData && row > 0;
    if is_final_dot {
        return None;
    }
    let shape = Shape::of(exchange.stage, &line.to_string());
    let row = table::SENT
        .iter()
        .find(|row| row.stage == exchange.stage && row.shape.is_none_or(|of| of == shape))?;
    Some(Explanation::new(row.text, row.source))
}

/// Explains a line of a reply. `row` counts the lines of the reply. `test` is the test that asked,
/// and `mta` the name of the server's software, if they are known.
#[must_use]
pub fn replied(
    exchange: &Exchange,
    row: usize,
    test: Option<&RelayTest>,
    mta: Option<&str>,
) -> Option<Explanation> {
    let reply = exchange.reply.as_ref()?;
    match (exchange.stage, row) {
        // The lines below the first one are keywords; of other replies, one explanation is enough.
        (Stage::Ehlo, 1..) => reply
            .lines
            .get(row)
            .and_then(|line| keyword(&line.to_text())),
        (_, 0) if reply.is_negative() => Some(refusal(exchange.stage, reply)),
        (_, 0) => acceptance(exchange.stage, reply, test, mta),
        _ => None,
    }
}

/// Explains what a keyword in the reply to EHLO offers.
fn keyword(line: &str) -> Option<Explanation> {
    let name = line.split([' ', '=', '\t']).next()?;
    let row = table::KEYWORDS
        .iter()
        .find(|row| row.keyword.eq_ignore_ascii_case(name))?;
    Some(Explanation::new(row.text, row.source))
}

/// Explains a rejection: by its code if the code says all, otherwise by its reason.
fn refusal(stage: Stage, reply: &Reply) -> Explanation {
    if let Some(row) = table::CODES
        .iter()
        .find(|row| row.code == reply.code && row.stage.is_none_or(|of| of == stage))
    {
        return Explanation::new(row.text, row.source);
    }
    let reason = Reason::of(stage, reply);
    let manner = match (reply.class(), reason) {
        // A temporary code that names relaying is a denial all the same: Postfix's default.
        (_, Reason::RelayDenied | Reason::AuthRequired | Reason::TlsRequired) => "Refused",
        (ReplyClass::TransientNegative, _) => "Refused for now",
        _ => "Refused",
    };
    let (text, source) = table::REASONS
        .iter()
        .find(|row| row.reason == reason)
        .map_or((reason.clause(), "RFC 5321 section 4.2.1"), |row| (row.text, row.source));
    Explanation::new(format!("{manner}: {text}"), source)
}

/// Explains a positive reply, and how a closed server answers in its place.
fn acceptance(
    stage: Stage,
    reply: &Reply,
    test: Option<&RelayTest>,
    mta: Option<&str>,
) -> Option<Explanation> {
    let is_control = test.is_some_and(RelayTest::is_control);
    let row = table::ACCEPTED.iter().find(|row| {
        row.stage == stage
            && row.code.is_none_or(|code| code == reply.code)
            && (!row.control || is_control)
    })?;
    // Only an accepted recipient of a scored test is a reply that a closed server would not give.
    let is_answer = stage == Stage::Rcpt && test.is_some_and(RelayTest::is_scored);
    let closed = is_answer.then(|| closed_answer(mta)).flatten();
    Some(Explanation { closed, ..Explanation::new(row.text, row.source) })
}

/// Returns how a closed server of this kind rejects a foreign recipient; for an unknown kind, how
/// most servers do.
#[must_use]
pub fn closed_answer(mta: Option<&str>) -> Option<&'static str> {
    let of = |name: &str| {
        table::CLOSED
            .iter()
            .find(|row| row.mta.eq_ignore_ascii_case(name))
    };
    match mta {
        Some(name) => of(name).map(|row| row.answer),
        None => Some(table::USUAL_DENIAL),
    }
}

/// The form of an address in the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Null,
    Bare,
    Percent,
    Bang,
    Route,
    Quoted,
    DoubleAt,
    Plain,
}

impl Shape {
    fn of(stage: Stage, line: &str) -> Self {
        if !matches!(stage, Stage::Mail | Stage::Rcpt) {
            return Self::Plain;
        }
        let address = line.split_once('<').map_or(line, |(_, rest)| rest);
        let address = address
            .rsplit_once('>')
            .map_or(address, |(address, _)| address);
        let (local, _) = address.rsplit_once('@').unwrap_or((address, ""));
        match () {
            () if address.is_empty() => Self::Null,
            () if address.starts_with('@') => Self::Route,
            () if address.contains('!') => Self::Bang,
            () if local.contains('"') => Self::Quoted,
            () if local.contains('%') => Self::Percent,
            () if local.contains('@') => Self::DoubleAt,
            () if !address.contains('@') => Self::Bare,
            () => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::{self, TESTS, Words},
        octets::Octets,
        smtp::{Purpose, Security},
    };

    fn exchange(stage: Stage, sent: Option<&str>, reply: Option<(u16, &[&str])>) -> Exchange {
        Exchange {
            stage,
            test: None,
            purpose: Some(Purpose::Question),
            sent: sent.map(|line| (0, line.into())),
            replied_ms: None,
            reply: reply.map(|(code, lines)| Reply {
                code,
                lines: lines.iter().map(|line| Octets::from(*line)).collect(),
            }),
        }
    }

    #[test]
    fn addresses_are_known_by_their_shape() {
        for (line, shape) in [
            ("MAIL FROM:<>", Shape::Null),
            ("MAIL FROM:<a>", Shape::Bare),
            ("RCPT TO:<a@b>", Shape::Plain),
            ("RCPT TO:<a@[IPv6:2001:db8::7]>", Shape::Plain),
            ("RCPT TO:<a%b@c>", Shape::Percent),
            ("RCPT TO:<\"a%b\">", Shape::Quoted),
            ("RCPT TO:<\"a@b\"@c>", Shape::Quoted),
            ("RCPT TO:<a@b@c>", Shape::DoubleAt),
            ("RCPT TO:<@c:a@b>", Shape::Route),
            ("RCPT TO:<b!a@c>", Shape::Bang),
            ("RCPT TO:", Shape::Bare),
        ] {
            assert_eq!(
                Shape::of(if line.starts_with('M') { Stage::Mail } else { Stage::Rcpt }, line),
                shape,
                "{line}"
            );
        }
    }

    #[test]
    fn replies_are_explained_by_stage_code_and_reason() {
        for (stage, code, lines, row, expected) in [
            (Stage::Greeting, 220, &["mx"][..], 0, "ready"),
            (Stage::Greeting, 554, &["no"], 0, "takes no mail from us"),
            (Stage::Ehlo, 250, &["mx", "STARTTLS", "SIZE 5", "X-UNHEARD-OF"], 1, "TLS"),
            (Stage::Ehlo, 250, &["mx", "STARTTLS", "SIZE 5", "X-UNHEARD-OF"], 2, "octets"),
            (Stage::Rcpt, 250, &["ok"], 0, "A closed server says here: "),
            (Stage::Rcpt, 551, &["no"], 0, "another address"),
            (
                Stage::Auth,
                535,
                &["5.7.8 Error: authentication failed"],
                0,
                "does not take these credentials",
            ),
            (Stage::EndOfData, 250, &["queued"], 0, "responsib"),
        ] {
            let exchange = exchange(stage, None, Some((code, lines)));
            let explained = replied(&exchange, row, catalogue::by_number(1), None)
                .expect("the row is in the table");
            assert!(explained.to_string().contains(expected), "{code} {row}: {explained}");
        }
        let unheard = exchange(Stage::Ehlo, None, Some((250, &["mx", "X-UNHEARD-OF"])));
        assert_eq!(replied(&unheard, 1, None, None), None);
    }

    #[test]
    fn closed_servers_answer_in_their_own_words_or_not_at_all() {
        for (mta, expected) in [
            (Some("postfix"), Some("454 4.7.1 <…>: Relay access denied")),
            (Some("Exim"), Some("550 relay not permitted")),
            (Some("never heard of"), None),
            (None, Some(table::USUAL_DENIAL)),
        ] {
            assert_eq!(closed_answer(mta), expected);
        }
    }

    #[test]
    fn closed_servers_have_names_that_are_known() {
        for row in table::CLOSED {
            assert!(crate::mta::NAMES.iter().any(|known| known.name == row.mta), "{}", row.mta);
        }
    }

    #[test]
    fn every_stage_and_reason_is_explained() {
        for stage in [
            Stage::Greeting,
            Stage::Ehlo,
            Stage::Helo,
            Stage::StartTls,
            Stage::Auth,
            Stage::Other,
            Stage::Mail,
            Stage::Rcpt,
            Stage::Data,
            Stage::EndOfData,
            Stage::Rset,
            Stage::Quit,
        ] {
            assert!(sent(&exchange(stage, Some("x <a@b>"), None), 0).is_some(), "{stage}");
            assert!(
                replied(&exchange(stage, None, Some((250, &["x"]))), 0, None, None).is_some(),
                "{stage}"
            );
            assert!(
                replied(&exchange(stage, None, Some((550, &["x"]))), 0, None, None).is_some(),
                "{stage}"
            );
        }
        let reasons: std::collections::BTreeSet<_> =
            table::REASONS.iter().map(|row| row.reason).collect();
        assert_eq!((reasons.len(), table::REASONS.len()), (12, 12));
    }

    #[test]
    fn every_line_of_every_test_is_explained() {
        let words = Words {
            domain: "d.example".into(),
            second_domain: Some("e.example".into()),
            backup_trap: Some("backup.d.example".into()),
            primary_trap: Some("primary.d.example".into()),
            host: Some("mx.example".into()),
            literal: Some("[192.0.2.7]".into()),
            local_domain: Some("l.example".into()),
            listed: vec!["a.example".to_owned(); 2],
            trusted_senders: vec!["partner.example".to_owned(); 4],
            own_names: vec!["a.example".to_owned(); 5],
            own_address: Some("192.0.2.1".into()),
            login: Some("alice".into()),
            ..Words::default()
        };
        for test in TESTS.iter().filter(|test| !test.needs_credentials()) {
            // The receiver has an address of either family.
            let receiver =
                if test.forward_path.contains("{v6:") { "2001:db8::2" } else { "192.0.2.2" };
            let words = Words { receiver: Some(receiver.into()), ..words.clone() };
            let transaction = test
                .transaction(&words, Security::Plain)
                .expect("every word is known");
            for step in transaction.steps {
                let said = Exchange {
                    sent: Some((0, step.line.clone())),
                    ..exchange(step.stage, None, None)
                };
                assert!(sent(&said, 0).is_some(), "{}: {}", test.id, step.line);
            }
        }
    }
}
