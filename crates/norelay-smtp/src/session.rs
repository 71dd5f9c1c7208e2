//! The client's side of one connection, without I/O: octets and time go in, octets and events come
//! out.
//!
//! Rules:
//! - One session carries one [`Transaction`]. It never judges an answer; it only knows which answer
//!   ends it.
//! - Nothing is said before the whole greeting has come, and no text of a message without a 354.
//! - An answer belongs to the oldest command in flight; one that comes with none in flight is a
//!   violation, and nothing is believed after a violation.
//! - The deadline covers a whole reply from the moment its command was handed over, so that a
//!   server that drips octets gains no time by it, and writes count as waiting.
//! - Where commands travel together, answers that can't be in their order break the dialogue: a 221
//!   to anything but QUIT (an answer is missing), a recipient accepted after a refused MAIL (two
//!   have changed places).
//! - QUIT is said and, unless the transaction asks for it, not waited for. Where it is and
//!   PIPELINING is offered, it travels with the last recipient, if nothing else can follow: then
//!   its reply costs no time.
//! - What is injected behind STARTTLS needs no answer: without one, the dialogue is over.
//! - A server that takes no preface answers it as a command: a refusal that could be that answer is
//!   taken for it, and ends the dialogue, so that no later answer is credited to the wrong command.
//!
//! The caller connects, calls [`Session::start`], moves octets between the socket and
//! [`Session::handle_input`] / [`Session::poll_transmit`], tells the time, and drains
//! [`Session::poll_event`].

mod end;

use std::{collections::VecDeque, time::Duration};

pub use self::end::{Cause, End};
use super::{
    capability::Capabilities,
    command::{Hello, Purpose, Security, Stage, Step, Transaction},
    reply::{Reply, ReplyClass, ReplyReader, Violation},
};
use crate::octets::Octets;

/// How long an answer to what was injected before TLS is waited for: a server that kept the line
/// has it at hand.
const INJECTED: Duration = Duration::from_secs(3);

/// What stands in an event in the place of a secret.
pub const BLACKED_OUT: &str = "********";

/// What happened in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// A line (or the text of the message) was handed over for sending.
    Sent {
        /// Where it stands in the dialogue.
        stage: Stage,
        /// Which step of the transaction it is, if one.
        step: Option<usize>,
        /// The line without CRLF, secrets blacked out.
        line: Octets,
    },
    /// A reply came.
    Replied {
        /// The stage of the command that it answers.
        stage: Stage,
        /// The step that it answers, if one.
        step: Option<usize>,
        /// The reply.
        reply: Reply,
    },
    /// The caller is to make the TLS handshake now, then call [`Session::handle_secured`].
    Secure,
    /// The session is over; what `poll_transmit` still holds may be sent.
    Ended(End),
}

/// The last reply before the reply to QUIT. A server may count its replies rightly after those of
/// one kind and wrongly after those of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastReply {
    /// A 2xx reply.
    Positive,
    /// Any other reply, or none.
    Negative,
}

/// A command in flight.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    stage: Stage,
    step: Option<usize>,
    /// Whether the octets have been fetched for sending: until then nobody can have answered them.
    transmitted: bool,
}

/// One client dialogue.
#[derive(Debug)]
pub struct Session {
    transaction: Transaction,
    reply_timeout: Duration,
    greeting_timeout: Duration,
    reader: ReplyReader,
    in_flight: VecDeque<InFlight>,
    output: Vec<u8>,
    events: VecDeque<SessionEvent>,
    capabilities: Capabilities,
    deadline: Option<Duration>,
    next_step: usize,
    turns_said: usize,
    accepted_recipients: usize,
    mail_refused: bool,
    securing: bool,
    secured: bool,
    quit_said: bool,
    quitting: bool,
    known_farewells: [bool; 2],
    mail_accepted: bool,
    last_was_positive: bool,
    last_answered: Option<(Stage, Option<usize>)>,
    ended: bool,
}

