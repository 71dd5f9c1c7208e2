//! The client's side of one connection, without I/O: octets and time go in, octets and events come
//! out.
//!
//! | Phase     | What happens                                       | Next phase             |
//! |-----------|----------------------------------------------------|------------------------|
//! | Greeting  | 220                                                | Hello                  |
//! |           | 220, and the client does not introduce itself      | Steps                  |
//! |           | a rejection                                        | *leave*                |
//! | Hello     | 250, and STARTTLS is needed and offered            | StartTls               |
//! |           | 250, and STARTTLS is needed but not offered        | Ended                  |
//! |           | 250 otherwise                                      | Steps                  |
//! |           | 5xx to EHLO in the clear                           | Hello, now with HELO   |
//! |           | another rejection                                  | *leave*                |
//! |           | a rejection that may answer the preface            | Ended                  |
//! | StartTls  | 2xx                                                | Securing               |
//! |           | a rejection                                        | *leave*                |
//! | Securing  | the handshake succeeds                             | Hello under TLS        |
//! |           | the handshake succeeds after a line was injected   | Injected               |
//! |           | the handshake fails                                | Ended                  |
//! | Injected  | the answer to the injected line                    | *leave*                |
//! |           | no answer                                          | Ended                  |
//! | Steps     | an answer, and more steps follow                   | Steps                  |
//! |           | a rejection of a condition or of the question      | *leave*                |
//! |           | a step needs what the server does not offer        | Ended                  |
//! |           | all steps are answered, and a message can go       | Data (Text with BDAT)  |
//! |           | all steps are answered otherwise                   | *leave*                |
//! | Data      | 354                                                | Text                   |
//! |           | a rejection                                        | *leave*                |
//! | Text      | any reply                                          | *leave*                |
//! | Leaving   | the reply to QUIT, or none                         | Ended                  |
//! | all       | 421, a violation, no reply in time, a lost         | Ended                  |
//! |           | connection, or [`Session::stop`]                   |                        |
//!
//! *leave* says QUIT. It leads to Leaving if the reply to QUIT is awaited, and to Ended otherwise.
//!
//! Rules:
//! - One session carries one [`Transaction`]. The session never judges an answer. It knows only
//!   which answer ends the transaction.
//! - Nothing is said before the whole greeting has come, and no message is sent without a 354 (but
//!   for BDAT, which has none).
//! - A reply belongs to the oldest command in flight. A reply with no command in flight is a
//!   violation, and nothing is believed after a violation.
//! - The deadline covers a whole reply from the moment its command was handed over. A server that
//!   drips octets gains no time, and writing counts as waiting.
//! - Where commands travel together, replies that cannot be in the order of their commands break
//!   the dialogue: a 221 to anything but QUIT (a reply is missing), or a recipient accepted after a
//!   rejected MAIL (two replies have changed places).
//! - QUIT is said at the end. Its reply is awaited only if the transaction asks for it. With
//!   PIPELINING, QUIT then travels with the last recipient if nothing else can follow, so that its
//!   reply costs no time.
//! - The line injected behind STARTTLS needs no answer. Without an answer the dialogue is over.
//! - A server that knows no PROXY protocol answers the preface as a command. The session treats a
//!   rejection that may be that answer as such and ends the dialogue, so that no later reply is
//!   credited to the wrong command.
//!
//! The caller connects, calls [`Session::start`], moves octets between the socket and
//! [`Session::handle_input`] / [`Session::poll_transmit`], tells the time, and drains
//! [`Session::poll_event`].

mod answers;
mod end;
mod flight;
mod outgoing;
mod phase;
mod steps;

use std::{collections::VecDeque, time::Duration};

pub use self::{
    end::{Cause, End},
    outgoing::BLACKED_OUT,
    phase::LastReply,
};
use self::{
    flight::{Flight, PendingCommand},
    phase::{Channel, LatestAnswer, Phase, QuitReply, StepProgress},
};
use crate::{
    capability::Capabilities,
    command::{Stage, Step, Transaction},
    octets::Octets,
    reply::{Reply, ReplyReader, Violation},
};

/// How long the answer to a line injected before TLS is awaited. A server that has kept the line
/// answers at once.
const INJECTED_TIMEOUT: Duration = Duration::from_secs(3);

/// What happened in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// A line (or the text of the message) was handed over for sending.
    Sent {
        /// Where in the dialogue the line stands.
        stage: Stage,
        /// The index of the step that the line belongs to, if it belongs to one.
        step: Option<usize>,
        /// The line without CRLF, secrets blacked out.
        line: Octets,
    },
    /// A reply came.
    Replied {
        /// The stage of the command that the reply answers.
        stage: Stage,
        /// The index of the step that the reply answers, if it answers one.
        step: Option<usize>,
        /// The reply.
        reply: Reply,
    },
    /// The caller is to make the TLS handshake now, then call [`Session::handle_secured`].
    Secure,
    /// The session is over; what `poll_transmit` still holds may be sent.
    Ended(End),
}

