//! Lines and texts that a server may take for several: smuggled messages, and commands behind a
//! bare CR or LF.

mod simulation;

use std::sync::{Arc, Mutex};

use norelay_core::{
    catalogue::{self, Profile},
    check::{Verdict, findings},
    event::Receipt,
};
use simulation::{Ran, Server, closed, key, request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

/// A server that ends its lines at `line_ends` and texts at `ends`, and sends messages on to the
/// tokens among their recipients that it `relays` to.
#[derive(Clone, Copy)]
struct Lax {
    line_ends: &'static [&'static str],
    ends: &'static [&'static str],
    relays: bool,
}

/// Takes what stands before the first of these ends.
fn take(octets: &mut Vec<u8>, ends: &[&str]) -> Option<String> {
    let places = ends.iter().filter_map(|end| {
        let place = octets
            .windows(end.len())
            .position(|window| window == end.as_bytes())?;
        Some((place, end.len()))
    });
    let (place, length) = places.min()?;
    let rest = octets.split_off(place + length);
    let mut taken = std::mem::replace(octets, rest);
    taken.truncate(place);
    Some(String::from_utf8_lossy(&taken).into_owned())
}

impl Lax {
    fn server(self, receipts: mpsc::Sender<Receipt>, taken: Arc<Mutex<Vec<usize>>>) -> Server {
        Arc::new(move |_, mut stream| {
            let (receipts, taken) = (receipts.clone(), taken.clone());
            Some(Box::pin(async move {
                let _ = stream.write_all(b"220 mx.target.example ESMTP\r\n").await;
                let (mut octets, mut recipients, mut in_text) =
                    (Vec::new(), Vec::<String>::new(), false);
                loop {
                    let said = take(&mut octets, if in_text { self.ends } else { self.line_ends });
                    let Some(said) = said else {
                        if stream.read_buf(&mut octets).await.unwrap_or(0) == 0 {
                            return;
                        }
                        continue;
                    };
                    let is_over = said == "QUIT";
                    let answer = if in_text {
                        in_text = false;
                        taken
                            .lock()
                            .expect("no test panics with it")
                            .push(recipients.len());
                        for recipient in recipients.drain(..) {
                            let Some(receipt) = self.receipt(&recipient) else { continue };
                            let _ = receipts.send(receipt).await;
                        }
                        "250 queued\r\n".to_owned()
                    } else if said.starts_with("RCPT")
                        && (said.contains("<postmaster@target.example>") || self.relays)
                    {
                        recipients.push(said);
                        "250 ok\r\n".to_owned()
                    } else if said == "DATA" && !recipients.is_empty() {
                        in_text = true;
                        "354 go ahead\r\n".to_owned()
                    } else {
                        closed(&said)
                    };
                    if stream.write_all(answer.as_bytes()).await.is_err() || is_over {
                        return;
                    }
                }
            }))
        })
    }

    fn receipt(self, recipient: &str) -> Option<Receipt> {
        let token = key().find(recipient.as_bytes()).filter(|_| self.relays)?;
        Some(Receipt {
            token,
            message_token: true,
            peer: ([192, 0, 2, 7], 50_000).into(),
            helo: "mx.target.example".into(),
            tls: false,
            reverse_path: "<s@probe.example>".into(),
            forward_path: recipient.into(),
            received: Vec::new(),
            size: 100,
        })
    }

    async fn asked(self, ids: &[&str], receiving: bool) -> (Ran, usize) {
        let (sender, receipts) = mpsc::channel(64);
        let taken = Arc::new(Mutex::new(Vec::new()));
        let tests = ids.iter().filter_map(|id| catalogue::by_id(id)).collect();
        let request = simulation::Request { tests, profile: Profile::Intrusive, ..request() };
        let server = self.server(sender, taken.clone());
        let ran = simulation::run(request, server, receiving.then_some(receipts)).await;
        let messages = taken.lock().expect("no test panics with it").len();
        (ran, messages)
    }
}

