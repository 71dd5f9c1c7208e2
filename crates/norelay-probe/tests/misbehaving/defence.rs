//! The limits of real servers (catalogue, "Session limits that hit a tester"): they are met with patience, not with force.

use std::sync::Arc;

use norelay_core::check::Verdict::{Closed, Inconclusive};

use crate::{
    Row, check, row,
    servers::{but, dropping_after, foreign, one_at_a_time, saying},
    simulation::Server,
};

fn defences() -> Vec<Row> {
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
    vec![
        row("greylisting", greylisting("450 4.2.0 Greylisted, see http://postgrey.example/"), Closed, 70, 60),
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
        row("a ban after six", banning(6), Inconclusive, 120, 15),
        row("loses a connection", losing(5), Closed, 15, 40),
        row(
            "hangs up on every third",
            but(|number, line| (number % 3 == 2 && foreign(line)).then(String::new)),
            Closed,
            20,
            60,
        ),
        row("takes one connection at a time", one_at_a_time(Some("421 4.7.0 one at a time\r\n")), Closed, 60, 60),
        row("refuses a second connection at a time", one_at_a_time(None), Closed, 60, 60),
        row("drops after three errors, though it bears many questions", dropping_after(3), Closed, 120, 60),
    ]
}

#[tokio::test(start_paused = true)]
async fn servers_that_defend_themselves() {
    check(defences()).await;
}
