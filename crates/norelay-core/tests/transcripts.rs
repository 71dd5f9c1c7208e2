//! Executes the transcripts in the catalogue's documents: fences that open with
//! `smtp OUTCOME [STAGE] [REASON]` and hold a whole dialogue.
//!
//! Rules:
//! - `C: ` is what a [`Session`] must say, `S: ` is what the server says, both in the escapes of
//!   [`Octets`].
//! - `-- TLS` is a handshake that succeeds, `-- closed` a connection that closes, `-- silence` a
//!   reply that never comes.
//! - Each dialogue is run whole and one octet at a time, and must come to the outcome that its
//!   fence names.

use std::time::Duration;

use jiff::Timestamp;
use norelay_core::{
    catalogue::{Credentials, Line, Mechanism, RelayTest, TESTS, TestId, Words},
    check::Outcome,
    event::{Event, Path, Record},
    octets::Octets,
    path::PathId,
    report::Report,
    smtp::{
        Cause, End, Security, Session, SessionEvent, Stage, Transaction,
        netstring::{self, Protocol},
    },
};

/// What is sent where a transcript goes on to the message.
const MESSAGE: &str = "Subject: relay test\r\n\r\nThis tests a relay.\r\n";
const TIMEOUT: Duration = Duration::from_secs(60);

/// What the words in a transcript stand for.
fn words(test: &RelayTest) -> Words {
    // The receiver has an address of either family.
    let receiver =
        if test.forward_path.contains("{v6:") { "2001:db8::25" } else { "198.51.100.25" };
    Words {
        user: "relaytest".into(),
        sender: "spamtest".into(),
        unknown: "nobody-knows".into(),
        nobody: "nobody-knows".into(),
        password: "spamtest".into(),
        login: Some("alice".into()),
        inner: "innertest".into(),
        text_token: "texttoken".into(),
        domain: "probe.example".into(),
        second_domain: Some("second.example".into()),
        helo: "tester.probe.example".into(),
        host: Some("mail.example.net".into()),
        literal: Some("[192.0.2.7]".into()),
        address_typed: false,
        local_domain: Some("example.net".into()),
        listed: vec!["gmail.com".to_owned(), "outlook.com".to_owned()],
        listed_domain: None,
        trusted_senders: vec!["partner.example".to_owned(); 4],
        own_names: ["mail.example.net", "example.net", "example.net", "example.net", "example.net"]
            .map(str::to_owned)
            .to_vec(),
        local_user: "postmaster".into(),
        own_address: Some("198.51.100.9".into()),
        receiver: Some(receiver.into()),
        backup_trap: Some("backup.probe.example".into()),
        primary_trap: Some("primary.probe.example".into()),
        credentials: Some(Credentials {
            user: "alice".into(),
            password: "secret".into(),
            mechanism: Mechanism::Plain,
        }),
    }
}

/// A fence, its info string split into words.
struct Transcript<'a> {
    expected: Vec<&'a str>,
    lines: Vec<&'a str>,
}

fn transcripts(document: &str) -> Vec<Transcript<'_>> {
    let mut found = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(words) = line
            .strip_prefix("```smtp")
            .or_else(|| line.strip_prefix("```netstrings"))
        {
            let expected = words.split_whitespace().collect();
            found.push(Transcript {
                expected,
                lines: lines.by_ref().take_while(|line| *line != "```").collect(),
            });
        }
    }
    found
}

/// How the server's octets arrive.
#[derive(Clone, Copy, Debug)]
enum Portions {
    Whole,
    Octets,
}

/// A session, what it has sent and not been compared yet, and the records of what happened.
struct Run {
    session: Session,
    transaction: Transaction,
    sent: Vec<u8>,
    wants_handshake: bool,
    records: Vec<Record>,
}

impl Run {
    fn start(test: &RelayTest, transcript: &Transcript<'_>) -> Self {
        let says = |line| transcript.lines.contains(&line);
        let security = if says("C: STARTTLS") { Security::StartTls } else { Security::Plain };
        let mut transaction = test
            .transaction(&words(test), security)
            .expect("the words of the documents suffice");
        let data_steps = test
            .dialogue
            .iter()
            .filter(|line| matches!(line, Line::Say(Stage::Data, ..)))
            .count();
        let says_data = transcript
            .lines
            .iter()
            .filter(|line| **line == "C: DATA")
            .count()
            > data_steps;
        if says_data && transaction.message.is_none() {
            transaction.message = Some(MESSAGE.into());
        }
        let mut session = Session::new(transaction.clone(), TIMEOUT);
        session.start(Duration::ZERO);
        let destination = Path {
            host: None,
            address: std::net::Ipv4Addr::new(192, 0, 2, 7).into(),
            port: 25,
            security: Security::Plain,
        };
        let tests = vec![test.id.to_string()];
        let events = [
            Event::PathAdded { path: PathId::FIRST, destination, tests: tests.clone() },
            Event::Opened {
                dialogue: 0,
                path: PathId::FIRST,
                tests,
                proof: false,
                attempt: 0,
                login: None,
            },
        ];
        let records = events
            .map(|event| Record::new(Timestamp::UNIX_EPOCH, event))
            .to_vec();
        let mut run =
            Self { session, transaction, sent: Vec::new(), wants_handshake: false, records };
        run.drain();
        run
    }

