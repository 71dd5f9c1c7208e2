//! The proof: which accepted tests are put to the test of a message, and what that message says.
//!
//! Rules:
//! - A message goes only to token addresses of the probe domain, and only where a receiver can see
//!   it come back.
//! - One message proves all accepted tests that share a reverse-path: each has a recipient, hence a
//!   token, of its own.
//! - The message says plainly what it is, who sent it and why, and answers to nobody's mailbox but
//!   ours.

use jiff::{Timestamp, fmt::rfc2822};

use crate::{
    catalogue::{Group, PLAIN, RelayTest, Strength},
    octets::Octets,
    path::PathId,
    smtp::{Purpose, Stage, Step, Transaction},
};

/// A message takes at most so many recipients: RFC 5321 section 4.5.3.1.8 promises a hundred, real
/// servers bear fewer.
const MAX_RECIPIENTS: usize = 20;

/// An accepted test, and what its dialogue said.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The index of its path.
    pub path: PathId,
    /// The test.
    pub test: &'static RelayTest,
    /// The template of the sender that it was accepted from.
    pub sender: &'static str,
    /// Its transaction, as it was accepted.
    pub transaction: Transaction,
}

/// Tests whose proof is one message.
#[derive(Clone, Debug)]
pub struct ProofMessage {
    /// The index of their path.
    pub path: PathId,
    /// The tests, each with its recipient.
    pub candidates: Vec<Candidate>,
}

/// Chooses at most `budget` messages: the first of every path before the second of any, and on each
/// path those whose acceptance says most.
#[must_use]
pub fn choose(candidates: Vec<Candidate>, budget: usize) -> Vec<ProofMessage> {
    let mut proofs: Vec<ProofMessage> = Vec::new();
    for candidate in candidates
        .into_iter()
        .filter(|candidate| candidate.test.spares_bystanders())
    {
        match proofs.iter_mut().find(|proof| proof.may_take(&candidate)) {
            Some(proof) => proof.candidates.push(candidate),
            None => proofs.push(ProofMessage { path: candidate.path, candidates: vec![candidate] }),
        }
    }
    proofs.sort_by_key(ProofMessage::rank);
    let mut turns = std::collections::BTreeMap::new();
    let mut in_turn: Vec<(u32, ProofMessage)> = proofs
        .into_iter()
        .map(|proof| {
            let turn = turns
                .entry(proof.path)
                .and_modify(|turn| *turn += 1)
                .or_insert(0);
            (*turn, proof)
        })
        .collect();
    // Each path gets its first message before any path gets its second.
    in_turn.sort_by_key(|(turn, _)| *turn);
    in_turn
        .into_iter()
        .map(|(_, proof)| proof)
        .take(budget)
        .collect()
}

impl ProofMessage {
    /// True if the message can prove this test as well. Only plain dialogues share a message,
    /// because their steps are MAIL and RCPT. A test whose sender is the proof needs a sender of
    /// its own.
    fn may_take(&self, candidate: &Candidate) -> bool {
        let first = &self.candidates[0];
        self.path == candidate.path
            && self.candidates.len() < MAX_RECIPIENTS
            && [first.test, candidate.test]
                .iter()
                .all(|test| test.dialogue == PLAIN && !test.is_for_postmaster())
            && first.transaction.hello == candidate.transaction.hello
            && first.sender == candidate.sender
    }

    /// Returns the message's place among others, the most telling first: messages that cannot be
    /// local delivery, the plain test, the message that proves most tests, then by number.
    fn rank(&self) -> (bool, bool, std::cmp::Reverse<usize>, u8) {
        let is_weak = |candidate: &Candidate| candidate.test.strength == Strength::Weak;
        let is_plain = |candidate: &Candidate| candidate.test.group == Group::Plain;
        let number = self
            .candidates
            .iter()
            .map(|candidate| candidate.test.number)
            .min()
            .unwrap_or(u8::MAX);
        (
            self.candidates.iter().all(is_weak),
            !self.candidates.iter().any(is_plain),
            std::cmp::Reverse(self.candidates.len()),
            number,
        )
    }

