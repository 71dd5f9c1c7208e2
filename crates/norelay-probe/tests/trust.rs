//! Trust in credentials, proxies and names: what is said to whom, in what order, and what becomes
//! of it.

mod simulation;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use norelay_core::{
    catalogue::{self, Profile},
    check::{Verdict, findings},
    event::{Event, MailExchanger, Path, Receipt, Record},
    report::Report,
    smtp::Security,
    token::TokenRole,
};
use simulation::{Server, answering, closed, key, request, run};
use tokio::sync::mpsc;

/// All that was said on each connection, in order.
type Said = Arc<Mutex<BTreeMap<usize, Vec<String>>>>;

/// A server that keeps what it hears.
fn listening(
    said: &Said,
    answer: impl Fn(&[String], &str) -> String + Send + Sync + 'static,
) -> Server {
    listening_after("220 mx.target.example ESMTP\r\n", said, answer)
}

fn listening_after(
    greeting: &'static str,
    said: &Said,
    answer: impl Fn(&[String], &str) -> String + Send + Sync + 'static,
) -> Server {
    let said = said.clone();
    answering(greeting, move |number, line| {
        let mut said = said.lock().expect("no test panics with it");
        let before = said.entry(number).or_default();
        before.push(line.to_owned());
        answer(before, line)
    })
}

fn asked(profile: Profile) -> simulation::Request {
    // In the simulation one server listens at every port.
    let tests = catalogue::select(profile)
        .filter(|test| test.protocol().is_none())
        .collect();
    simulation::Request { tests, profile, ..request() }
}

const OFFERS: &str = "250-mx\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN CRAM-MD5 ANONYMOUS\r\n";

/// Credentials that nobody has are tried once a test, each on a connection of its own, after
/// everything else.
#[tokio::test(start_paused = true)]
async fn credentials_come_last_and_alone() {
    let said = Said::default();
    let server = listening(&said, |_, line| match line {
        line if line.starts_with("EHLO") => OFFERS.to_owned(),
        "AUTH CRAM-MD5" => "334 PDE+\r\n".to_owned(),
        "AUTH LOGIN" => "334 VXNlcm5hbWU6\r\n".to_owned(),
        line if line.starts_with("AUTH") => "535 5.7.8 no\r\n".to_owned(),
        line if !line.contains(' ') && line.len() > 20 => "535 5.7.8 no\r\n".to_owned(),
        "*" => "501 5.7.0 cancelled\r\n".to_owned(),
        line => closed(line),
    });
    let ran = run(asked(Profile::Thorough), server, None).await;
    assert_eq!(ran.judgement.verdict, Verdict::Closed, "{}", ran.judgement.summary);
    let said = said.lock().expect("no test panics with it");
    let auths = |lines: &Vec<String>| lines.iter().filter(|line| line.starts_with("AUTH")).count();
    let first = said
        .iter()
        .find(|(_, lines)| auths(lines) > 0)
        .map(|(number, _)| *number)
        .expect("AUTH was tried");
    let with: Vec<_> = said.values().filter(|lines| auths(lines) > 0).collect();
    assert!(with.iter().all(|lines| auths(lines) == 1), "one a connection: {with:?}");
    assert!(said.range(first..).all(|(_, lines)| auths(lines) == 1), "they come last");
    // PLAIN with a made-up user, after which the plain test is asked, empty, for another, and with
    // six names of roles in two forms; the others once each, and LOGIN once more to cancel it.
    let count = |mechanism: &str| {
        with.iter()
            .filter(|lines| {
                lines
                    .iter()
                    .any(|line| line.starts_with(&format!("AUTH {mechanism}")))
            })
            .count()
    };
    assert_eq!(
        [count("PLAIN"), count("LOGIN"), count("CRAM-MD5"), count("ANONYMOUS")],
        [15, 2, 1, 1]
    );
    let goes_on = with
        .iter()
        .filter(|lines| lines.iter().any(|line| line.starts_with("RCPT")))
        .count();
    assert_eq!(goes_on, 2, "after a failed and a cancelled one the plain test is asked");
}

