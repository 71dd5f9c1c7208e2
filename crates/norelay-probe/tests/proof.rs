//! What comes back and what only looks like it: a server takes a message for proof, and something
//! arrives at the receiver.
//!
//! Rules:
//! - Only what bears the test's own token as its recipient proves, and only from the target itself
//!   or with the text's token.
//! - A proof may be late, changed on its way in every manner of mail, and come two thousand times.

mod simulation;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use data_encoding::BASE64_MIME;
use norelay_core::{
    catalogue,
    check::{self, Verdict, findings},
    event::{Event, Receipt, Record},
    octets::Octets,
    path::PathId,
    reception::{Copies, Reception, ReceptionKey},
    smtp::{ReceivedMessage, receiver::Policy},
    token::{RunId, Token, TokenKey, TokenRole},
};
use simulation::{Ran, Server, closed, key, request, run};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    sync::mpsc,
};

/// A message, as it was taken or as it arrives.
#[derive(Clone)]
struct Mail {
    peer: SocketAddr,
    reverse_path: String,
    forward_path: String,
    text: String,
    copies: usize,
    late: Duration,
}

impl Mail {
    fn text(self, change: impl FnOnce(String) -> String) -> Self {
        Self { text: change(self.text), ..self }
    }

    fn to(self, change: impl FnOnce(String) -> String) -> Self {
        Self { forward_path: change(self.forward_path), ..self }
    }

    fn from(self, reverse_path: &str) -> Self {
        Self { reverse_path: reverse_path.to_owned(), ..self }
    }

    fn by(self, peer: [u8; 4]) -> Self {
        Self { peer: (peer, 4321).into(), ..self }
    }

    fn late(self, seconds: u64) -> Self {
        Self { late: Duration::from_secs(seconds), ..self }
    }

    fn copies(self, copies: usize) -> Self {
        Self { copies, ..self }
    }
}

const TARGET: [u8; 4] = [192, 0, 2, 7];
const ELSEWHERE: [u8; 4] = [203, 0, 113, 99];

/// A server that takes everything, and hands on what `deliver` makes of it.
fn taking(deliver: fn(Mail) -> Mail, arrivals: Arc<Arrivals>) -> Server {
    Arc::new(move |_, stream| {
        let arrivals = arrivals.clone();
        Some(Box::pin(async move {
            let (reading, mut writing) = tokio::io::split(stream);
            let mut lines = BufReader::new(reading).lines();
            let _ = writing.write_all(b"220 mx.target.example ESMTP\r\n").await;
            let (mut reverse_path, mut forward_paths, mut text) =
                (String::new(), Vec::new(), None::<String>);
            while let Ok(Some(line)) = lines.next_line().await {
                let reply = match (&mut text, line.as_str()) {
                    (Some(_), ".") => {
                        for forward_path in forward_paths.drain(..) {
                            let (reverse_path, text) =
                                (reverse_path.clone(), text.clone().unwrap_or_default());
                            let (peer, late) = ((TARGET, 4321).into(), Duration::from_secs(1));
                            arrivals.clone().hand_on(deliver(Mail {
                                peer,
                                reverse_path,
                                forward_path,
                                text,
                                copies: 1,
                                late,
                            }));
                        }
                        text = None;
                        "250 2.0.0 queued\r\n".to_owned()
                    }
                    (Some(text), line) => {
                        text.push_str(&format!("{line}\r\n"));
                        continue;
                    }
                    (None, "DATA") => {
                        text = Some("Received: from tester by mx.target.example\r\n".to_owned());
                        "354 go on\r\n".to_owned()
                    }
                    (None, line) if line.starts_with("MAIL FROM:") => {
                        reverse_path = line["MAIL FROM:".len()..].to_owned();
                        "250 2.1.0 ok\r\n".to_owned()
                    }
                    (None, line) if line.starts_with("RCPT TO:") => {
                        forward_paths.push(line["RCPT TO:".len()..].to_owned());
                        "250 2.1.5 ok\r\n".to_owned()
                    }
                    (None, line) => closed(line),
                };
                if writing.write_all(reply.as_bytes()).await.is_err() {
                    return;
                }
            }
        }))
    })
}

