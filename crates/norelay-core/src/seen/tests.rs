use jiff::Timestamp;

use super::*;
use crate::{
    event::{Event, Record},
    path::PathId,
    smtp::Security,
};

fn report(own: &str, target: &str, expected: Option<&str>, greeting: &str) -> Report {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let destination = crate::event::Path {
        host: None,
        address: address(target),
        port: 25,
        security: Security::Plain,
    };
    let local = (address(own), 40_000).into();
    let reply = crate::smtp::Reply {
        code: 250,
        lines: vec![format!("mx.target.example Hello x.example [{greeting}]").into()],
    };
    let line = "EHLO x.example".into();
    let events = vec![
        Event::PathAdded {
            path: PathId::FIRST,
            destination,
            tests: vec!["foreign-to-foreign".to_owned()],
        },
        Event::Opened {
            dialogue: 0,
            path: PathId::FIRST,
            tests: Vec::new(),
            proof: false,
            attempt: 0,
            login: None,
        },
        Event::Connected { dialogue: 0, after_ms: 0, local },
        Event::Sent { dialogue: 0, after_ms: 0, stage: Stage::Ehlo, test: None, line },
        Event::Replied {
            dialogue: 0,
            after_ms: 0,
            stage: Stage::Ehlo,
            test: None,
            purpose: None,
            reply,
        },
    ];
    let records: Vec<_> = events
        .into_iter()
        .map(|event| Record::new(Timestamp::UNIX_EPOCH, event))
        .collect();
    let mut report = Report::of(&records);
    report.run = Some(run(expected.map(address)));
    report
}

fn run(seen_as_expected: Option<IpAddr>) -> crate::event::Run {
    crate::event::Run {
        run: crate::token::RunId(1),
        target: String::new(),
        version: String::new(),
        profile: catalogue::Profile::Classic,
        domain: "probe.example".into(),
        domain_given: true,
        helo: "x.example".into(),
        local_domain: None,
        named_user: None,
        trusted_senders: Vec::new(),
        receiving: false,
        seen_as_expected,
        tests: Vec::new(),
    }
}

/// Rows: our address, the target's, the expected one, what the server says, what that means.
#[test]
fn what_a_sighting_means() {
    use Loss::{Gateway, LinkLocal, Loopback, Other, Private, Server};
    use Meaning::{Lost, Ours, Translated};
    for (own, target, expected, seen, meaning) in [
        ("203.0.113.9", "192.0.2.7", None, "203.0.113.9", Ours),
        ("203.0.113.9", "192.0.2.7", None, "::ffff:203.0.113.9", Ours),
        ("::ffff:203.0.113.9", "192.0.2.7", None, "203.0.113.9", Ours),
        ("2001:db8::9", "2001:db8::7", None, "2001:db8::9", Ours),
        ("127.0.0.1", "127.0.0.1", None, "127.0.0.1", Ours),
        ("192.168.1.5", "192.168.1.5", None, "192.168.1.5", Ours),
        // Docker's userland proxy, IPv6 without NAT.
        ("2001:db8::9", "2001:db8::7", None, "172.22.1.1", Lost(Gateway)),
        ("203.0.113.9", "192.0.2.7", None, "172.17.0.1", Lost(Gateway)),
        ("203.0.113.9", "192.0.2.7", None, "10.42.0.1", Lost(Gateway)),
        ("2001:db8::9", "2001:db8::7", None, "fd4d:6169:6c63::1", Lost(Gateway)),
        ("203.0.113.9", "192.0.2.7", None, "10.42.3.17", Lost(Private)),
        ("203.0.113.9", "192.0.2.7", None, "100.64.3.17", Lost(Private)),
        ("2001:db8::9", "2001:db8::7", None, "fd4d::1:17", Lost(Private)),
        ("203.0.113.9", "192.0.2.7", None, "127.0.0.1", Lost(Loopback)),
        ("2001:db8::9", "2001:db8::7", None, "::1", Lost(Loopback)),
        ("203.0.113.9", "192.0.2.7", None, "192.0.2.7", Lost(Server)),
        ("203.0.113.9", "10.0.0.1", None, "10.0.0.1", Lost(Server)),
        ("203.0.113.9", "192.0.2.7", None, "169.254.169.126", Lost(LinkLocal)),
        ("2001:db8::9", "2001:db8::7", None, "fe80::1", Lost(LinkLocal)),
        ("203.0.113.9", "192.0.2.7", None, "198.51.100.200", Lost(Other)),
        ("2001:db8::9", "2001:db8::7", None, "198.51.100.200", Lost(Other)),
        // Behind an address translator.
        ("192.168.1.5", "192.0.2.7", None, "203.0.113.9", Translated),
        ("100.64.0.5", "192.0.2.7", None, "203.0.113.9", Translated),
        ("fd00::5", "2001:db8::7", None, "2001:db8::9", Translated),
        ("192.168.1.5", "192.0.2.7", None, "192.0.2.7", Lost(Server)),
        ("192.168.1.5", "192.0.2.7", None, "172.17.0.1", Lost(Gateway)),
        ("192.168.1.5", "192.0.2.7", Some("203.0.113.9"), "203.0.113.9", Ours),
        ("192.168.1.5", "192.0.2.7", Some("203.0.113.9"), "198.51.100.200", Lost(Other)),
        ("192.168.1.5", "192.0.2.7", Some("203.0.113.9"), "172.17.0.1", Lost(Gateway)),
        ("192.168.1.5", "192.0.2.7", Some("203.0.113.9"), "192.168.1.5", Ours),
        // What is expected of IPv4 says nothing about IPv6.
        ("2001:db8::9", "2001:db8::7", Some("203.0.113.9"), "2001:db8::9", Ours),
        ("2001:db8::9", "2001:db8::7", Some("203.0.113.9"), "203.0.113.9", Lost(Other)),
    ] {
        let report = report(own, target, expected, seen);
        let got = report
            .path(PathId::FIRST)
            .and_then(on_path)
            .map(|seen| seen.meaning);
        assert_eq!(got, Some(meaning), "{own} to {target}, expected {expected:?}, seen {seen}");
    }
}