    fn hear(&mut self, input: &[u8], portions: Portions) {
        let size = match portions {
            Portions::Whole => input.len().max(1),
            Portions::Octets => 1,
        };
        for portion in input.chunks(size) {
            self.session.handle_input(Duration::ZERO, portion);
            self.drain();
        }
    }

    fn drain(&mut self) {
        self.sent.extend(self.session.poll_transmit());
        while let Some(event) = self.session.poll_event() {
            let event = match event {
                SessionEvent::Sent { stage, line, .. } => {
                    Event::Sent { dialogue: 0, after_ms: 0, stage, test: None, line }
                }
                SessionEvent::Replied { stage, step, reply } => {
                    let purpose = step.map(|step| self.transaction.steps[step].purpose);
                    Event::Replied { dialogue: 0, after_ms: 0, stage, test: None, purpose, reply }
                }
                SessionEvent::Ended(end) => Event::Ended { dialogue: 0, after_ms: 0, end },
                SessionEvent::Secure => {
                    self.wants_handshake = true;
                    continue;
                }
            };
            self.records.push(Record::new(Timestamp::UNIX_EPOCH, event));
        }
    }

    /// Compares what was sent since the last comparison with the lines that the transcript shows.
    fn compare(&mut self, expected: &[u8], place: &str) {
        let sent = std::mem::take(&mut self.sent);
        assert_eq!(Octets::from(sent), Octets::from(expected), "{place}: what is sent");
    }

    fn happen(&mut self, what: &str, place: &str) {
        match what {
            "TLS" => {
                assert!(self.wants_handshake, "{place}: a handshake that nobody asked for");
                self.session.handle_secured(Duration::ZERO);
            }
            "closed" => self.session.handle_disconnect(None),
            "silence" => self
                .session
                .handle_timeout(self.session.poll_timeout().expect("something is awaited")),
            other => panic!("{place}: unknown happening {other:?}"),
        }
        self.drain();
    }
}

/// A dialogue in netstrings: all is said at once, in one line of the transcript, then the answer
/// comes.
fn run_netstrings(protocol: Protocol, transcript: &Transcript<'_>, place: &str) -> Outcome {
    let said = |prefix| {
        transcript
            .lines
            .iter()
            .find_map(move |line| line.strip_prefix(prefix))
            .map(Octets::unescape)
    };
    let sent =
        protocol.request(MESSAGE.as_bytes(), b"spamtest@probe.example", b"relaytest@probe.example");
    assert_eq!(said("C: "), Some(Octets::from(sent)), "{place}: what is sent");
    let heard = said("S: ").unwrap_or_default();
    let answers: Vec<_> = (0..=heard.len())
        .filter_map(|end| netstring::answer(&heard.as_bytes()[..end]))
        .collect();
    let (replied, end) = match answers.into_iter().next() {
        Some(Ok(reply)) => (Some(reply), End::Answered),
        Some(Err(violation)) => {
            (None, End::Interrupted(Cause::Violated { stage: Stage::EndOfData, violation }))
        }
        None => {
            (None, End::Interrupted(Cause::Disconnected { stage: Stage::EndOfData, error: None }))
        }
    };
    let destination = Path {
        host: None,
        address: [192, 0, 2, 7].into(),
        port: protocol.port(),
        security: Security::Plain,
    };
    let (dialogue, after_ms, stage) = (0, 0, Stage::EndOfData);
    let replied = replied.map(|reply| Event::Replied {
        dialogue,
        after_ms,
        stage,
        test: None,
        purpose: None,
        reply,
    });
    let events = [
        Event::PathAdded { path: PathId::FIRST, destination, tests: vec![] },
        Event::Opened {
            dialogue,
            path: PathId::FIRST,
            tests: vec![],
            proof: true,
            attempt: 0,
            login: None,
        },
        Event::Sent { dialogue, after_ms, stage, test: None, line: MESSAGE.into() },
    ];
    let events =
        events
            .into_iter()
            .chain(replied)
            .chain([Event::Ended { dialogue, after_ms, end }]);
    let records: Vec<_> = events
        .map(|event| Record::new(Timestamp::UNIX_EPOCH, event))
        .collect();
    Outcome::of(&Report::of(&records).dialogues[&0], TestId::UNKNOWN)
}

