//! Which tests are asked on which path of a host.

mod simulation;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use norelay_core::{
    catalogue::{self, Group, Profile},
    check::{Outcome, Verdict, Weight},
    smtp::Security,
};
use simulation::{answering, closed, request, run};

/// The first path is asked everything; what it doesn't offer is asked where it is offered.
#[tokio::test(start_paused = true)]
async fn a_path_is_asked_what_only_it_offers() {
    let tests = ["foreign-to-foreign", "auth-plain-random", "auth-login-random", "percent-host"];
    let tests: Vec<_> = tests.iter().filter_map(|id| catalogue::by_id(id)).collect();
    // Nothing is asked of the first path that it doesn't offer.
    let asked = 2;
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
        tests
            .map(|judged| (judged.test.id.as_str(), judged.outcome.word()))
            .collect::<Vec<_>>()
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
    assert_eq!(
        (ran.judgement.paths[0].verdict, ran.judgement.verdict),
        (Verdict::Closed, Verdict::Suspect)
    );
    assert_eq!(ran.connections, asked + 2);
}

/// What isn't offered on a path in the clear is still asked under TLS, and what one connection of
/// several offers is asked.
#[tokio::test(start_paused = true)]
async fn what_is_not_offered_is_known_by_path_protection_and_connection() {
    let tests = ["foreign-to-foreign", "ctl-postmaster", "percent-host", "auth-plain-random"];
    let tests: Vec<_> = tests.iter().filter_map(|id| catalogue::by_id(id)).collect();
    for (name, ways, offering, expected) in [
        ("never", vec![Security::Plain], &[][..], vec![("not_run", Weight::NotOffered)]),
        // A second machine behind the same address has it, and the one that was asked hasn't:
        // nothing is known.
        ("by another machine", vec![Security::Plain], &[1], vec![("not_run", Weight::Unknown)]),
        ("in turn", vec![Security::Plain], &[1, 3], vec![("refused", Weight::Denial)]),
        (
            "under TLS only",
            vec![Security::Plain, Security::StartTls],
            &[],
            vec![("not_run", Weight::NotOffered), ("refused", Weight::Denial)],
        ),
    ] {
        let secured = Mutex::new(BTreeSet::new());
        let server = answering("220 mx.target.example ESMTP\r\n", move |number, line| {
            let mut secured = secured.lock().expect("no test panics with it");
            match line {
                "EHLO tester.probe.example"
                    if offering.contains(&number) || secured.contains(&number) =>
                {
                    "250-mx\r\n250 AUTH PLAIN\r\n".to_owned()
                }
                "EHLO tester.probe.example" => "250-mx\r\n250 STARTTLS\r\n".to_owned(),
                line if line.starts_with("AUTH") => "535 5.7.8 no\r\n".to_owned(),
                line => {
                    if line == "HANDSHAKE" {
                        secured.insert(number);
                    }
                    closed(line)
                }
            }
        });
        let ports = ways.into_iter().map(|security| (25, security)).collect();
        let ran =
            run(simulation::Request { tests: tests.clone(), ports, ..request() }, server, None)
                .await;
        let tests = ran.judgement.paths.iter().flat_map(|path| &path.tests);
        let of_auth: Vec<_> = tests
            .filter(|judged| judged.test.group == Group::Auth)
            .map(|judged| (judged.outcome.word(), judged.weight))
            .collect();
        assert_eq!(of_auth, expected, "{name}");
    }
}

/// Where the server doesn't offer STARTTLS in the clear, the path under it isn't tried a second
/// time in the same words.
#[tokio::test(start_paused = true)]
async fn a_path_that_is_not_offered_costs_no_connection() {
    let tests = ["foreign-to-foreign", "ctl-postmaster"];
    let tests: Vec<_> = tests.iter().filter_map(|id| catalogue::by_id(id)).collect();
    let server = answering("220 mx.target.example ESMTP\r\n", |_, line| closed(line));
    let ports = vec![(25, Security::Plain), (25, Security::StartTls)];
    let ran = run(simulation::Request { tests, ports, ..request() }, server, None).await;
    let verdicts: Vec<_> = ran
        .judgement
        .paths
        .iter()
        .map(|path| path.verdict)
        .collect();
    assert_eq!((verdicts, ran.connections), (vec![Verdict::Closed, Verdict::Unreachable], 2));
    assert_eq!(ran.judgement.paths[1].why, ["the server does not offer STARTTLS"]);
}

/// What can't be asked for want of a receiver's address is left out, and is no doubt about the
/// server.
#[tokio::test(start_paused = true)]
async fn tests_that_need_what_we_have_not_are_left_out() {
    for (receivers, expected) in [
        (vec![], &["foreign-to-foreign"][..]),
        (
            vec!["198.51.100.25".parse().expect("an address")],
            &["foreign-to-foreign", "receiver-literal"],
        ),
        (vec!["0.0.0.0".parse().expect("an address")], &["foreign-to-foreign", "receiver-literal"]),
        (
            vec!["2001:db8::25".parse().expect("an address")],
            &["foreign-to-foreign", "receiver-literal-v6"],
        ),
    ] {
        let tests = ["foreign-to-foreign", "receiver-literal", "receiver-literal-v6"];
        let tests = tests.iter().filter_map(|id| catalogue::by_id(id)).collect();
        let server = answering("220 mx.target.example ESMTP\r\n", |_, line| closed(line));
        let ran = run(simulation::Request { tests, receivers, ..request() }, server, None).await;
        let asked: Vec<_> = ran.judgement.paths[0]
            .tests
            .iter()
            .map(|judged| judged.test.id)
            .collect();
        assert_eq!(asked, expected);
        assert_eq!(ran.judgement.verdict, Verdict::Closed);
    }
}

