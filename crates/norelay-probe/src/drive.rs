//! Has one dialogue over one connection: moves octets, keeps the deadline, records what happens.
//!
//! Rules:
//! - What is handed over for sending is recorded before it is written, so that no receipt can come
//!   before its record.
//! - The session's deadline covers connecting, writing, the TLS handshake and reading.
//! - What a reply means for the dialogue is decided by the session and by [`Oversight`]; nothing
//!   here reads a reply.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use norelay_core::{
    asking::{HANDSHAKE_TOO_LONG, Instead, Orderly, PlannedDialogue},
    catalogue::RelayTest,
    event::Event,
    smtp::{Cause, End, LastReply, Reply, Security, Session, SessionEvent, Stage, Transaction},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    network::{AnyStream, Network},
    record::Recorder,
};

/// How long a TLS handshake may take with a server that answers at all.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long a last QUIT may take to be written. Its reply is not waited for.
const LAST_QUIT: Duration = Duration::from_secs(1);

/// What decides about a dialogue while the dialogue goes on.
pub trait Oversight: Send + Sync {
    /// How long the dialogue may wait for the greeting, if not as long as for any reply.
    fn greeting_limit(&self, dialogue: u32) -> Option<Duration>;
    /// Returns what is said in the place of the dialogue's own steps after this greeting.
    fn greeted(&self, dialogue: u32, greeting: &Reply) -> Option<Instead>;
    /// Learns that the greeting and its effects are recorded.
    fn introduced(&self, dialogue: u32);
    /// Returns after which answers the dialogue need not wait for the reply to QUIT.
    fn orderly(&self, dialogue: u32) -> Orderly;
    /// Learns that the dialogue waits for nothing but the reply to QUIT.
    fn leaving(&self, dialogue: u32);
    /// Learns that the dialogue is over. Returns what the dialogue was for in the end, if that has
    /// changed.
    fn closing(&self, dialogue: u32) -> Option<Instead>;
}

/// The oversight of a dialogue that no asking decides about.
pub struct Alone;

impl Oversight for Alone {
    fn greeting_limit(&self, _: u32) -> Option<Duration> {
        None
    }

    fn greeted(&self, _: u32, _: &Reply) -> Option<Instead> {
        None
    }

    fn introduced(&self, _: u32) {}

    fn orderly(&self, _: u32) -> Orderly {
        Orderly::default()
    }

    fn leaving(&self, _: u32) {}

    fn closing(&self, _: u32) -> Option<Instead> {
        None
    }
}