/// The receiver, without its sockets.
struct Arrivals {
    reception: Reception,
    copies: Mutex<Copies>,
    receipts: mpsc::Sender<Receipt>,
    kept: Mutex<Vec<Receipt>>,
}

impl Arrivals {
    fn hand_on(self: Arc<Self>, mail: Mail) {
        tokio::spawn(async move {
            tokio::time::sleep(mail.late).await;
            for _ in 0..mail.copies {
                self.take(&mail).await;
            }
        });
    }

    async fn take(&self, mail: &Mail) {
        let forward_path = Octets::from(mail.forward_path.as_str());
        if self.reception.recipient(&forward_path).is_err() {
            return;
        }
        let message = ReceivedMessage {
            peer: mail.peer,
            helo: "mx.target.example".into(),
            tls: false,
            reverse_path: mail.reverse_path.as_str().into(),
            forward_paths: vec![forward_path],
            text: mail.text.clone().into_bytes(),
            size: mail.text.len() as u64,
        };
        for receipt in self.reception.receipts(&message) {
            if self
                .copies
                .lock()
                .expect("no test panics with it")
                .admit(&receipt)
            {
                self.kept
                    .lock()
                    .expect("no test panics with it")
                    .push(receipt.clone());
                let _ = self.receipts.send(receipt).await;
            }
        }
    }
}

/// The run, and what the receiver has kept in the end.
async fn proved(deliver: fn(Mail) -> Mail) -> (Ran, Vec<Receipt>) {
    let (sender, receipts) = mpsc::channel(64);
    let reception =
        Reception::new("mx.probe.example", &["probe.example".to_owned()], ReceptionKey::Run(key()));
    let arrivals = Arc::new(Arrivals {
        reception,
        copies: Mutex::default(),
        receipts: sender,
        kept: Mutex::default(),
    });
    let tests = ["foreign-to-foreign", "ctl-postmaster"]
        .iter()
        .filter_map(|id| catalogue::by_id(id))
        .collect();
    let server = taking(deliver, arrivals.clone());
    let ran = run(simulation::Request { tests, ..request() }, server, Some(receipts)).await;
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    let kept = arrivals
        .kept
        .lock()
        .expect("no test panics with it")
        .clone();
    (ran, kept)
}

/// Every token of a text in another form.
fn tokens(text: &str, change: impl Fn(&str) -> String) -> String {
    let is_of_token = |letter: char| letter.is_ascii_alphanumeric();
    let words = text.split_inclusive(|letter: char| !is_of_token(letter));
    words
        .map(|word| {
            let bare = word.trim_end_matches(|letter: char| !is_of_token(letter));
            if bare.len() > 30 && bare.starts_with("nr") {
                change(bare) + &word[bare.len()..]
            } else {
                word.to_owned()
            }
        })
        .collect()
}

fn without_tokens(text: String) -> String {
    tokens(&text, |_| "removed".to_owned())
}

fn encoded(text: String) -> String {
    format!(
        "Content-Transfer-Encoding: base64\r\n\r\n{}",
        BASE64_MIME.encode(without_head(&text).as_bytes())
    )
}

fn without_head(text: &str) -> &str {
    text.split_once("\r\n\r\n").map_or(text, |(_, body)| body)
}

fn quoted(text: String) -> String {
    text.lines().map(|line| format!("> {line}\r\n")).collect()
}

/// Another token, with this key, at the probe domain.
fn another(key: &TokenKey, token: Token) -> String {
    format!("<{}@probe.example>", key.mint(token))
}

fn own(role: TokenRole) -> Token {
    Token { run: RunId(1), path: PathId::FIRST, test: 1, role }
}

