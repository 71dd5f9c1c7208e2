//! A world without time and sockets: a server by rules, sessions, and a clock that jumps to
//! whatever happens next.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use jiff::Timestamp;
use norelay_core::{
    asking::{Agenda, Asking, Do, Instead, Means, Moment, PlannedDialogue, Request, Saying},
    event::{Event, MailExchanger, Receipt, Record},
    octets::Octets,
    report::Report,
    smtp::{Cause, End, LastReply, Security, Session, SessionEvent, Stage},
    token::{Token, TokenKey, TokenRole},
};

use super::server::{Answer, Server};

/// How long octets travel to the server and back.
const ROUND_TRIP: Duration = Duration::from_millis(100);
/// How long an accepted message travels to the receiver.
const DELIVERY: Duration = Duration::from_secs(2);
/// No run takes so many steps: one that does has no end.
const MAX_STEPS: usize = 100_000;

/// Something that is going to happen.
enum Happening {
    /// The connection stands, or was refused.
    Connected,
    /// Octets come from the server.
    Input(String),
    /// The server closes the connection.
    Closed,
    /// A time is reached that the session waits for.
    Deadline,
    /// A message arrives.
    Arrived(Box<Receipt>),
    /// A knock is answered.
    Knocked(bool),
    /// A canary was accepted.
    CanarySent(u8),
}

/// One dialogue under way.
struct Dialogue {
    connection: PlannedDialogue,
    opened: Duration,
    nth: usize,
    session: Option<Session>,
    steps: Vec<norelay_core::smtp::Step>,
    step_tests: Vec<Option<&'static norelay_core::catalogue::RelayTest>>,
    is_leaving: bool,
    is_in_text: bool,
    recipients: Vec<String>,
    rejections: usize,
}

/// The world of one run.
pub struct World<'a> {
    server: &'a Server,
    key: TokenKey,
    asking: Asking,
    report: Report,
    now: Duration,
    happenings: BTreeMap<(Duration, usize), (u32, Happening)>,
    count: usize,
    dialogues: BTreeMap<u32, Dialogue>,
    connections: usize,
    open: usize,
    trace: String,
}

/// What a run leaves: the trace and the facts.
pub struct Ran {
    pub trace: String,
    pub report: Report,
}

/// Runs a request against a server.
pub fn run(server: &Server, request: Request, receiving: bool) -> Ran {
    let exchangers = vec![MailExchanger {
        name: server.host.clone(),
        preference: None,
        addresses: server.addresses.clone(),
    }];
    let sources: BTreeMap<IpAddr, IpAddr> = server
        .addresses
        .iter()
        .map(|address| (*address, [198, 51, 100, 9].into()))
        .collect();
    let host_name = |text: &str| text.contains('.').then(|| text.to_owned());
    let registrable = |name: &str| {
        let labels: Vec<_> = name.rsplitn(3, '.').take(2).collect();
        Some(format!("{}.{}", labels[1], labels[0]))
    };
    let means = Means { receiving, has_certificate: false, sources, host_name, registrable };
    let (report, key) = (Report::default(), request.key.clone());
    let mut asking = Asking::new(request, means, Agenda::New(exchangers), &report);
    let opening = asking.opening();
    let mut world = World {
        server,
        key,
        asking,
        report,
        now: Duration::ZERO,
        happenings: BTreeMap::new(),
        count: 0,
        dialogues: BTreeMap::new(),
        connections: 0,
        open: 0,
        trace: String::new(),
    };
    opening.into_iter().for_each(|event| world.record(event));
    world.go();
    Ran { trace: world.trace, report: world.report }
}