/// One client dialogue.
#[derive(Debug)]
pub struct Session {
    transaction: Transaction,
    reply_timeout: Duration,
    greeting_timeout: Duration,
    quit_reply: QuitReply,
    phase: Phase,
    /// How far the steps have come. Replies after the steps may still show a wrong order, so the
    /// progress is kept.
    progress: StepProgress,
    flight: Flight,
    latest_answer: LatestAnswer,
    capabilities: Capabilities,
    reader: ReplyReader,
    output: Vec<u8>,
    events: VecDeque<SessionEvent>,
    deadline: Option<Duration>,
}

impl Session {
    /// Returns a session that waits at most `reply_timeout` for each reply, and never longer than
    /// RFC 5321 section 4.5.3.2 asks.
    #[must_use]
    pub fn new(transaction: Transaction, reply_timeout: Duration) -> Self {
        let quit_reply = match transaction.awaits_quit_reply {
            true => QuitReply::Awaited,
            false => QuitReply::Ignored,
        };
        Self {
            transaction,
            reply_timeout,
            greeting_timeout: reply_timeout,
            quit_reply,
            phase: Phase::Greeting,
            progress: StepProgress::default(),
            flight: Flight::default(),
            latest_answer: LatestAnswer::default(),
            capabilities: Capabilities::default(),
            reader: ReplyReader::default(),
            output: Vec::new(),
            events: VecDeque::new(),
            deadline: None,
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
        let is_first_unsent = match self.phase {
            Phase::Greeting | Phase::Hello(_) => true,
            Phase::StartTls | Phase::Securing => self.injected_step().is_none(),
            _ => false,
        };
        if is_first_unsent {
            self.transaction.steps = steps;
        }
    }

    /// Makes the session end without the reply to QUIT if the reply before QUIT is of this kind.
    /// Has no effect on a session with a preface, since some servers answer a preface and others
    /// don't.
    pub fn skip_quit_reply(&mut self, after: LastReply) {
        if self.transaction.preface.is_empty() {
            self.quit_reply = self.quit_reply.skipped_after(after);
        }
    }

    /// Starts the session on an open connection (after the handshake, where TLS comes first). All
    /// times count from the same fixed moment, which the caller chooses.
    pub fn start(&mut self, now: Duration) {
        let preface = self.transaction.preface.clone();
        if !preface.is_empty() {
            self.send(Stage::Greeting, None, preface.as_bytes(), preface.clone());
        }
        // The server speaks first (RFC 5321 section 3.1): the greeting answers the connection.
        self.expect(now, Stage::Greeting, None);
        self.flight.transmit();
    }

    /// Reads octets that came from the server.
    pub fn handle_input(&mut self, now: Duration, input: &[u8]) {
        for octet in input {
            match self.phase {
                Phase::Ended => return,
                Phase::Securing => return self.handle_input_before_tls(),
                _ => {}
            }
            match self.reader.take(*octet) {
                None => {}
                Some(Ok(reply)) => self.handle_reply(now, reply),
                Some(Err(violation)) => self.violated(violation),
            }
        }
    }

    /// Ends the session over octets that came in the clear after the reply to STARTTLS (RFC 3207
    /// section 4.2).
    fn handle_input_before_tls(&mut self) {
        match self.injected_step() {
            // The octets answer the injected line before TLS, so the server has not kept the line.
            Some(_) => self.hang_up(End::Answered),
            None => self.violated(Violation::InjectedBeforeTls),
        }
    }

    /// Goes on after the handshake that [`SessionEvent::Secure`] asked for has succeeded.
    pub fn handle_secured(&mut self, now: Duration) {
        if self.phase != Phase::Securing {
            return;
        }
        // RFC 3207 section 4.2: everything learned in the clear is forgotten.
        self.capabilities = Capabilities::default();
        match self.injected_step() {
            Some(_) => self.await_injected(now),
            None => self.say_hello(now, Channel::Encrypted),
        }
    }

    /// Ends the session after the handshake failed.
    pub fn handle_tls_failure(&mut self, error: String) {
        match self.injected_step() {
            Some(_) => self.hang_up(End::Answered),
            None => self.interrupt(Cause::TlsFailed { error }),
        }
    }

    /// Ends the session after the connection closed (`error` is `None`) or broke, in reading or in
    /// writing.
    pub fn handle_disconnect(&mut self, error: Option<String>) {
        match self.needs_no_reply() {
            true => self.hang_up(End::Answered),
            false => self.interrupt(Cause::Disconnected { stage: self.stage(), error }),
        }
    }

    /// Ends the session if its deadline has come.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        match self.needs_no_reply() {
            true => self.hang_up(End::Answered),
            false => self.interrupt(Cause::TimedOut { stage: self.stage() }),
        }
    }

    /// Ends the session because the caller stops.
    pub fn stop(&mut self) {
        self.interrupt(Cause::Stopped);
    }

    /// Returns the octets to send now, if any. From here on, replies to their commands can come.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Vec<u8> {
        self.flight.transmit();
        std::mem::take(&mut self.output)
    }

    /// Returns when [`Session::handle_timeout`] is to be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.deadline
    }

    /// Returns the next event.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// True if the session is over.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// True if nothing is awaited but the reply to QUIT.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.phase == Phase::Leaving && self.flight.oldest() == Some(Stage::Quit)
    }

    /// Returns what the server offered in its latest reply to EHLO.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Returns the stage whose reply is awaited.
    fn stage(&self) -> Stage {
        match self.flight.oldest() {
            Some(stage) => stage,
            None if self.phase == Phase::Securing => Stage::StartTls,
            None => Stage::Greeting,
        }
    }

    /// True if the dialogue is complete without the reply that is awaited.
    fn needs_no_reply(&self) -> bool {
        match self.phase {
            // A server that has dropped the injected line is silent or hangs up.
            Phase::Securing | Phase::Injected => self.injected_step().is_some(),
            // Many servers close the connection without a 221.
            _ => self.stage() == Stage::Quit,
        }
    }

    /// Returns the step that travels in the clear behind STARTTLS, if the transaction has such a
    /// step.
    fn injected_step(&self) -> Option<&Step> {
        self.transaction
            .steps
            .first()
            .filter(|_| self.transaction.injects)
    }

    /// Hands a line over for sending and expects its reply.
    fn say(&mut self, now: Duration, stage: Stage, line: &str) {
        self.send_line(stage, None, line.as_bytes(), line.into());
        self.expect(now, stage, None);
    }

    /// Hands a line without its CRLF over for sending. The event shows it as `shown`.
    fn send_line(&mut self, stage: Stage, step: Option<usize>, line: &[u8], shown: Octets) {
        self.send(stage, step, &[line, b"\r\n"].concat(), shown);
    }

    /// Hands octets over for sending. The event shows them as `shown`.
    fn send(&mut self, stage: Stage, step: Option<usize>, octets: &[u8], shown: Octets) {
        self.output.extend_from_slice(octets);
        self.events
            .push_back(SessionEvent::Sent { stage, step, line: shown });
    }

    /// Expects the reply to a command that was just handed over.
    fn expect(&mut self, now: Duration, stage: Stage, step: Option<usize>) {
        // While an older command is in flight, the deadline is that command's.
        if self.flight.is_empty() {
            self.set_deadline(now, stage);
        }
        self.flight.push(PendingCommand { stage, step });
    }

    fn set_deadline(&mut self, now: Duration, stage: Stage) {
        let limit = match stage {
            Stage::Greeting => self.greeting_timeout,
            _ => self.reply_timeout,
        };
        self.deadline = Some(now.saturating_add(stage.timeout().min(limit)));
    }

    /// Ends a dialogue that is still in order with a QUIT.
    fn leave(&mut self, now: Duration, end: End) {
        if end == End::Answered && self.awaits_quit_reply() {
            // Replies still in flight answer questions that no longer matter. QUIT's reply comes
            // after them.
            self.phase = Phase::Leaving;
            if self.flight.latest() != Some(Stage::Quit) {
                self.say(now, Stage::Quit, "QUIT");
            }
            return;
        }
        // With other commands in flight, a QUIT would be one more command whose reply nobody reads.
        if self.flight.is_empty() {
            self.send_line(Stage::Quit, None, b"QUIT", "QUIT".into());
        }
        self.hang_up(end);
    }

    fn awaits_quit_reply(&self) -> bool {
        self.transaction.ambiguous || self.quit_reply.is_awaited_after(self.latest_answer.kind)
    }

    /// Ends the dialogue over a reply that has no meaning at this stage.
    fn misplaced(&mut self, stage: Stage, reply: Reply) {
        self.interrupt(Cause::Violated { stage, violation: Violation::Misplaced { reply } });
    }

    /// Ends the dialogue over a violation of the protocol.
    fn violated(&mut self, violation: Violation) {
        self.interrupt(Cause::Violated { stage: self.stage(), violation });
    }

    fn interrupt(&mut self, cause: Cause) {
        self.hang_up(End::Interrupted(cause));
    }

    /// Ends the session without a word.
    fn hang_up(&mut self, end: End) {
        if self.phase != Phase::Ended {
            self.phase = Phase::Ended;
            self.deadline = None;
            self.events.push_back(SessionEvent::Ended(end));
        }
    }
}

#[cfg(test)]
mod tests;
