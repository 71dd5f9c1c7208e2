//! The form of replies: the code decides; what isn't a reply is never an accept and never a
//! refusal.

use std::time::Duration;

use norelay_core::check::Verdict::{Closed, Inconclusive, Suspect};

use crate::{
    Row, check, row,
    servers::{but, but_for, dripping, foreign, large, rcpt, rcpt_in_octets},
};

fn codes() -> Vec<Row> {
    vec![
        row("in order", but(|_, _| None), Closed, 2, 40),
        row("code without text", but_for("EHLO", "250"), Closed, 2, 40),
        row("250 denied", rcpt("250 relaying denied"), Suspect, 400, 60),
        // All but postmaster are told it: it may be about us.
        row("550 ok", rcpt("550 ok"), Inconclusive, 2, 40),
        row(
            "550 with 250 in the text",
            rcpt("550 5.7.1 250 2.1.5 Ok, relay denied"),
            Closed,
            2,
            40,
        ),
        row(
            "another code in the text",
            rcpt("250 2.1.5 530 5.7.0 Authentication required"),
            Suspect,
            400,
            60,
        ),
        row("tab after the code", rcpt("550\tRelaying denied"), Inconclusive, 20, 100),
        row("two digits", rcpt("55 Relaying denied"), Inconclusive, 20, 100),
        row("four digits", rcpt("5500 Relaying denied"), Inconclusive, 20, 100),
        row("999", rcpt("999 Relaying denied"), Inconclusive, 20, 100),
        row("1xx", rcpt("150 wait"), Inconclusive, 20, 100),
        row("354 to RCPT", rcpt("354 go on"), Inconclusive, 20, 100),
        row("a negative code", rcpt("-550 5.7.1 Relaying denied"), Inconclusive, 20, 100),
        row(
            "digits that are none of ASCII",
            rcpt("\u{ff15}\u{ff15}\u{ff10} 5.7.1 Relaying denied"),
            Inconclusive,
            20,
            100,
        ),
        row("mixed codes", rcpt("250-ok\r\n550 Relaying denied"), Inconclusive, 20, 100),
        row(
            "an acceptance whose code breaks off in the middle",
            but(|_, line| foreign(line).then(|| "25".to_owned())),
            Inconclusive,
            2000,
            100,
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn octets() -> Vec<Row> {
    vec![
        row(
            "no CR",
            but(|_, line| foreign(line).then(|| "550 5.7.1 Relaying denied\n".to_owned())),
            Closed,
            2,
            40,
        ),
        row("a bare CR for an end", rcpt_in_octets(b"550 5.7.1 Relaying denied\r"), Closed, 40, 40),
        row(
            "a bare CR for the end of the answer to MAIL",
            but(|_, line| line.starts_with("MAIL").then(|| "250 ok\r".to_owned())),
            Inconclusive,
            2000,
            20,
        ),
        row(
            "a refusal behind a bare CR",
            rcpt_in_octets(b"250 ok\r550 5.7.1 Relaying denied\r\n"),
            Suspect,
            400,
            60,
        ),
        row(
            "an acceptance behind a bare CR",
            rcpt_in_octets(b"550 5.7.1 Relaying denied\r250 ok\r\n"),
            Closed,
            2,
            40,
        ),
        row(
            "a refusal behind a NUL",
            rcpt_in_octets(b"250 ok\x00550 5.7.1 Relaying denied\r\n"),
            Suspect,
            400,
            60,
        ),
        row("NUL", rcpt("550 5.7.1 Relaying\0denied"), Closed, 2, 40),
        row("a NUL before the code", rcpt("\x00550 5.7.1 Relaying denied"), Inconclusive, 20, 100),
        row(
            "invalid UTF-8",
            rcpt_in_octets(b"550 5.7.1 \xff\xc3\x28\xed\xa0\x80 Relaying denied\r\n"),
            Closed,
            2,
            40,
        ),
        row(
            "invalid UTF-8 alone",
            rcpt_in_octets(b"550 \xff\xfe\xc0\x80\r\n"),
            Inconclusive,
            2,
            40,
        ),
        row(
            "an acceptance in invalid UTF-8",
            rcpt_in_octets(b"250 \xff Relaying denied\r\n"),
            Suspect,
            400,
            60,
        ),
        row(
            "a byte order mark before the code",
            rcpt("\u{feff}550 5.7.1 Relaying denied"),
            Inconclusive,
            20,
            100,
        ),
        row(
            "Latin-1",
            rcpt_in_octets(b"550 5.7.1 Relaying denied, d\xe9sol\xe9\r\n"),
            Closed,
            2,
            40,
        ),
        row(
            "a second reply behind a bare LF",
            but_for("MAIL", "250 ok\n550 Relaying denied"),
            Inconclusive,
            20,
            100,
        ),
        row("octet by octet", dripping(Duration::from_millis(10)), Closed, 20, 40),
        row("whole but slow", dripping(Duration::from_millis(200)), Closed, 400, 40),
    ]
}

fn lengths() -> Vec<Row> {
    let keywords = |count| {
        but(move |_, line| {
            line.starts_with("EHLO")
                .then(|| "250-X\r\n".repeat(count) + "250 Y\r\n")
        })
    };
    vec![
        row("300 keywords", keywords(300), Closed, 2, 40),
        row("10,000 keywords", keywords(10_000), Inconclusive, 20, 10),
        row(
            "a reply without a last line",
            but(|_, line| foreign(line).then(|| "550-waiting\r\n".to_owned())),
            Inconclusive,
            2000,
            100,
        ),
        row("every reply as large as one may be", large(7, 1000), Closed, 2, 40),
        row("every reply larger than any", large(500, 4000), Inconclusive, 20, 10),
    ]
}

#[tokio::test(start_paused = true)]
async fn the_code_decides() {
    check(codes()).await;
}

#[tokio::test(start_paused = true)]
async fn octets_that_no_reply_should_have() {
    check(octets()).await;
}

#[tokio::test(start_paused = true)]
async fn lengths_are_bounded() {
    check(lengths()).await;
}
