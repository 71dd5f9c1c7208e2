//! Stories: the events of a run that never was, for testing what the facts are taken to mean.

#![allow(dead_code, reason = "each suite tells its stories with other words")]

use jiff::Timestamp;
use norelay_core::{
    catalogue::Profile,
    event::{Event, Path, Receipt, Record, Run},
    octets::Octets,
    report::Report,
    smtp::{End, Purpose, Reply, Security, Stage},
    token::{Role, RunId, Token},
};

pub const RUN: RunId = RunId(7);

/// The records of a run, told in order.
pub struct Story {
    records: Vec<Record>,
    paths: u8,
    dialogues: u32,
}

/// `454 4.7.1 no`, lines parted by ` / `.
pub fn reply(text: &str) -> Reply {
    let code = text[..3].parse().expect("a reply begins with a code");
    Reply { code, lines: text[3..].trim_start_matches([' ', '-']).split(" / ").map(Octets::from).collect() }
}

impl Story {
    pub fn begin(receiving: bool) -> Self {
        let run = Run {
            run: RUN,
            target: "mx.target.example".to_owned(),
            version: "0".to_owned(),
            profile: Profile::Classic,
            domain: "probe.example".to_owned(),
            domain_given: true,
            helo: "probe.example".to_owned(),
            local_domain: Some("target.example".to_owned()),
            receiving,
        };
        let mut story = Self { records: Vec::new(), paths: 0, dialogues: 0 };
        story.tell(Event::RunStarted(run));
        story
    }

    pub fn tell(&mut self, event: Event) {
        self.records.push(Record::new(Timestamp::UNIX_EPOCH, event));
    }

    /// Adds a path and gives its index.
    pub fn path(&mut self, address: &str, port: u16, security: Security, tests: &[&str]) -> u8 {
        let way = Path {
            host: Some("mx.target.example".to_owned()),
            address: address.parse().expect("an address"),
            port,
            security,
        };
        let path = self.paths;
        self.paths += 1;
        self.tell(Event::PathAdded { path, way, tests: tests.iter().map(|id| (*id).to_owned()).collect() });
        path
    }

    /// Opens a connection for a test, says the lines (`stage`, what was sent, the reply), and ends it.
    pub fn dialogue(&mut self, path: u8, test: &str, proof: bool, lines: &[(Stage, &str, &str)]) {
        let dialogue = self.dialogues;
        self.dialogues += 1;
        self.tell(Event::Opened { dialogue, path, tests: vec![test.to_owned()], proof, attempt: 0 });
        for (stage, sent, answer) in lines {
            if !sent.is_empty() {
                let line = Octets::from(*sent);
                self.tell(Event::Sent { dialogue, after_ms: 1, stage: *stage, test: None, line });
            }
            let purpose = matches!(stage, Stage::Mail | Stage::Rcpt).then_some(Purpose::Question);
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

    /// A test whose RCPT (or MAIL) was answered so.
    pub fn answered(&mut self, path: u8, test: &str, stage: Stage, answer: &str) {
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

    /// A message that came, for the test with this number.
    pub fn receipt(&mut self, path: u8, test: u8, peer: &str) {
        self.tell(Event::Received(Receipt {
            token: Token { run: RUN, path, test, role: Role::Recipient },
            message_token: true,
            peer: peer.parse().expect("an address and a port"),
            helo: "mx.target.example".into(),
            tls: false,
            reverse_path: "<s@probe.example>".into(),
            forward_path: "<u@probe.example>".into(),
            received: Vec::new(),
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
