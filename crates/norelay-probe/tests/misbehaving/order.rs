//! The order of replies: every reply belongs to one command, and where that can't be told, none is
//! believed.

use std::time::Duration;

use norelay_core::{
    catalogue::{self, Profile},
    check::Verdict::{Closed, Inconclusive, Suspect},
};

use crate::{
    Row, check, row,
    servers::{
        answering_prefaces, but, but_for, disordered, dropping_input, foreign, never_reading, rcpt,
        reading_slowly, taking_all,
    },
    simulation::{NOTHING, closed},
};

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn orders() -> Vec<Row> {
    let never =
        |verb: &'static str| but(move |_, line| line.starts_with(verb).then(|| NOTHING.to_owned()));
    vec![
        row("EHLO refused", but_for("EHLO", "502 what"), Closed, 2, 40),
        row("EHLO cut", but(|_, line| line.starts_with("EHLO").then(String::new)), Closed, 20, 42),
        row(
            "an extra reply to MAIL",
            but_for("MAIL", "250 ok\r\n550 5.7.1 Relaying denied"),
            Inconclusive,
            20,
            100,
        ),
        row("an extra reply to EHLO", but_for("EHLO", "250 mx\r\n250 ok"), Inconclusive, 20, 10),
        row(
            "an acceptance behind the refusal",
            rcpt("550 5.7.1 Relaying denied\r\n250 ok"),
            Inconclusive,
            20,
            100,
        ),
        row("RSET refused", but_for("RSET", "502 what"), Closed, 5, 40),
        row("no answer to RSET", never("RSET"), Closed, 80, 40),
        row("an extra reply to RSET", but_for("RSET", "250 ok\r\n250 ok"), Closed, 5, 40),
        row(
            "an extra reply to some recipients",
            but(|_, line| {
                let has_percent = line.starts_with("RCPT") && line.contains('%');
                has_percent.then(|| "550 5.7.1 Relaying denied\r\n250 ok\r\n".to_owned())
            }),
            Closed,
            20,
            30,
        ),
        row("no answer to MAIL", never("MAIL"), Inconclusive, 2000, 20),
        row(
            "no answer to RCPT",
            but(|_, line| foreign(line).then(|| NOTHING.to_owned())),
            Inconclusive,
            2000,
            100,
        ),
        row(
            "half an answer to RCPT",
            but(|_, line| foreign(line).then(|| "550-waiting".to_owned())),
            Inconclusive,
            2000,
            100,
        ),
        row("no answer to QUIT", never("QUIT"), Closed, 1200, 40),
        row("the last answer first", disordered(closed), Closed, 200, 100),
        row(
            "the last answer first, of a server that relays",
            disordered(taking_all),
            Suspect,
            400,
            100,
        ),
        row("PIPELINING that is not honoured", dropping_input(), Closed, 200, 60),
        row("421 to RCPT", rcpt("421 4.7.0 too much"), Inconclusive, 200, 20),
        row(
            "hangs up at RCPT",
            but(|_, line| foreign(line).then(String::new)),
            Inconclusive,
            20,
            100,
        ),
        row(
            "resets at RCPT",
            but(|_, line| foreign(line).then(String::new)),
            Inconclusive,
            20,
            100,
        )
        .resetting(),
        row(
            "blocked",
            rcpt(
                "554 5.7.1 Service unavailable; Client host [198.51.100.9] blocked using \
                 zen.spamhaus.org",
            ),
            Inconclusive,
            2,
            40,
        ),
    ]
}

fn windows() -> Vec<Row> {
    vec![
        row("a zero window", never_reading(), Inconclusive, 300, 6).through(8),
        row("reads slowly", reading_slowly(Duration::from_millis(20)), Closed, 400, 40).through(8),
    ]
}

#[tokio::test(start_paused = true)]
async fn misbehaviour_in_the_order() {
    check(orders()).await;
}

#[tokio::test(start_paused = true)]
async fn servers_that_do_not_read() {
    check(windows()).await;
}

/// A server that takes a PROXY header for a command and answers it: every later answer would be to
/// the command before.
#[tokio::test(start_paused = true)]
async fn an_answer_to_a_preface_shifts_nothing() {
    let tests: Vec<_> = catalogue::select(Profile::Thorough)
        .filter(|test| test.id.as_str().starts_with("proxy-v1"))
        .collect();
    assert!(!tests.is_empty());
    let first = catalogue::select(Profile::Classic).take(4);
    // One after another: the first have shown that the server is in order, but for this.
    let tests = first.chain(tests).collect();
    let row = row("an answer to a preface", answering_prefaces(), Inconclusive, 400, 20);
    check(vec![row.asked(|request| (request.tests, request.concurrency) = (tests, Some(1)))]).await;
}
