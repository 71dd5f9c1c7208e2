//! The server's side of one connection, without I/O: octets and time go in, octets and events come
//! out.
//!
//! The receiver is the twin of [`Session`](super::Session). It accepts messages and hands them to
//! the caller. A [`Policy`] decides about recipients, so this module knows no relay test.
//!
//! Rules:
//! - The receiver relays nothing and bounces nothing. A message is accepted whole, rejected, or as
//!   if it had never come.
//! - A message is an event only after its whole text and final dot have come. The reply to the dot
//!   is fetched after the event, so a caller that could not keep the message drops the connection,
//!   and the sender tries again (RFC 5321 section 4.5.4.1).
//! - After STARTTLS nothing that was said in the clear counts (RFC 3207 section 4.2). Octets that
//!   follow STARTTLS in the clear end the connection (the CVE-2011-0411 family).
//! - A deadline covers a whole command or a whole text, so a client that drips octets gains no
//!   time.
//! - Everything is bounded, each by a constant in `receiver_limits`. No reply repeats what the
//!   client said.
//!
//! The caller accepts, calls [`Receiver::start`], moves octets between the socket and
//! [`Receiver::handle_input`] / [`Receiver::poll_transmit`] in portions of a few kilobytes (one
//! command of six octets has a reply of at most a kilobyte), tells the time, and drains
//! [`Receiver::poll_event`].

mod receiver_limits;

use std::{collections::VecDeque, fmt, net::SocketAddr, sync::Arc, time::Duration};

pub use self::receiver_limits::{
    COMMAND_TIMEOUT, CONNECTION_TIMEOUT, MAX_MESSAGE_SIZE, MAX_TEXT_KEPT, TEXT_TIMEOUT,
};
use self::receiver_limits::{
    MAX_COMMANDS, MAX_ERRORS, MAX_LINE, MAX_MESSAGES, MAX_OVERSIZE, MAX_RECIPIENTS, MAX_SKIPPED,
};
use super::{client_command::ClientCommand, text_reader::TextReader};
use crate::octets::Octets;

/// What a receiver says of itself, and which recipients it accepts.
pub trait Policy: Send + Sync + fmt::Debug {
    /// Returns the host name for the greeting.
    fn name(&self) -> &str;
    /// Returns what the receiver is, in printable ASCII, for the greeting.
    fn introduction(&self) -> &str;
    /// Returns the lines for HELP, in printable ASCII.
    fn help(&self) -> Vec<String>;
    /// Accepts or rejects a forward-path, brackets included.
    ///
    /// # Errors
    /// The rejection: a whole reply line such as `550 5.7.1 …`, without CRLF.
    fn recipient(&self, forward_path: &Octets) -> Result<(), &'static str>;
    /// Accepts or rejects DATA from a reverse-path to forward-paths that were all accepted,
    /// brackets included.
    ///
    /// # Errors
    /// As [`Policy::recipient`].
    fn text(&self, reverse_path: &Octets, forward_paths: &[Octets]) -> Result<(), &'static str>;
}

/// A message that came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// The address and port of the client.
    pub peer: SocketAddr,
    /// The name that the peer gave with EHLO or HELO.
    pub helo: Octets,
    /// True if the message came under TLS.
    pub tls: bool,
    /// The reverse-path, brackets included.
    pub reverse_path: Octets,
    /// The forward-paths that were accepted, brackets included, in their order.
    pub forward_paths: Vec<Octets>,
    /// The text without dot-stuffing, cut after [`MAX_TEXT_KEPT`] octets.
    pub text: Vec<u8>,
    /// The size of the whole text, in octets.
    pub size: u64,
}

/// What happened in a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverEvent {
    /// The caller is to send what `poll_transmit` holds, make the TLS handshake, and call
    /// [`Receiver::handle_secured`].
    Secure,
    /// A message came. The caller keeps the message first and sends the reply to it afterwards.
    Arrived(ReceivedMessage),
    /// The dialogue is over; what `poll_transmit` still holds may be sent.
    Ended(Parting),
}

/// How a receiver's dialogue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// The client said QUIT.
    Quit,
    /// The client closed or broke the connection.
    Disconnected,
    /// The client kept silent, or dripped.
    TimedOut,
    /// The client exceeded a bound, or made too many errors.
    Exceeded,
    /// The client spoke another protocol.
    OtherProtocol,
    /// The client sent text in the clear after STARTTLS.
    InjectedBeforeTls,
    /// The TLS handshake failed.
    TlsFailed,
    /// The caller stopped the receiver.
    Stopped,
}