impl World<'_> {
    fn go(&mut self) {
        for _ in 0..MAX_STEPS {
            let moment = Moment { elapsed: self.now, at: self.at() };
            match self.asking.next(&self.report, moment) {
                Do::Record(event) => {
                    self.trace_event(&event);
                    self.record(*event);
                }
                Do::Open(connection) => self.open(*connection),
                Do::Knock(endpoint) => {
                    let accepts = self
                        .server
                        .ports
                        .contains(&SocketAddr::from(endpoint).port());
                    self.happen(ROUND_TRIP, 0, Happening::Knocked(accepts));
                }
                Do::SendCanary(canary) => {
                    self.line("sends a canary");
                    self.happen(ROUND_TRIP, 0, Happening::CanarySent(canary.number));
                    if !self.server.is_receiver_deaf {
                        let receipt = self.canary_receipt(&canary.recipient);
                        self.happen(DELIVERY, 0, Happening::Arrived(Box::new(receipt)));
                    }
                }
                Do::Wait(until) => {
                    let next = self.happenings.first_key_value().map(|((at, _), _)| *at);
                    let at = match (next, until) {
                        (None, None) => panic!("nothing will ever happen:\n{}", self.trace),
                        (Some(at), Some(until)) => at.min(until),
                        (Some(at), None) | (None, Some(at)) => at,
                    };
                    assert!(at > self.now || next == Some(at), "the asking waits for the past");
                    self.now = self.now.max(at);
                    if next == Some(at)
                        && let Some((_, (dialogue, happening))) = self.happenings.pop_first()
                    {
                        self.take(dialogue, happening);
                    }
                }
                Do::Done => {
                    self.line("done");
                    return self.record(Event::RunFinished { stopped: false });
                }
            }
        }
        panic!("the run has no end:\n{}", self.trace);
    }

    fn at(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
            .saturating_add(self.now)
            .expect("runs end in this century")
    }

    fn record(&mut self, event: Event) {
        self.report.apply(&Record::new(self.at(), event));
    }

    fn happen(&mut self, after: Duration, dialogue: u32, happening: Happening) {
        self.count += 1;
        self.happenings
            .insert((self.now + after, self.count), (dialogue, happening));
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.trace, "{:>9.3} {text}", self.now.as_secs_f64());
    }

    fn trace_event(&mut self, event: &Event) {
        let text = match event {
            Event::NotRun { path, test, why } => format!("path {path}: {test} is not run: {why}"),
            Event::GivenUp { path, cause } => format!("path {path} is given up: {cause}"),
            Event::TestsAdded { path, tests } => {
                format!("path {path} is asked {} tests", tests.len())
            }
            Event::Waiting { until, why, .. } => {
                let until = until.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64();
                format!("waits until {until:.3}: {why:?}")
            }
            Event::Noted { tag, arguments, .. } => format!("notes {tag} {arguments:?}"),
            Event::PathAdded { path, destination, .. } => {
                format!("path {path} is added: {destination}")
            }
            _ => return,
        };
        self.line(&text);
    }

    fn open(&mut self, connection: PlannedDialogue) {
        let number = connection.dialogue;
        let tests: Vec<_> = connection
            .tests
            .iter()
            .map(|test| test.id.as_str())
            .collect();
        let kind = if connection.proof { "sends" } else { "asks" };
        let again = match connection.attempt {
            0 => String::new(),
            attempt => format!(", attempt {}", attempt + 1),
        };
        let path = connection.path;
        self.line(&format!("{number} on path {path} {kind} {}{again}", tests.join(" ")));
        self.record(Event::Opened {
            dialogue: number,
            path,
            tests: tests.iter().map(|id| id.to_string()).collect(),
            proof: connection.proof,
            attempt: connection.attempt,
            login: connection.login.clone(),
        });
        let (steps, step_tests) = match &connection.saying {
            Saying::Smtp { transaction, step_tests } => {
                (transaction.steps.clone(), step_tests.clone())
            }
            Saying::Netstring { .. } => (Vec::new(), Vec::new()),
        };
        self.connections += 1;
        self.dialogues.insert(
            number,
            Dialogue {
                connection,
                opened: self.now,
                nth: self.connections,
                session: None,
                steps,
                step_tests,
                is_leaving: false,
                is_in_text: false,
                recipients: Vec::new(),
                rejections: 0,
            },
        );
        self.happen(ROUND_TRIP, number, Happening::Connected);
    }

    fn take(&mut self, number: u32, happening: Happening) {
        match happening {
            Happening::Knocked(accepts) => return self.asking.knocked(accepts),
            Happening::CanarySent(canary) => {
                let (exchanger, failure) = (None, None);
                return self.record(Event::CanarySent { canary, exchanger, failure });
            }
            Happening::Arrived(receipt) => {
                let Token { test, role, .. } = receipt.token;
                self.line(&match role {
                    TokenRole::Canary => format!("arrived: canary {test}"),
                    _ => format!("arrived: a message of test {test}"),
                });
                return self.record(Event::Received(*receipt));
            }
            _ if !self.dialogues.contains_key(&number) => return,
            Happening::Connected => self.connected(number),
            Happening::Input(octets) => self.input(number, &octets),
            Happening::Closed => self.session(number, |session, _| session.handle_disconnect(None)),
            Happening::Deadline => self.session(number, Session::handle_timeout),
        }
        self.talk(number);
    }

    fn session(&mut self, number: u32, act: impl FnOnce(&mut Session, Duration)) {
        let Some(dialogue) = self.dialogues.get_mut(&number) else { return };
        let elapsed = self.now - dialogue.opened;
        if let Some(session) = &mut dialogue.session {
            act(session, elapsed);
        }
    }

    fn connected(&mut self, number: u32) {
        let dialogue = &self.dialogues[&number];
        let (nth, port) = (dialogue.nth, dialogue.connection.destination.port);
        let greeting = match self.server.greeting(nth, self.open, port) {
            Answer::Refused => {
                let error = "connection refused".to_owned();
                let cause = Cause::ConnectFailed { refused: true, error };
                return self.end(number, End::Interrupted(cause));
            }
            answer => answer,
        };
        self.open += 1;
        let limit = self.asking.greeting_limit(number);
        let local = SocketAddr::from(([198, 51, 100, 9], 40_000));
        let after_ms = self.after_ms(number);
        self.record(Event::Connected { dialogue: number, after_ms, local });
        let Some(dialogue) = self.dialogues.get_mut(&number) else { return };
        let connection = &dialogue.connection;
        let Saying::Smtp { transaction, .. } = &connection.saying else {
            return self.hand_over(number);
        };
        let mut session = Session::new(transaction.clone(), connection.reply_timeout);
        if let Some(limit) = limit {
            session = session.with_greeting_timeout(limit);
        }
        session.start(self.now - dialogue.opened);
        dialogue.session = Some(session);
        let pause = match &greeting {
            Answer::Says(_) => self.server.greeting_pause,
            _ => Duration::ZERO,
        };
        self.answer(number, pause, greeting);
    }

    /// A message in a protocol without questions is accepted.
    fn hand_over(&mut self, number: u32) {
        let after_ms = self.after_ms(number);
        let (stage, test) = (Stage::EndOfData, None);
        let line = Octets::from("(the message)");
        self.record(Event::Sent { dialogue: number, after_ms, stage, test: None, line });
        let reply = norelay_core::smtp::Reply { code: 250, lines: vec!["accepted".into()] };
        let purpose = None;
        self.record(Event::Replied { dialogue: number, after_ms, stage, test, purpose, reply });
        self.end(number, End::Answered);
    }

    fn answer(&mut self, number: u32, after: Duration, answer: Answer) {
        match answer {
            Answer::Says(octets) => self.happen(after, number, Happening::Input(octets)),
            Answer::SaysAndCloses(octets) => {
                self.happen(after, number, Happening::Input(octets));
                self.happen(after, number, Happening::Closed);
            }
            Answer::Closes => self.happen(after, number, Happening::Closed),
            Answer::Silent | Answer::Refused => {}
        }
    }

    fn input(&mut self, number: u32, octets: &str) {
        let orderly = self.asking.orderly(number);
        self.session(number, |session, now| {
            if orderly.after_rejection {
                session.skip_quit_reply(LastReply::Negative);
            }
            if orderly.after_acceptance {
                session.skip_quit_reply(LastReply::Positive);
            }
            session.handle_input(now, octets.as_bytes());
        });
    }

    /// Records what the session says, and lets the server answer what is sent.
    fn talk(&mut self, number: u32) {
        loop {
            let Some(dialogue) = self.dialogues.get_mut(&number) else { return };
            let Some(session) = &mut dialogue.session else { return };
            let events: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
            for event in events {
                match event {
                    SessionEvent::Ended(end) => return self.end(number, end),
                    SessionEvent::Secure => {
                        let after_ms = self.after_ms(number);
                        let tls = norelay_core::event::TlsFacts::default();
                        self.record(Event::Secured { dialogue: number, after_ms, tls });
                        self.session(number, Session::handle_secured);
                    }
                    said => self.said(number, said),
                }
            }
            let Some(dialogue) = self.dialogues.get_mut(&number) else { return };
            let Some(session) = &mut dialogue.session else { return };
            let output = session.poll_transmit();
            if session.is_leaving() && !dialogue.is_leaving {
                dialogue.is_leaving = true;
                self.asking.leaving(number);
            }
            if output.is_empty() {
                return self.await_deadline(number);
            }
            self.sent(number, &output);
        }
    }

    fn await_deadline(&mut self, number: u32) {
        let Some(dialogue) = self.dialogues.get(&number) else { return };
        let deadline = dialogue.session.as_ref().and_then(Session::poll_timeout);
        if let Some(deadline) = deadline {
            let at = dialogue.opened + deadline;
            self.happen(at.saturating_sub(self.now), number, Happening::Deadline);
        }
    }

    fn said(&mut self, number: u32, event: SessionEvent) {
        let after_ms = self.after_ms(number);
        let Some(dialogue) = self.dialogues.get(&number) else { return };
        let test_of = |step: Option<usize>| {
            let test = dialogue.step_tests.get(step?).copied().flatten()?;
            Some(test.id.to_string())
        };
        match event {
            SessionEvent::Sent { stage, step, line } => {
                let test = test_of(step);
                self.record(Event::Sent { dialogue: number, after_ms, stage, test, line });
            }
            SessionEvent::Replied { stage, step, reply } => {
                let purpose = step
                    .and_then(|step| dialogue.steps.get(step))
                    .map(|step| step.purpose);
                let test = test_of(step);
                let greeting = reply.clone();
                self.record(Event::Replied {
                    dialogue: number,
                    after_ms,
                    stage,
                    test,
                    purpose,
                    reply,
                });
                if stage == Stage::Greeting
                    && let Some(instead) = self.asking.greeted(&self.report, number, &greeting)
                {
                    self.share(number, instead);
                }
                if stage == Stage::Greeting {
                    self.asking.introduced(number);
                }
            }
            SessionEvent::Secure | SessionEvent::Ended(_) => {}
        }
    }

    fn share(&mut self, number: u32, instead: Instead) {
        let tests: Vec<_> = instead
            .tests
            .iter()
            .map(|test| test.id.to_string())
            .collect();
        self.line(&match tests.len() {
            0 => format!("{number} gives way"),
            _ => format!("{number} asks {} instead", tests.join(" ")),
        });
        let after_ms = self.after_ms(number);
        self.record(Event::Shared { dialogue: number, after_ms, tests });
        let Some(dialogue) = self.dialogues.get_mut(&number) else { return };
        if let Some(session) = &mut dialogue.session {
            session.replace_steps(instead.steps.clone());
        }
        (dialogue.steps, dialogue.step_tests) = (instead.steps, instead.step_tests);
    }

    fn sent(&mut self, number: u32, output: &[u8]) {
        let text = String::from_utf8_lossy(output).into_owned();
        let mut text = text.as_str();
        while !text.is_empty() {
            let Some(dialogue) = self.dialogues.get_mut(&number) else { return };
            let nth = dialogue.nth;
            let (line, rest) = if dialogue.is_in_text {
                let (_, rest) = text.split_once("\r\n.\r\n").unwrap_or((text, ""));
                ("end of data", rest)
            } else {
                text.split_once("\r\n").unwrap_or((text, ""))
            };
            text = rest;
            let answer = self
                .server
                .counting_answer(nth, line, &mut dialogue.rejections);
            dialogue.is_in_text = matches!(&answer, Answer::Says(says) if says.starts_with("354"));
            let is_accepted = matches!(&answer, Answer::Says(says) if says.starts_with('2'));
            let recipient = line.strip_prefix("RCPT TO:<").filter(|_| is_accepted);
            dialogue.recipients.extend(recipient.map(str::to_owned));
            if line == "end of data" && is_accepted && self.server.relays {
                let recipients = std::mem::take(&mut dialogue.recipients);
                self.relay(&recipients);
            }
            self.answer(number, ROUND_TRIP, answer);
        }
    }

    fn relay(&mut self, recipients: &[String]) {
        for recipient in recipients {
            let Some(token) = self.key.find(recipient.as_bytes()) else {
                continue;
            };
            let receipt = receipt(token, recipient);
            self.happen(DELIVERY, 0, Happening::Arrived(Box::new(receipt)));
        }
    }

    /// A canary at the receiver.
    fn canary_receipt(&self, recipient: &str) -> Receipt {
        let token = self.key.find(recipient.as_bytes());
        receipt(token.expect("canaries go to token addresses"), recipient)
    }

    fn end(&mut self, number: u32, end: End) {
        if let Some(instead) = self.asking.closing(&self.report, number) {
            self.share(number, instead);
        }
        let after_ms = self.after_ms(number);
        if let End::Interrupted(cause) = &end {
            self.line(&format!("{number} is interrupted: {cause}"));
        }
        self.record(Event::Ended { dialogue: number, after_ms, end });
        self.asking.ended(number, None);
        if let Some(dialogue) = self.dialogues.remove(&number)
            && (dialogue.session.is_some()
                || dialogue.connection.destination.security == Security::Plain)
        {
            self.open = self.open.saturating_sub(1);
        }
    }

    fn after_ms(&self, number: u32) -> u64 {
        let opened = self
            .dialogues
            .get(&number)
            .map_or(self.now, |dialogue| dialogue.opened);
        u64::try_from((self.now - opened).as_millis()).unwrap_or(u64::MAX)
    }
}

/// A message that came to the receiver.
fn receipt(token: Token, recipient: &str) -> Receipt {
    Receipt {
        token,
        message_token: true,
        peer: SocketAddr::from(([192, 0, 2, 7], 25)),
        helo: "mx.target.example".into(),
        tls: false,
        reverse_path: "<>".into(),
        forward_path: Octets::from(recipient),
        received: Vec::new(),
        size: 100,
    }
}