    /// The transaction that sends the message, and the test that each of its steps is for, where it
    /// is for one of several.
    #[must_use]
    pub fn transaction(&self, message: Octets) -> (Transaction, Vec<Option<&'static RelayTest>>) {
        let mut transaction = self.candidates[0].transaction.clone();
        transaction.message = Some(message);
        if self.candidates.len() == 1 {
            let tests = vec![None; transaction.steps.len()];
            return (transaction, tests);
        }
        // MAIL is common to all; then comes a RCPT for each test.
        transaction.steps.truncate(1);
        let mut tests = vec![None];
        for candidate in &self.candidates {
            for step in candidate
                .transaction
                .steps
                .iter()
                .filter(|step| step.stage == Stage::Rcpt)
            {
                // One rejected recipient must not keep the message from the others.
                transaction
                    .steps
                    .push(Step { purpose: Purpose::Attempt, ..step.clone() });
                tests.push(Some(candidate.test));
            }
        }
        (transaction, tests)
    }
}

/// What the message tells its reader.
#[derive(Clone, Debug)]
pub struct MessageParticulars<'a> {
    /// The probe domain.
    pub domain: &'a str,
    /// The token address of the sender, in full: the only one that a reply could go to.
    pub from: &'a str,
    /// The token of the text.
    pub token: &'a str,
    /// The target, as a path.
    pub target: &'a str,
    /// Our name, as we say it with EHLO.
    pub helo: &'a str,
    /// The version of norelay.
    pub version: &'a str,
    /// When it is sent.
    pub at: Timestamp,
    /// How it is worded.
    pub wording: MessageWording,
}

/// How a message is worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageWording {
    /// It says what it is in its subject.
    Plain,
    /// For servers whose filters refuse the words "relay" and "test": only the text says what it
    /// is, in other words.
    Neutral,
}

/// The message that proves a group of tests: 7-bit, under 2 KiB, with CRLF line ends.
#[must_use]
pub fn message(proof: &ProofMessage, particulars: &MessageParticulars<'_>) -> Octets {
    let MessageParticulars { domain, from, token, at, wording, .. } = particulars;
    let date = rfc2822::DateTimePrinter::new()
        .timestamp_to_string(at)
        .unwrap_or_default();
    let (name, subject, text) = match wording {
        MessageWording::Plain => (
            "SMTP relay test",
            format!("SMTP relay test of {}, requested by its administrator", particulars.target),
            plain_text(proof, particulars),
        ),
        MessageWording::Neutral => {
            ("norelay", "Delivery check".to_owned(), neutral_text(particulars))
        }
    };
    let message = format!(
        "From: {name} <{from}>\r\n\
         To: {name} <{from}>\r\n\
         Date: {date}\r\n\
         Message-ID: <{token}@{domain}>\r\n\
         Subject: {subject}\r\n\
         Auto-Submitted: auto-generated\r\n\
         X-Auto-Response-Suppress: All\r\n\
         X-Norelay-Token: {token}\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         {text}"
    );
    message.into()
}

fn plain_text(proof: &ProofMessage, particulars: &MessageParticulars<'_>) -> String {
    let MessageParticulars { domain, token, target, helo, version, .. } = particulars;
    let ids: Vec<_> = proof
        .candidates
        .iter()
        .map(|candidate| candidate.test.id.as_str())
        .collect();
    let ids = ids.join("\r\n  ");
    format!(
        "This message was sent by norelay {version}, a tester that tells the\r\n\
         administrator of a mail server whether strangers can send mail through it.\r\n\
         It was handed to\r\n\
         \x20 {target}\r\n\
         by\r\n\
         \x20 {helo}\r\n\
         without authentication, for a recipient that this server does not serve.\r\n\
         If it arrives, the server relays for strangers: it is an open relay, and\r\n\
         the administrator who asked for the test is told so.\r\n\
         \r\n\
         Tests:\r\n\
         \x20 {ids}\r\n\
         Token of this message: {token}\r\n\
         \r\n\
         Nobody needs to answer. Questions: postmaster@{domain}\r\n"
    )
}

