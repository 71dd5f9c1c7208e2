//! Which tests are asked on which path of a host.

mod simulation;

use norelay_core::{
    catalogue,
    check::{Outcome, Verdict},
    smtp::Security,
};
use simulation::{answering, closed, request, run};

/// The first path is asked everything; what it doesn't offer is asked where it is offered.
#[tokio::test(start_paused = true)]
async fn a_path_is_asked_what_only_it_offers() {
    let tests = ["foreign-to-foreign", "auth-plain-random", "auth-login-random", "percent-host"];
    let tests: Vec<_> = tests.iter().filter_map(|id| catalogue::by_id(id)).collect();
    let asked = tests.len();
    let server = answering("220 mx.target.example ESMTP\r\n", move |number, line| {
        let is_second_path = number >= asked;
        match line {
            line if line.starts_with("EHLO") && is_second_path => {
                "250-mx.target.example\r\n250 AUTH PLAIN\r\n".to_owned()
            }
            line if line.starts_with("AUTH PLAIN") => "235 any password will do\r\n".to_owned(),
            line if line.starts_with("RCPT") && number > asked => "250 ok\r\n".to_owned(),
            line => closed(line),
        }
    });
    let ports = vec![(25, Security::Plain), (587, Security::Plain)];
    let ran = run(simulation::Request { tests, ports, ..request() }, server, None).await;
    let of = |path: usize| {
        let tests = ran.judgement.paths[path].tests.iter();
        tests.map(|judged| (judged.test.id, judged.outcome.word())).collect::<Vec<_>>()
    };
    assert_eq!(
        of(0),
        [
            ("foreign-to-foreign", "refused"),
            ("percent-host", "refused"),
            ("auth-plain-random", "not_run"),
            ("auth-login-random", "not_run")
        ]
    );
    assert_eq!(of(1), [("foreign-to-foreign", "refused"), ("auth-plain-random", "accepted")]);
    assert!(matches!(ran.judgement.paths[1].tests[1].outcome, Outcome::Accepted { .. }));
    assert_eq!((ran.judgement.paths[0].verdict, ran.judgement.verdict), (Verdict::Closed, Verdict::Suspect));
}

/// What can't be asked for want of a receiver's address is left out, and is no doubt about the server.
#[tokio::test(start_paused = true)]
async fn tests_that_need_what_we_have_not_are_left_out() {
    for (receivers, expected) in [
        (vec![], &["foreign-to-foreign"][..]),
        (vec!["198.51.100.25".parse().expect("an address")], &["foreign-to-foreign", "receiver-literal"]),
        (vec!["0.0.0.0".parse().expect("an address")], &["foreign-to-foreign", "receiver-literal"]),
        (vec!["2001:db8::25".parse().expect("an address")], &["foreign-to-foreign", "receiver-literal-v6"]),
    ] {
        let tests = ["foreign-to-foreign", "receiver-literal", "receiver-literal-v6"];
        let tests = tests.iter().filter_map(|id| catalogue::by_id(id)).collect();
        let server = answering("220 mx.target.example ESMTP\r\n", |_, line| closed(line));
        let ran = run(simulation::Request { tests, receivers, ..request() }, server, None).await;
        let asked: Vec<_> = ran.judgement.paths[0].tests.iter().map(|judged| judged.test.id).collect();
        assert_eq!(asked, expected);
        assert_eq!(ran.judgement.verdict, Verdict::Closed);
    }
}