impl Session {
    /// A session that waits at most `reply_timeout` for each reply (never longer than RFC 5321
    /// section 4.5.3.2 asks).
    #[must_use]
    pub fn new(transaction: Transaction, reply_timeout: Duration) -> Self {
        let secured = transaction.security == Security::Tls;
        Self {
            transaction,
            reply_timeout,
            greeting_timeout: reply_timeout,
            reader: ReplyReader::default(),
            in_flight: VecDeque::new(),
            output: Vec::new(),
            events: VecDeque::new(),
            capabilities: Capabilities::default(),
            deadline: None,
            next_step: 0,
            turns_said: 0,
            accepted_recipients: 0,
            mail_refused: false,
            securing: false,
            secured,
            quit_said: false,
            quitting: false,
            known_farewells: [false; 2],
            mail_accepted: false,
            last_was_positive: false,
            last_answered: None,
            ended: false,
        }
    }

    /// Shortens the wait for the greeting to at most `greeting_timeout`, for a server that has
    /// greeted other connections sooner.
    #[must_use]
    pub fn with_greeting_timeout(self, greeting_timeout: Duration) -> Self {
        Self { greeting_timeout: self.reply_timeout.min(greeting_timeout), ..self }
    }

    /// Replaces the steps that follow the introduction, unless the first of the old steps has been
    /// sent already.
    pub fn replace_steps(&mut self, steps: Vec<Step>) {
        if self.next_step == 0 && !self.ended {
            self.transaction.steps = steps;
        }
    }

    /// The connection stands (after the handshake, where TLS comes first). Times are counted from
    /// any fixed moment.
    pub fn start(&mut self, now: Duration) {
        let preface = self.transaction.preface.clone();
        if !preface.is_empty() {
            self.output.extend_from_slice(preface.as_bytes());
            self.events.push_back(SessionEvent::Sent {
                stage: Stage::Greeting,
                step: None,
                line: preface,
            });
        }
        self.expect(now, Stage::Greeting, None);
    }

    /// Octets came from the server.
    pub fn handle_input(&mut self, now: Duration, input: &[u8]) {
        for octet in input {
            if self.ended {
                return;
            }
            if self.securing && self.injected_step().is_some() {
                // The answer to our own line, in the clear: the server didn't keep it.
                return self.hang_up(End::Answered);
            }
            if self.securing {
                return self.violated(Violation::InjectedBeforeTls);
            }
            match self.reader.take(*octet) {
                None => {}
                Some(Ok(reply)) => self.handle_reply(now, reply),
                Some(Err(violation)) => self.violated(violation),
            }
        }
    }

    /// The handshake that [`SessionEvent::Secure`] asked for has succeeded.
    pub fn handle_secured(&mut self, now: Duration) {
        if self.securing && !self.ended {
            self.securing = false;
            self.secured = true;
            // RFC 3207 section 4.2: everything learnt in the clear is forgotten.
            self.capabilities = Capabilities::default();
            match self.injected_step().is_some() {
                true => self.await_injected(now),
                false => self.say_hello(now),
            }
        }
    }

    /// The handshake failed.
    pub fn handle_tls_failure(&mut self, error: String) {
        match self.injected_step().is_some() {
            true => self.hang_up(End::Answered),
            false => self.interrupt(Cause::TlsFailed { error }),
        }
    }

    /// The connection closed (`error` is `None`) or broke, in reading or in writing.
    pub fn handle_disconnect(&mut self, error: Option<String>) {
        match self.stage() {
            // Many servers close without a 221.
            Stage::Quit => self.hang_up(End::Answered),
            _ if self.awaits_injected() => self.hang_up(End::Answered),
            stage => self.interrupt(Cause::Disconnected { stage, error }),
        }
    }