fn neutral_text(particulars: &MessageParticulars<'_>) -> String {
    let MessageParticulars { domain, token, target, helo, version, .. } = particulars;
    format!(
        "norelay {version} handed this message to\r\n\
         \x20 {target}\r\n\
         by\r\n\
         \x20 {helo}\r\n\
         to find out for its administrator whether it is delivered.\r\n\
         \r\n\
         {token}\r\n\
         \r\n\
         Nobody needs to answer. Questions: postmaster@{domain}\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::{self, Words},
        smtp::Security,
    };

    fn candidate(path: u8, id: &str) -> Candidate {
        let words = Words {
            user: format!("u-{id}"),
            sender: format!("s-{id}"),
            domain: "probe.example".into(),
            helo: "h.probe.example".into(),
            host: Some("mx.example".into()),
            local_domain: Some("example".into()),
            literal: Some("[192.0.2.7]".into()),
            ..Words::default()
        };
        let test = catalogue::by_id(id).expect("the id is in the table");
        let transaction = test
            .transaction(&words, Security::Plain)
            .expect("the words suffice");
        Candidate { path: PathId::new(path), test, sender: test.reverse_path, transaction }
    }

    fn chosen(candidates: &[(u8, &str)], budget: usize) -> Vec<String> {
        let candidates = candidates
            .iter()
            .map(|(path, id)| candidate(*path, id))
            .collect();
        let show = |proof: ProofMessage| {
            let ids: Vec<_> = proof
                .candidates
                .iter()
                .map(|candidate| candidate.test.id.as_str())
                .collect();
            format!("{} {}", proof.path, ids.join("+"))
        };
        choose(candidates, budget).into_iter().map(show).collect()
    }

    #[test]
    fn messages_are_few_and_telling() {
        for (candidates, budget, expected) in [
            (
                &[(0, "percent-host"), (0, "bang-host"), (0, "double-at-host")][..],
                3,
                &["0 percent-host+bang-host+double-at-host"][..],
            ),
            (
                &[
                    (0, "foreign-to-foreign"),
                    (0, "null-sender"),
                    (0, "target-host-sender"),
                    (0, "percent-host"),
                    (0, "bare-sender"),
                ],
                3,
                &["0 foreign-to-foreign", "0 target-host-sender+percent-host", "0 bare-sender"],
            ),
            (&[(0, "percent-host"), (0, "null-sender")], 1, &["0 null-sender"]),
            // Its sender proves, so that it shares no message.
            (
                &[(0, "postmaster-recipient"), (0, "percent-domain"), (0, "foreign-to-foreign")],
                3,
                &["0 percent-domain+foreign-to-foreign", "0 postmaster-recipient"],
            ),
            (
                &[(0, "foreign-to-foreign"), (0, "null-sender"), (1, "foreign-to-foreign")],
                2,
                &["0 foreign-to-foreign", "1 foreign-to-foreign"],
            ),
            (&[], 3, &[]),
        ] {
            assert_eq!(chosen(candidates, budget), expected);
        }
    }

    #[test]
    fn the_message_is_plain_and_small() {
        let proof =
            choose(vec![candidate(0, "percent-host"), candidate(0, "bang-host")], 1).remove(0);
        let particulars = MessageParticulars {
            domain: "probe.example",
            from: "nrtoken@probe.example",
            token: "nrmessage",
            target: "192.0.2.7:25",
            helo: "h.probe.example",
            version: "0.1.0",
            at: Timestamp::UNIX_EPOCH,
            wording: MessageWording::Plain,
        };
        let plain = message(&proof, &particulars).to_text();
        let neutral = message(
            &proof,
            &MessageParticulars { wording: MessageWording::Neutral, ..particulars },
        )
        .to_text();
        for text in [&plain, &neutral] {
            assert!(text.is_ascii() && text.len() < 2048);
            assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
            assert!(text.lines().all(|line| line.len() < 79), "{text}");
            assert!(text.contains("Date: Thu, 1 Jan 1970 00:00:00 -0000\r\n"), "{text}");
        }
        let words = neutral
            .replace("norelay", "")
            .replace("X-Norelay", "")
            .to_lowercase();
        assert!(!words.contains("relay") && !words.contains("test"), "{neutral}");
        let (transaction, tests) = proof.transaction(plain.into());
        let ids: Vec<_> = tests
            .iter()
            .map(|test| test.map(|test| test.id.as_str()))
            .collect();
        assert_eq!(ids, [None, Some("percent-host"), Some("bang-host")]);
        assert!(
            transaction.steps[1..]
                .iter()
                .all(|step| step.purpose == Purpose::Attempt)
        );
    }
}