/// Debian's sendmail takes ten connections in ten minutes, whatever is asked on them.
#[tokio::test(start_paused = true)]
async fn ten_connections_are_enough_for_a_server_that_counts_them() {
    let greeting = "220 mx.target.example ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2; Tue, 24 Nov \
                    2026 11:40:54 GMT\r\n";
    let inner = answering(greeting, |_, line| closed(line));
    let server: simulation::Server =
        Arc::new(move |number, stream| if number < 10 { inner(number, stream) } else { None });
    for (profile, concurrency) in [
        (Profile::Standard, None),
        (Profile::Thorough, None),
        (Profile::Classic, Some(8)),
        (Profile::Thorough, Some(4)),
    ] {
        let tests = catalogue::select(profile)
            .filter(|test| test.protocol().is_none())
            .collect();
        let ports = vec![(25, Security::Plain), (25, Security::StartTls)];
        let ran = run(
            simulation::Request { tests, ports, profile, concurrency, ..request() },
            server.clone(),
            None,
        )
        .await;
        assert_eq!(
            (ran.judgement.verdict, ran.judgement.summary.as_str()),
            (Verdict::Closed, "All tests performed, no relays accepted."),
            "{profile} {concurrency:?}"
        );
        assert!(
            ran.connections <= 10,
            "{profile} {concurrency:?}: {} connections",
            ran.connections
        );
    }
}

/// A gateway that stands for everybody on one path may relay for senders of the server's own alone:
/// the plain test is denied there, and what trusts such a sender is asked for all the rest.
#[tokio::test(start_paused = true)]
async fn every_path_is_asked_about_the_servers_own_senders() {
    let tests = ["foreign-to-foreign", "target-host-sender", "percent-host", "bare-sender"];
    let tests: Vec<_> = tests.iter().filter_map(|id| catalogue::by_id(id)).collect();
    let on_first = tests.len();
    let is_own = Mutex::new(BTreeSet::new());
    let server = answering("220 mx.target.example ESMTP\r\n", move |number, line| {
        let mut is_own = is_own.lock().expect("no test panics with it");
        if line.starts_with("MAIL") && line.contains("@mx.target.example>") {
            is_own.insert(number);
        }
        let trusts = number >= on_first && is_own.contains(&number);
        if trusts && line.starts_with("RCPT") { "250 ok\r\n".to_owned() } else { closed(line) }
    });
    let ports = vec![(25, Security::Plain), (587, Security::Plain)];
    let ran = run(simulation::Request { tests, ports, ..request() }, server, None).await;
    let of_second = ran.judgement.paths[1].tests.iter();
    let of_second: Vec<_> = of_second
        .map(|judged| (judged.test.id.as_str(), judged.outcome.word()))
        .collect();
    assert_eq!(
        of_second,
        [
            ("foreign-to-foreign", "refused"),
            ("bare-sender", "refused"),
            ("target-host-sender", "accepted"),
            ("percent-host", "accepted")
        ]
    );
    assert_eq!(
        (ran.judgement.paths[0].verdict, ran.judgement.verdict),
        (Verdict::Closed, Verdict::Suspect)
    );
}

/// What is refused in the clear for want of TLS has no answer yet: it is asked under TLS.
#[tokio::test(start_paused = true)]
async fn what_wants_tls_is_asked_under_tls() {
    let tests = ["foreign-to-foreign", "percent-host", "auth-plain-random"];
    let tests: Vec<_> = tests.iter().filter_map(|id| catalogue::by_id(id)).collect();
    for (refused, line_refused) in [
        ("538 Error: Must issue a STARTTLS command first\r\n", "AUTH"),
        ("530 5.7.0 Must issue a STARTTLS command first\r\n", "MAIL"),
    ] {
        let secured = Mutex::new(BTreeSet::new());
        let server = answering("220 mx.target.example ESMTP\r\n", move |number, line| {
            let mut secured = secured.lock().expect("no test panics with it");
            if line == "HANDSHAKE" {
                secured.insert(number);
            }
            let is_secured = secured.contains(&number);
            match line {
                line if line.starts_with("EHLO") && is_secured => {
                    "250-mx\r\n250 AUTH PLAIN\r\n".to_owned()
                }
                line if line.starts_with("EHLO") => {
                    "250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n".to_owned()
                }
                line if line.starts_with(line_refused) && !is_secured => refused.to_owned(),
                line if line.starts_with("AUTH") => "235 any password will do\r\n".to_owned(),
                line if line.starts_with("RCPT") && line.contains('%') && is_secured => {
                    "250 ok\r\n".to_owned()
                }
                line => closed(line),
            }
        });
        let ports = vec![(25, Security::Plain), (25, Security::StartTls)];
        let ran =
            run(simulation::Request { tests: tests.clone(), ports, ..request() }, server, None)
                .await;
        let of_second = ran.judgement.paths[1]
            .tests
            .iter()
            .map(|judged| judged.test.id);
        let expected = if line_refused == "AUTH" { "auth-plain-random" } else { "percent-host" };
        assert!(
            of_second.clone().any(|id| id == expected),
            "{line_refused}: {:?}",
            of_second.collect::<Vec<_>>()
        );
    }
}