/// What is said in SMTP, and the test that each step is for, where the dialogue is for several.
pub type SaidInSmtp = (Transaction, Vec<Option<&'static RelayTest>>);

/// Has a dialogue, from connecting to the end, which is recorded.
pub async fn drive<N: Network, O: Oversight>(
    network: Arc<N>,
    recorder: &Recorder,
    oversight: &O,
    planned: &PlannedDialogue,
    said: SaidInSmtp,
) {
    let number = planned.dialogue;
    recorder.record(opened(planned));
    let (transaction, step_tests) = said;
    let mut driver = DialogueDriver {
        network,
        recorder,
        oversight,
        planned,
        transaction,
        step_tests,
        opened: Instant::now(),
        is_leaving: false,
    };
    let end = driver.run().await;
    if let Some(instead) = oversight.closing(number) {
        driver.share(&instead);
    }
    recorder.record(Event::Ended { dialogue: number, after_ms: driver.after_ms(), end });
}

/// Returns the event of a connection that is tried.
pub fn opened(planned: &PlannedDialogue) -> Event {
    Event::Opened {
        dialogue: planned.dialogue,
        path: planned.path,
        tests: ids(&planned.tests),
        proof: planned.proof,
        attempt: planned.attempt,
        login: planned.login.clone(),
    }
}

fn ids(tests: &[&'static RelayTest]) -> Vec<String> {
    tests.iter().map(|test| test.id.to_string()).collect()
}

struct DialogueDriver<'a, N, O> {
    network: Arc<N>,
    recorder: &'a Recorder,
    oversight: &'a O,
    planned: &'a PlannedDialogue,
    transaction: Transaction,
    step_tests: Vec<Option<&'static RelayTest>>,
    opened: Instant,
    is_leaving: bool,
}

impl<N: Network, O: Oversight> DialogueDriver<'_, N, O> {
    async fn run(&mut self) -> End {
        let planned = self.planned;
        let to = SocketAddr::new(planned.destination.address, planned.destination.port);
        let (mut stream, local) = match self.network.connect(to).await {
            Ok(connected) => connected,
            Err(error) => return End::Interrupted(connect_failure(&error)),
        };
        let (dialogue, after_ms) = (planned.dialogue, self.after_ms());
        self.recorder
            .record(Event::Connected { dialogue, after_ms, local });
        if planned.destination.security == Security::Tls {
            stream = match self.handshake(stream).await {
                Ok(stream) => stream,
                Err(error) => return End::Interrupted(Cause::TlsFailed { error }),
            };
        }
        let mut session = Session::new(self.transaction.clone(), planned.reply_timeout);
        if let Some(limit) = self.oversight.greeting_limit(dialogue) {
            session = session.with_greeting_timeout(limit);
        }
        session.start(self.opened.elapsed());
        self.talk(&mut session, stream).await
    }

    async fn talk(&mut self, session: &mut Session, mut stream: AnyStream) -> End {
        let mut buffer = vec![0; 4096];
        loop {
            let mut secure = false;
            let mut ended = None;
            while let Some(event) = session.poll_event() {
                match event {
                    SessionEvent::Secure => secure = true,
                    SessionEvent::Ended(end) => ended = Some(end),
                    said => self.said(session, said),
                }
            }
            let output = session.poll_transmit();
            if let Some(end) = ended {
                let _ = timeout(LAST_QUIT, leave(&mut stream, &output)).await;
                return end;
            }
            if secure {
                match self.handshake(stream).await {
                    Ok(secured) => {
                        stream = secured;
                        session.handle_secured(self.opened.elapsed());
                    }
                    Err(error) => {
                        session.handle_tls_failure(error);
                        return last_end(session);
                    }
                }
                continue;
            }
            if session.is_leaving() && !self.is_leaving {
                self.is_leaving = true;
                self.oversight.leaving(self.planned.dialogue);
            }
            self.exchange(session, &mut stream, &output, &mut buffer)
                .await;
        }
    }

    /// Records what was said. The greeting decides what the connection is for.
    fn said(&mut self, session: &mut Session, event: SessionEvent) {
        let SessionEvent::Replied { stage: Stage::Greeting, reply, step } = event else {
            return self.record(event);
        };
        let greeting = reply.clone();
        self.record(SessionEvent::Replied { stage: Stage::Greeting, reply, step });
        let dialogue = self.planned.dialogue;
        if let Some(instead) = self.oversight.greeted(dialogue, &greeting) {
            self.share(&instead);
            session.replace_steps(instead.steps.clone());
            self.transaction.steps = instead.steps;
            self.step_tests = instead.step_tests;
        }
        self.oversight.introduced(dialogue);
    }

    /// Records what the connection is for now.
    fn share(&self, instead: &Instead) {
        self.recorder.record(Event::Shared {
            dialogue: self.planned.dialogue,
            after_ms: self.after_ms(),
            tests: ids(&instead.tests),
        });
    }

    /// Writes what there is to write, or reads what there is to read; either may end the session.
    async fn exchange(
        &self,
        session: &mut Session,
        stream: &mut AnyStream,
        output: &[u8],
        buffer: &mut [u8],
    ) {
        let deadline = self.opened
            + session
                .poll_timeout()
                .unwrap_or(self.opened.elapsed() + HANDSHAKE);
        if !output.is_empty() {
            match timeout_at(deadline, write(stream, output)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return session.handle_disconnect(Some(words(&error))),
                Err(_) => return self.time_out(session, deadline),
            }
        }
        match timeout_at(deadline, stream.read(buffer)).await {
            Ok(Ok(0)) => session.handle_disconnect(None),
            Ok(Ok(length)) => {
                // Asked for each portion, since other dialogues may have shown the order by now.
                let dialogue = self.planned.dialogue;
                let orderly = self.oversight.orderly(dialogue);
                if orderly.after_rejection {
                    session.skip_quit_reply(LastReply::Negative);
                }
                if orderly.after_acceptance {
                    session.skip_quit_reply(LastReply::Positive);
                }
                session.handle_input(self.opened.elapsed(), &buffer[..length]);
            }
            Ok(Err(error)) => session.handle_disconnect(Some(words(&error))),
            Err(_) => self.time_out(session, deadline),
        }
    }

    /// Tells the session that its deadline has come. A timer may fire a little early, so the time
    /// is never before the deadline.
    fn time_out(&self, session: &mut Session, deadline: Instant) {
        session.handle_timeout(self.opened.elapsed().max(deadline - self.opened));
    }

    async fn handshake(&self, stream: AnyStream) -> Result<AnyStream, String> {
        let planned = self.planned;
        let host = planned.destination.host.as_deref();
        let limit = HANDSHAKE.min(planned.reply_timeout);
        let secured = timeout(
            limit,
            self.network
                .secure(stream, host, planned.destination.address),
        )
        .await;
        let (stream, tls) = secured.map_err(|_| HANDSHAKE_TOO_LONG.to_owned())??;
        let (dialogue, after_ms) = (planned.dialogue, self.after_ms());
        self.recorder
            .record(Event::Secured { dialogue, after_ms, tls });
        Ok(stream)
    }

    fn record(&self, event: SessionEvent) {
        let (dialogue, after_ms) = (self.planned.dialogue, self.after_ms());
        match event {
            SessionEvent::Sent { stage, step, line } => {
                let test = self.test_of(step);
                self.recorder
                    .record(Event::Sent { dialogue, after_ms, stage, test, line });
            }
            SessionEvent::Replied { stage, step, reply } => {
                let steps = &self.transaction.steps;
                let purpose = step
                    .and_then(|step| steps.get(step))
                    .map(|step| step.purpose);
                let test = self.test_of(step);
                self.recorder.record(Event::Replied {
                    dialogue,
                    after_ms,
                    stage,
                    test,
                    purpose,
                    reply,
                });
            }
            SessionEvent::Secure | SessionEvent::Ended(_) => {}
        }
    }

    /// Returns the test that a step is for, if the dialogue is for several tests.
    fn test_of(&self, step: Option<usize>) -> Option<String> {
        let test = self.step_tests.get(step?).copied().flatten()?;
        Some(test.id.to_string())
    }

    fn after_ms(&self) -> u64 {
        milliseconds_since(self.opened)
    }
}

/// Returns the time since a connection was opened, for the log.
pub fn milliseconds_since(opened: Instant) -> u64 {
    u64::try_from(opened.elapsed().as_millis()).unwrap_or(u64::MAX)
}

async fn write(stream: &mut AnyStream, output: &[u8]) -> std::io::Result<()> {
    stream.write_all(output).await?;
    stream.flush().await
}

/// Writes the last octets and closes our direction.
async fn leave(stream: &mut AnyStream, output: &[u8]) -> std::io::Result<()> {
    write(stream, output).await?;
    stream.shutdown().await
}

/// Returns how the session has ended.
fn last_end(session: &mut Session) -> End {
    let mut last = End::Interrupted(Cause::Stopped);
    while let Some(event) = session.poll_event() {
        if let SessionEvent::Ended(end) = event {
            last = end;
        }
    }
    last
}

/// Returns why no connection was made.
fn connect_failure(error: &std::io::Error) -> Cause {
    let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
    Cause::ConnectFailed { refused, error: words(error) }
}

/// Returns an error in few words, without the operating system's number.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text.to_lowercase(),
    }
}
