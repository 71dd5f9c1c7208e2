//! What follows from each reply. The table at the head of [`session`](super) has the transitions.

use std::time::Duration;

use super::{
    Cause, End, LastReply, Session, SessionEvent,
    flight::PendingCommand,
    phase::{Channel, LatestAnswer, MailAnswers, Phase},
};
use crate::{
    capability::Capabilities,
    command::{Hello, Purpose, Security, Stage, Step},
    reply::{Reply, ReplyClass, Violation},
};

impl Session {
    /// Does what follows from a whole reply.
    pub(super) fn handle_reply(&mut self, now: Duration, reply: Reply) {
        if self.is_further_answer(&reply) {
            return self.record_further_answer(reply);
        }
        let Some(PendingCommand { stage, step }) = self.flight.pop_answered() else {
            return self.handle_unasked_reply(reply);
        };
        match self.flight.oldest() {
            Some(next) => self.set_deadline(now, next),
            None => self.deadline = None,
        }
        self.record_reply(stage, step, &reply);
        // RFC 5321 section 3.8: 421 may come at any time, and the connection closes after it.
        if reply.code == 421 {
            return self.interrupt(Cause::Closing { stage, reply });
        }
        if self.is_out_of_order(stage, &reply) {
            return self.misplaced(stage, reply);
        }
        match (self.phase, stage) {
            (Phase::Leaving, Stage::Quit) => return self.take_quit_reply(reply),
            // The command was in flight when the dialogue was decided. The reply changes nothing.
            (Phase::Leaving, _) => return,
            _ => self.latest_answer = LatestAnswer { stage, step, kind: LastReply::of(&reply) },
        }
        match (self.phase, step) {
            (Phase::Greeting, _) => self.take_greeting(now, reply),
            (Phase::Hello(channel), _) => self.take_hello(now, stage, channel, reply),
            (Phase::StartTls, _) => self.take_starttls(now, reply),
            (Phase::Injected | Phase::Steps, Some(step)) => self.take_answer(now, step, reply),
            (Phase::Data, _) => self.take_data(now, reply),
            // Any reply to the text answers the last question of the transaction.
            _ => self.leave(now, End::Answered),
        }
    }

    fn record_reply(&mut self, stage: Stage, step: Option<usize>, reply: &Reply) {
        let reply = reply.clone();
        self.events
            .push_back(SessionEvent::Replied { stage, step, reply });
    }

    /// True if a reply while QUIT is in flight is one more answer to the last question: where a
    /// server may take one line for several, only 221 and 421 answer QUIT.
    fn is_further_answer(&self, reply: &Reply) -> bool {
        self.transaction.ambiguous
            && self.phase == Phase::Leaving
            && !matches!(reply.code, 221 | 421)
    }

    fn record_further_answer(&mut self, reply: Reply) {
        let LatestAnswer { stage, step, .. } = self.latest_answer;
        self.record_reply(stage, step, &reply);
    }

    /// True if a reply shows that an earlier reply was credited to the wrong command.
    fn is_out_of_order(&self, stage: Stage, reply: &Reply) -> bool {
        // RFC 5321 section 4.1.4: a server that has rejected every MAIL has no recipient to accept.
        // In lock step it may have rules of its own, but no replies can change places.
        let accepts_without_sender = stage == Stage::Rcpt
            && reply.is_positive()
            && self.travels_together()
            && self.progress.mail == MailAnswers::Rejected;
        let is_in_transaction = matches!(
            stage,
            Stage::Rset | Stage::Mail | Stage::Rcpt | Stage::Data | Stage::EndOfData
        );
        // RFC 5321 section 4.2.3: 221 is the reply to QUIT alone.
        accepts_without_sender || (is_in_transaction && reply.code == 221)
    }

    /// Handles a reply that no transmitted command has asked for. At most it answers the preface.
    fn handle_unasked_reply(&mut self, reply: Reply) {
        let may_answer_preface =
            !self.transaction.preface.is_empty() && self.progress.next_step == 0;
        if may_answer_preface && reply.is_negative() {
            self.record_reply(Stage::Greeting, None, &reply);
            return self.hang_up(End::Answered);
        }
        self.violated(Violation::Unsolicited { reply });
    }

    fn take_greeting(&mut self, now: Duration, reply: Reply) {
        match reply.class() {
            // RFC 5321 section 4.3.2: 220 is the only greeting that opens a session.
            _ if reply.code == 220 => {
                let channel = match self.transaction.security {
                    Security::Tls => Channel::Encrypted,
                    Security::Plain | Security::StartTls => Channel::Clear,
                };
                self.say_hello(now, channel);
            }
            ReplyClass::PositiveCompletion | ReplyClass::PositiveIntermediate => {
                self.misplaced(Stage::Greeting, reply)
            }
            _ => self.leave(now, End::Answered),
        }
    }

