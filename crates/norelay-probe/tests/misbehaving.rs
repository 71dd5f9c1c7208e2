//! Servers that misbehave (the list of `threats`): each ends in the right class of verdict, within its bounds.

mod simulation;

use std::{sync::Arc, time::Duration};

use norelay_core::check::Verdict;
use simulation::{Server, answering, closed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const GREETING: &str = "220 mx.target.example ESMTP\r\n";

/// A server that says one thing, then nothing, and keeps the connection open.
fn saying(octets: impl Into<Vec<u8>>) -> Server {
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
fn endless(octets: &'static [u8], pause: Option<Duration>) -> Server {
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
fn closing() -> Server {
    Arc::new(|_, stream| Some(Box::pin(async move { drop(stream) })))
}

/// As `closed`, but for the commands that `other` answers.
fn but(other: impl Fn(usize, &str) -> Option<String> + Send + Sync + 'static) -> Server {
    answering(GREETING, move |number, line| other(number, line).unwrap_or_else(|| closed(line)))
}

/// As `closed`, but for one command.
fn but_for(verb: &'static str, reply: &'static str) -> Server {
    but(move |_, line| line.starts_with(verb).then(|| format!("{reply}\r\n")))
}

fn foreign(line: &str) -> bool {
    line.starts_with("RCPT") && !line.contains("<postmaster@target.example>")
}

fn rcpt(reply: &'static str) -> Server {
    but(move |_, line| foreign(line).then(|| format!("{reply}\r\n")))
}

type Row = (&'static str, Server, Verdict, u64);

/// Name, server, verdict, the virtual seconds that the run may take.
fn greetings() -> Vec<Row> {
    use Verdict::{Inconclusive, Unreachable};
    vec![
        ("refused connection", Arc::new(|_, _| None), Unreachable, 1),
        ("closed at once", closing(), Unreachable, 120),
        ("silent", saying(""), Unreachable, 200),
        ("an octet a second", endless(b"220-slow\r\n", Some(Duration::from_secs(1))), Unreachable, 200),
        ("endless continuation lines", endless(b"220-more\r\n", None), Unreachable, 10),
        ("a line without end", endless(b"22", None), Unreachable, 10),
        ("HTTP", saying("HTTP/1.1 400 Bad Request\r\n\r\n"), Unreachable, 10),
        ("SSH", saying("SSH-2.0-OpenSSH_9.2\r\n"), Unreachable, 10),
        ("POP3", saying("+OK ready\r\n"), Unreachable, 10),
        ("IMAP", saying("* OK ready\r\n"), Unreachable, 10),
        ("TLS alert", saying(&b"\x15\x03\x01\x00\x02\x02\x46\n"[..]), Unreachable, 10),
        ("binary", saying((0..=255u8).collect::<Vec<_>>()), Unreachable, 10),
        ("250 in the place of 220", saying("250 hello\r\n"), Inconclusive, 10),
        ("421", answering("421 busy\r\n", |_, line| closed(line)), Inconclusive, 120),
        ("450", answering("450 busy\r\n", |_, line| closed(line)), Inconclusive, 1200),
        ("554", answering("554 you are not wanted\r\n", |_, line| closed(line)), Inconclusive, 10),
        ("521", answering("521 no mail here\r\n", |_, line| closed(line)), Inconclusive, 10),
    ]
}

fn dialogues() -> Vec<Row> {
    use Verdict::{Closed, Inconclusive, Suspect};
    vec![
        ("in order", but(|_, _| None), Closed, 2),
        ("code without text", but_for("EHLO", "250"), Closed, 2),
        ("EHLO refused", but_for("EHLO", "502 what"), Closed, 2),
        ("EHLO cut", but(|_, line| line.starts_with("EHLO").then(String::new)), Closed, 20),
        ("250 denied", rcpt("250 relaying denied"), Suspect, 400),
        ("550 ok", rcpt("550 ok"), Closed, 2),
        ("550 with 250 in the text", rcpt("550 5.7.1 250 2.1.5 Ok, relay denied"), Closed, 2),
        ("tab after the code", rcpt("550\tRelaying denied"), Inconclusive, 20),
        ("two digits", rcpt("55 Relaying denied"), Inconclusive, 20),
        ("four digits", rcpt("5500 Relaying denied"), Inconclusive, 20),
        ("999", rcpt("999 Relaying denied"), Inconclusive, 20),
        ("1xx", rcpt("150 wait"), Inconclusive, 20),
        ("354 to RCPT", rcpt("354 go on"), Inconclusive, 20),
        ("mixed codes", rcpt("250-ok\r\n550 Relaying denied"), Inconclusive, 20),
        ("a second reply behind a bare LF", but_for("MAIL", "250 ok\n550 Relaying denied"), Inconclusive, 20),
        ("an extra reply to MAIL", but_for("MAIL", "250 ok\r\n550 5.7.1 Relaying denied"), Inconclusive, 20),
        ("no answer to RCPT", but(|_, line| foreign(line).then(|| "550-waiting".to_owned())), Inconclusive, 2000),
        ("421 to RCPT", rcpt("421 4.7.0 too much"), Inconclusive, 200),
        ("hangs up at RCPT", but(|_, line| foreign(line).then(String::new)), Inconclusive, 20),
        (
            "blocked",
            rcpt("554 5.7.1 Service unavailable; Client host [198.51.100.9] blocked using zen.spamhaus.org"),
            Inconclusive,
            2,
        ),
        (
            "10,000 keywords",
            but(|_, line| line.starts_with("EHLO").then(|| "250-X\r\n".repeat(10_000) + "250 Y\r\n")),
            Inconclusive,
            20,
        ),
        ("250 to any line", answering(GREETING, |_, _| "250 ok\r\n".to_owned()), Suspect, 400),
    ]
}

async fn check(rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for (name, server, expected, seconds) in rows {
        let ran = simulation::run(simulation::request(), server, None).await;
        let (verdict, took) = (ran.judgement.verdict, ran.took.as_secs());
        if verdict != expected || took > seconds || ran.connections > 100 {
            if std::env::var_os("TRANSCRIPTS").is_some() {
                for dialogue in ran.report.dialogues.values().take(4) {
                    for line in norelay_core::render::transcript::lines(dialogue) {
                        eprintln!("{line}");
                    }
                }
            }
            wrong.push(format!(
                "{name}: {verdict:?} in {took} s with {} connections: {}",
                ran.connections, ran.judgement.summary
            ));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn misbehaviour_in_the_greeting() {
    check(greetings()).await;
}

#[tokio::test(start_paused = true)]
async fn misbehaviour_in_the_dialogue() {
    check(dialogues()).await;
}

/// The limits of real servers (catalogue, "Session limits that hit a tester").
#[tokio::test(start_paused = true)]
async fn servers_that_defend_themselves() {
    use Verdict::{Closed, Inconclusive};
    let greylisting = |text: &'static str| {
        but(move |number, line| (line.starts_with("RCPT") && number < 22).then(|| format!("{text}\r\n")))
    };
    let banning = |after: usize| -> Server {
        let inner = but(|_, _| None);
        Arc::new(move |number, stream| if number < after { inner(number, stream) } else { None })
    };
    check(vec![
        ("greylisting", greylisting("450 4.2.0 Greylisted, see http://postgrey.example/"), Closed, 70),
        (
            "greylisting that names a time",
            greylisting("451 4.7.1 Greylisting in action, please come back in 00:02:00"),
            Closed,
            130,
        ),
        (
            "greylisting beyond our patience",
            greylisting("451 4.7.1 Greylisting in action, please come back in 00:20:00"),
            Inconclusive,
            2,
        ),
        ("a ban after six", banning(6), Inconclusive, 120),
        (
            "hangs up on every third",
            but(|number, line| (number % 3 == 2 && foreign(line)).then(String::new)),
            Closed,
            20,
        ),
    ])
    .await;
}