const CRLF: &[&str] = &["\r\n"];
const STRICT: &[&str] = &["\r\n.\r\n"];
const LAX: &[&str] = &["\r\n.\r\n", "\n.\r\n"];
const ASKED: &[&str] =
    &["foreign-to-foreign", "ctl-postmaster", "smuggle-lf-dot-lf", "smuggle-lf-dot-crlf"];

fn tags(ran: &Ran) -> Vec<(String, bool)> {
    let all = findings(&ran.report, &ran.judgement);
    let ours = all.into_iter().filter(|finding| {
        ["smuggling", "early_end_of_data", "unproven_arrival", "protocol_violation"]
            .contains(&finding.tag.as_str())
    });
    ours.map(|finding| {
        (
            finding.tag,
            finding.text.contains("smuggle-lf-dot-crlf") && !finding.text.contains("dot-lf)"),
        )
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn smuggling_is_judged_by_what_arrives_and_apart_from_relaying() {
    for (name, lax, verdict, expected, messages) in [
        ("strict", Lax { line_ends: CRLF, ends: STRICT, relays: false }, Verdict::Closed, None, 2),
        (
            "lax",
            Lax { line_ends: CRLF, ends: LAX, relays: false },
            Verdict::Closed,
            Some("early_end_of_data"),
            3,
        ),
        // One more message than without: the proof that it relays.
        (
            "open and strict",
            Lax { line_ends: CRLF, ends: STRICT, relays: true },
            Verdict::OpenRelay,
            None,
            3,
        ),
        (
            "open and lax",
            Lax { line_ends: CRLF, ends: LAX, relays: true },
            Verdict::OpenRelay,
            Some("smuggling"),
            4,
        ),
    ] {
        let (ran, taken) = lax.asked(ASKED, true).await;
        let expected: Vec<_> = expected
            .into_iter()
            .map(|tag| (tag.to_owned(), true))
            .collect();
        assert_eq!(
            (ran.judgement.verdict, tags(&ran), taken),
            (verdict, expected, messages),
            "{name}"
        );
        assert!(ran.took.as_secs() < 60, "{name}: {:?}", ran.took);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_receiver_nothing_is_smuggled() {
    let (ran, taken) = Lax { line_ends: CRLF, ends: LAX, relays: true }
        .asked(ASKED, false)
        .await;
    let smuggled = ran.judgement.paths[0]
        .controls
        .iter()
        .filter(|judged| judged.test.sends_message());
    let outcomes: Vec<_> = smuggled.map(|judged| judged.outcome.word()).collect();
    assert_eq!(
        (outcomes, taken, ran.judgement.verdict),
        (vec!["not_run", "not_run"], 0, Verdict::Suspect)
    );
}

/// A server that ends lines at a bare LF answers a line with one in it twice, and that is no
/// violation.
#[tokio::test(start_paused = true)]
async fn commands_behind_a_bare_line_end_are_judged_by_their_own_answer() {
    for (name, line_ends, relays, word, verdict) in [
        ("ends lines at LF", &["\r\n", "\n"][..], false, "refused", Verdict::Closed),
        ("keeps LF in lines", CRLF, false, "accepted", Verdict::Suspect),
        ("relays", &["\r\n", "\n"], true, "accepted", Verdict::Suspect),
    ] {
        let lax = Lax { line_ends, ends: STRICT, relays };
        let (ran, _) = lax
            .asked(&["foreign-to-foreign", "ctl-postmaster", "bare-lf-command"], false)
            .await;
        let judged = ran.judgement.paths[0]
            .tests
            .iter()
            .find(|judged| judged.test.id == "bare-lf-command");
        let outcome = judged.map(|judged| judged.outcome.word());
        assert_eq!(
            (outcome, ran.judgement.verdict, tags(&ran)),
            (Some(word), verdict, vec![]),
            "{name}"
        );
    }
}