/// After credentials that a server takes, the plain test is asked.
#[tokio::test(start_paused = true)]
async fn a_server_that_takes_any_password_is_asked_to_relay() {
    let said = Said::default();
    let server = listening(&said, |before, line| match line {
        line if line.starts_with("EHLO") => "250-mx\r\n250 AUTH PLAIN\r\n".to_owned(),
        line if line.starts_with("AUTH") => "235 2.7.0 welcome\r\n".to_owned(),
        line if line.starts_with("RCPT") && before.iter().any(|line| line.starts_with("AUTH")) => {
            "250 ok\r\n".to_owned()
        }
        line => closed(line),
    });
    let ran = run(asked(Profile::Standard), server, None).await;
    let accepted = ran.judgement.paths[0]
        .tests
        .iter()
        .filter(|judged| judged.outcome.word() == "accepted");
    let ids: Vec<_> = accepted.map(|judged| judged.test.id).collect();
    assert_eq!(ids, ["after-failed-auth", "auth-plain-random", "auth-plain-authzid"]);
    assert_eq!(ran.judgement.verdict, Verdict::Suspect);
}

/// XCLIENT is said where it is offered and nowhere else; a header of a proxy is said to whoever is
/// asked thoroughly.
#[tokio::test(start_paused = true)]
async fn a_proxys_word_is_given_where_it_may_be_heard() {
    for (offers, expected) in [("250 XCLIENT ADDR NAME LOGIN\r\n", 2), ("250 PIPELINING\r\n", 0)] {
        let said = Said::default();
        let server = listening(&said, move |_, line| match line {
            line if line.starts_with("EHLO") => format!("250-mx\r\n{offers}"),
            line if line.starts_with("XCLIENT") => "550 5.7.0 not for you\r\n".to_owned(),
            line => closed(line),
        });
        let ran = run(asked(Profile::Thorough), server, None).await;
        assert_eq!(ran.judgement.verdict, Verdict::Closed, "{}", ran.judgement.summary);
        let said = said.lock().expect("no test panics with it");
        let lines = || said.values().flatten();
        assert_eq!(lines().filter(|line| line.starts_with("XCLIENT")).count(), expected);
        assert_eq!(lines().filter(|line| line.starts_with("PROXY")).count(), 2);
        let begins: Vec<_> = said
            .values()
            .filter(|lines| lines.iter().any(|line| line.starts_with("PROXY")))
            .collect();
        assert!(
            begins.iter().all(|lines| lines[0].starts_with("PROXY")),
            "a header comes first: {begins:?}"
        );
    }
}

/// A port for a load balancer says nothing, or hangs up, before it has had its header: that shuts
/// out the other tests and not those with a header.
#[tokio::test(start_paused = true)]
async fn a_port_that_waits_for_a_proxys_header_is_given_one() {
    for silent in [true, false] {
        let said = Said::default();
        let server = listening_after("", &said, move |before, line| match line {
            line if line.starts_with("PROXY TCP4") => "220 mx.target.example ESMTP\r\n".to_owned(),
            line if line.starts_with("RCPT") && before[0].starts_with("PROXY") => {
                "250 ok\r\n".to_owned()
            }
            line => closed(line),
        });
        let server: Server = match silent {
            true => server,
            false => Arc::new(|_, stream| Some(Box::pin(async move { drop(stream) }))),
        };
        let ran = run(asked(Profile::Thorough), server, None).await;
        let expected = if silent { Verdict::Suspect } else { Verdict::Unreachable };
        assert_eq!(ran.judgement.verdict, expected, "{}", ran.judgement.summary);
        assert!(ran.took.as_secs() < 600, "{:?}", ran.took);
    }
}

/// A bounce to the sender that we were comes from a server that accepts users whom nobody has.
#[tokio::test(start_paused = true)]
async fn a_bounce_shows_backscatter_apart_from_relaying() {
    for (bounces, expected) in [(true, true), (false, false)] {
        let (sender, receipts) = mpsc::channel(16);
        let said = Said::default();
        let server = listening(&said, move |before, line| match line {
            line if line.starts_with("RCPT") && line.contains("@target.example>") => {
                "250 ok\r\n".to_owned()
            }
            "DATA" => "354 go ahead\r\n".to_owned(),
            "END-OF-DATA" => {
                let mail = before
                    .iter()
                    .rfind(|line| line.starts_with("MAIL"))
                    .expect("there was a MAIL");
                let token = key()
                    .find(mail.as_bytes())
                    .filter(|token| bounces && token.role == TokenRole::Sender);
                if let Some(token) = token {
                    let _ = sender.try_send(Receipt {
                        token,
                        message_token: false,
                        peer: ([192, 0, 2, 7], 50_000).into(),
                        helo: "mx.target.example".into(),
                        tls: false,
                        reverse_path: "<>".into(),
                        forward_path: "<s@probe.example>".into(),
                        received: Vec::new(),
                        size: 100,
                    });
                }
                "250 queued\r\n".to_owned()
            }
            line => closed(line),
        });
        let ids = ["foreign-to-foreign", "ctl-postmaster", "backscatter"];
        let tests = ids.iter().filter_map(|id| catalogue::by_id(id)).collect();
        let ran = run(
            simulation::Request { tests, profile: Profile::Thorough, ..request() },
            server,
            Some(receipts),
        )
        .await;
        let tags: Vec<_> = findings(&ran.report, &ran.judgement)
            .into_iter()
            .map(|finding| finding.tag)
            .collect();
        assert_eq!(
            (tags.contains(&"backscatter".to_owned()), ran.judgement.verdict),
            (expected, Verdict::Closed)
        );
        let texts = said
            .lock()
            .expect("no test panics with it")
            .values()
            .flatten()
            .filter(|line| *line == "END-OF-DATA")
            .count();
        assert_eq!(texts, 1, "one message tells");
    }
}

