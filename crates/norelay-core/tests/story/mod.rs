//! Stories: the events of a run that never was, for testing what the facts are taken to mean.

#![allow(dead_code, reason = "each suite tells its stories with other words")]

use std::net::SocketAddr;

use jiff::Timestamp;
use norelay_core::{
    catalogue::{Profile, Words, by_id},
    event::{CanaryExchanger, CanaryFailure, Event, Path, Receipt, Record, Run},
    octets::Octets,
    path::PathId,
    report::Report,
    smtp::{End, Hello, Purpose, Reply, Security, Stage},
    token::{RunId, Token, TokenRole},
};

pub const RUN: RunId = RunId(7);

/// The records of a run, told in order.
pub struct Story {
    records: Vec<Record>,
    paths: u8,
    dialogues: u32,
    greeting: String,
    hello: String,
    /// Our end of the connections.
    pub connected: SocketAddr,
    /// What the answers to commands other than MAIL and RCPT are for.
    pub purpose: Option<Purpose>,
    /// The forward-path that messages come to.
    pub comes_to: String,
    /// The name that the client says which delivers a message.
    pub delivered_by: String,
}

/// `454 4.7.1 no`, lines parted by ` / `.
pub fn reply(text: &str) -> Reply {
    let code = text[..3].parse().expect("a reply begins with a code");
    Reply {
        code,
        lines: text[3..]
            .trim_start_matches([' ', '-'])
            .split(" / ")
            .map(Octets::from)
            .collect(),
    }
}

/// What the templates of the catalogue stand for.
fn words() -> Words {
    Words {
        user: "nruabcdefghijklmnopqrstuvwxyz2345672".to_owned(),
        sender: "nrsabcdefghijklmnopqrstuvwxyz2345672".to_owned(),
        unknown: "nrxabcdefghijklmnopqrstuvwxyz2345672".to_owned(),
        nobody: "nrxabcdefghijklmnopqrstuvwxyz2345672".to_owned(),
        password: "nrmabcdefghijklmnopqrstuvwxyz2345672".to_owned(),
        login: Some("alice".to_owned()),
        domain: "probe.example".to_owned(),
        second_domain: Some("second.example".to_owned()),
        helo: "probe.example".to_owned(),
        host: Some("mx.target.example".to_owned()),
        literal: Some("[192.0.2.7]".to_owned()),
        local_domain: Some("target.example".to_owned()),
        local_user: "postmaster".to_owned(),
        trusted_senders: vec!["partner.example".to_owned(); 4],
        listed: vec!["provider.example".to_owned()],
        own_names: vec!["mx.other.example".to_owned(); 5],
        receiver: Some("198.51.100.9".to_owned()),
        backup_trap: Some("backup.probe.example".to_owned()),
        primary_trap: Some("primary.probe.example".to_owned()),
        ..Words::default()
    }
}

impl Story {
    pub fn begin(receiving: bool) -> Self {
        Self::begin_with(receiving, Profile::Classic)
    }

    pub fn begin_with(receiving: bool, profile: Profile) -> Self {
        let mut story = Self::begin_without_canary(receiving, profile);
        if receiving {
            story.canary(0, None);
            story.canary_receipt(0);
        }
        story
    }

    /// A run whose receiver was not shown to work.
    pub fn begin_without_canary(receiving: bool, profile: Profile) -> Self {
        let run = Run {
            run: RUN,
            target: "mx.target.example".to_owned(),
            version: "0".to_owned(),
            profile,
            domain: "probe.example".to_owned(),
            domain_given: true,
            helo: "probe.example".to_owned(),
            local_domain: Some("target.example".to_owned()),
            named_user: None,
            trusted_senders: Vec::new(),
            receiving,
            seen_as_expected: None,
            tests: Vec::new(),
        };
        let mut story = Self {
            records: Vec::new(),
            paths: 0,
            dialogues: 0,
            greeting: "220 mx.target.example ESMTP Postfix".to_owned(),
            hello: "250 mx.target.example".to_owned(),
            connected: ([198, 51, 100, 9], 40_000).into(),
            purpose: None,
            comes_to: "<u@probe.example>".to_owned(),
            delivered_by: "mx.target.example".to_owned(),
        };
        story.tell(Event::RunStarted(run));
        story
    }

