//! Hands over a message in a protocol without questions (QMTP, QMQP): everything is said at once,
//! then the answer comes.

use std::{net::SocketAddr, time::Duration};

use norelay_core::{
    asking::PlannedDialogue,
    event::Event,
    octets::Octets,
    smtp::{Cause, End, Reply, Stage, netstring},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use crate::{
    drive::{milliseconds_since, opened},
    network::{AnyStream, Network},
    record::Recorder,
};

/// The whole request is a message, so its answer is the one to the end of data.
const STAGE: Stage = Stage::EndOfData;

/// Has the dialogue and records it, from the connection to the end.
pub async fn hand_over<N: Network>(
    network: &N,
    recorder: &Recorder,
    connection: &PlannedDialogue,
    request: &[u8],
    text: Octets,
) {
    recorder.record(opened(connection));
    let began = Instant::now();
    let end = talk(network, recorder, connection, (request, text), began).await;
    let (dialogue, after_ms) = (connection.dialogue, milliseconds_since(began));
    recorder.record(Event::Ended { dialogue, after_ms, end });
}

async fn talk<N: Network>(
    network: &N,
    recorder: &Recorder,
    connection: &PlannedDialogue,
    (request, text): (&[u8], Octets),
    began: Instant,
) -> End {
    let dialogue = connection.dialogue;
    let to = SocketAddr::new(connection.destination.address, connection.destination.port);
    let (stream, local) = match network.connect(to).await {
        Ok(connected) => connected,
        Err(error) => {
            let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
            return End::Interrupted(Cause::ConnectFailed { refused, error: error.to_string() });
        }
    };
    let after_ms = milliseconds_since(began);
    recorder.record(Event::Connected { dialogue, after_ms, local });
    recorder.record(Event::Sent { dialogue, after_ms, stage: STAGE, test: None, line: text });
    match answer(stream, request, connection.reply_timeout).await {
        Err(cause) => End::Interrupted(cause),
        Ok(reply) => {
            recorder.record(Event::Replied {
                dialogue,
                after_ms: milliseconds_since(began),
                stage: STAGE,
                test: None,
                purpose: None,
                reply,
            });
            End::Answered
        }
    }
}

/// Writes the request and returns the answer, if it comes in time.
async fn answer(stream: AnyStream, request: &[u8], limit: Duration) -> Result<Reply, Cause> {
    match timeout(limit, exchange(stream, request)).await {
        Err(_) => Err(Cause::TimedOut { stage: STAGE }),
        Ok(answer) => answer,
    }
}

async fn exchange(mut stream: AnyStream, request: &[u8]) -> Result<Reply, Cause> {
    stream.write_all(request).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut answer = Vec::new();
    loop {
        match netstring::answer(&answer) {
            Some(Ok(reply)) => return Ok(reply),
            Some(Err(violation)) => return Err(Cause::Violated { stage: STAGE, violation }),
            None if stream.read_buf(&mut answer).await.map_err(broken)? == 0 => {
                return Err(Cause::Disconnected { stage: STAGE, error: None });
            }
            None => {}
        }
    }
}

fn broken(error: std::io::Error) -> Cause {
    Cause::Disconnected { stage: STAGE, error: Some(error.to_string()) }
}
