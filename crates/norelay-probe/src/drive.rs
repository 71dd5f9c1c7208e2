//! Drives one session over one connection: moves octets, keeps the deadline, records what happens.
//! Knows no SMTP, but for the greeting of a server that bears more questions.
//!
//! Rules:
//! - What is handed over for sending is recorded before it is written, so that no receipt can come
//!   before its record.
//! - The session's deadline covers connecting, writing, the TLS handshake and reading.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use norelay_core::{
    batch::Patience,
    catalogue::TestId,
    check::Outcome,
    event::{Event, Path},
    path::PathId,
    report,
    smtp::{Cause, End, Reply, Security, Session, SessionEvent, Stage, Step, Transaction},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    farewells::Farewells,
    network::{AnyStream, Network},
    record::Recorder,
};

/// A TLS handshake with a server that answers at all.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How much later than the latest greeting so far one may come, at the first attempt. A connection
/// that a full queue has lost is open for us and unknown to the server: nobody will ever say
/// anything on it.
const GREETING: Duration = Duration::from_secs(10);
/// How long a last QUIT may take to be written; it is not waited for.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a handshake failed that had no end in time.
pub const TOO_LONG: &str = "it took too long";

/// One dialogue to be had.
#[derive(Clone, Debug)]
pub struct Dialogue {
    /// The path's id.
    pub path: PathId,
    /// The path.
    pub way: Path,
    /// The tests that it is for.
    pub tests: Vec<TestId>,
    /// Whether a message is sent for proof.
    pub proof: bool,
    /// How often these tests were tried before.
    pub attempt: u32,
    /// What is said.
    pub transaction: Transaction,
    /// The test that each step is for, where the dialogue is for several.
    pub step_tests: Vec<Option<TestId>>,
    /// How long a reply may take.
    pub reply_timeout: Duration,
    /// What it shares with the other dialogues of its path, if anything.
    pub farewells: Option<Arc<Farewells>>,
    /// What it is for in its place, where the greeting shows a server that bears many questions on
    /// a connection: with endless patience, and with less.
    pub further: Option<[Further; 2]>,
    /// Whether it is for nothing once another connection asks its test too.
    pub yields: bool,
}

/// The tests that may share a connection, and what is said for them all after its introduction.
#[derive(Clone, Debug)]
pub struct Further {
    /// The tests, the connection's own among them.
    pub tests: Vec<TestId>,
    /// What is said.
    pub steps: Vec<Step>,
    /// The test that each step is for.
    pub step_tests: Vec<Option<TestId>>,
}

/// Has a dialogue, from connecting to the end; says its number.
pub async fn drive<N: Network>(network: Arc<N>, recorder: &Recorder, dialogue: Dialogue) -> u32 {
    let number = recorder.next_dialogue();
    let Dialogue { path, ref tests, proof, attempt, .. } = dialogue;
    let tests = TestId::words(tests);
    recorder.record(Event::Opened { dialogue: number, path, tests, proof, attempt });
    let mut driver =
        Driver { network, recorder, number, opened: Instant::now(), dialogue, is_greeted: false };
    let end = driver.run().await;
    if !driver.is_greeted {
        driver.give_way();
    }
    recorder.record(Event::Ended { dialogue: number, after_ms: driver.after_ms(), end });
    number
}

struct Driver<'a, N> {
    network: Arc<N>,
    recorder: &'a Recorder,
    number: u32,
    opened: Instant,
    dialogue: Dialogue,
    is_greeted: bool,
}