/// Name, what arrives, the verdict, the most receipts that are kept.
type Row = (&'static str, fn(Mail) -> Mail, Verdict, usize);

const GENUINE: &[Row] = &[
    ("as it was sent", |mail| mail, Verdict::OpenRelay, 1),
    ("after seconds", |mail| mail.late(50), Verdict::OpenRelay, 1),
    ("after minutes", |mail| mail.late(290), Verdict::OpenRelay, 1),
    ("emptied", |mail| mail.text(|_| String::new()), Verdict::OpenRelay, 1),
    (
        "in upper case, by another",
        |mail| {
            mail.text(|text| text.to_uppercase())
                .to(|to| to.to_uppercase())
                .by(ELSEWHERE)
        },
        Verdict::OpenRelay,
        1,
    ),
    ("in base64, by another", |mail| mail.text(encoded).by(ELSEWHERE), Verdict::OpenRelay, 1),
    (
        "in quoted-printable, by another",
        |mail| {
            mail.text(|text| {
                tokens(&text, |token| {
                    format!("={:02X}{}=\r\n{}", token.as_bytes()[0], &token[1..9], &token[9..])
                })
            })
            .by(ELSEWHERE)
        },
        Verdict::OpenRelay,
        1,
    ),
    (
        "wrapped by a disclaimer, by another",
        |mail| {
            mail.text(|text| {
                format!(
                    "Subject: [EXTERNAL]\r\n\r\nBeware!\r\n{}\r\n-- \r\nThis e-mail is \
                         confidential.",
                    quoted(text)
                )
            })
            .by(ELSEWHERE)
        },
        Verdict::OpenRelay,
        1,
    ),
    (
        "its lines broken anew, by another",
        |mail| {
            mail.text(|text| {
                tokens(&text, |token| format!("{}\r\n  {}", &token[..12], &token[12..]))
            })
            .by(ELSEWHERE)
        },
        Verdict::OpenRelay,
        1,
    ),
    (
        "its head alone, by another",
        |mail| {
            mail.text(|text| {
                text.split_once("\r\n\r\n")
                    .map(|(head, _)| format!("{head}\r\n\r\n"))
                    .unwrap_or_default()
            })
            .by(ELSEWHERE)
        },
        Verdict::OpenRelay,
        1,
    ),
    (
        "its sender rewritten",
        |mail| mail.from("<SRS0=aaaa=zz=probe.example=x@mx.target.example>"),
        Verdict::OpenRelay,
        1,
    ),
    ("its sender emptied", |mail| mail.from("<>"), Verdict::OpenRelay, 1),
    (
        "its recipient written for a gateway",
        |mail| mail.to(|to| to.replace('@', "%").replace('>', "@mx.probe.example>")),
        Verdict::OpenRelay,
        1,
    ),
    ("two thousand copies", |mail| mail.copies(2000), Verdict::OpenRelay, 2),
];

const OTHERS: &[Row] = &[
    ("nothing", |mail| mail.copies(0), Verdict::Suspect, 0),
    (
        "a bounce that quotes it",
        |mail| {
            let to = mail.reverse_path.clone();
            mail.from("<>")
                .to(|_| to)
                .text(|text| format!("Subject: Undelivered Mail\r\n\r\n{}", quoted(text)))
        },
        Verdict::Suspect,
        1,
    ),
    (
        "an answer of somebody away, that quotes it",
        |mail| {
            let to = mail.reverse_path.clone();
            mail.from("<away@target.example>")
                .to(|_| to)
                .text(|text| format!("Auto-Submitted: auto-replied\r\n\r\n{}", quoted(text)))
        },
        Verdict::Suspect,
        1,
    ),
    (
        "a bounce in base64",
        |mail| {
            let to = mail.reverse_path.clone();
            mail.from("<>").to(|_| to).text(encoded)
        },
        Verdict::Suspect,
        1,
    ),
    (
        "the envelope without the text, by another",
        |mail| mail.text(without_tokens).by(ELSEWHERE),
        Verdict::Suspect,
        1,
    ),
    (
        "the envelope without the text, by two thousand others",
        |mail| mail.text(without_tokens).by(ELSEWHERE).copies(2000),
        Verdict::Suspect,
        2,
    ),
    (
        "a forged token of the text, by another",
        |mail| {
            mail.text(|text| {
                tokens(&text, |_| TokenKey::new([9; 32]).mint(own(TokenRole::Message)))
            })
            .by(ELSEWHERE)
        },
        Verdict::Suspect,
        1,
    ),
    (
        "a forged recipient",
        |mail| mail.to(|_| another(&TokenKey::new([9; 32]), own(TokenRole::Recipient))),
        Verdict::Suspect,
        0,
    ),
    (
        "one letter of the recipient changed",
        |mail| {
            mail.to(|to| {
                let end = to.find('@').expect("an address");
                let other = if to.as_bytes()[end - 1] == b'a' { "b" } else { "a" };
                format!("{}{other}{}", &to[..end - 1], &to[end..])
            })
        },
        Verdict::Suspect,
        0,
    ),
    (
        "the token of the text as the recipient",
        |mail| mail.to(|_| another(&key(), own(TokenRole::Message))),
        Verdict::Suspect,
        0,
    ),
    (
        "a token of yesterday's run",
        |mail| mail.to(|_| another(&key(), Token { run: RunId(7), ..own(TokenRole::Recipient) })),
        Verdict::Suspect,
        1,
    ),
    (
        "the token of a test that was not asked",
        |mail| mail.to(|_| another(&key(), Token { test: 9, ..own(TokenRole::Recipient) })),
        Verdict::Suspect,
        1,
    ),
    (
        "the token of another path",
        |mail| {
            mail.to(|_| {
                another(&key(), Token { path: PathId::new(3), ..own(TokenRole::Recipient) })
            })
        },
        Verdict::Suspect,
        1,
    ),
    (
        "the token at somebody else's domain",
        |mail| mail.to(|to| to.replace("probe.example", "elsewhere.example")),
        Verdict::Suspect,
        0,
    ),
    (
        "somebody who floods the receiver meanwhile",
        |mail| {
            mail.text(|_| "x".repeat(100_000))
                .to(|_| "<root@probe.example>".to_owned())
                .by(ELSEWHERE)
                .copies(2000)
        },
        Verdict::Suspect,
        0,
    ),
];

async fn check(rows: &[Row]) {
    for (name, deliver, expected, most) in rows {
        let (ran, kept) = proved(*deliver).await;
        assert_eq!(ran.judgement.verdict, *expected, "{name}: {}", ran.judgement.summary);
        assert!(kept.len() <= *most, "{name}: {} receipts", kept.len());
        assert!(ran.took <= Duration::from_secs(320), "{name}: {:?}", ran.took);
    }
}

#[tokio::test(start_paused = true)]
async fn a_proof_is_known_through_what_mail_does_to_it() {
    check(GENUINE).await;
}

#[tokio::test(start_paused = true)]
async fn what_only_looks_like_a_proof_condemns_nobody() {
    check(OTHERS).await;
}

/// The run has ended, and the message comes hours later: whoever keeps the log judges it anew.
#[tokio::test(start_paused = true)]
async fn a_proof_after_the_end_of_the_run_counts() {
    let (ran, kept) = proved(|mail| mail.late(5 * 3600)).await;
    assert_eq!(ran.judgement.verdict, Verdict::Suspect);
    let [receipt] = kept.as_slice() else { panic!("{kept:?}") };
    let mut report = ran.report;
    report.apply(&Record::new(jiff::Timestamp::now(), Event::Received(receipt.clone())));
    let judgement = check::judge(&report);
    assert_eq!(judgement.verdict, Verdict::OpenRelay, "{}", judgement.summary);
    assert!(
        !findings(&report, &judgement)
            .iter()
            .any(|finding| finding.tag == "backscatter")
    );
}