#[test]
fn nothing_is_lost_that_was_not_known() {
    let mut report = report("203.0.113.9", "192.0.2.7", None, "172.17.0.1");
    for dialogue in report.dialogues.values_mut() {
        dialogue.local = None;
    }
    assert_eq!(
        report
            .path(PathId::FIRST)
            .and_then(on_path)
            .map(|seen| seen.meaning),
        Some(Meaning::Unknown)
    );
    assert_eq!(report.path(PathId::new(1)).and_then(on_path), None);
}

#[test]
fn what_we_claimed_shows_nothing() {
    for (stage, line) in
        [(Stage::Greeting, "PROXY TCP4 127.0.0.1"), (Stage::Other, "xclient ADDR=127.0.0.1")]
    {
        let mut report = report("203.0.113.9", "192.0.2.7", None, "127.0.0.1");
        let sent = Event::Sent { dialogue: 0, after_ms: 0, stage, test: None, line: line.into() };
        report.apply(&Record::new(Timestamp::UNIX_EPOCH, sent));
        assert_eq!(report.path(PathId::FIRST).and_then(on_path), None, "{line}");
    }
}

#[test]
fn refusals_count_only_alone() {
    let refusal = |report: &mut Report| {
        let lines = vec![
            "5.7.1 Service unavailable; Client host [10.0.0.1] blocked using x.example".into(),
        ];
        let reply = crate::smtp::Reply { code: 554, lines };
        let refused = Event::Replied {
            dialogue: 0,
            after_ms: 0,
            stage: Stage::Rcpt,
            test: None,
            purpose: None,
            reply,
        };
        report.apply(&Record::new(Timestamp::UNIX_EPOCH, refused));
    };
    let mut known = report("203.0.113.9", "192.0.2.7", None, "203.0.113.9");
    refusal(&mut known);
    assert_eq!(
        known
            .path(PathId::FIRST)
            .map(sightings)
            .map_or(0, |seen| seen.len()),
        2
    );
    assert_eq!(
        known
            .path(PathId::FIRST)
            .and_then(on_path)
            .map(|seen| seen.meaning),
        Some(Meaning::Ours)
    );
    let mut alone = report("203.0.113.9", "192.0.2.7", None, "(nothing)");
    refusal(&mut alone);
    let seen = alone
        .path(PathId::FIRST)
        .and_then(on_path)
        .expect("the refusal names an address");
    assert_eq!(
        (seen.meaning, seen.sighting.source),
        (Meaning::Lost(Loss::Gateway), Source::Refusal)
    );
}
