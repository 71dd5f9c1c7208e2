//! The report: the events of a run, folded. It keeps facts; `check` says what they mean.
//!
//! Rules:
//! - Folding never fails: an event that fits nothing (from a damaged log) is counted and left out.
//! - Everything is bounded: paths, dialogues, exchanges, receipts.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    event::{Event, MailExchanger, Path, Receipt, Record, Run, TlsFacts, VERSION, Wait},
    octets::Octets,
    smtp::{Capabilities, Cause, End, Purpose, Reply, Security, Stage},
};

/// More than 255 paths, or 20,000 connections, are no test of a server.
const MAX_DIALOGUES: usize = 20_000;
/// The catalogue's numbers have one octet.
const MAX_TESTS: usize = 256;
const MAX_EXCHANGES: usize = 1_000;
const MAX_RECEIPTS: usize = 10_000;
const MAX_NOTES: usize = 10_000;

/// The facts of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was asked.
    pub run: Option<Run>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// The target's mail exchangers.
    pub exchangers: Vec<MailExchanger>,
    /// The paths, by index.
    pub paths: Vec<PathFacts>,
    /// The dialogues, by number.
    pub dialogues: BTreeMap<u32, Dialogue>,
    /// The messages that came.
    pub receipts: Vec<(Timestamp, Receipt)>,
    /// For what the run waits now.
    pub waiting: Option<(Timestamp, Wait)>,
    /// Facts from outside the relay dialogue.
    pub notes: Vec<Note>,
    /// Events that fitted nothing.
    pub misfits: u64,
}

/// A path and what is to be done on it.
#[derive(Clone, Debug)]
pub struct PathFacts {
    /// The path.
    pub way: Path,
    /// The tests and controls to be run, by id.
    pub tests: Vec<String>,
    /// Those that were not, with the clause that says why.
    pub not_run: BTreeMap<String, String>,
    /// Why the path was given up, if it was.
    pub given_up: Option<Cause>,
}

impl PathFacts {
    fn add_tests(&mut self, tests: Vec<String>) {
        for test in tests {
            if !self.tests.contains(&test) && self.tests.len() < MAX_TESTS {
                self.tests.push(test);
            }
        }
    }
}

/// The name and version of the report as JSON.
pub const SCHEMA: &str = "norelay.report/1";
/// The tag of the note that only what failed in an earlier run was asked again: which run, and how
/// much.
pub const RETESTED: &str = "retested";

/// A fact from outside the relay dialogue.
#[derive(Clone, Debug)]
pub struct Note {
    /// The path, where it is about one.
    pub path: Option<u8>,
    /// Its kind.
    pub tag: String,
    /// Its particulars.
    pub arguments: Vec<Octets>,
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Dialogue {
    /// The path.
    pub path: u8,
    /// The tests that it was for.
    pub tests: Vec<String>,
    /// Whether a message was to be sent.
    pub proof: bool,
    /// How often these tests had been tried before.
    pub attempt: u32,
    /// When it was opened.
    pub opened: Timestamp,
    /// Our address, once it stood.
    pub local: Option<std::net::SocketAddr>,
    /// What TLS showed.
    pub tls: Option<TlsFacts>,
    /// What was said, in order.
    pub exchanges: Vec<Exchange>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// How it ended.
    pub end: Option<End>,
}

/// A command and its answer, or one of them alone.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The stage.
    pub stage: Stage,
    /// The test whose step it is, where the dialogue is for several.
    pub test: Option<String>,
    /// What the answer is for, where it answers a step of a test.
    pub purpose: Option<Purpose>,
    /// What was sent, and when (in milliseconds since the opening).
    pub sent: Option<(u64, Octets)>,
    /// When the answer came.
    pub replied_ms: Option<u64>,
    /// The answer.
    pub reply: Option<Reply>,
}

impl Exchange {
    /// Whether it is another answer to what was answered before.
    #[must_use]
    pub fn is_further(&self) -> bool {
        self.sent.is_none() && !matches!(self.stage, Stage::Greeting | Stage::Quit)
    }

