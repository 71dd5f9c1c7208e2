//! QMTP and QMQP: a message for a token at the ports of these protocols, where something listens.
//!
//! Rules:
//! - There is no question before the message, so without a receiver it stays unknown what listens
//!   there.
//! - A port where nothing listens is no path.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use norelay_core::{
    catalogue::{RelayTest, TestId},
    check::Outcome,
    event::{Event, MailExchanger, Path},
    octets::Octets,
    path::PathId,
    proof::{Candidate, Proof, Wording},
    smtp::{Cause, End, Security, Stage, netstring},
    token::Role,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::{
    Context, MAX_PATHS, ids,
    path::{self, PathScan},
    proof::{self, Delivered},
};
use crate::network::{AnyStream, Network};

/// Makes a path of each of these ports that takes connections, and asks there.
pub async fn scan_ports<N: Network>(context: &Arc<Context<N>>, exchangers: &[MailExchanger]) {
    for exchanger in exchangers {
        for address in exchanger
            .addresses
            .iter()
            .filter(|address| context.request.family.has(**address))
        {
            for (test, protocol) in context
                .other_protocols
                .iter()
                .filter_map(|test| Some((*test, test.protocol()?)))
            {
                let (host, address, port) = (exchanger.name.clone(), *address, protocol.port());
                let way = Path { host, address, port, security: Security::Plain };
                scan_port(context, way, test).await;
            }
        }
    }
}

/// Whether a test is asked in one of these protocols.
pub fn is_for(test: TestId) -> bool {
    test.test().is_some_and(|test| test.protocol().is_some())
}

async fn scan_port<N: Network>(context: &Arc<Context<N>>, way: Path, test: &'static RelayTest) {
    // A run that is resumed has come here before.
    let known = context.recorder.look(|report| {
        report
            .paths()
            .find(|path| *path.way() == way)
            .map(|path| path.id)
    });
    if let Some(index) = known {
        if !path::is_answered(context, index, test) {
            path::scan_path(context, index, way, vec![test]).await;
        }
        return;
    }
    if context
        .network
        .connect(way.endpoint().into())
        .await
        .is_err()
    {
        return;
    }
    let paths = context.recorder.look(|report| report.paths().len());
    let Some(index) = PathId::all().take(MAX_PATHS).nth(paths) else { return };
    context.recorder.record(Event::PathAdded {
        path: index,
        way: way.clone(),
        tests: ids(&[test]),
    });
    path::scan_path(context, index, way, vec![test]).await;
}

/// The messages that were taken, and must come if they are passed on.
pub fn delivered<N: Network>(context: &Context<N>) -> Delivered {
    let taken = context.recorder.look(|report| {
        let dialogues = report.dialogues.values().filter_map(|dialogue| {
            let test = dialogue
                .tests
                .first()?
                .test()
                .filter(|test| test.protocol().is_some())?;
            let is_taken = matches!(Outcome::of(dialogue, test.id), Outcome::Accepted { .. });
            is_taken.then_some((dialogue.path, test.number, Role::Recipient))
        });
        dialogues.collect()
    });
    Arc::new(Mutex::new(taken))
}

/// Hands over a message, where a receiver can see it come back.
pub async fn ask<N: Network>(
    context: &Arc<Context<N>>,
    index: PathId,
    way: &Path,
    test: &'static RelayTest,
) {
    if !context.receiving {
        let why = "something listens there, only a message can ask it, and there is no receiver"
            .to_owned();
        return context
            .recorder
            .record(Event::NotRun { path: index, test: test.id.into(), why });
    }
    let scan = PathScan::new(context, index, way.clone());
    let (Some(protocol), Some(transaction)) = (test.protocol(), scan.whole_transaction(test))
    else {
        return;
    };
    let addresses: Vec<Octets> = transaction
        .steps
        .iter()
        .filter_map(|step| address_in(&step.line))
        .collect();
    let [sender, recipient] = addresses.as_slice() else { return };
    let candidate = Candidate { path: index, test, sender: test.reverse_path, transaction };
    let text = proof::text(
        context,
        &Proof { path: index, candidates: vec![candidate] },
        way,
        Wording::Plain,
    );
    let request = protocol.request(text.as_bytes(), sender.as_bytes(), recipient.as_bytes());
    let dialogue = context.recorder.next_dialogue();
    let opened = Instant::now();
    let tests = ids(&[test]);
    context.recorder.record(Event::Opened {
        dialogue,
        path: index,
        tests,
        proof: true,
        attempt: 0,
    });
    let talk = Talk { context, dialogue, opened, text };
    let end = talk.have(way.endpoint().into(), &request).await;
    context
        .recorder
        .record(Event::Ended { dialogue, after_ms: talk.after_ms(), end });
}

/// What stands between the brackets of a MAIL or RCPT.
fn address_in(line: &Octets) -> Option<Octets> {
    let line = line.as_bytes();
    let start = line.iter().position(|octet| *octet == b'<')? + 1;
    let end = line.iter().rposition(|octet| *octet == b'>')?;
    line.get(start..end).map(Octets::from)
}

/// One connection: everything is said at once, then the answer comes.
struct Talk<'a, N> {
    context: &'a Context<N>,
    dialogue: u32,
    opened: Instant,
    text: Octets,
}

impl<N: Network> Talk<'_, N> {
    async fn have(&self, to: SocketAddr, request: &[u8]) -> End {
        let stage = Stage::EndOfData;
        let (stream, local) = match self.context.network.connect(to).await {
            Ok(connected) => connected,
            Err(error) => {
                let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
                return End::Interrupted(Cause::ConnectFailed {
                    refused,
                    error: error.to_string(),
                });
            }
        };
        let (dialogue, recorder) = (self.dialogue, &self.context.recorder);
        recorder.record(Event::Connected { dialogue, after_ms: self.after_ms(), local });
        let (after_ms, line) = (self.after_ms(), self.text.clone());
        recorder.record(Event::Sent { dialogue, after_ms, stage, test: None, line });
        match timeout(self.context.request.reply_timeout, exchange(stream, request)).await {
            Err(_) => End::Interrupted(Cause::TimedOut { stage }),
            Ok(Err(cause)) => End::Interrupted(cause),
            Ok(Ok(reply)) => {
                let after_ms = self.after_ms();
                recorder.record(Event::Replied {
                    dialogue,
                    after_ms,
                    stage,
                    test: None,
                    purpose: None,
                    reply,
                });
                End::Answered
            }
        }
    }

    fn after_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

async fn exchange(
    mut stream: AnyStream,
    request: &[u8],
) -> Result<norelay_core::smtp::Reply, Cause> {
    let stage = Stage::EndOfData;
    let broken =
        |error: std::io::Error| Cause::Disconnected { stage, error: Some(error.to_string()) };
    stream.write_all(request).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut answer = Vec::new();
    loop {
        match netstring::answer(&answer) {
            Some(Ok(reply)) => return Ok(reply),
            Some(Err(violation)) => return Err(Cause::Violated { stage, violation }),
            None if stream.read_buf(&mut answer).await.map_err(broken)? == 0 => {
                return Err(Cause::Disconnected { stage, error: None });
            }
            None => {}
        }
    }
}