fn run(test: &RelayTest, transcript: &Transcript<'_>, portions: Portions, place: &str) -> Outcome {
    if let Some(protocol) = test.protocol() {
        return run_netstrings(protocol, transcript, place);
    }
    let mut run = Run::start(test, transcript);
    let (mut said, mut heard, mut first) = (Vec::new(), Vec::new(), true);
    // The end of the lines is a happening too: all that was said has to be compared.
    for line in transcript.lines.iter().chain(&["--"]) {
        if let Some(line) = line.strip_prefix("S: ") {
            if heard.is_empty() {
                run.compare(&std::mem::take(&mut said), place);
            }
            heard.extend_from_slice(Octets::unescape(line).as_bytes());
            heard.extend_from_slice(b"\r\n");
            first = false;
            continue;
        }
        run.hear(&std::mem::take(&mut heard), portions);
        if let Some(line) = line.strip_prefix("C:") {
            said.extend_from_slice(
                Octets::unescape(line.strip_prefix(' ').unwrap_or(line)).as_bytes(),
            );
            // What comes before the greeting carries its own line end, or none.
            said.extend_from_slice(if first { b"" } else { b"\r\n" });
        } else if let Some(what) = line.strip_prefix("-- ") {
            run.compare(&std::mem::take(&mut said), place);
            run.happen(what, place);
        } else {
            assert_eq!(*line, "--", "{place}: a line that nobody says");
        }
    }
    run.compare(&said, place);
    assert!(run.session.is_ended(), "{place}: the session goes on");
    let report = Report::of(&run.records);
    assert_eq!(report.misfits, 0, "{place}: misfits");
    Outcome::of(&report.dialogues[&0], test.id)
}

/// An outcome in the words of a fence.
fn in_words(outcome: &Outcome) -> Vec<String> {
    let json = serde_json::to_value(outcome).expect("outcomes have string keys");
    let words = ["outcome", "stage", "reason"]
        .iter()
        .filter_map(|key| json.get(key));
    words
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

#[test]
fn every_transcript_comes_to_its_outcome() {
    let mut wrong = Vec::new();
    for test in TESTS {
        let found = transcripts(test.document);
        assert!(!found.is_empty(), "{}: a document without a transcript", test.id);
        for (index, transcript) in found.iter().enumerate() {
            for portions in [Portions::Whole, Portions::Octets] {
                let place = format!("{}, transcript {}, {portions:?}", test.id, index + 1);
                let outcome = run(test, transcript, portions, &place);
                if in_words(&outcome) != transcript.expected {
                    wrong.push(format!("{place}: {:?} came to {outcome:?}", transcript.expected));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} outcomes are others:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_document_is_well_formed() {
    let mut titles = std::collections::BTreeSet::new();
    for test in TESTS {
        let sections = match test.is_scored() {
            true => &[
                "What is sent",
                "Where it comes from",
                "Who fell for it",
                "How to read the answers",
            ][..],
            false => &["What is sent", "Why it is asked", "How to read the answers"],
        };
        let place = test.id;
        assert!(
            test.document.starts_with("# ") && test.document.ends_with('\n'),
            "{place}: no title, or no last line end"
        );
        assert!((8..=60).contains(&test.title().len()), "{place}: the title {:?}", test.title());
        assert!(titles.insert(test.title()), "{place}: a title that another test has");
        let mut fenced = false;
        let mut headings = Vec::new();
        for line in test.document.lines().skip(1) {
            assert!(line.len() <= 140 || fenced, "{place}: a long line: {line}");
            assert!(line.trim_end() == line, "{place}: blanks at the end of {line:?}");
            if line.starts_with("```") {
                assert_eq!(
                    line == "```",
                    fenced,
                    "{place}: a fence without a language, or in a fence: {line}"
                );
                fenced = !fenced;
            } else if line.starts_with('#') && !fenced {
                headings.push(
                    line.strip_prefix("## ")
                        .unwrap_or_else(|| panic!("{place}: the heading {line:?}")),
                );
            }
        }
        assert!(!fenced, "{place}: a fence without an end");
        assert_eq!(
            headings,
            [sections, &["What it does not tell"]].concat(),
            "{place}: its sections"
        );
        for section in test.document.split("\n## ").skip(1) {
            let text = section.lines().skip(1).find(|line| !line.is_empty());
            assert!(
                text.is_some_and(|text| !text.starts_with("```")),
                "{place}: a section without a text: {section}"
            );
        }
    }
}

/// A document that no row of the table has is a row that was forgotten.
#[test]
fn every_document_has_a_row() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue/relay");
    let mut documents: Vec<_> = std::fs::read_dir(directory)
        .expect("the documents are beside the source")
        .map(|entry| {
            entry
                .expect("the directory can be read")
                .file_name()
                .into_string()
                .expect("ids are in ASCII")
        })
        .collect();
    documents.sort_unstable();
    let mut rows: Vec<_> = TESTS.iter().map(|test| format!("{}.md", test.id)).collect();
    rows.sort_unstable();
    assert_eq!(documents, rows);
}