    /// Whether it answers one of several tests that share the connection.
    #[must_use]
    pub fn is_own_answer(&self) -> bool {
        self.test.is_some() && self.purpose != Some(Purpose::Aside)
    }

    /// Whether it says that the header before the greeting isn't taken (Haraka 3.1: `421 PROXY not
    /// allowed from …`).
    #[must_use]
    pub fn refuses_header(&self) -> bool {
        let is_at_the_door = matches!(self.stage, Stage::Greeting | Stage::Ehlo | Stage::Helo);
        is_at_the_door
            && self
                .reply
                .as_ref()
                .is_some_and(|reply| reply.text().starts_with("PROXY not allowed"))
    }

    /// The refusal that ends the question, if this is one.
    #[must_use]
    pub fn decisive_refusal(&self) -> Option<(&Self, &Reply)> {
        // RFC 5321 section 3.8: 421 says that the connection closes, whatever the command was.
        let may_decide =
            |reply: &&Reply| reply.is_negative() && (reply.code != 421 || self.refuses_header());
        let reply = self.reply.as_ref().filter(may_decide)?;
        let decides = match self.stage {
            Stage::Mail | Stage::Rcpt | Stage::Auth | Stage::Other => {
                // In a proof several recipients are asked for: each is an attempt, and decides for
                // its own test.
                self.is_own_answer()
                    || matches!(self.purpose, Some(Purpose::Condition | Purpose::Question))
            }
            Stage::Data => !matches!(self.purpose, Some(Purpose::Attempt | Purpose::Aside)),
            Stage::Greeting | Stage::Ehlo | Stage::Helo | Stage::StartTls | Stage::EndOfData => {
                true
            }
            Stage::Rset | Stage::Quit => false,
        };
        decides.then_some((self, reply))
    }
}

impl Dialogue {
    /// The exchanges that bear on a test: all, but for other tests' steps and an EHLO that HELO
    /// made good.
    pub fn answers_for(&self, test: &str) -> impl Iterator<Item = &Exchange> {
        let has_helo = self
            .exchanges
            .iter()
            .any(|exchange| exchange.stage == Stage::Helo);
        self.exchanges.iter().filter(move |exchange| {
            exchange.test.as_deref().is_none_or(|of| of == test)
                && !(has_helo && exchange.stage == Stage::Ehlo)
        })
    }

    /// The reply at a stage.
    #[must_use]
    pub fn reply_at(&self, stage: Stage) -> Option<&Reply> {
        self.exchanges
            .iter()
            .find(|exchange| exchange.stage == stage)
            .and_then(|exchange| exchange.reply.as_ref())
    }

    /// Whether the server has spoken SMTP on it.
    #[must_use]
    pub fn has_spoken(&self) -> bool {
        self.exchanges
            .iter()
            .any(|exchange| exchange.reply.is_some())
    }

    /// Whether a whole message was accepted on it.
    #[must_use]
    pub fn has_delivered(&self) -> bool {
        self.reply_at(Stage::EndOfData)
            .is_some_and(Reply::is_positive)
    }

    /// What the server offered under the protection that the dialogue is for: not what it offered
    /// before STARTTLS, nor to one who had sent a PROXY header or XCLIENT.
    fn offered(&self, security: Security) -> Option<Capabilities> {
        let has_preface = self
            .exchanges
            .first()
            .is_some_and(|first| first.stage == Stage::Greeting && first.sent.is_some());
        let is_before = |exchange: &&Exchange| {
            security == Security::StartTls && exchange.stage != Stage::StartTls
        };
        let mut hellos = self
            .exchanges
            .iter()
            .skip_while(is_before)
            .filter(|exchange| exchange.purpose.is_none());
        let reply = hellos
            .find(|exchange| exchange.stage == Stage::Ehlo)?
            .reply
            .as_ref();
        reply
            .filter(|reply| !has_preface && reply.is_positive())
            .map(Capabilities::from_reply)
    }