    pub fn tell(&mut self, event: Event) {
        self.records.push(Record::new(Timestamp::UNIX_EPOCH, event));
    }

    /// Adds a path and gives its id.
    pub fn path(&mut self, address: &str, port: u16, security: Security, tests: &[&str]) -> PathId {
        let destination = Path {
            host: Some("mx.target.example".to_owned()),
            address: address.parse().expect("an address"),
            port,
            security,
        };
        let path = PathId::new(self.paths);
        self.paths += 1;
        self.tell(Event::PathAdded {
            path,
            destination,
            tests: tests.iter().map(|id| (*id).to_owned()).collect(),
        });
        path
    }

    /// Opens a connection for a test, says the lines (`stage`, what was sent, the reply), and ends
    /// it.
    pub fn dialogue(
        &mut self,
        path: PathId,
        test: &str,
        proof: bool,
        lines: &[(Stage, &str, &str)],
    ) {
        let dialogue = self.dialogues;
        self.dialogues += 1;
        self.tell(Event::Opened {
            dialogue,
            path,
            tests: vec![test.to_owned()],
            proof,
            attempt: 0,
            login: None,
        });
        self.tell(Event::Connected { dialogue, after_ms: 0, local: self.connected });
        for (stage, sent, answer) in lines {
            if !sent.is_empty() {
                let line = Octets::from(*sent);
                self.tell(Event::Sent { dialogue, after_ms: 1, stage: *stage, test: None, line });
            }
            let asks = matches!(stage, Stage::Mail | Stage::Rcpt).then_some(Purpose::Question);
            let purpose = asks.or(self.purpose.filter(|_| *stage == Stage::Other));
            self.tell(Event::Replied {
                dialogue,
                after_ms: 2,
                stage: *stage,
                test: None,
                purpose,
                reply: reply(answer),
            });
        }
        self.tell(Event::Ended { dialogue, after_ms: 3, end: End::Answered });
    }

    /// Opens a connection for a test, says the lines of its steps, and ends it in this way.
    pub fn dialogue_ending(
        &mut self,
        path: PathId,
        test: &str,
        lines: &[(Stage, &str, &str)],
        end: End,
    ) {
        self.dialogue(path, test, false, lines);
        let ended = self.records.last_mut().expect("a dialogue has an end");
        if let Event::Ended { end: of, .. } = &mut ended.event {
            *of = end;
        }
        for record in &mut self.records {
            if let Event::Replied { dialogue, stage: Stage::Auth | Stage::Other, purpose, .. } =
                &mut record.event
                && *dialogue + 1 == self.dialogues
            {
                *purpose = Some(Purpose::Question);
            }
        }
    }

    /// A dialogue that ends so many milliseconds after it was opened.
    pub fn dialogue_taking(
        &mut self,
        path: PathId,
        test: &str,
        lines: &[(Stage, &str, &str)],
        ms: u64,
        end: End,
    ) {
        self.dialogue_ending(path, test, lines, end);
        if let Some(Event::Ended { after_ms, .. }) =
            self.records.last_mut().map(|record| &mut record.event)
        {
            *after_ms = ms;
        }
    }

    /// A test whose steps are none of them the question, ending in this way.
    pub fn attempts(&mut self, path: PathId, test: &str, lines: &[(Stage, &str, &str)], end: End) {
        self.dialogue_ending(path, test, lines, end);
        for record in &mut self.records {
            if let Event::Replied {
                dialogue,
                stage: Stage::Mail | Stage::Rcpt | Stage::Data,
                purpose,
                ..
            } = &mut record.event
                && *dialogue + 1 == self.dialogues
            {
                *purpose = Some(Purpose::Attempt);
            }
        }
    }

    /// The last connection was shared with another test.
    pub fn shared_with(&mut self, other: &str) {
        let opened = self
            .records
            .iter_mut()
            .rev()
            .find_map(|record| match &mut record.event {
                Event::Opened { tests, .. } => Some(tests),
                _ => None,
            });
        opened
            .expect("there was a connection")
            .push(other.to_owned());
    }

