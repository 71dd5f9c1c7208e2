//! How many round trips the seventeen and their controls take: every one of them is a wait that a far server costs.

mod simulation;

use std::{sync::Arc, time::Duration};

use norelay_core::check::Verdict;
use simulation::{Request, Server, closed, request, run};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const ROUND_TRIP: Duration = Duration::from_millis(200);

/// A server as far away as a round trip: a connection and its greeting take two, each flight of commands one.
fn far(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    let answer = Arc::new(answer);
    Arc::new(move |_, stream| {
        let answer = answer.clone();
        Some(Box::pin(async move {
            let mut stream = BufReader::new(stream);
            tokio::time::sleep(2 * ROUND_TRIP).await;
            let _ = stream.write_all(b"220 mx.target.example ESMTP\r\n").await;
            loop {
                let mut line = String::new();
                let is_new_flight = stream.buffer().is_empty();
                if stream.read_line(&mut line).await.is_ok_and(|length| length == 0) {
                    return;
                }
                if is_new_flight {
                    tokio::time::sleep(ROUND_TRIP).await;
                }
                let _ = stream.write_all(answer(line.trim_end()).as_bytes()).await;
            }
        }))
    })
}

fn without_pipelining(line: &str) -> String {
    closed(line).replace("250-mx.target.example\r\n250 PIPELINING", "250 mx.target.example")
}

#[tokio::test(start_paused = true)]
async fn the_seventeen_take_no_more_than_they_must() {
    let rows: [(&str, Server, Option<usize>, u32); 4] = [
        ("pipelining", far(closed), None, 16),
        ("lock step", far(without_pipelining), None, 20),
        ("pipelining, all at once", far(closed), Some(24), 4),
        ("lock step, all at once", far(without_pipelining), Some(24), 6),
    ];
    for (name, server, concurrency, most) in rows {
        let ran = run(Request { concurrency, ..request() }, server, None).await;
        assert_eq!(ran.judgement.verdict, Verdict::Closed, "{name}");
        // Connections start a little apart: all of them together by less than a round trip.
        let trips = ran.took.as_secs_f64() / ROUND_TRIP.as_secs_f64();
        assert!((1.0..f64::from(most) + 0.9).contains(&trips), "{name}: {trips:.2} round trips");
    }
}