    /// Whether it is for several tests.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.tests.len() > 1
    }

    /// While nothing was asked, a connection may be for other tests than it was opened for.
    fn share(&mut self, tests: Vec<String>) -> bool {
        let is_introduction = |exchange: &Exchange| {
            matches!(exchange.stage, Stage::Greeting | Stage::Ehlo | Stage::Helo)
        };
        let fits = !self.proof && self.exchanges.iter().all(is_introduction);
        if fits {
            self.tests = tests;
        }
        fits
    }

    fn sent(&mut self, after_ms: u64, stage: Stage, test: Option<String>, line: Octets) {
        if self.exchanges.len() < MAX_EXCHANGES {
            let sent = Some((after_ms, line));
            self.exchanges.push(Exchange {
                stage,
                test,
                purpose: None,
                sent,
                replied_ms: None,
                reply: None,
            });
        }
    }

    /// An answer belongs to the oldest command of its stage that has none.
    fn replied(
        &mut self,
        after_ms: u64,
        stage: Stage,
        test: Option<String>,
        purpose: Option<Purpose>,
        reply: Reply,
    ) {
        let open = self
            .exchanges
            .iter_mut()
            .find(|exchange| exchange.stage == stage && exchange.reply.is_none());
        if let Some(exchange) = open.filter(|_| stage != Stage::Greeting) {
            exchange.replied_ms = Some(after_ms);
            exchange.purpose = purpose;
            exchange.reply = Some(reply);
        } else if self.exchanges.len() < MAX_EXCHANGES {
            let replied_ms = Some(after_ms);
            let further =
                Exchange { stage, test, purpose, sent: None, replied_ms, reply: Some(reply) };
            // A further answer comes before that to QUIT, which may have been said already.
            let is_open =
                |exchange: &Exchange| exchange.stage == Stage::Quit && exchange.reply.is_none();
            let end = self.exchanges.len();
            let place = if self.exchanges.last().is_some_and(is_open) { end - 1 } else { end };
            self.exchanges.insert(place, further);
        }
    }
}

impl Report {
    /// The earlier run, and how much of it was asked again, where this run asked nothing else.
    #[must_use]
    pub fn retested(&self) -> Option<(String, String)> {
        let note = self.notes.iter().find(|note| note.tag == RETESTED)?;
        let [run, counts] = &note.arguments[..] else { return None };
        Some((run.to_string(), counts.to_string()))
    }

