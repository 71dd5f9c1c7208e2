//! A dialogue: what was said on one connection, in order.

use jiff::Timestamp;

use crate::{
    catalogue::{TestId, TestRole},
    event::TlsFacts,
    octets::Octets,
    path::PathId,
    smtp::{Capabilities, End, Purpose, Reply, Security, Stage},
};

const MAX_EXCHANGES: usize = 1_000;

/// One connection.
#[derive(Clone, Debug)]
pub struct Dialogue {
    /// The path.
    pub path: PathId,
    /// The tests that it was for.
    pub tests: Vec<TestId>,
    /// True if a message was to be sent.
    pub proof: bool,
    /// How often these tests had been tried before.
    pub attempt: u32,
    /// The user name that it logs in with, where its test is asked for several.
    pub login: Option<String>,
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
    pub test: Option<TestId>,
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
    /// True if this is one more reply to a command that was answered before.
    #[must_use]
    pub fn is_extra_reply(&self) -> bool {
        self.sent.is_none() && !matches!(self.stage, Stage::Greeting | Stage::Quit)
    }

    /// True if the exchange answers one of several tests that share the connection.
    #[must_use]
    pub fn is_own_answer(&self) -> bool {
        self.test.is_some() && self.purpose != Some(Purpose::Aside)
    }

    /// True if the reply rejects the header before the greeting (Haraka 3.1: `421 PROXY not allowed
    /// from …`).
    #[must_use]
    pub fn refuses_header(&self) -> bool {
        let is_before_envelope = matches!(self.stage, Stage::Greeting | Stage::Ehlo | Stage::Helo);
        is_before_envelope
            && self
                .reply
                .as_ref()
                .is_some_and(|reply| reply.text().starts_with("PROXY not allowed"))
    }