/// Where the DNS doesn't say whose mail a server takes, its own name may lead there.
#[tokio::test(start_paused = true)]
async fn a_servers_own_name_is_in_its_greeting_or_in_its_reply_to_ehlo() {
    for (greeting, hello, expected) in [
        ("220 MX.Target.example ESMTP\r\n", "250 other.example\r\n", Some("mx.target.example")),
        (
            "220 ready\r\n",
            "250-mail.target.example Hello\r\n250 SIZE\r\n",
            Some("mail.target.example"),
        ),
        ("220 [192.0.2.7] ready\r\n", "250 localhost\r\n", None),
        ("554 mx.target.example no\r\n", "250 mx.target.example\r\n", None),
    ] {
        let server = answering(greeting, move |_, line| match line {
            line if line.starts_with("EHLO") => hello.to_owned(),
            line => closed(line),
        });
        let network = Arc::new(simulation::Simulation::of(server));
        let destination = Path {
            host: None,
            address: [192, 0, 2, 7].into(),
            port: 25,
            security: Security::Plain,
        };
        let name = norelay_probe::scan::own_name(&mut request(), destination, network).await;
        assert_eq!(name.as_deref(), expected, "{greeting}{hello}");
    }
}

/// That connection is the run's: the report counts what the server has seen.
#[tokio::test(start_paused = true)]
async fn the_look_for_a_servers_name_is_part_of_the_run() {
    let said = Said::default();
    let server = listening(&said, |_, line| closed(line));
    let network = Arc::new(simulation::Simulation::of(server));
    let exchangers = vec![MailExchanger {
        name: None,
        preference: None,
        addresses: vec![[192, 0, 2, 7].into()],
    }];
    let mut request = simulation::Request { local_domain: None, ..request() };
    let destination = Path {
        host: None,
        address: exchangers[0].addresses[0],
        port: 25,
        security: Security::Plain,
    };
    let name = norelay_probe::scan::own_name(&mut request, destination, network.clone()).await;
    assert_eq!(name.as_deref(), Some("mx.target.example"));
    request.local_domain = name;
    let log: Arc<Mutex<Vec<Record>>> = Arc::default();
    let recording = log.clone();
    let sink = Arc::new(move |record: &Record| {
        recording
            .lock()
            .expect("no test panics with it")
            .push(record.clone())
    });
    let (_stop, stop) = tokio::sync::watch::channel(false);
    let report = norelay_probe::scan::Scan {
        request,
        client_identity: None,
        network,
        sink,
        inbox: None,
        stop,
    }
    .run(exchangers)
    .await;
    let connections = said.lock().expect("no test panics with it").len();
    assert_eq!(report.dialogues.len(), connections);
    let numbers: Vec<u32> = report.dialogues.keys().copied().collect();
    assert_eq!(
        numbers,
        (1..=u32::try_from(connections).expect("there are few")).collect::<Vec<_>>()
    );
    assert!(report.dialogues[&1].tests.is_empty() && !report.dialogues[&2].tests.is_empty());
    let log = log.lock().expect("no test panics with it");
    assert!(
        matches!(log[0].event, Event::RunStarted(_)) && log.is_sorted_by_key(|record| record.at)
    );
    assert_eq!(Report::of(log.iter()).dialogues.len(), connections);
}

