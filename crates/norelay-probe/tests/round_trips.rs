//! How many round trips the seventeen and their controls take: every one of them is a wait that a
//! far server costs.

mod simulation;

use std::{sync::Arc, time::Duration};

use norelay_core::check::Verdict;
use simulation::{Request, Server, closed, request, run};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const ROUND_TRIP: Duration = Duration::from_millis(200);
const NAMELESS: &str = "220 mx.target.example ESMTP\r\n";
const POSTFIX: &str = "220 mx.target.example ESMTP Postfix (Debian/GNU)\r\n";
const OPENSMTPD: &str = "220 mx.target.example ESMTP OpenSMTPD\r\n";
const EXIM: &str = "220 mx.target.example ESMTP Exim 4.96 Fri, 27 Nov 2026 22:10:07 +0000\r\n";

/// A server as far away as a round trip: a connection and its greeting take two, each flight of
/// commands one.
fn far(greeting: &'static str, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    let answer = Arc::new(answer);
    Arc::new(move |_, stream| {
        let answer = answer.clone();
        Some(Box::pin(async move {
            let mut stream = BufReader::new(stream);
            tokio::time::sleep(2 * ROUND_TRIP).await;
            let _ = stream.write_all(greeting.as_bytes()).await;
            loop {
                let mut line = String::new();
                let is_new_flight = stream.buffer().is_empty();
                if stream
                    .read_line(&mut line)
                    .await
                    .is_ok_and(|length| length == 0)
                {
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

/// Turns away those that come after so many.
fn at_most(connections: usize, server: Server) -> Server {
    Arc::new(move |number, stream| if number < connections { server(number, stream) } else { None })
}

fn like_postfix(line: &str) -> String {
    closed(line).replace("550 5.7.1 Relaying denied", "454 4.7.1 Relay access denied")
}

/// Commands must come one by one. Most malformed addresses are syntax errors, and a rejection does not say that it is about
/// relaying.
fn like_opensmtpd(line: &str) -> String {
    let has_two_domains = line.matches('@').count() > 1 && !line.contains("<@");
    if line.starts_with("RCPT") && has_two_domains {
        return "501 5.1.3 Recipient address syntax error\r\n".to_owned();
    }
    without_pipelining(line).replace("550 5.7.1 Relaying denied", "550 Invalid recipient")
}

fn without_pipelining(line: &str) -> String {
    closed(line).replace("250-mx.target.example\r\n250 PIPELINING", "250 mx.target.example")
}

#[tokio::test(start_paused = true)]
async fn the_seventeen_take_no_more_than_they_must() {
    let rows: [(&str, Server, Option<usize>, u32, usize); 10] = [
        ("pipelining", far(NAMELESS, closed), None, 8, 6),
        ("like Postfix", far(POSTFIX, like_postfix), None, 8, 6),
        ("like OpenSMTPD", far(OPENSMTPD, like_opensmtpd), None, 8, 22),
        ("pipelining, six at once", far(NAMELESS, closed), Some(6), 8, 6),
        ("lock step", far(NAMELESS, without_pipelining), None, 20, 22),
        ("pipelining, all at once", far(NAMELESS, closed), Some(24), 4, 22),
        ("lock step, all at once", far(NAMELESS, without_pipelining), Some(24), 6, 22),
        ("many on one", far(EXIM, closed), None, 6, 8),
        ("many on one, all at once", far(EXIM, closed), Some(24), 4, 22),
        // As Exim takes twenty connections, and turns more away.
        ("fewer than all at once", at_most(20, far(EXIM, closed)), Some(24), 4, 24),
    ];
    for (name, server, concurrency, most, connections) in rows {
        let ran = run(Request { concurrency, ..request() }, server, None).await;
        assert_eq!(ran.judgement.verdict, Verdict::Closed, "{name}");
        // Connections start a little apart: all of them together by less than a round trip.
        let trips = ran.took.as_secs_f64() / ROUND_TRIP.as_secs_f64();
        assert!((1.0..f64::from(most) + 0.9).contains(&trips), "{name}: {trips:.2} round trips");
        assert!(ran.connections <= connections, "{name}: {} connections", ran.connections);
    }
}
