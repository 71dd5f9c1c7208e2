//! The limits of real servers (catalogue, "Session limits that hit a tester"): they are met with
//! patience, not with force.

use std::{sync::Arc, time::Duration};

use norelay_core::{
    catalogue::{self, Profile},
    check::Verdict::{Closed, Inconclusive},
    token::RunId,
};

use crate::{
    Row, check, row,
    servers::{
        but, counting_rejections, dropping_after, foreign, limiting_rate, one_at_a_time, saying,
        tarpitting_after,
    },
    simulation::{self, Server},
};

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn defences() -> Vec<Row> {
    let greylisting = |text: &'static str| {
        but(move |number, line| {
            (line.starts_with("RCPT") && number < 22).then(|| format!("{text}\r\n"))
        })
    };
    let banning = |after: usize| -> Server {
        let inner = but(|_, _| None);
        Arc::new(move |number, stream| if number < after { inner(number, stream) } else { None })
    };
    // The queue of a server was full: the connection is open for us, and nobody will ever say
    // anything on it.
    let losing = |lost: usize| -> Server {
        let (inner, silent) = (but(|_, _| None), saying(""));
        Arc::new(
            move |number, stream| {
                if number == lost { silent(number, stream) } else { inner(number, stream) }
            },
        )
    };
    vec![
        row(
            "greylisting",
            greylisting("450 4.2.0 Greylisted, see http://postgrey.example/"),
            Closed,
            70,
            60,
        ),
        row(
            "greylisting that names a time",
            greylisting("451 4.7.1 Greylisting in action, please come back in 00:02:00"),
            Closed,
            130,
            60,
        ),
        row(
            "greylisting beyond our patience",
            greylisting("451 4.7.1 Greylisting in action, please come back in 00:20:00"),
            Inconclusive,
            2,
            60,
        ),
        row("a ban after five", banning(5), Inconclusive, 120, 15),
        row("a ban after six", banning(6), Closed, 2, 6),
        row("loses a connection", losing(5), Closed, 15, 40),
        row(
            "hangs up on every third",
            but(|number, line| (number % 3 == 2 && foreign(line)).then(String::new)),
            Closed,
            20,
            60,
        ),
        row(
            "takes one connection at a time",
            one_at_a_time(Some("421 4.7.0 one at a time\r\n")),
            Closed,
            60,
            60,
        ),
        row("refuses a second connection at a time", one_at_a_time(None), Closed, 60, 60),
        row(
            "drops after three errors, though it bears many questions",
            dropping_after(3),
            Closed,
            120,
            60,
        ),
        row(
            "slows down after two errors on a connection",
            tarpitting_after(2, Duration::from_secs(5)),
            Closed,
            20,
            30,
        ),
        row(
            "slows down from the first error on",
            tarpitting_after(0, Duration::from_secs(5)),
            Closed,
            25,
            22,
        ),
        row(
            "rejects every recipient after three errors on a connection",
            counting_rejections(|errors, _| (errors >= 3).then_some("550 5.7.1 Relaying denied")),
            Closed,
            5,
            30,
        ),
        row(
            "closes after three errors on a connection",
            counting_rejections(|errors, _| {
                (errors >= 2).then_some("421 4.5.0 Too many errors, bye")
            }),
            Closed,
            5,
            30,
        ),
        row(
            "six connections in twenty seconds",
            limiting_rate(6, Duration::from_secs(20)),
            Closed,
            60,
            80,
        )
        .asked(|request| {
            request.profile = Profile::Standard;
            request.tests = catalogue::select(Profile::Standard).collect();
        }),
        row(
            "three connections in a minute",
            limiting_rate(3, Duration::from_secs(60)),
            Closed,
            100,
            20,
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn servers_that_defend_themselves() {
    check(defences()).await;
}

/// Two runs at once, by people who know nothing of each other: each is met as if the other were not
/// there, but later.
#[tokio::test(start_paused = true)]
async fn two_runs_at_once_get_in_each_others_way_and_no_further() {
    let server = one_at_a_time(Some("421 4.7.0 one at a time\r\n"));
    let of = |run| {
        let request = simulation::Request { run: RunId(run), ..simulation::request() };
        simulation::run(request, server.clone(), None)
    };
    let (first, second) = tokio::join!(of(1), of(2));
    for ran in [first, second] {
        assert_eq!(ran.judgement.verdict, Closed, "{}", ran.judgement.summary);
        assert!(
            ran.took.as_secs() < 300 && ran.connections < 100,
            "{:?}, {}",
            ran.took,
            ran.connections
        );
    }
}