    /// Returns the exchange and its reply, if the reply is a rejection that decides the test.
    #[must_use]
    pub fn decisive_refusal(&self) -> Option<(&Self, &Reply)> {
        // RFC 5321 section 3.8: 421 means that the connection closes, whatever the command was.
        let may_decide =
            |reply: &&Reply| reply.is_negative() && (reply.code != 421 || self.refuses_header());
        let reply = self.reply.as_ref().filter(may_decide)?;
        let decides = match self.stage {
            Stage::Mail | Stage::Rcpt | Stage::Auth | Stage::Other => {
                // A message for proof has several recipients. Each is an attempt, and its reply
                // decides its own test.
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
    /// Returns the exchanges that can decide a test: not other tests' steps, and not EHLO if the
    /// client went on with HELO.
    pub fn answers_for(&self, test: TestId) -> impl Iterator<Item = &Exchange> {
        let has_helo = self
            .exchanges
            .iter()
            .any(|exchange| exchange.stage == Stage::Helo);
        self.exchanges.iter().filter(move |exchange| {
            exchange.test.is_none_or(|of| of == test)
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

    /// True if the server has spoken SMTP on it.
    #[must_use]
    pub fn has_spoken(&self) -> bool {
        self.exchanges
            .iter()
            .any(|exchange| exchange.reply.is_some())
    }

    /// True if a whole message was accepted on it.
    #[must_use]
    pub fn has_delivered(&self) -> bool {
        self.reply_at(Stage::EndOfData)
            .is_some_and(Reply::is_positive)
    }

    /// Returns what the server offered under the protection that the dialogue is for. Offers before
    /// STARTTLS do not count, nor offers to a client that had sent a PROXY header or XCLIENT.
    pub(super) fn offered(&self, security: Security) -> Option<Capabilities> {
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

    /// True if this dialogue is for the test.
    #[must_use]
    pub fn is_for(&self, test: TestId) -> bool {
        self.tests.contains(&test)
    }

    /// True if the dialogue is for several tests.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.tests.len() > 1
    }

    /// The control behind the other tests of a connection that several tests share: postmaster, who
    /// was accepted on the path before.
    #[must_use]
    pub fn closing_control(&self) -> Option<TestId> {
        let last = self
            .tests
            .last()
            .filter(|_| self.is_shared() && !self.proof)?;
        let is_control = last
            .test()
            .is_some_and(|test| test.is(TestRole::Postmaster));
        is_control.then_some(*last)
    }

    /// True if the replies can be credited to their commands: each RSET was accepted, and QUIT had
    /// the reply that nothing else has.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        let mut resets = self
            .exchanges
            .iter()
            .filter(|exchange| exchange.stage == Stage::Rset);
        let are_accepted =
            resets.all(|exchange| exchange.reply.as_ref().is_some_and(Reply::is_positive));
        let is_bidden_farewell = self
            .reply_at(Stage::Quit)
            .is_some_and(|reply| reply.code == 221);
        are_accepted && is_bidden_farewell && self.end == Some(End::Answered)
    }

    /// How much longer the slowest answer to MAIL or RCPT took than the answer to the introduction,
    /// in milliseconds.
    #[must_use]
    pub fn added_delay_ms(&self) -> u64 {
        let introduction_ms = self.slowest_ms([Stage::Ehlo, Stage::Helo]);
        self.slowest_ms([Stage::Mail, Stage::Rcpt])
            .saturating_sub(introduction_ms)
    }

    /// How much longer the greeting took than connecting, by the time of the answer to the
    /// introduction, in milliseconds. Zero before the greeting.
    #[must_use]
    pub fn greeting_delay_ms(&self) -> u64 {
        let introduction_ms = self.slowest_ms([Stage::Ehlo, Stage::Helo]);
        let greeting = self
            .exchanges
            .iter()
            .find(|exchange| exchange.stage == Stage::Greeting);
        let greeted_ms = greeting.and_then(|exchange| exchange.replied_ms);
        // Connecting takes one round trip, and so does the introduction.
        greeted_ms
            .unwrap_or_default()
            .saturating_sub(2 * introduction_ms)
    }

    /// The time of the slowest answer at some stages, in milliseconds.
    fn slowest_ms(&self, stages: [Stage; 2]) -> u64 {
        let latency = |exchange: &Exchange| {
            let (sent_ms, _) = exchange.sent.as_ref()?;
            Some(exchange.replied_ms?.saturating_sub(*sent_ms))
        };
        let exchanges = self.exchanges.iter();
        let exchanges = exchanges.filter(|exchange| stages.contains(&exchange.stage));
        exchanges.filter_map(latency).max().unwrap_or_default()
    }

    /// While nothing was asked, a connection may be for other tests than it was opened for.
    pub(super) fn share(&mut self, tests: Vec<TestId>) -> bool {
        let is_introduction = |exchange: &Exchange| {
            matches!(exchange.stage, Stage::Greeting | Stage::Ehlo | Stage::Helo)
        };
        let fits = !self.proof && self.exchanges.iter().all(is_introduction);
        if fits {
            self.tests = tests;
        }
        fits
    }

    pub(super) fn sent(&mut self, after_ms: u64, stage: Stage, test: Option<TestId>, line: Octets) {
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

    /// Records a reply. It belongs to the oldest command of its stage without a reply.
    pub(super) fn replied(
        &mut self,
        after_ms: u64,
        stage: Stage,
        test: Option<TestId>,
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
            let extra =
                Exchange { stage, test, purpose, sent: None, replied_ms, reply: Some(reply) };
            // An extra reply stands before the reply to QUIT, which may have been sent already.
            let is_open =
                |exchange: &Exchange| exchange.stage == Stage::Quit && exchange.reply.is_none();
            let end = self.exchanges.len();
            let place = if self.exchanges.last().is_some_and(is_open) { end - 1 } else { end };
            self.exchanges.insert(place, extra);
        }
    }

    pub(super) fn opened(
        opened: Timestamp,
        path: PathId,
        tests: Vec<TestId>,
        proof: bool,
        attempt: u32,
    ) -> Self {
        Self {
            path,
            tests,
            proof,
            attempt,
            login: None,
            opened,
            local: None,
            tls: None,
            exchanges: Vec::new(),
            elapsed_ms: 0,
            end: None,
        }
    }
}
