//! Canaries on their way: the DNS is a real server on loopback, the exchangers are scripts.

#[path = "../../norelay-dns/tests/dns/mod.rs"]
mod dns;
#[path = "simulation/mod.rs"]
mod simulation;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use dns::{Unbound, Zone};
use norelay_core::{asking::PlannedCanary, event::CanaryFailure};
use norelay_probe::{
    canary::{CanaryMail, CanaryPost, HandedCanary},
    resolve::Resolver,
};
use simulation::{Server, Simulation, answering};

/// How long a question to the DNS may take.
const ANSWERED: Duration = Duration::from_secs(60);

const ZONES: &[Zone<'static>] = &[
    Zone::Holds(
        "probe.example",
        &[
            "probe.example. MX 20 backup.probe.example.",
            "probe.example. MX 10 mx.probe.example.",
            "mx.probe.example. A 192.0.2.1",
            "backup.probe.example. A 192.0.2.2",
        ],
    ),
    Zone::Holds("bare.example", &["bare.example. A 192.0.2.3"]),
    Zone::Holds("null.example", &["null.example. MX 0 ."]),
    Zone::Holds("lost.example", &["lost.example. MX 10 mx.lost.example."]),
    Zone::Holds("nothing.example", &["nothing.example. TXT none"]),
];

/// How the exchangers answer.
#[derive(Clone, Copy)]
enum Exchangers {
    Accept,
    RejectRecipient,
    /// Only the second connection is accepted.
    FirstIsDown,
    Refuse,
    HangUp,
}
use Exchangers::{Accept, FirstIsDown, HangUp, Refuse, RejectRecipient};

/// A probe domain, its exchangers, and what becomes of a canary there.
const ROWS: &[(&str, Exchangers, &str)] = &[
    ("probe.example", Accept, "mx.probe.example 192.0.2.1 accepted"),
    ("probe.example", FirstIsDown, "backup.probe.example 192.0.2.2 accepted"),
    ("probe.example", RejectRecipient, "backup.probe.example 192.0.2.2 rejected 550 5.1.1 unknown"),
    ("probe.example", Refuse, "backup.probe.example 192.0.2.2 not connected: connection refused"),
    ("probe.example", HangUp, "backup.probe.example 192.0.2.2 interrupted"),
    ("bare.example", Accept, "bare.example 192.0.2.3 accepted"),
    ("null.example", Accept, "no exchanger: its MX record says that it accepts no mail (RFC 7505)"),
    ("lost.example", Accept, "no exchanger: its mail exchangers have no address"),
    ("nothing.example", Accept, "no exchanger: it has no MX record and no address"),
];

/// The lines that a server has read.
type Said = Arc<Mutex<Vec<String>>>;

fn server(exchangers: Exchangers, said: &Said) -> Server {
    let said = said.clone();
    let polite = answering("220 mx.probe.example ESMTP\r\n", move |_, line| {
        said.lock().expect("nothing panics").push(line.to_owned());
        let is_rejected = matches!(exchangers, RejectRecipient) && line.starts_with("RCPT");
        match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" if matches!(exchangers, HangUp) => String::new(),
            "DATA" => "354 go on\r\n".to_owned(),
            "QUIT" => "221 bye\r\n".to_owned(),
            _ if is_rejected => "550 5.1.1 unknown\r\n".to_owned(),
            _ => "250 ok\r\n".to_owned(),
        }
    });
    Arc::new(move |number, stream| match exchangers {
        Refuse => None,
        FirstIsDown if number == 0 => None,
        _ => polite(number, stream),
    })
}

fn shown(handed: &HandedCanary) -> String {
    let exchanger = handed.exchanger.as_ref();
    let exchanger = exchanger.map(|at| format!("{} {} ", at.host, at.address));
    let became = match &handed.failure {
        None => "accepted".to_owned(),
        Some(CanaryFailure::NoExchanger { why }) => format!("no exchanger: {why}"),
        Some(CanaryFailure::NotConnected { why }) => format!("not connected: {why}"),
        Some(CanaryFailure::Rejected { reply }) => format!("rejected {reply}"),
        Some(CanaryFailure::Interrupted { .. }) => "interrupted".to_owned(),
    };
    exchanger.unwrap_or_default() + &became
}

fn canary(domain: &str) -> PlannedCanary {
    PlannedCanary {
        number: 0,
        domain: domain.to_owned(),
        helo: "tester.example".to_owned(),
        recipient: format!("token@{domain}"),
        text: "Subject: a canary\r\n\r\nA text.\r\n".into(),
        reply_timeout: ANSWERED,
    }
}

#[tokio::test]
async fn a_canary_takes_the_way_of_all_mail() {
    let unbound = Unbound::start(ZONES);
    let resolver = Resolver::new(Some(unbound.address), ANSWERED).expect("an address is enough");
    for (domain, exchangers, expected) in ROWS {
        let said = Said::default();
        let network = Arc::new(Simulation::of(server(*exchangers, &said)));
        let mail = CanaryMail { resolver: Some(resolver.clone()), network };
        let handed = mail.hand_over(canary(domain)).await;
        assert_eq!(shown(&handed), *expected, "{domain}");
        let said = said.lock().expect("nothing panics").clone();
        let recipient = format!("RCPT TO:<token@{domain}>");
        let expected = ["EHLO tester.example", "MAIL FROM:<>", &recipient, "DATA", "END-OF-DATA"];
        if handed.failure.is_none() {
            assert_eq!(said[..5], expected, "{domain}");
        }
    }
}

#[tokio::test]
async fn without_a_resolver_no_exchanger_is_found() {
    let network = Arc::new(Simulation::of(server(Accept, &Said::default())));
    let mail = CanaryMail { resolver: None, network };
    let handed = mail.hand_over(canary("probe.example")).await;
    assert_eq!(shown(&handed), "no exchanger: this machine has no DNS resolver");
}