    /// Time passed; ends the session where its deadline has come.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            match self.stage() {
                Stage::Quit => self.hang_up(End::Answered),
                _ if self.awaits_injected() => self.hang_up(End::Answered),
                stage => self.interrupt(Cause::TimedOut { stage }),
            }
        }
    }

    /// The caller gives up.
    pub fn stop(&mut self) {
        self.interrupt(Cause::Stopped);
    }

    /// What is to be sent now; empty when nothing is.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Vec<u8> {
        for command in &mut self.in_flight {
            command.transmitted = true;
        }
        std::mem::take(&mut self.output)
    }

    /// When [`Session::handle_timeout`] is to be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.deadline.filter(|_| !self.ended)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// Whether the session is over.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Ends the session without waiting for the reply to QUIT if the reply before is such as
    /// `after`. Has no effect on a session with a preface, since some servers answer a preface and
    /// others don't.
    pub fn skip_quit_reply(&mut self, after: LastReply) {
        let is_positive = after == LastReply::Positive;
        self.known_farewells[usize::from(is_positive)] = self.transaction.preface.is_empty();
        self.transaction.awaits_quit_reply &= self.known_farewells != [true; 2];
    }

    /// Whether nothing is awaited any more but the reply to QUIT.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        !self.ended
            && self
                .in_flight
                .front()
                .is_some_and(|command| command.stage == Stage::Quit)
    }

    /// What the server offered in its latest EHLO reply.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// What is being waited for.
    fn stage(&self) -> Stage {
        match self.in_flight.front() {
            Some(command) => command.stage,
            None if self.securing => Stage::StartTls,
            None => Stage::Greeting,
        }
    }

    fn expect(&mut self, now: Duration, stage: Stage, step: Option<usize>) {
        if self.in_flight.is_empty() {
            self.set_deadline(now, stage);
        }
        self.in_flight
            .push_back(InFlight { stage, step, transmitted: stage == Stage::Greeting });
    }

    fn set_deadline(&mut self, now: Duration, stage: Stage) {
        let limit =
            if stage == Stage::Greeting { self.greeting_timeout } else { self.reply_timeout };
        self.deadline = Some(now.saturating_add(stage.timeout().min(limit)));
    }

    /// Hands a line over for sending and expects its reply.
    fn say(&mut self, now: Duration, stage: Stage, step: Option<usize>, line: &Octets) {
        let shown = match step.map(|index| &self.transaction.steps[index]) {
            Some(step) if step.secret => black_out(line),
            _ => line.clone(),
        };
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        self.events
            .push_back(SessionEvent::Sent { stage, step, line: shown });
        self.expect(now, stage, step);
    }

    /// Whether STARTTLS was accepted, and with it went the line that may be answered now.
    fn awaits_injected(&self) -> bool {
        self.injected_step().is_some() && (self.securing || self.secured)
    }

    /// The injected line is the only one in flight: what comes now answers it.
    fn await_injected(&mut self, now: Duration) {
        self.in_flight.push_back(InFlight {
            stage: Stage::Other,
            step: Some(0),
            transmitted: true,
        });
        self.next_step = 1;
        self.deadline = Some(now.saturating_add(INJECTED.min(self.reply_timeout)));
    }

    /// Another answer to what was asked last.
    fn take_further(&mut self, reply: Reply) {
        let (stage, step) = self.last_answered.unwrap_or((Stage::Greeting, None));
        self.events
            .push_back(SessionEvent::Replied { stage, step, reply });
    }

    fn handle_reply(&mut self, now: Duration, reply: Reply) {
        if self.transaction.ambiguous && self.quitting && !matches!(reply.code, 221 | 421) {
            return self.take_further(reply);
        }
        let Some(InFlight { stage, step, .. }) =
            self.in_flight.pop_front_if(|command| command.transmitted)
        else {
            return self.take_unasked(reply);
        };
        if let Some(next) = self.in_flight.front() {
            self.set_deadline(now, next.stage);
        } else {
            self.deadline = None;
        }
        self.events
            .push_back(SessionEvent::Replied { stage, step, reply: reply.clone() });
        if reply.code == 421 {
            return self.interrupt(Cause::Closing { stage, reply });
        }
        if self.is_out_of_order(stage, &reply) {
            return self.misplaced(stage, reply);
        }
        if self.quitting && stage != Stage::Quit {
            return;
        }
        if stage != Stage::Quit {
            self.last_was_positive = reply.is_positive();
            self.last_answered = Some((stage, step));
        }
        match (stage, step) {
            (Stage::Greeting, _) => self.take_greeting(now, reply),
            (Stage::Ehlo | Stage::Helo, None) => self.take_hello(now, stage, reply),
            (Stage::StartTls, None) => self.take_starttls(now, reply),
            (Stage::Data, None) => self.take_data(now, reply),
            (_, Some(step)) => self.take_answer(now, step, reply),
            // After a refusal a 250 may be the answer that was meant for RCPT. Who takes no QUIT
            // here (msmtpd after RCPT) says that it's no command, or out of order (RFC 5321 section
            // 4.3.2).
            (Stage::Quit, None)
                if matches!(reply.code, 221 | 500..=503)
                    || (self.last_was_positive && reply.is_positive()) =>
            {
                self.hang_up(End::Answered);
            }
            (Stage::Quit, None) => self.misplaced(stage, reply),
            _ => self.end(now, End::Answered),
        }
    }

    /// Whether an answer shows that those before it were another command's. A 221 is for QUIT alone
    /// (RFC 5321 section 4.2.3); who has refused every MAIL has no recipient to accept (section
    /// 4.1.4), though RCPT travelled with it.
    fn is_out_of_order(&self, stage: Stage, reply: &Reply) -> bool {
        let travelled_together =
            self.transaction.pipelining && self.capabilities.offers("PIPELINING");
        match stage {
            Stage::Rcpt
                if reply.is_positive()
                    && travelled_together
                    && self.mail_refused
                    && !self.mail_accepted =>
            {
                true
            }
            Stage::Rset | Stage::Mail | Stage::Rcpt | Stage::Data | Stage::EndOfData => {
                reply.code == 221
            }
            _ => false,
        }
    }

    /// A reply while nothing awaits one: at most it answers the preface.
    fn take_unasked(&mut self, reply: Reply) {
        let may_answer_preface = !self.transaction.preface.is_empty() && self.next_step == 0;
        if may_answer_preface && reply.is_negative() {
            self.events.push_back(SessionEvent::Replied {
                stage: Stage::Greeting,
                step: None,
                reply,
            });
            return self.hang_up(End::Answered);
        }
        self.violated(Violation::Unsolicited { reply });
    }

    fn take_greeting(&mut self, now: Duration, reply: Reply) {
        match reply.class() {
            // RFC 5321 section 4.3.2: 220 is the only greeting that opens a session.
            _ if reply.code == 220 => self.say_hello(now),
            ReplyClass::PositiveCompletion | ReplyClass::PositiveIntermediate => {
                self.misplaced(Stage::Greeting, reply)
            }
            _ => self.end(now, End::Answered),
        }
    }

    fn say_hello(&mut self, now: Duration) {
        match self.transaction.hello.clone() {
            Hello::Ehlo(name) => self.say(now, Stage::Ehlo, None, &format!("EHLO {name}").into()),
            Hello::Helo(name) => self.say(now, Stage::Helo, None, &format!("HELO {name}").into()),
            Hello::Silent => self.advance(now),
        }
    }

    fn take_hello(&mut self, now: Duration, stage: Stage, reply: Reply) {
        match (reply.class(), &self.transaction.hello) {
            (ReplyClass::PositiveCompletion, _) if reply.code == 250 => {
                if stage == Stage::Ehlo {
                    self.capabilities = Capabilities::from_reply(&reply);
                }
                self.secure_or_advance(now);
            }
            (ReplyClass::PositiveCompletion | ReplyClass::PositiveIntermediate, _) => {
                self.misplaced(stage, reply)
            }
            // Perhaps the answer to the preface: then that to EHLO is still to come, and must not
            // answer a QUIT.
            _ if !self.transaction.preface.is_empty() => self.hang_up(End::Answered),
            (ReplyClass::PermanentNegative, Hello::Ehlo(name))
                if stage == Stage::Ehlo && !self.secured =>
            {
                let line = format!("HELO {name}").into();
                self.say(now, Stage::Helo, None, &line);
            }
            _ => self.end(now, End::Answered),
        }
    }

    fn secure_or_advance(&mut self, now: Duration) {
        if self.transaction.security != Security::StartTls || self.secured {
            self.advance(now);
        } else if self.capabilities.offers("STARTTLS") {
            self.say(now, Stage::StartTls, None, &"STARTTLS".into());
            self.inject();
        } else {
            self.end(now, End::NotOffered("STARTTLS".to_owned()));
        }
    }

    /// The step that travels in the clear behind STARTTLS, if the transaction has such a step.
    fn injected_step(&self) -> Option<&Step> {
        self.transaction
            .steps
            .first()
            .filter(|_| self.transaction.injects)
    }

    /// Sends the first step in the clear behind STARTTLS, if the transaction asks for it.
    fn inject(&mut self) {
        let Some(step) = self.injected_step().cloned() else {
            return;
        };
        self.output.extend_from_slice(step.line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        self.events.push_back(SessionEvent::Sent {
            stage: step.stage,
            step: Some(0),
            line: step.line,
        });
    }

    fn take_starttls(&mut self, now: Duration, reply: Reply) {
        match reply.class() {
            ReplyClass::PositiveCompletion => {
                self.securing = true;
                self.deadline = None;
                self.events.push_back(SessionEvent::Secure);
            }
            ReplyClass::PositiveIntermediate => self.misplaced(Stage::StartTls, reply),
            _ => self.end(now, End::Answered),
        }
    }

    /// Says the next step, and those that may travel with it.
    fn advance(&mut self, now: Duration) {
        loop {
            let Some(step) = self.transaction.steps.get(self.next_step).cloned() else {
                return self.conclude(now);
            };
            if !self.in_flight.is_empty() && !self.may_join(&step) {
                return;
            }
            if let Some(keyword) = step
                .requires
                .as_deref()
                .filter(|keyword| !self.capabilities.offers(keyword))
            {
                return self.end(now, End::NotOffered(keyword.to_owned()));
            }
            let index = self.next_step;
            self.next_step += 1;
            // Where another transaction follows, its recipient is not asked for after a refused
            // MAIL.
            if step.stage == Stage::Rcpt
                && matches!(step.purpose, Purpose::Attempt | Purpose::Aside)
                && self.mail_refused
                && self.in_flight.is_empty()
            {
                continue;
            }
            self.turns_said = 0;
            if step.stage == Stage::Mail {
                self.accepted_recipients = 0;
            }
            self.say(now, step.stage, Some(index), &step.line);
        }
    }

    /// All steps are said: what follows, now or with them.
    fn conclude(&mut self, now: Duration) {
        let Transaction { awaits_quit_reply, ambiguous, message, .. } = &self.transaction;
        let is_last = *awaits_quit_reply && !ambiguous && message.is_none() && !self.quit_said;
        match self.in_flight.as_slices() {
            ([], []) => self.say_data_or_end(now),
            ([command], []) if command.stage == Stage::Quit => self.end(now, End::Answered),
            _ if is_last
                && self.may_pipeline()
                && self
                    .in_flight
                    .back()
                    .is_some_and(|last| last.stage == Stage::Rcpt) =>
            {
                self.say_quit(now);
            }
            _ => {}
        }
    }

    /// RFC 2920 section 3.1: RSET, MAIL and RCPT may follow one another without waiting.
    fn may_pipeline(&self) -> bool {
        let is_envelope =
            |command: &InFlight| matches!(command.stage, Stage::Rset | Stage::Mail | Stage::Rcpt);
        self.transaction.pipelining
            && self.capabilities.offers("PIPELINING")
            && self.in_flight.iter().all(is_envelope)
    }

    /// A recipient may; another transaction where it follows whatever the answers are.
    fn may_join(&self, step: &Step) -> bool {
        let follows_anyway = matches!(step.stage, Stage::Rset | Stage::Mail)
            && matches!(step.purpose, Purpose::Attempt | Purpose::Aside);
        (step.stage == Stage::Rcpt || follows_anyway) && self.may_pipeline()
    }

    fn say_quit(&mut self, now: Duration) {
        self.quit_said = true;
        self.say(now, Stage::Quit, None, &"QUIT".into());
    }

    fn take_answer(&mut self, now: Duration, index: usize, reply: Reply) {
        let step = self.transaction.steps[index].clone();
        match reply.class() {
            ReplyClass::PositiveIntermediate if step.stage == Stage::Auth => {
                return self.take_turn(now, index, &step);
            }
            // A step may ask for DATA out of turn; a 354 to it must not be followed by anything but
            // the end.
            ReplyClass::PositiveIntermediate if step.stage == Stage::Data => {
                return self.hang_up(End::Answered);
            }
            ReplyClass::PositiveIntermediate => return self.misplaced(step.stage, reply),
            ReplyClass::PositiveCompletion if step.stage == Stage::Rcpt => {
                self.accepted_recipients += 1
            }
            _ => {}
        }
        match step.stage {
            Stage::Mail => {
                self.mail_refused = reply.is_negative() && step.purpose != Purpose::Aside;
                self.mail_accepted |= reply.is_positive();
            }
            Stage::Rset => {
                self.mail_refused = false;
                self.mail_accepted = false;
            }
            _ => {}
        }
        if reply.is_negative() && matches!(step.purpose, Purpose::Condition | Purpose::Question) {
            return self.end(now, End::Answered);
        }
        self.advance(now);
    }

    /// RFC 4954 section 4: each 334 asks for a line; `*` cancels the exchange.
    fn take_turn(&mut self, now: Duration, index: usize, step: &Step) {
        let line = step.turns.get(self.turns_said).cloned();
        self.turns_said += 1;
        if self.turns_said > step.turns.len() + 2 {
            return self.end(now, End::Answered);
        }
        self.say(now, Stage::Auth, Some(index), &line.unwrap_or_else(|| "*".into()));
    }

    fn say_data_or_end(&mut self, now: Duration) {
        match self
            .transaction
            .message
            .clone()
            .filter(|_| self.accepted_recipients > 0)
        {
            Some(message) if self.transaction.chunking => self.say_chunk(now, &message),
            Some(_) => self.say(now, Stage::Data, None, &"DATA".into()),
            None => self.end(now, End::Answered),
        }
    }

    /// RFC 3030 section 2: the one and last chunk, as it is, is answered as the end of data is.
    fn say_chunk(&mut self, now: Duration, message: &Octets) {
        let line =
            [format!("BDAT {} LAST\r\n", message.len()).as_bytes(), message.as_bytes()].concat();
        self.output.extend_from_slice(&line);
        self.events.push_back(SessionEvent::Sent {
            stage: Stage::EndOfData,
            step: None,
            line: line.into(),
        });
        self.expect(now, Stage::EndOfData, None);
    }

    fn take_data(&mut self, now: Duration, reply: Reply) {
        match (reply.class(), self.transaction.message.clone()) {
            (ReplyClass::PositiveIntermediate, Some(message)) => {
                match self.transaction.ambiguous {
                    true => self.output.extend_from_slice(message.as_bytes()),
                    false => self
                        .output
                        .extend_from_slice(&dot_stuffed(message.as_bytes())),
                }
                let text = message.as_bytes();
                let shown = text
                    .strip_suffix(b".\r\n")
                    .filter(|_| self.transaction.ambiguous)
                    .unwrap_or(text)
                    .into();
                self.events.push_back(SessionEvent::Sent {
                    stage: Stage::EndOfData,
                    step: None,
                    line: shown,
                });
                self.expect(now, Stage::EndOfData, None);
            }
            (ReplyClass::PositiveCompletion, _) => self.misplaced(Stage::Data, reply),
            _ => self.end(now, End::Answered),
        }
    }

    fn misplaced(&mut self, stage: Stage, reply: Reply) {
        self.interrupt(Cause::Violated { stage, violation: Violation::Misplaced { reply } });
    }

    fn violated(&mut self, violation: Violation) {
        let stage = self.stage();
        self.interrupt(Cause::Violated { stage, violation });
    }

    fn interrupt(&mut self, cause: Cause) {
        self.hang_up(End::Interrupted(cause));
    }

    /// The end of a dialogue that is still in order: with a QUIT.
    fn end(&mut self, now: Duration, end: End) {
        if self.ended {
            return;
        }
        let waits = self.transaction.awaits_quit_reply
            && !self.known_farewells[usize::from(self.last_was_positive)];
        if end == End::Answered && (waits || self.transaction.ambiguous) {
            // The answers still in flight are to questions that no longer matter; QUIT's comes
            // after them.
            self.quitting = true;
            if !self.quit_said {
                self.say_quit(now);
            }
            return;
        }
        if self.in_flight.is_empty() {
            self.output.extend_from_slice(b"QUIT\r\n");
            self.events.push_back(SessionEvent::Sent {
                stage: Stage::Quit,
                step: None,
                line: "QUIT".into(),
            });
        }
        self.hang_up(end);
    }

    fn hang_up(&mut self, end: End) {
        if !self.ended {
            self.ended = true;
            self.deadline = None;
            self.events.push_back(SessionEvent::Ended(end));
        }
    }
}

/// `AUTH PLAIN ********`: the mechanism may be seen, the rest not.
fn black_out(line: &Octets) -> Octets {
    let text = line.to_text();
    match text
        .split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [verb, mechanism] if verb.eq_ignore_ascii_case("AUTH") => {
            format!("{verb} {mechanism} {BLACKED_OUT}").into()
        }
        _ => BLACKED_OUT.into(),
    }
}

/// RFC 5321 section 4.5.2, with the final dot.
fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    if !stuffed.is_empty() && !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

#[cfg(test)]
mod tests;