/// What the next octet belongs to.
#[derive(Debug)]
enum ReceiverState {
    /// A command line.
    Command,
    /// An overlong line, of which so many octets have come.
    Skipping(usize),
    /// The text of a message.
    Text(TextReader),
    /// The TLS handshake, which the caller makes.
    Securing,
    /// Nothing: the dialogue is over.
    Ended,
}

/// What MAIL and RCPT have said.
#[derive(Debug)]
struct Envelope {
    reverse_path: Octets,
    forward_paths: Vec<Octets>,
}

/// One server dialogue.
#[derive(Debug)]
pub struct Receiver {
    policy: Arc<dyn Policy>,
    peer: SocketAddr,
    patience: Duration,
    offers_starttls: bool,
    tls: bool,
    state: ReceiverState,
    line: Vec<u8>,
    helo: Option<Octets>,
    envelope: Option<Envelope>,
    commands: usize,
    errors: usize,
    messages: usize,
    output: Vec<u8>,
    events: VecDeque<ReceiverEvent>,
    deadline: Duration,
    last_moment: Duration,
    stopping: bool,
}

impl Receiver {
    /// Returns a receiver for one connection. It waits at most `patience` for each command, and
    /// never longer than [`COMMAND_TIMEOUT`]. `offers_starttls` is true if the caller can make the
    /// handshake.
    #[must_use]
    pub fn new(
        policy: Arc<dyn Policy>,
        peer: SocketAddr,
        patience: Duration,
        offers_starttls: bool,
    ) -> Self {
        Self {
            policy,
            peer,
            patience: patience.min(COMMAND_TIMEOUT),
            offers_starttls,
            tls: false,
            state: ReceiverState::Command,
            line: Vec::new(),
            helo: None,
            envelope: None,
            commands: 0,
            errors: 0,
            messages: 0,
            output: Vec::new(),
            events: VecDeque::new(),
            deadline: Duration::MAX,
            last_moment: Duration::MAX,
            stopping: false,
        }
    }

    /// Greets the client on an open connection. All times count from the same fixed moment, which
    /// the caller chooses.
    pub fn start(&mut self, now: Duration) {
        self.last_moment = now.saturating_add(CONNECTION_TIMEOUT);
        self.wait(now, self.patience);
        let greeting = format!("220 {} ESMTP {}", self.policy.name(), self.policy.introduction());
        self.say(&greeting);
    }

    /// Reads octets that came from the client.
    pub fn handle_input(&mut self, now: Duration, input: &[u8]) {
        for octet in input {
            match &mut self.state {
                ReceiverState::Command => self.take_command_octet(now, *octet),
                ReceiverState::Skipping(skipped) => {
                    *skipped += 1;
                    let skipped = *skipped;
                    self.skip(now, skipped, *octet);
                }
                ReceiverState::Text(reader) => {
                    if reader.take(*octet) {
                        self.take_text(now);
                    } else if reader.size() > MAX_OVERSIZE {
                        self.part("552 5.3.4 The message is far too big", Parting::Exceeded);
                    }
                }
                // RFC 3207 section 4.2: a command that was injected before TLS must not be obeyed.
                ReceiverState::Securing => self.end(Parting::InjectedBeforeTls),
                ReceiverState::Ended => return,
            }
        }
    }

    /// Goes on after the handshake that [`ReceiverEvent::Secure`] asked for has succeeded.
    pub fn handle_secured(&mut self, now: Duration) {
        if matches!(self.state, ReceiverState::Securing) {
            self.state = ReceiverState::Command;
            self.tls = true;
            self.wait(now, self.patience);
            // RFC 3207 section 4.2: what the client said in the clear is forgotten.
            self.helo = None;
            self.envelope = None;
        }
    }

    /// Ends the dialogue after the handshake failed.
    pub fn handle_tls_failure(&mut self) {
        self.end(Parting::TlsFailed);
    }

    /// Ends the dialogue after the connection closed or broke, in reading or in writing. A text
    /// that has not come whole is dropped.
    pub fn handle_disconnect(&mut self) {
        self.end(Parting::Disconnected);
    }

