//! `--slow`: for servers whose guard counts refusals (fail2ban bans after five in ten minutes, by
//! default).

mod simulation;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use norelay_core::{
    catalogue::{self, Profile},
    check::Verdict,
    event::{Event, Wait},
    smtp::Security,
};
use simulation::{Request, answering, closed, request, run};
use tokio::time::Instant;

const SPAN: Duration = Duration::from_secs(600);

/// On all paths and in all dialogues together: what counts sees neither.
#[tokio::test(start_paused = true)]
async fn four_refusals_in_ten_minutes_are_never_reached() {
    let tests: Vec<_> = catalogue::select(Profile::Classic)
        .chain(
            ["data-after-refused", "piggyback"]
                .iter()
                .filter_map(|id| catalogue::by_id(id)),
        )
        .collect();
    for greeting in
        ["220 mx.target.example ESMTP\r\n", "220 mx.target.example ESMTP Sendmail 8.17.1\r\n"]
    {
        let refusals = Arc::<Mutex<Vec<Instant>>>::default();
        let counting = refusals.clone();
        let server = answering(greeting, move |_, line| {
            let reply = closed(line);
            if reply.starts_with("550") {
                counting
                    .lock()
                    .expect("nothing panics")
                    .push(Instant::now());
            }
            reply
        });
        let ports = vec![(25, Security::Plain), (587, Security::Plain), (2525, Security::Plain)];
        let asked = Request { slow: true, ports, tests: tests.clone(), ..request() };
        let ran = run(asked, server, None).await;
        assert_eq!(ran.judgement.verdict, Verdict::Closed, "{greeting}: {}", ran.judgement.summary);
        let refusals = refusals.lock().expect("nothing panics").clone();
        assert!(refusals.len() > 18, "{greeting}: {}", refusals.len());
        let crowded = refusals.windows(4).find(|four| four[3] - four[0] < SPAN);
        assert_eq!(crowded, None, "{greeting}: four refusals in ten minutes");
        let waits = ran
            .records
            .iter()
            .filter(|record| matches!(&record.event, Event::Waiting { why: Wait::Pace, .. }));
        assert!(waits.count() > 2, "{greeting}: the user is told");
    }
}