impl<N: Network> Driver<'_, N> {
    async fn run(&mut self) -> End {
        let to = SocketAddr::from(self.dialogue.way.endpoint());
        let (mut stream, local) = match self.network.connect(to).await {
            Ok(connected) => connected,
            Err(error) => {
                let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
                return End::Interrupted(Cause::ConnectFailed { refused, error: words(&error) });
            }
        };
        self.recorder.record(Event::Connected {
            dialogue: self.number,
            after_ms: self.after_ms(),
            local,
        });
        if self.dialogue.way.security == Security::Tls {
            stream = match self.handshake(stream).await {
                Ok(stream) => stream,
                Err(error) => return End::Interrupted(Cause::TlsFailed { error }),
            };
        }
        let mut session =
            Session::new(self.dialogue.transaction.clone(), self.dialogue.reply_timeout);
        let latest = self
            .dialogue
            .farewells
            .as_ref()
            .and_then(|farewells| farewells.latest_greeting());
        if let Some(latest) = latest.filter(|_| self.dialogue.attempt == 0) {
            session = session.with_greeting_timeout(latest + GREETING);
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
                    SessionEvent::Replied { stage: Stage::Greeting, reply, step } => {
                        self.record(SessionEvent::Replied {
                            stage: Stage::Greeting,
                            reply: reply.clone(),
                            step,
                        });
                        self.greeted(session, &reply);
                    }
                    said => self.record(said),
                }
            }
            let output = session.poll_transmit();
            if let Some(end) = ended {
                let _ = timeout(FAREWELL, farewell(&mut stream, &output)).await;
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
            if session.is_leaving()
                && let Some(farewells) = self.dialogue.farewells.take()
            {
                farewells.leaving.add_permits(1);
            }
            self.exchange(session, &mut stream, &output, &mut buffer)
                .await;
        }
    }

    /// The first answer of all decides what the connection is for.
    fn greeted(&mut self, session: &mut Session, greeting: &Reply) {
        self.is_greeted = greeting.code == 220;
        if !self.is_greeted {
            return;
        }
        let further =
            self.dialogue
                .further
                .take()
                .and_then(|[all, fewer]| match Patience::of(greeting)? {
                    Patience::Endless => Some(all),
                    Patience::FewErrors => Some(fewer),
                });
        if let Some(Further { tests, steps, step_tests }) = further {
            session.replace_steps(steps.clone());
            (self.dialogue.transaction.steps, self.dialogue.step_tests) = (steps, step_tests);
            self.recorder.record(Event::Shared {
                dialogue: self.number,
                after_ms: self.after_ms(),
                tests: TestId::words(&tests),
            });
        }
        if let Some(farewells) = &self.dialogue.farewells {
            farewells.greeted.add_permits(1);
        }
        if self.give_way() {
            session.replace_steps(Vec::new());
        }
    }

    /// Whether another connection asks this one's tests, or has asked them: then it is for nothing,
    /// which is recorded.
    fn give_way(&self) -> bool {
        let Dialogue { path, tests, .. } = &self.dialogue;
        let asks = |other: &report::Dialogue, test: TestId| {
            other.is_for(test) && (other.end.is_none() || Outcome::of(other, test).is_answered())
        };
        let gives_way = self.dialogue.yields
            && self.recorder.look(|report| {
                let mut others = report.dialogues.iter().filter(|(number, other)| {
                    **number != self.number && other.path == *path && other.is_shared()
                });
                others.any(|(_, other)| tests.iter().all(|test| asks(other, *test)))
            });
        if gives_way {
            let (after_ms, tests) = (self.after_ms(), Vec::new());
            self.recorder
                .record(Event::Shared { dialogue: self.number, after_ms, tests });
        }
        gives_way
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
                Err(_) => {
                    return session
                        .handle_timeout(self.opened.elapsed().max(deadline - self.opened));
                }
            }
        }
        match timeout_at(deadline, stream.read(buffer)).await {
            Ok(Ok(0)) => session.handle_disconnect(None),
            Ok(Ok(length)) => {
                if let Some(farewells) = &self.dialogue.farewells {
                    farewells.spare(session);
                }
                session.handle_input(self.opened.elapsed(), &buffer[..length]);
            }
            Ok(Err(error)) => session.handle_disconnect(Some(words(&error))),
            Err(_) => session.handle_timeout(self.opened.elapsed().max(deadline - self.opened)),
        }
    }

    async fn handshake(&self, stream: AnyStream) -> Result<AnyStream, String> {
        let host = self.dialogue.way.host.as_deref();
        let limit = HANDSHAKE.min(self.dialogue.reply_timeout);
        let secured =
            timeout(limit, self.network.secure(stream, host, self.dialogue.way.address)).await;
        let (stream, tls) = secured.map_err(|_| TOO_LONG.to_owned())??;
        self.recorder.record(Event::Secured {
            dialogue: self.number,
            after_ms: self.after_ms(),
            tls,
        });
        Ok(stream)
    }

    fn record(&self, event: SessionEvent) {
        let (dialogue, after_ms) = (self.number, self.after_ms());
        let test_of = |step: Option<usize>| {
            step.and_then(|step| *self.dialogue.step_tests.get(step)?)
                .map(String::from)
        };
        match event {
            SessionEvent::Sent { stage, step, line } => {
                self.recorder.record(Event::Sent {
                    dialogue,
                    after_ms,
                    stage,
                    test: test_of(step),
                    line,
                });
            }
            SessionEvent::Replied { stage, step, reply } => {
                let purpose = step
                    .and_then(|step| self.dialogue.transaction.steps.get(step))
                    .map(|step| step.purpose);
                self.recorder.record(Event::Replied {
                    dialogue,
                    after_ms,
                    stage,
                    test: test_of(step),
                    purpose,
                    reply,
                });
            }
            SessionEvent::Secure | SessionEvent::Ended(_) => {}
        }
    }

    fn after_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

async fn write(stream: &mut AnyStream, output: &[u8]) -> std::io::Result<()> {
    stream.write_all(output).await?;
    stream.flush().await
}

async fn farewell(stream: &mut AnyStream, output: &[u8]) -> std::io::Result<()> {
    write(stream, output).await?;
    stream.shutdown().await
}

fn last_end(session: &mut Session) -> End {
    let ends = std::iter::from_fn(|| session.poll_event()).filter_map(|event| match event {
        SessionEvent::Ended(end) => Some(end),
        _ => None,
    });
    ends.last().unwrap_or(End::Interrupted(Cause::Stopped))
}

/// An error in few words, without the operating system's number.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text.to_lowercase(),
    }
}
