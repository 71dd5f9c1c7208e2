//! What a session says after its introduction: the steps, the message, and what may travel
//! together.

use std::time::Duration;

use super::{
    End, INJECTED_TIMEOUT, PendingCommand, Session,
    outgoing::{black_out, dot_stuffed, last_chunk},
    phase::{Phase, QuitReply},
};
use crate::{
    command::{Purpose, Stage, Step},
    octets::Octets,
};

impl Session {
    /// Begins the steps after the introduction.
    pub(super) fn begin_steps(&mut self, now: Duration) {
        self.phase = Phase::Steps;
        self.advance(now);
    }

    /// Awaits the answer to the injected line, which went before TLS.
    pub(super) fn await_injected(&mut self, now: Duration) {
        self.phase = Phase::Injected;
        self.flight
            .push(PendingCommand { stage: Stage::Other, step: Some(0) });
        // The line went out before TLS, so its reply may come before anything else is fetched.
        self.flight.transmit();
        self.progress.next_step = 1;
        self.deadline = Some(now.saturating_add(INJECTED_TIMEOUT.min(self.reply_timeout)));
    }

    /// Says the next step, and the steps that may travel with it.
    pub(super) fn advance(&mut self, now: Duration) {
        loop {
            let index = self.progress.next_step;
            let Some(step) = self.transaction.steps.get(index).cloned() else {
                return self.conclude(now);
            };
            // A step that may not travel with the commands in flight waits for their replies.
            if !self.flight.is_empty() && !self.may_join(&step) {
                return;
            }
            if let Some(keyword) = self.missing_requirement(&step) {
                return self.leave(now, End::NotOffered(keyword));
            }
            self.progress.next_step += 1;
            if !self.is_pointless(&step) {
                self.say_step(now, index, &step);
            }
        }
    }

    /// Returns the EHLO keyword that a step needs and the server doesn't offer.
    fn missing_requirement(&self, step: &Step) -> Option<String> {
        step.requires
            .clone()
            .filter(|keyword| !self.capabilities.offers(keyword))
    }

    /// True if a step asks for a recipient after its MAIL was rejected, and other steps follow
    /// whatever the answers are.
    fn is_pointless(&self, step: &Step) -> bool {
        step.stage == Stage::Rcpt
            && matches!(step.purpose, Purpose::Attempt | Purpose::Aside)
            && self.progress.mail.end_rejected()
            && self.flight.is_empty()
    }

    fn say_step(&mut self, now: Duration, index: usize, step: &Step) {
        self.progress.turns_said = 0;
        if step.stage == Stage::Mail {
            self.progress.accepted_recipients = 0;
        }
        self.say_line_of(now, index, step, &step.line);
    }

    /// Says the line that a 334 asks for. `*` cancels the exchange (RFC 4954 section 4).
    pub(super) fn say_turn(&mut self, now: Duration, index: usize, step: &Step) {
        let turn = step.turns.get(self.progress.turns_said).cloned();
        self.progress.turns_said += 1;
        // A server that answers two cancellations with another 334 would go on forever.
        if self.progress.turns_said > step.turns.len() + 2 {
            return self.leave(now, End::Answered);
        }
        self.say_line_of(now, index, step, &turn.unwrap_or_else(|| "*".into()));
    }

    /// Hands a line of a step over for sending and expects its reply.
    fn say_line_of(&mut self, now: Duration, index: usize, step: &Step, line: &Octets) {
        let shown = if step.secret { black_out(line) } else { line.clone() };
        self.send_line(step.stage, Some(index), line.as_bytes(), shown);
        self.expect(now, step.stage, Some(index));
    }

    /// Goes on to the message or to the end after all steps are said, now or with the last step.
    fn conclude(&mut self, now: Duration) {
        match self.flight.oldest() {
            None => self.say_data_or_leave(now),
            // QUIT has travelled with the steps, and all of them are answered.
            Some(Stage::Quit) => self.leave(now, End::Answered),
            Some(_) if self.may_quit_join() => self.say(now, Stage::Quit, "QUIT"),
            Some(_) => {}
        }
    }

    /// True if MAIL and RCPT travel together (RFC 2920 section 3.1).
    pub(super) fn travels_together(&self) -> bool {
        self.transaction.pipelining && self.capabilities.offers("PIPELINING")
    }

    /// True if the commands in flight may be followed by another command at once. RFC 2920 section
    /// 3.1 allows it after RSET, MAIL and RCPT.
    fn may_pipeline(&self) -> bool {
        self.travels_together()
            && self
                .flight
                .is_all_of(&[Stage::Rset, Stage::Mail, Stage::Rcpt])
    }

    /// True if a step may travel with the commands in flight: a recipient, or the begin of another
    /// transaction that follows whatever the answers are.
    fn may_join(&self, step: &Step) -> bool {
        let follows_anyway = matches!(step.stage, Stage::Rset | Stage::Mail)
            && matches!(step.purpose, Purpose::Attempt | Purpose::Aside);
        (step.stage == Stage::Rcpt || follows_anyway) && self.may_pipeline()
    }

    /// True if QUIT may travel with the last recipient: nothing else can follow, and the reply to
    /// QUIT is of use.
    fn may_quit_join(&self) -> bool {
        self.quit_reply != QuitReply::Ignored
            && !self.transaction.ambiguous
            && self.transaction.message.is_none()
            && self.may_pipeline()
            && self.flight.latest() == Some(Stage::Rcpt)
    }

    fn say_data_or_leave(&mut self, now: Duration) {
        match self.transaction.message.clone() {
            Some(message) if self.progress.accepted_recipients > 0 => {
                self.say_data(now, &message);
            }
            _ => self.leave(now, End::Answered),
        }
    }

    /// Asks for the message's turn with DATA, or sends it at once in a chunk.
    fn say_data(&mut self, now: Duration, message: &Octets) {
        if self.transaction.chunking {
            // RFC 3030 section 2: the last chunk is answered as the end of data is.
            let chunk = last_chunk(message);
            self.phase = Phase::Text;
            self.send(Stage::EndOfData, None, &chunk, chunk.as_slice().into());
            self.expect(now, Stage::EndOfData, None);
        } else {
            self.phase = Phase::Data;
            self.say(now, Stage::Data, "DATA");
        }
    }

    /// Sends the text of the message, which a 354 has asked for.
    pub(super) fn send_text(&mut self, now: Duration) {
        let message = self.transaction.message.clone().unwrap_or_default();
        let text = message.as_bytes();
        self.phase = Phase::Text;
        if self.transaction.ambiguous {
            // The text brings its own end, which the event leaves out.
            let shown = text.strip_suffix(b".\r\n").unwrap_or(text);
            self.send(Stage::EndOfData, None, text, shown.into());
        } else {
            self.send(Stage::EndOfData, None, &dot_stuffed(text), message.clone());
        }
        self.expect(now, Stage::EndOfData, None);
    }
}
