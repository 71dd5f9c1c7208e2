//! Greetings: what isn't one is no server of ours, and what isn't 220 tells nothing about relaying.

use std::{sync::Arc, time::Duration};

use norelay_core::check::Verdict::{Closed, Inconclusive, Unreachable};

use crate::{
    Row, check, row,
    servers::{GREETING, closing, echoing, endless, greeting_late, pausing, saying},
    simulation::{answering, closed},
};

fn nothing_of_mail() -> Vec<Row> {
    vec![
        row("refused connection", Arc::new(|_, _| None), Unreachable, 1, 2),
        row("closed at once", closing(), Unreachable, 120, 10),
        row("reset at once", closing(), Unreachable, 120, 10).resetting(),
        row("silent", saying(""), Unreachable, 200, 6),
        row(
            "an octet a second",
            endless(b"220-slow\r\n", Some(Duration::from_secs(1))),
            Unreachable,
            200,
            6,
        ),
        row("endless continuation lines", endless(b"220-more\r\n", None), Unreachable, 10, 6),
        row("a line without end", endless(b"22", None), Unreachable, 10, 6),
        row("HTTP", saying("HTTP/1.1 400 Bad Request\r\n\r\n"), Unreachable, 10, 6),
        row("SSH", saying("SSH-2.0-OpenSSH_9.2\r\n"), Unreachable, 10, 6),
        row("POP3", saying("+OK ready\r\n"), Unreachable, 10, 6),
        row("IMAP", saying("* OK ready\r\n"), Unreachable, 10, 6),
        row("TLS alert", saying(&b"\x15\x03\x01\x00\x02\x02\x46\n"[..]), Unreachable, 10, 6),
        row("binary", saying((0..=255u8).collect::<Vec<_>>()), Unreachable, 10, 6),
        row("telnet", saying(&b"\xff\xfd\x18\xff\xfd\x20\r\nlogin: "[..]), Unreachable, 10, 6),
        row("an echo", echoing(""), Unreachable, 200, 6),
        row("an echo of the code", echoing("220 "), Inconclusive, 200, 6),
    ]
}

fn greetings() -> Vec<Row> {
    let greets = |greeting: &'static str| answering(greeting, |_, line| closed(line));
    let over_long: &'static str = format!("220 mx.target.example {}\r\n", "x".repeat(3000)).leak();
    vec![
        row(
            "FTP",
            answering("220 ProFTPD Server ready\r\n", |_, _| "500 what\r\n".to_owned()),
            Inconclusive,
            10,
            40,
        ),
        row("a greeting, then never a word", saying(GREETING), Inconclusive, 200, 6),
        row(
            "replies before their commands",
            saying("220 mx\r\n250 mx\r\n250 ok\r\n550 no\r\n221 bye\r\n"),
            Inconclusive,
            10,
            6,
        ),
        row("250 in the place of 220", saying("250 hello\r\n"), Inconclusive, 10, 6),
        row("421", greets("421 busy\r\n"), Inconclusive, 120, 10),
        row("450", greets("450 busy\r\n"), Inconclusive, 1200, 100),
        row("554", greets("554 you are not wanted\r\n"), Inconclusive, 10, 40),
        row("521", greets("521 no mail here\r\n"), Inconclusive, 10, 40),
        row("of several lines", greets("220-mx\r\n220-hello\r\n220 go\r\n"), Closed, 2, 40),
        row("without text", greets("220\r\n"), Closed, 2, 40),
        row("over-long", greets(over_long), Closed, 2, 40),
        row("after a pause, for who waits", pausing(Duration::from_secs(5)), Closed, 30, 40),
        row("whole, but late", greeting_late(Duration::from_secs(40)), Closed, 400, 40),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_speaks_no_smtp_is_not_reached() {
    check(nothing_of_mail()).await;
}

#[tokio::test(start_paused = true)]
async fn misbehaviour_in_the_greeting() {
    check(greetings()).await;
}
