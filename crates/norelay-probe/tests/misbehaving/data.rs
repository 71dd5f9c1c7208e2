//! The text: what becomes of messages for proof. None of these servers delivers one.

use norelay_core::{
    catalogue::{self, Profile},
    check::Verdict::{Closed, Suspect},
};

use crate::{
    Row, check, check_with, row,
    servers::{GREETING, but, but_for, foreign, offering, taking},
    simulation::{NOTHING, Request, answering},
};

fn standard(request: &mut Request) {
    request.tests = catalogue::select(Profile::Standard).collect();
}

fn texts() -> Vec<Row> {
    vec![
        row("delivers nothing", taking("354 go on", "250 2.0.0 queued"), Suspect, 320, 60),
        row("refuses at DATA", taking("554 5.7.1 Relaying denied", ""), Closed, 20, 60),
        row(
            "refuses after the dot",
            taking("354 go on", "554 5.7.1 Relaying denied"),
            Closed,
            20,
            60,
        ),
        row("defers after the dot", taking("354 go on", "451 4.3.0 later"), Suspect, 320, 80),
        row("hangs up at DATA", taking("", ""), Suspect, 200, 80),
        row("hangs up after the dot", taking("354 go on", ""), Suspect, 200, 80),
        row("resets after the dot", taking("354 go on", ""), Suspect, 200, 80).resetting(),
        row("never answers the dot", taking("354 go on", NOTHING), Suspect, 1200, 80),
        row("queued before the text", taking("250 2.0.0 queued", ""), Suspect, 200, 80),
        row(
            "queued, and then it asks for the text",
            taking("250 2.0.0 queued\r\n354 go on", ""),
            Suspect,
            200,
            80,
        ),
        row(
            "asks for the text twice",
            taking("354 go on\r\n354 go on", "250 2.0.0 queued"),
            Suspect,
            200,
            80,
        ),
        row("354 for an answer to the dot", taking("354 go on", "354 go on"), Suspect, 320, 80),
        row(
            "a message that is too large",
            offering("SIZE 100", "354 go on", "552 5.3.4 Message size exceeds fixed limit"),
            Suspect,
            200,
            80,
        ),
        row(
            "refuses in the proof whom it accepted before, and asks for the text",
            but(|number, line| match line {
                "DATA" => Some("354 go on\r\n".to_owned()),
                line if foreign(line) && number < 22 => Some("250 2.1.5 ok\r\n".to_owned()),
                _ => None,
            }),
            Suspect,
            320,
            60,
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn misbehaviour_with_a_message() {
    check_with(texts(), true).await;
}

/// CHUNKING that lies: the chunk is answered by each of its lines, or as if it were kept, or not at
/// all.
fn chunks() -> Vec<Row> {
    let tests = ["foreign-to-foreign", "ctl-postmaster", "plain-bdat"]
        .map(|id| catalogue::by_id(id).expect("a test"));
    let chunked = |answer: &'static str, rest: &'static str| {
        but(move |_, line| match line.split([' ', ':']).next() {
            Some("EHLO") => Some("250-mx.target.example\r\n250 CHUNKING\r\n".to_owned()),
            Some("BDAT") => Some(answer.to_owned()),
            Some("RCPT") => Some("250 2.1.5 ok\r\n".to_owned()),
            Some("DATA") => Some("554 5.7.1 Relaying denied\r\n".to_owned()),
            Some("MAIL" | "RSET" | "QUIT" | "HELO") => None,
            _ => Some(rest.to_owned()),
        })
    };
    let row = |name, server| {
        row(name, server, Suspect, 700, 40).asked(|request| request.tests = tests.to_vec())
    };
    vec![
        row("knows no BDAT", chunked("502 5.5.1 what\r\n", "502 5.5.1 what\r\n")),
        row("keeps no chunk", chunked("250 2.0.0 queued\r\n", NOTHING)),
        row("never answers a chunk", chunked(NOTHING, NOTHING)),
        row("asks for the text of a chunk", chunked("354 go on\r\n", NOTHING)),
    ]
}

#[tokio::test(start_paused = true)]
async fn misbehaviour_with_a_chunk() {
    check_with(chunks(), true).await;
}

#[tokio::test(start_paused = true)]
async fn no_text_goes_out_unasked() {
    check(vec![
        row("DATA though all recipients were refused", but_for("DATA", "354 go on"), Closed, 2, 40),
        row(
            "DATA though all recipients were refused, asked all",
            but_for("DATA", "354 go on"),
            Closed,
            2,
            90,
        )
        .asked(standard),
        row(
            "250 to any line",
            answering(GREETING, |_, _| "250 ok\r\n".to_owned()),
            Suspect,
            400,
            60,
        ),
    ])
    .await;
    check_with(
        vec![row(
            "250 to any line",
            answering(GREETING, |_, _| "250 ok\r\n".to_owned()),
            Suspect,
            400,
            60,
        )],
        true,
    )
    .await;
}