    /// Ends the dialogue if its deadline has come.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.deadline <= now {
            self.part("421 4.4.2 Waited too long, closing", Parting::TimedOut);
        }
    }

    /// Ends the dialogue at once, or after the text that is coming in.
    pub fn stop(&mut self) {
        self.stopping = true;
        match self.state {
            ReceiverState::Text(_) => {}
            ReceiverState::Securing => self.end(Parting::Stopped),
            _ => self.part_for_stop(),
        }
    }

    /// Returns the octets to send now, if any.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Returns when [`Receiver::handle_timeout`] is to be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        (!self.is_ended()).then_some(self.deadline)
    }

    /// Returns the next event.
    pub fn poll_event(&mut self) -> Option<ReceiverEvent> {
        self.events.pop_front()
    }

    /// True if the dialogue is over.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.state, ReceiverState::Ended)
    }

    /// Moves the deadline, but never behind the end of the connection's time.
    fn wait(&mut self, now: Duration, patience: Duration) {
        self.deadline = now.saturating_add(patience).min(self.last_moment);
    }

    fn take_command_octet(&mut self, now: Duration, octet: u8) {
        match octet {
            b'\n' => {
                let mut line = std::mem::take(&mut self.line);
                line.pop_if(|last| *last == b'\r');
                self.take_line(now, &line);
            }
            // A control octet begins no command. A TLS ClientHello has no end of line to wait for.
            ..b' ' if self.line.is_empty() && octet != b'\r' => self.part_from_other_protocol(),
            _ if self.line.len() < MAX_LINE => self.line.push(octet),
            _ => {
                self.line.clear();
                self.state = ReceiverState::Skipping(MAX_LINE + 1);
            }
        }
    }

    fn skip(&mut self, now: Duration, skipped: usize, octet: u8) {
        if octet == b'\n' {
            self.state = ReceiverState::Command;
            self.wait(now, self.patience);
            self.fault("500 5.5.2 The line is too long");
        } else if skipped > MAX_SKIPPED {
            self.part("421 4.7.0 A line without an end, closing", Parting::Exceeded);
        }
    }

    fn take_line(&mut self, now: Duration, line: &[u8]) {
        self.wait(now, self.patience);
        self.commands += 1;
        if self.commands > MAX_COMMANDS {
            return self.part("421 4.7.0 Too many commands, closing", Parting::Exceeded);
        }
        match ClientCommand::parse(line) {
            ClientCommand::Ehlo(name) => self.take_hello(name, true),
            ClientCommand::Helo(name) => self.take_hello(name, false),
            ClientCommand::Mail { path, size } => self.take_mail(path, size),
            ClientCommand::Rcpt(path) => self.take_rcpt(path),
            ClientCommand::Data => self.take_data(now),
            ClientCommand::StartTls => self.take_starttls(),
            ClientCommand::Rset => {
                self.envelope = None;
                self.say("250 2.0.0 Forgotten");
            }
            ClientCommand::Noop => self.say("250 2.0.0 Done"),
            // RFC 5321 section 3.5.3: 252 where nothing is verified; RCPT says it.
            ClientCommand::Vrfy => self.say("252 2.1.5 RCPT tells what is accepted"),
            ClientCommand::Help => self.say_lines("214", "2.0.0 ", &self.policy.help()),
            ClientCommand::Quit => self.part("221 2.0.0 Closing", Parting::Quit),
            ClientCommand::NotOffered => self.fault("502 5.5.1 Not offered here"),
            ClientCommand::BadArgument(wanted) => {
                self.fault(&format!("501 5.5.4 Wrong argument: {wanted}"))
            }
            ClientCommand::UnknownParameter => {
                self.fault("555 5.5.4 A parameter is not offered here")
            }
            ClientCommand::OtherProtocol => self.part_from_other_protocol(),
            ClientCommand::Unknown => self.fault("500 5.5.2 Unknown command"),
        }
    }

    fn take_hello(&mut self, name: Octets, extended: bool) {
        // RFC 5321 section 4.1.4: EHLO clears what a transaction has said.
        self.helo = Some(name);
        self.envelope = None;
        let greeting = format!("{} greets {}", self.policy.name(), self.peer.ip().to_canonical());
        if !extended {
            return self.say(&format!("250 {greeting}"));
        }
        let size = format!("SIZE {MAX_MESSAGE_SIZE}");
        let mut lines =
            vec![&*greeting, "PIPELINING", &size, "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"];
        if self.offers_starttls && !self.tls {
            lines.push("STARTTLS");
        }
        lines.push("HELP");
        self.say_lines("250", "", &lines);
    }

    fn take_mail(&mut self, reverse_path: Octets, size: Option<u64>) {
        if self.helo.is_none() {
            self.fault("503 5.5.1 Say EHLO or HELO first");
        } else if self.envelope.is_some() {
            self.fault("503 5.5.1 A transaction is open already");
        } else if self.messages >= MAX_MESSAGES {
            self.part("421 4.7.0 Enough messages on one connection, closing", Parting::Exceeded);
        } else if size.is_some_and(|size| size > MAX_MESSAGE_SIZE) {
            self.fault("552 5.3.4 The message is too big");
        } else {
            self.envelope = Some(Envelope { reverse_path, forward_paths: Vec::new() });
            self.say("250 2.1.0 Sender noted");
        }
    }

    fn take_rcpt(&mut self, forward_path: Octets) {
        let Some(envelope) = &mut self.envelope else {
            return self.fault("503 5.5.1 Say MAIL first");
        };
        if envelope.forward_paths.len() >= MAX_RECIPIENTS {
            // RFC 5321 section 4.5.3.1.10: 452, so that the client sends the rest separately.
            return self.fault("452 4.5.3 Too many recipients in one transaction");
        }
        match self.policy.recipient(&forward_path) {
            Ok(()) => {
                envelope.forward_paths.push(forward_path);
                self.say("250 2.1.5 Recipient accepted");
            }
            Err(refusal) => self.fault(refusal),
        }
    }

    fn take_data(&mut self, now: Duration) {
        match &self.envelope {
            None => self.fault("503 5.5.1 Say MAIL first"),
            Some(envelope) if envelope.forward_paths.is_empty() => {
                self.fault("554 5.5.1 No recipient was accepted")
            }
            Some(Envelope { reverse_path, forward_paths }) => {
                if let Err(refusal) = self.policy.text(reverse_path, forward_paths) {
                    return self.fault(refusal);
                }
                self.state = ReceiverState::Text(TextReader::new(MAX_TEXT_KEPT));
                self.wait(now, TEXT_TIMEOUT);
                self.say("354 Send the text, and end it with CRLF.CRLF");
            }
        }
    }

    /// Ends a text: the message becomes an event, or is rejected as too big.
    fn take_text(&mut self, now: Duration) {
        let ReceiverState::Text(reader) =
            std::mem::replace(&mut self.state, ReceiverState::Command)
        else {
            return;
        };
        self.wait(now, self.patience);
        self.messages += 1;
        let envelope = self.envelope.take();
        if reader.size() > MAX_MESSAGE_SIZE {
            self.fault("552 5.3.4 The message is too big");
        } else if let Some(Envelope { reverse_path, forward_paths }) = envelope {
            let (helo, size) = (self.helo.clone().unwrap_or_default(), reader.size());
            let text = reader.into_kept();
            let message = ReceivedMessage {
                peer: self.peer,
                helo,
                tls: self.tls,
                reverse_path,
                forward_paths,
                text,
                size,
            };
            self.events.push_back(ReceiverEvent::Arrived(message));
            self.say("250 2.0.0 Taken as evidence; it goes no further");
        }
        // A stop waits for the text that is coming in, so that no accepted evidence is lost.
        if self.stopping && !self.is_ended() {
            self.part_for_stop();
        }
    }

    fn take_starttls(&mut self) {
        if self.tls {
            self.fault("503 5.5.1 TLS stands already");
        } else if self.offers_starttls {
            self.say("220 2.0.0 Begin the handshake");
            self.state = ReceiverState::Securing;
            self.events.push_back(ReceiverEvent::Secure);
        } else {
            self.fault("502 5.5.1 Not offered here");
        }
    }

    fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    /// Says a reply of several lines (RFC 5321 section 4.2.1), each with the prefix after its code.
    fn say_lines(&mut self, code: &str, prefix: &str, lines: &[impl AsRef<str>]) {
        for (index, line) in lines.iter().enumerate() {
            let separator = if index + 1 < lines.len() { '-' } else { ' ' };
            self.say(&format!("{code}{separator}{prefix}{}", line.as_ref()));
        }
    }

    /// Says a negative reply. Too many negative replies end the dialogue.
    fn fault(&mut self, reply: &str) {
        self.errors += 1;
        self.say(reply);
        if self.errors >= MAX_ERRORS {
            self.part("421 4.7.0 Too many errors, closing", Parting::Exceeded);
        }
    }

    fn part_for_stop(&mut self) {
        self.part("421 4.3.2 This host stops for now, closing", Parting::Stopped);
    }

    fn part_from_other_protocol(&mut self) {
        self.part("421 4.7.0 This is an SMTP server, closing", Parting::OtherProtocol);
    }

    /// Says a last reply and ends the dialogue.
    fn part(&mut self, reply: &str, parting: Parting) {
        if !self.is_ended() {
            self.say(reply);
            self.end(parting);
        }
    }

    /// Ends the dialogue without a reply.
    fn end(&mut self, parting: Parting) {
        if !self.is_ended() {
            self.state = ReceiverState::Ended;
            self.events.push_back(ReceiverEvent::Ended(parting));
        }
    }
}

#[cfg(test)]
mod tests;
