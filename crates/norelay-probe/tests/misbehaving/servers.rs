//! The servers, as scripts: each has one fault, and is in order but for it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    time::Instant,
};

use crate::simulation::{NOTHING, Server, answering, closed};

pub const GREETING: &str = "220 mx.target.example ESMTP\r\n";

/// A server that says one thing, then nothing, and keeps the connection open.
pub fn saying(octets: impl Into<Vec<u8>>) -> Server {
    let octets: Arc<[u8]> = octets.into().into();
    Arc::new(move |_, mut stream| {
        let octets = octets.clone();
        Some(Box::pin(async move {
            let _ = stream.write_all(&octets).await;
            let mut sink = Vec::new();
            let _ = stream.read_to_end(&mut sink).await;
        }))
    })
}

/// A server that says the same for ever, at once or an octet a second.
pub fn endless(octets: &'static [u8], pause: Option<Duration>) -> Server {
    Arc::new(move |_, mut stream| {
        Some(Box::pin(async move {
            loop {
                for portion in octets.chunks(if pause.is_some() { 1 } else { octets.len() }) {
                    if stream.write_all(portion).await.is_err() {
                        return;
                    }
                    if let Some(pause) = pause {
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }))
    })
}

/// A server that closes the connection at once.
pub fn closing() -> Server {
    Arc::new(|_, stream| Some(Box::pin(async move { drop(stream) })))
}

/// A server in order that sends every octet by itself, after a pause.
pub fn dripping(pause: Duration) -> Server {
    Arc::new(move |_, stream| {
        Some(Box::pin(async move {
            let mut stream = BufReader::new(stream);
            let mut said = GREETING.to_owned();
            let mut line = String::new();
            loop {
                for octet in said.as_bytes() {
                    tokio::time::sleep(pause).await;
                    if stream.write_all(&[*octet]).await.is_err() {
                        return;
                    }
                }
                line.clear();
                if stream
                    .read_line(&mut line)
                    .await
                    .is_ok_and(|length| length == 0)
                {
                    return;
                }
                said = closed(line.trim_end());
            }
        }))
    })
}

/// A server that greets after a pause, and throws out who speaks first.
pub fn pausing(pause: Duration) -> Server {
    let polite = but(|_, _| None);
    Arc::new(move |number, mut stream| {
        let polite = polite.clone();
        Some(Box::pin(async move {
            let speaks_first = tokio::time::timeout(pause, stream.read_u8()).await.is_ok();
            if let Some(serving) = polite(number, stream).filter(|_| !speaks_first) {
                serving.await;
            }
        }))
    })
}

/// A server that offers PIPELINING, reads what has come, and answers the first line of it only.
pub fn dropping_input() -> Server {
    Arc::new(move |_, mut stream| {
        Some(Box::pin(async move {
            let _ = stream.write_all(GREETING.as_bytes()).await;
            let mut buffer = vec![0; 4096];
            while let Ok(length) = stream.read(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let Some(line) = text.lines().next() else { return };
                let _ = stream.write_all(closed(line).as_bytes()).await;
            }
        }))
    })
}

/// A server in order that takes its time, and answers what comes before its greeting like a
/// command.
pub fn answering_prefaces() -> Server {
    Arc::new(move |_, stream| {
        Some(Box::pin(async move {
            let mut stream = BufReader::new(stream);
            let _ = stream.write_all(GREETING.as_bytes()).await;
            let mut line = String::new();
            while stream
                .read_line(&mut line)
                .await
                .is_ok_and(|length| length > 0)
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let reply = if line.starts_with("PROXY") {
                    "250 whatever\r\n".to_owned()
                } else {
                    closed(line.trim_end())
                };
                if stream.write_all(reply.as_bytes()).await.is_err() {
                    return;
                }
                line.clear();
            }
        }))
    })
}

/// A server that takes every recipient, and answers DATA and the end of the text like this.
pub fn taking(data: &'static str, end_of_data: &'static str) -> Server {
    let reply = |text: &str| {
        if text.is_empty() || text == NOTHING { text.to_owned() } else { format!("{text}\r\n") }
    };
    but(move |_, line| match line {
        "DATA" => Some(reply(data)),
        "END-OF-DATA" => Some(reply(end_of_data)),
        line if line.starts_with("RCPT") => Some("250 2.1.5 ok\r\n".to_owned()),
        _ => None,
    })
}

/// As `closed`, but for the commands that `other` answers.
pub fn but(other: impl Fn(usize, &str) -> Option<String> + Send + Sync + 'static) -> Server {
    answering(GREETING, move |number, line| other(number, line).unwrap_or_else(|| closed(line)))
}

/// As `closed`, but for one command.
pub fn but_for(verb: &'static str, reply: &'static str) -> Server {
    but(move |_, line| line.starts_with(verb).then(|| format!("{reply}\r\n")))
}

pub fn foreign(line: &str) -> bool {
    line.starts_with("RCPT") && !line.contains("<postmaster@target.example>")
}

pub fn rcpt(reply: &'static str) -> Server {
    but(move |_, line| foreign(line).then(|| format!("{reply}\r\n")))
}

/// A server that greets in order, but late.
pub fn greeting_late(pause: Duration) -> Server {
    let in_order = but(|_, _| None);
    Arc::new(move |number, stream| {
        let in_order = in_order.clone();
        Some(Box::pin(async move {
            tokio::time::sleep(pause).await;
            if let Some(serving) = in_order(number, stream) {
                serving.await;
            }
        }))
    })
}

/// A service that gives back every line, behind a prefix; it greets with the prefix where there is
/// one.
pub fn echoing(prefix: &'static str) -> Server {
    let greeting = if prefix.is_empty() { "" } else { "220 echo\r\n" };
    answering(greeting, move |_, line| format!("{prefix}{line}\r\n"))
}

/// A server that answers a foreign RCPT by these octets.
pub fn rcpt_in_octets(reply: &'static [u8]) -> Server {
    Arc::new(move |_, stream| {
        Some(Box::pin(async move {
            let mut stream = BufReader::new(stream);
            let _ = stream.write_all(GREETING.as_bytes()).await;
            let mut line = String::new();
            while stream
                .read_line(&mut line)
                .await
                .is_ok_and(|length| length > 0)
            {
                let in_order = closed(line.trim_end());
                let reply = if foreign(&line) { reply } else { in_order.as_bytes() };
                if stream.write_all(reply).await.is_err() {
                    return;
                }
                line.clear();
            }
        }))
    })
}

/// A server in order whose replies have so many more lines of so many octets each.
pub fn large(lines: usize, octets: usize) -> Server {
    but(move |_, line| {
        let reply = closed(line);
        let more = format!("{}-{}\r\n", &reply[..3], "x".repeat(octets)).repeat(lines);
        Some(more + &reply)
    })
}

/// A server that answers the commands that came together in the opposite order, but for QUIT.
pub fn disordered(answer: fn(&str) -> String) -> Server {
    Arc::new(move |_, mut stream| {
        Some(Box::pin(async move {
            let _ = stream.write_all(GREETING.as_bytes()).await;
            let mut buffer = vec![0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let (last, others): (Vec<_>, Vec<_>) =
                    text.lines().partition(|line| *line == "QUIT");
                let replies: String = others.into_iter().rev().chain(last).map(answer).collect();
                if stream.write_all(replies.as_bytes()).await.is_err() {
                    return;
                }
            }
        }))
    })
}

/// As `closed`, but every recipient is accepted.
pub fn taking_all(line: &str) -> String {
    if line.starts_with("RCPT") { "250 2.1.5 ok\r\n".to_owned() } else { closed(line) }
}

/// A server that greets and then reads nothing, and says nothing.
pub fn never_reading() -> Server {
    Arc::new(move |_, mut stream| {
        Some(Box::pin(async move {
            let _ = stream.write_all(GREETING.as_bytes()).await;
            std::future::pending::<()>().await;
        }))
    })
}

/// A server in order that reads an octet at a time, after a pause.
pub fn reading_slowly(pause: Duration) -> Server {
    Arc::new(move |_, mut stream| {
        Some(Box::pin(async move {
            let _ = stream.write_all(GREETING.as_bytes()).await;
            let mut line = Vec::new();
            while let Ok(octet) = stream.read_u8().await {
                tokio::time::sleep(pause).await;
                line.push(octet);
                if octet == b'\n' {
                    let said = closed(String::from_utf8_lossy(&line).trim_end());
                    if stream.write_all(said.as_bytes()).await.is_err() {
                        return;
                    }
                    line.clear();
                }
            }
        }))
    })
}

/// As `taking`, but it offers something more.
pub fn offering(keyword: &'static str, data: &'static str, end_of_data: &'static str) -> Server {
    but(move |_, line| match line {
        line if line.starts_with("EHLO") => {
            Some(format!("250-mx.target.example\r\n250-PIPELINING\r\n250 {keyword}\r\n"))
        }
        "DATA" => Some(format!("{data}\r\n")),
        "END-OF-DATA" => Some(format!("{end_of_data}\r\n")),
        line if line.starts_with("RCPT") => Some("250 2.1.5 ok\r\n".to_owned()),
        _ => None,
    })
}

/// A server that bears one connection at a time; another is told why, or refused.
pub fn one_at_a_time(why: Option<&'static str>) -> Server {
    let (in_order, busy) = (but(|_, _| None), Arc::new(AtomicBool::new(false)));
    Arc::new(move |number, mut stream| {
        if busy.swap(true, Ordering::SeqCst) {
            let why = why?;
            return Some(Box::pin(async move {
                let _ = stream.write_all(why.as_bytes()).await;
            }));
        }
        let serving = in_order(number, stream);
        let busy = busy.clone();
        Some(Box::pin(async move {
            if let Some(serving) = serving {
                serving.await;
            }
            busy.store(false, Ordering::SeqCst);
        }))
    })
}

/// A server that bears many questions on one connection, so its name says, and hangs up after so
/// many refusals.
pub fn dropping_after(errors: usize) -> Server {
    let refused: Arc<Mutex<HashMap<usize, usize>>> = Arc::default();
    answering(
        "220 mx.target.example ESMTP Sendmail 8.17.1; Tue, 24 Nov 2026 11:40:54 GMT\r\n",
        move |number, line| {
            let reply = closed(line);
            let mut refused = refused.lock().expect("no test panics with it");
            let count = refused.entry(number).or_default();
            *count += usize::from(reply.starts_with('5'));
            if *count > errors { "421 4.7.0 too many errors\r\n".to_owned() } else { reply }
        },
    )
}

/// A server that knows how many recipients it has rejected on a connection: `answer` answers RCPT
/// by that number, if it answers.
pub fn counting_rejections(
    answer: impl Fn(usize, &str) -> Option<&'static str> + Send + Sync + 'static,
) -> Server {
    let rejected: Arc<Mutex<HashMap<usize, usize>>> = Arc::default();
    but(move |number, line| {
        let mut rejected = rejected.lock().expect("no test panics with it");
        let count = rejected.entry(number).or_default();
        let reply = line
            .starts_with("RCPT")
            .then(|| answer(*count, line))
            .flatten();
        let reply = reply.map_or_else(|| closed(line), |reply| format!("{reply}\r\n"));
        *count += usize::from(line.starts_with("RCPT") && !reply.starts_with('2'));
        Some(reply)
    })
}

/// A server that takes its time for the rejections that follow so many others on a connection.
pub fn tarpitting_after(errors: usize, pause: Duration) -> Server {
    Arc::new(move |_, stream| {
        Some(Box::pin(async move {
            let mut stream = BufReader::new(stream);
            let _ = stream.write_all(GREETING.as_bytes()).await;
            let (mut line, mut rejected) = (String::new(), 0);
            while stream
                .read_line(&mut line)
                .await
                .is_ok_and(|length| length > 0)
            {
                let reply = closed(line.trim_end());
                rejected += usize::from(reply.starts_with('5'));
                if rejected > errors && reply.starts_with('5') {
                    tokio::time::sleep(pause).await;
                }
                if stream.write_all(reply.as_bytes()).await.is_err() {
                    return;
                }
                line.clear();
            }
        }))
    })
}

/// A server that counts connections in fixed spans of time, as Postfix's anvil does: those that it
/// rejects count too.
pub fn limiting_rate(most: usize, span: Duration) -> Server {
    let inner = but(|_, _| None);
    let counted: Arc<Mutex<Option<(Instant, usize)>>> = Arc::default();
    Arc::new(move |number, mut stream| {
        let now = Instant::now();
        let mut counted = counted.lock().expect("no test panics with it");
        let (since, count) = match *counted {
            Some((since, count)) if now - since <= span => (since, count + 1),
            _ => (now, 1),
        };
        *counted = Some((since, count));
        if count <= most {
            return inner(number, stream);
        }
        Some(Box::pin(async move {
            let _ = stream
                .write_all(b"421 4.7.0 mx.target.example Error: too many connections\r\n")
                .await;
        }))
    })
}
