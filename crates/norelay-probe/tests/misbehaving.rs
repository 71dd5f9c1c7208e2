//! Servers that misbehave (the list of `threats`): each ends in the right class of verdict, within its bounds.

mod simulation;

use std::{sync::Arc, time::Duration};

use norelay_core::{
    catalogue::{self, Profile},
    check::Verdict,
};
use simulation::{NOTHING, Server, answering, closed};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    sync::mpsc,
};

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

/// A server in order that sends every octet by itself, after a pause.
fn dripping(pause: Duration) -> Server {
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
                if stream.read_line(&mut line).await.is_ok_and(|length| length == 0) {
                    return;
                }
                said = closed(line.trim_end());
            }
        }))
    })
}

/// A server that greets after a pause, and throws out who speaks first.
fn pausing(pause: Duration) -> Server {
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
fn dropping_input() -> Server {
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

/// A server in order that takes its time, and answers what comes before its greeting like a command.
fn answering_prefaces() -> Server {
    Arc::new(move |_, stream| {
        Some(Box::pin(async move {
            let mut stream = BufReader::new(stream);
            let _ = stream.write_all(GREETING.as_bytes()).await;
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let reply =
                    if line.starts_with("PROXY") { "250 whatever\r\n".to_owned() } else { closed(line.trim_end()) };
                if stream.write_all(reply.as_bytes()).await.is_err() {
                    return;
                }
                line.clear();
            }
        }))
    })
}

/// A server that takes every recipient, and answers DATA and the end of the text like this.
fn taking(data: &'static str, end_of_data: &'static str) -> Server {
    let reply = |text: &str| if text.is_empty() || text == NOTHING { text.to_owned() } else { format!("{text}\r\n") };
    but(move |_, line| match line {
        "DATA" => Some(reply(data)),
        "END-OF-DATA" => Some(reply(end_of_data)),
        line if line.starts_with("RCPT") => Some("250 2.1.5 ok\r\n".to_owned()),
        _ => None,
    })
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
        ("telnet", saying(&b"\xff\xfd\x18\xff\xfd\x20\r\nlogin: "[..]), Unreachable, 10),
        ("FTP", answering("220 ProFTPD Server ready\r\n", |_, _| "500 what\r\n".to_owned()), Inconclusive, 10),
        ("a greeting, then never a word", saying(GREETING), Inconclusive, 200),
        (
            "replies before their commands",
            saying("220 mx\r\n250 mx\r\n250 ok\r\n550 no\r\n221 bye\r\n"),
            Inconclusive,
            10,
        ),
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
        (
            "a greeting of several lines",
            answering("220-mx\r\n220-hello\r\n220 go\r\n", |_, line| closed(line)),
            Closed,
            2,
        ),
        ("a greeting without text", answering("220\r\n", |_, line| closed(line)), Closed, 2),
        ("a greeting after a pause", pausing(Duration::from_secs(5)), Closed, 30),
        ("octet by octet", dripping(Duration::from_millis(10)), Closed, 20),
        ("whole but slow", dripping(Duration::from_millis(200)), Closed, 400),
        ("no CR", but(|_, line| foreign(line).then(|| "550 5.7.1 Relaying denied\n".to_owned())), Closed, 2),
        ("NUL", rcpt("550 5.7.1 Relaying\0denied"), Closed, 2),
        ("digits that are none of ASCII", rcpt("\u{ff15}\u{ff15}\u{ff10} 5.7.1 Relaying denied"), Inconclusive, 20),
        ("a negative code", rcpt("-550 5.7.1 Relaying denied"), Inconclusive, 20),
        ("another code in the text", rcpt("250 2.1.5 530 5.7.0 Authentication required"), Suspect, 400),
        ("PIPELINING that is not honoured", dropping_input(), Closed, 200),
        ("DATA though all recipients were refused", but_for("DATA", "354 go on"), Closed, 2),
        ("250 to any line", answering(GREETING, |_, _| "250 ok\r\n".to_owned()), Suspect, 400),
    ]
}

/// What becomes of messages for proof: none of these servers delivers one.
fn texts() -> Vec<Row> {
    use Verdict::{Closed, Suspect};
    vec![
        ("delivers nothing", taking("354 go on", "250 2.0.0 queued"), Suspect, 320),
        ("refuses at DATA", taking("554 5.7.1 Relaying denied", ""), Closed, 20),
        ("refuses after the dot", taking("354 go on", "554 5.7.1 Relaying denied"), Closed, 20),
        ("defers after the dot", taking("354 go on", "451 4.3.0 later"), Suspect, 1200),
        ("hangs up at DATA", taking("", ""), Suspect, 200),
        ("hangs up after the dot", taking("354 go on", ""), Suspect, 200),
        ("never answers the dot", taking("354 go on", NOTHING), Suspect, 1200),
        ("queued before the text", taking("250 2.0.0 queued", ""), Suspect, 200),
    ]
}

async fn check(rows: Vec<Row>) {
    check_with(rows, false).await;
}

async fn check_with(rows: Vec<Row>, receiving: bool) {
    let mut wrong = Vec::new();
    for (name, server, expected, seconds) in rows {
        let (_sender, receipts) = mpsc::channel(1);
        let ran = simulation::run(simulation::request(), server, receiving.then_some(receipts)).await;
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

/// A server that takes a PROXY header for a command and answers it: every later answer would be to the command before.
#[tokio::test(start_paused = true)]
async fn an_answer_to_a_preface_shifts_nothing() {
    let tests: Vec<_> = catalogue::select(Profile::Thorough).filter(|test| test.id.starts_with("proxy-v1")).collect();
    assert!(!tests.is_empty());
    let first = catalogue::select(Profile::Classic).take(4);
    // One after another: the first have shown that the server is in order, but for this.
    let tests = first.chain(tests).collect();
    let asked = simulation::Request { tests, concurrency: Some(1), ..simulation::request() };
    let ran = simulation::run(asked, answering_prefaces(), None).await;
    assert_eq!(ran.judgement.verdict, Verdict::Inconclusive, "{}", ran.judgement.summary);
}

#[tokio::test(start_paused = true)]
async fn misbehaviour_with_a_message() {
    check_with(texts(), true).await;
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
    // The queue of a server was full: the connection is open for us, and nobody will ever say anything on it.
    let losing = |lost: usize| -> Server {
        let (inner, silent) = (but(|_, _| None), saying(""));
        Arc::new(move |number, stream| if number == lost { silent(number, stream) } else { inner(number, stream) })
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
        ("loses a connection", losing(5), Closed, 15),
        (
            "hangs up on every third",
            but(|number, line| (number % 3 == 2 && foreign(line)).then(String::new)),
            Closed,
            20,
        ),
    ])
    .await;
}