    /// Folds a whole log.
    #[must_use]
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut report = Self::default();
        for record in records {
            report.apply(record);
        }
        report
    }

    /// Takes one more event.
    pub fn apply(&mut self, record: &Record) {
        if record.v != VERSION || !self.take(record.at, record.event.clone()) {
            self.misfits += 1;
        }
    }

    /// Says whether the event fitted.
    fn take(&mut self, at: Timestamp, event: Event) -> bool {
        match event {
            Event::RunStarted(run) => {
                self.started = Some(at);
                self.run = Some(run);
            }
            Event::Resolved { exchangers } => self.exchangers = exchangers,
            Event::PathAdded { path, way, tests } => {
                let fits = usize::from(path) == self.paths.len();
                if fits {
                    self.paths.push(PathFacts {
                        way,
                        tests,
                        not_run: BTreeMap::new(),
                        given_up: None,
                    });
                }
                return fits;
            }
            Event::TestsAdded { path, tests } => match self.paths.get_mut(usize::from(path)) {
                Some(path) => path.add_tests(tests),
                None => return false,
            },
            Event::Opened { dialogue, path, tests, proof, attempt } => {
                let fits = usize::from(path) < self.paths.len()
                    && self.dialogues.len() < MAX_DIALOGUES
                    && !self.dialogues.contains_key(&dialogue);
                if fits {
                    self.dialogues
                        .insert(dialogue, Dialogue::opened(at, path, tests, proof, attempt));
                    self.waiting = None;
                    // A run that was resumed is not over.
                    (self.finished, self.stopped) = (None, false);
                }
                return fits;
            }
            Event::NotRun { path, test, why } => match self.paths.get_mut(usize::from(path)) {
                Some(path) => drop(path.not_run.insert(test, why)),
                None => return false,
            },
            Event::Resumed => {
                (self.finished, self.stopped) = (None, false);
                self.paths.iter_mut().for_each(|path| path.given_up = None);
            }
            Event::GivenUp { path, cause } => match self.paths.get_mut(usize::from(path)) {
                Some(path) => path.given_up = Some(cause),
                None => return false,
            },
            Event::Waiting { until, why, .. } => self.waiting = Some((until, why)),
            Event::Received(receipt) => {
                let is_ours = self
                    .run
                    .as_ref()
                    .is_some_and(|run| run.run == receipt.token.run);
                if is_ours && self.receipts.len() < MAX_RECEIPTS {
                    self.receipts.push((at, receipt));
                }
                return is_ours;
            }
            Event::Noted { path, tag, arguments } if self.notes.len() < MAX_NOTES => {
                self.notes.push(Note { path, tag, arguments });
            }
            Event::Noted { .. } => return false,
            Event::RunFinished { stopped } => {
                self.finished = Some(at);
                self.stopped = stopped;
                self.waiting = None;
            }
            other => return self.take_dialogue(other),
        }
        true
    }

    fn take_dialogue(&mut self, event: Event) -> bool {
        let (number, after_ms) = match &event {
            Event::Connected { dialogue, after_ms, .. }
            | Event::Shared { dialogue, after_ms, .. }
            | Event::Secured { dialogue, after_ms, .. }
            | Event::Sent { dialogue, after_ms, .. }
            | Event::Replied { dialogue, after_ms, .. }
            | Event::Ended { dialogue, after_ms, .. } => (*dialogue, *after_ms),
            _ => return false,
        };
        let Some(dialogue) = self.dialogues.get_mut(&number) else { return false };
        dialogue.elapsed_ms = dialogue.elapsed_ms.max(after_ms);
        match event {
            Event::Connected { local, .. } => dialogue.local = Some(local),
            Event::Shared { tests, .. } => return dialogue.share(tests),
            Event::Secured { tls, .. } => dialogue.tls = Some(tls),
            Event::Sent { stage, test, line, .. } => dialogue.sent(after_ms, stage, test, line),
            Event::Replied { stage, test, purpose, reply, .. } => {
                dialogue.replied(after_ms, stage, test, purpose, reply)
            }
            Event::Ended { end, .. } => dialogue.end = Some(end),
            _ => {}
        }
        true
    }

    /// What the server offered on a path, connection by connection, under the path's own
    /// protection.
    pub fn offers_on(&self, path: u8) -> impl DoubleEndedIterator<Item = Capabilities> {
        let security = self
            .paths
            .get(usize::from(path))
            .map(|facts| facts.way.security);
        let of_path = self
            .dialogues
            .values()
            .filter(move |dialogue| dialogue.path == path);
        of_path.filter_map(move |dialogue| dialogue.offered(security?))
    }

    /// Whether the server has said what it offers on a path, and never was this keyword among it.
    #[must_use]
    pub fn never_offers(&self, path: u8, keyword: &str) -> bool {
        let mut offers = self.offers_on(path).peekable();
        offers.peek().is_some() && !offers.any(|offered| offered.offers(keyword))
    }

    /// The dialogues of a test on a path, oldest first.
    pub fn dialogues_of<'a>(
        &'a self,
        path: u8,
        test: &'a str,
    ) -> impl Iterator<Item = (u32, &'a Dialogue)> {
        let of_path = self
            .dialogues
            .iter()
            .filter(move |(_, dialogue)| dialogue.path == path);
        of_path
            .filter(move |(_, dialogue)| dialogue.tests.iter().any(|id| id == test))
            .map(|(number, dialogue)| (*number, dialogue))
    }
}

impl Dialogue {
    fn opened(opened: Timestamp, path: u8, tests: Vec<String>, proof: bool, attempt: u32) -> Self {
        Self {
            path,
            tests,
            proof,
            attempt,
            opened,
            local: None,
            tls: None,
            exchanges: Vec::new(),
            elapsed_ms: 0,
            end: None,
        }
    }
}