    /// A test whose RCPT (or MAIL) was answered so.
    pub fn answered(&mut self, path: PathId, test: &str, stage: Stage, answer: &str) {
        let mut lines = vec![
            (Stage::Greeting, "", "220 mx.target.example"),
            (Stage::Ehlo, "EHLO probe.example", "250 mx.target.example"),
        ];
        if stage != Stage::Mail {
            lines.push((Stage::Mail, "MAIL FROM:<s@probe.example>", "250 fine"));
        }
        if !matches!(stage, Stage::Mail | Stage::Rcpt) {
            lines.push((Stage::Rcpt, "RCPT TO:<u@probe.example>", "250 fine"));
        }
        lines.push((stage, "…", answer));
        self.dialogue(path, test, false, &lines);
    }

    /// A test, said in full as the catalogue has it, whose question was answered so.
    pub fn asked(&mut self, path: PathId, test: &str, answer: &str) {
        self.said(path, test, answer, &[]);
    }

    /// A test whose message was accepted and came back, with the trace that the server put on it.
    pub fn relayed(&mut self, path: PathId, test: &str, peer: &str, trace: &str) {
        self.said(path, test, "250 fine", &[]);
        let message =
            [(Stage::Data, "DATA", "354 go"), (Stage::EndOfData, "Subject: x", "250 fine")];
        self.said(path, test, "250 fine", &message);
        let number = by_id(test).expect("the catalogue has the test").number;
        self.receipt(path, number, peer, trace);
    }

    fn said(&mut self, path: PathId, test: &str, answer: &str, after: &[(Stage, &str, &str)]) {
        let test = by_id(test).expect("the catalogue has the test");
        let transaction = test
            .transaction(&words(), Security::Plain)
            .expect("the words are known");
        let hello = match &transaction.hello {
            Hello::Ehlo(name) => Some((Stage::Ehlo, format!("EHLO {name}"))),
            Hello::Helo(name) => Some((Stage::Helo, format!("HELO {name}"))),
            Hello::Silent => None,
        };
        let mut lines = vec![(Stage::Greeting, String::new(), self.greeting.clone())];
        lines.extend(hello.map(|(stage, line)| (stage, line, self.hello.clone())));
        let last = transaction.steps.len() - 1;
        for (index, step) in transaction.steps.iter().enumerate() {
            let reply = if index == last { answer } else { "250 fine" };
            lines.push((step.stage, step.line.to_text(), reply.to_owned()));
        }
        let lines: Vec<_> = lines
            .iter()
            .map(|(stage, sent, reply)| (*stage, sent.as_str(), reply.as_str()))
            .collect();
        self.dialogue(path, test.id.as_str(), !after.is_empty(), &[&lines[..], after].concat());
    }

    /// What the server says from now on when a client comes and introduces itself.
    pub fn server(&mut self, greeting: &str, hello: &str) {
        self.greeting = greeting.to_owned();
        self.hello = hello.to_owned();
    }

    /// A canary that was handed over, or could not be.
    pub fn canary(&mut self, canary: u8, failure: Option<CanaryFailure>) {
        let address = [198, 51, 100, 9].into();
        let host = "mx.probe.example".to_owned();
        let exchanger = Some(CanaryExchanger { host, address });
        self.tell(Event::CanarySent { canary, exchanger, failure });
    }

    /// A canary that came.
    pub fn canary_receipt(&mut self, canary: u8) {
        let role = TokenRole::Canary;
        let token = Token { run: RUN, path: PathId::FIRST, test: canary, role };
        self.received(token, "198.51.100.9:40001", "from tester.probe.example");
    }

    /// A message that came, for the test with this number; the fields of its trace, newest first,
    /// are parted by ` / `.
    pub fn receipt(&mut self, path: PathId, test: u8, peer: &str, trace: &str) {
        let token = Token { run: RUN, path, test, role: TokenRole::Recipient };
        self.received(token, peer, trace);
    }

    fn received(&mut self, token: Token, peer: &str, trace: &str) {
        self.tell(Event::Received(Receipt {
            token,
            message_token: true,
            peer: peer.parse().expect("an address and a port"),
            helo: self.delivered_by.as_str().into(),
            tls: false,
            reverse_path: "<s@probe.example>".into(),
            forward_path: self.comes_to.as_str().into(),
            received: trace.split(" / ").map(Octets::from).collect(),
            size: 1,
        }));
    }

    pub fn end(mut self) -> Report {
        self.tell(Event::RunFinished { stopped: false });
        let report = Report::of(&self.records);
        assert_eq!(report.misfits, 0);
        report
    }
}