    /// Introduces the client, with the form that the transaction asks for.
    pub(super) fn say_hello(&mut self, now: Duration, channel: Channel) {
        self.phase = Phase::Hello(channel);
        match self.transaction.hello.clone() {
            Hello::Ehlo(name) => self.say(now, Stage::Ehlo, &format!("EHLO {name}")),
            Hello::Helo(name) => self.say(now, Stage::Helo, &format!("HELO {name}")),
            Hello::Silent => self.begin_steps(now),
        }
    }

    fn take_hello(&mut self, now: Duration, stage: Stage, channel: Channel, reply: Reply) {
        match (reply.class(), &self.transaction.hello) {
            (ReplyClass::PositiveCompletion, _) if reply.code == 250 => {
                if stage == Stage::Ehlo {
                    self.capabilities = Capabilities::from_reply(&reply);
                }
                self.secure_or_begin(now, channel);
            }
            (ReplyClass::PositiveCompletion | ReplyClass::PositiveIntermediate, _) => {
                self.misplaced(stage, reply)
            }
            // The rejection may answer the preface. Then the reply to EHLO is still to come, and
            // must not be credited to a QUIT.
            _ if !self.transaction.preface.is_empty() => self.hang_up(End::Answered),
            // RFC 5321 section 3.2: a client whose EHLO is rejected falls back to HELO. Under TLS
            // the server has known EHLO before.
            (ReplyClass::PermanentNegative, Hello::Ehlo(name))
                if stage == Stage::Ehlo && channel == Channel::Clear =>
            {
                let line = format!("HELO {name}");
                self.say(now, Stage::Helo, &line);
            }
            _ => self.leave(now, End::Answered),
        }
    }

    fn secure_or_begin(&mut self, now: Duration, channel: Channel) {
        if self.transaction.security != Security::StartTls || channel == Channel::Encrypted {
            self.begin_steps(now);
        } else if self.capabilities.offers("STARTTLS") {
            self.phase = Phase::StartTls;
            self.say(now, Stage::StartTls, "STARTTLS");
            self.inject();
        } else {
            self.leave(now, End::NotOffered("STARTTLS".to_owned()));
        }
    }

    /// Sends the first step in the clear behind STARTTLS, if the transaction asks for it. A reply
    /// is awaited only under TLS.
    fn inject(&mut self) {
        if let Some(step) = self.injected_step().cloned() {
            self.send_line(step.stage, Some(0), step.line.as_bytes(), step.line.clone());
        }
    }

    fn take_starttls(&mut self, now: Duration, reply: Reply) {
        match reply.class() {
            ReplyClass::PositiveCompletion => {
                self.phase = Phase::Securing;
                self.events.push_back(SessionEvent::Secure);
            }
            ReplyClass::PositiveIntermediate => self.misplaced(Stage::StartTls, reply),
            _ => self.leave(now, End::Answered),
        }
    }

    /// Does what follows from the answer to a step.
    fn take_answer(&mut self, now: Duration, index: usize, reply: Reply) {
        let step = self.transaction.steps[index].clone();
        match reply.class() {
            ReplyClass::PositiveIntermediate => {
                return self.take_intermediate_answer(now, index, &step, reply);
            }
            ReplyClass::PositiveCompletion if step.stage == Stage::Rcpt => {
                self.progress.accepted_recipients += 1;
            }
            _ => {}
        }
        self.progress.mail = self.progress.mail.after(step.stage, step.purpose, &reply);
        if reply.is_negative() && matches!(step.purpose, Purpose::Condition | Purpose::Question) {
            return self.leave(now, End::Answered);
        }
        self.advance(now);
    }

    /// Does what follows from a 3xx, which asks for more than the step's line.
    fn take_intermediate_answer(&mut self, now: Duration, index: usize, step: &Step, reply: Reply) {
        match step.stage {
            Stage::Auth => self.say_turn(now, index, step),
            // A step may ask for DATA out of turn. After a 354 every line would be text, QUIT too.
            Stage::Data => self.hang_up(End::Answered),
            stage => self.misplaced(stage, reply),
        }
    }

    fn take_data(&mut self, now: Duration, reply: Reply) {
        match reply.class() {
            ReplyClass::PositiveIntermediate => self.send_text(now),
            ReplyClass::PositiveCompletion => self.misplaced(Stage::Data, reply),
            _ => self.leave(now, End::Answered),
        }
    }

    /// Ends the session. The reply to QUIT shows whether all replies before were credited to the
    /// right commands.
    fn take_quit_reply(&mut self, reply: Reply) {
        let is_in_order = match reply.code {
            221 => true,
            // RFC 5321 section 4.3.2: a server that knows no QUIT here (msmtpd after RCPT) calls it
            // unknown or out of order.
            500..=503 => true,
            // After a rejection, a 2xx may be the reply that was meant for RCPT.
            _ => reply.is_positive() && self.latest_answer.kind == LastReply::Positive,
        };
        match is_in_order {
            true => self.hang_up(End::Answered),
            false => self.misplaced(Stage::Quit, reply),
        }
    }
}
