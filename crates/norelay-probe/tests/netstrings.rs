//! QMTP and QMQP at their own ports: a message for a token, judged by what comes back, and no doubt
//! about SMTP.

mod simulation;

use std::sync::Arc;

use norelay_core::{
    catalogue,
    check::{Verdict, Weight},
    event::Receipt,
    path::PathId,
    token::TokenRole,
};
use simulation::{Ran, Server, Simulation, answering, closed, key, request, run, run_from};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

/// Connections to port 25; those after them go to the other port.
const TO_SMTP: usize = 2;

/// A server that relays nothing by SMTP, and at the other port, if it takes connections there,
/// answers so and passes on what it takes where it says so.
fn server(answer: Option<&'static str>, passes_on: Option<mpsc::Sender<Receipt>>) -> Server {
    let smtp = answering("220 mx.target.example ESMTP\r\n", |_, line| closed(line));
    Arc::new(move |number, mut stream| {
        if number < TO_SMTP {
            return smtp(number, stream);
        }
        let (answer, passes_on) = (answer?, passes_on.clone());
        Some(Box::pin(async move {
            let mut heard = Vec::new();
            while !heard.ends_with(b",,") {
                if stream.read_buf(&mut heard).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            // The recipient is the last address.
            let place = heard
                .windows(2)
                .rposition(|window| window == b"nr")
                .unwrap_or_default();
            let token = key()
                .find(&heard[place..])
                .filter(|token| token.role == TokenRole::Recipient);
            if let (Some(token), Some(receipts)) = (token, passes_on) {
                let receipt = Receipt {
                    token,
                    message_token: heard.windows(2).any(|window| window == b"\n\n"),
                    peer: ([192, 0, 2, 7], 50_000).into(),
                    helo: "mx.target.example".into(),
                    tls: false,
                    reverse_path: "<s@probe.example>".into(),
                    forward_path: "<u@probe.example>".into(),
                    received: Vec::new(),
                    size: 100,
                };
                let _ = receipts.send(receipt).await;
            }
            let _ = stream.write_all(answer.as_bytes()).await;
        }))
    })
}

async fn asked(id: &str, answer: Option<&'static str>, passes_on: bool) -> Ran {
    let (sender, receipts) = mpsc::channel(16);
    let tests = ["foreign-to-foreign", "ctl-postmaster", id]
        .iter()
        .filter_map(|id| catalogue::by_id(id))
        .collect();
    let server = server(answer, passes_on.then_some(sender));
    run(simulation::Request { tests, ..request() }, server, Some(receipts)).await
}

#[tokio::test(start_paused = true)]
async fn a_queue_for_everybody_is_an_open_relay() {
    for (answer, passes_on, paths, verdict, weight) in [
        (None, false, 1, Verdict::Closed, None),
        (Some("4:Kok ,"), true, 2, Verdict::OpenRelay, Some(Weight::Proof)),
        (Some("4:Kok ,"), false, 2, Verdict::Suspect, Some(Weight::Suspicion)),
        (Some("8:Dnot you,"), false, 2, Verdict::Closed, Some(Weight::Denial)),
        (Some("9:Ztry late,"), false, 2, Verdict::Inconclusive, Some(Weight::Unknown)),
        // Nothing that speaks these protocols.
        (Some(""), false, 2, Verdict::Closed, Some(Weight::Unknown)),
        (Some("220 mx.target.example ESMTP\r\n"), false, 2, Verdict::Closed, Some(Weight::Unknown)),
    ] {
        for id in ["qmqp-open", "qmtp-open"] {
            let ran = asked(id, answer, passes_on).await;
            let judged = ran
                .judgement
                .paths
                .get(1)
                .map(|path| (path.tests[0].test.id.as_str(), path.tests[0].weight));
            assert_eq!(ran.judgement.paths.len(), paths, "{answer:?}");
            assert_eq!(
                ran.judgement.verdict, verdict,
                "{id} {answer:?}: {}",
                ran.judgement.summary
            );
            assert_eq!(judged, weight.map(|weight| (id, weight)), "{answer:?}");
        }
    }
}

/// There is no way to ask but a message: what listens there stays unknown, and the server with it.
#[tokio::test(start_paused = true)]
async fn without_a_receiver_nothing_is_queued_and_nothing_known() {
    for (answer, paths, verdict) in
        [(Some("4:Kok ,"), 2, Verdict::Inconclusive), (None, 1, Verdict::Closed)]
    {
        let tests = ["foreign-to-foreign", "ctl-postmaster", "qmqp-open"]
            .iter()
            .filter_map(|id| catalogue::by_id(id));
        let asked = simulation::Request { tests: tests.collect(), ..request() };
        let ran = run(asked, server(answer, None), None).await;
        assert_eq!(
            (ran.connections, ran.judgement.paths.len(), ran.judgement.verdict),
            (TO_SMTP + 1, paths, verdict)
        );
        assert!(
            ran.report
                .dialogues
                .values()
                .all(|dialogue| dialogue.path == PathId::FIRST),
            "nothing is said there"
        );
    }
}

/// A run that was stopped before it came to the other port goes there when it is resumed, and only
/// once.
#[tokio::test(start_paused = true)]
async fn a_resumed_run_asks_at_the_other_port_what_was_not_asked() {
    let tests = |ids: &[&str]| ids.iter().filter_map(|id| catalogue::by_id(id)).collect();
    let first = simulation::Request {
        tests: tests(&["foreign-to-foreign", "ctl-postmaster"]),
        ..request()
    };
    let mut report = run(first, server(None, None), None).await.report;
    for (connections, paths) in [(2, 2), (0, 2)] {
        let (sender, receipts) = mpsc::channel(16);
        let served = server(Some("4:Kok ,"), Some(sender));
        // No connection to port 25 is expected any more.
        let other_port: Server = Arc::new(move |number, stream| served(number + TO_SMTP, stream));
        let whole = tests(&["foreign-to-foreign", "ctl-postmaster", "qmqp-open"]);
        let whole = simulation::Request { tests: whole, ..request() };
        let ran = run_from(Some(report), Simulation::of(other_port), whole, Some(receipts)).await;
        assert_eq!((ran.connections, ran.judgement.paths.len()), (connections, paths));
        assert_eq!(ran.judgement.verdict, Verdict::OpenRelay, "{}", ran.judgement.summary);
        report = ran.report;
    }
}