/// A server may call itself otherwise than the DNS does, and trust senders at that name or at its
/// domain. Each name is asked, even in the classic profile.
#[tokio::test(start_paused = true)]
async fn a_sender_at_any_name_of_the_server_is_asked() {
    for (greeting, hello, trusted, expected) in [
        ("220 mx.victim.example ESMTP\r\n", "mx.victim.example", "mx.victim.example", true),
        ("220 mx.victim.example ESMTP\r\n", "mx.victim.example", "victim.example", true),
        ("220 localhost ESMTP\r\n", "mx.victim.example", "mx.victim.example", true),
        ("220 mx.victim.example ESMTP\r\n", "smtp.victim.example", "smtp.victim.example", true),
        ("220 [192.0.2.7] ESMTP\r\n", "localhost", "mx.victim.example", false),
    ] {
        let said = Said::default();
        let server = listening_after(greeting, &said, move |before, line| match line {
            line if line.starts_with("EHLO") => format!("250-{hello}\r\n250 PIPELINING\r\n"),
            line if line.starts_with("RCPT")
                && before
                    .iter()
                    .rfind(|line| line.starts_with("MAIL"))
                    .is_some_and(|mail| mail.ends_with(&format!("@{trusted}>"))) =>
            {
                "250 ok\r\n".to_owned()
            }
            line => closed(line),
        });
        for address_typed in [true, false] {
            let request = simulation::Request { address_typed, ..request() };
            let ran = run(request, server.clone(), None).await;
            let verdict = if expected { Verdict::Suspect } else { Verdict::Closed };
            let case = format!("{greeting} {hello} {trusted} {address_typed}");
            assert_eq!(ran.judgement.verdict, verdict, "{case}");
        }
    }
}

/// A server that relays for senders on a list: the usual ones are asked with RCPT only, and those
/// that the user names are asked as any other test.
#[tokio::test(start_paused = true)]
async fn a_sender_on_a_list_is_asked() {
    for (listed, trusted, found, expected) in [
        ("outlook.com", &[][..], &[][..], &["ctl-listed-senders"][..]),
        ("partner.example", &[], &["partner.example"], &["ctl-listed-senders"]),
        ("partner.example", &["partner.example"], &[], &["trusted-sender"]),
        ("partner.example", &["a.example", "b@partner.example"], &[], &["second-trusted-sender"]),
        ("partner.example", &[], &[], &[]),
    ] {
        let said = Said::default();
        let server = listening(&said, move |before, line| match line {
            line if line.starts_with("RCPT")
                && before
                    .iter()
                    .rfind(|line| line.starts_with("MAIL"))
                    .is_some_and(|mail| mail.ends_with(&format!("@{listed}>"))) =>
            {
                "250 ok\r\n".to_owned()
            }
            "DATA" => "354 go ahead\r\n".to_owned(),
            "END-OF-DATA" => "250 queued\r\n".to_owned(),
            line => closed(line),
        });
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let request = simulation::Request {
            trusted_senders: owned(trusted),
            found_senders: owned(found),
            ..asked(Profile::Standard)
        };
        let (_sender, receipts) = mpsc::channel(16);
        let ran = run(request, server, Some(receipts)).await;
        let verdict = if expected.is_empty() { Verdict::Closed } else { Verdict::Suspect };
        assert_eq!(ran.judgement.verdict, verdict, "{listed} {trusted:?} {found:?}");
        let accepted = ran.judgement.paths[0].all().filter(|judged| {
            judged.outcome.word() == "accepted"
                && judged.test.id != "ctl-postmaster"
                && judged.test.group != catalogue::Group::Adjacent
        });
        let ids: Vec<_> = accepted.map(|judged| judged.test.id).collect();
        assert_eq!(ids, expected, "{listed} {trusted:?} {found:?}");
        let said = said.lock().expect("no test panics with it");
        let mut connections = said.values();
        let sends = connections.any(|lines| {
            let is_listed = |line: &String| line.contains("@gmail.com>");
            lines.iter().any(is_listed) && lines.contains(&"DATA".to_owned())
        });
        assert!(!sends, "no message is sent from a provider");
        let causes: Vec<_> = norelay_core::diagnosis::diagnose(&ran.report, &ran.judgement)
            .into_iter()
            .map(|found| found.cause.word())
            .collect();
        let cause = if expected.is_empty() { &[][..] } else { &["trusts_listed_sender"] };
        assert_eq!(causes, cause, "{listed} {trusted:?} {found:?}");
    }
}
