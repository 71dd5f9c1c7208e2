//! What was accepted beside what was refused names the cause.

mod story;

use norelay_core::{
    catalogue::TestId,
    check::judge,
    diagnosis::{Assumption, Diagnosis, diagnose, seen_as, techniques},
    remedy::RelayCause,
    report::Report,
    smtp::{Security, Stage},
};
use story::Story;

const NO: &str = "554 5.7.1 <u@probe.example>: Relay access denied";
const YES: &str = "250 2.1.5 Ok";
const UNWANTED: &str = "554 5.7.1 <u@probe.example>: Recipient address rejected: Access denied";
const SENDER: &str = "554 5.7.1 <s@probe.example>: Sender address rejected: Access denied";
const LISTED: &str = "554 5.7.1 Client host blocked using zen.spamhaus.org";

/// `id=yes`, `id=no`, `id=listed` or `id=back` (accepted, and its message came back).
fn one_path(answers: &[&str]) -> Report {
    let mut story = Story::begin(true);
    let ids: Vec<&str> = answers
        .iter()
        .map(|answer| answer.split('=').next().expect("an id"))
        .collect();
    let path = story.path("192.0.2.7", 25, Security::Plain, &ids);
    for answer in answers {
        let (id, word) = answer.split_once('=').expect("id=answer");
        match word {
            "yes" => story.asked(path, id, YES),
            "no" => story.asked(path, id, NO),
            "listed" => story.asked(path, id, LISTED),
            "unwanted" => story.asked(path, id, UNWANTED),
            "sender" => story.asked(path, id, SENDER),
            "late" => {
                story.answered(path, id, Stage::EndOfData, "550 5.7.1 Message content rejected")
            }
            "back" => story.relayed(
                path,
                id,
                "192.0.2.7:30000",
                "from probe.example (x [198.51.100.9]) by mx",
            ),
            "around" => {
                story.delivered_by = "out.provider.example".to_owned();
                story.relayed(
                    path,
                    id,
                    "203.0.113.5:30000",
                    "from probe.example (x [198.51.100.9]) by mx",
                );
            }
            other => panic!("{other}"),
        }
    }
    story.end()
}

fn words(found: &[Diagnosis]) -> Vec<String> {
    let mut words: Vec<String> = found
        .iter()
        .map(|found| format!("{} {}", found.cause, found.confidence.word()))
        .collect();
    words.sort();
    words
}

/// What was answered on one path, and the causes that it names.
type Row = (&'static [&'static str], &'static [&'static str]);

#[rustfmt::skip]
static ROWS: &[Row] = &[
        (&["foreign-to-foreign=no", "null-sender=no"], &[]),
        (&["foreign-to-foreign=listed", "null-sender=listed"], &[]),
        (&["foreign-to-foreign=yes"], &["trusts_everyone likely"]),
        // Our address alone was tried, which the server may know (POP before SMTP).
        (&["foreign-to-foreign=back"], &["trusts_everyone likely"]),
        (&["foreign-to-foreign=yes", "null-sender=yes", "percent-host=yes"], &["trusts_everyone \
            likely"]),
        (&["foreign-to-foreign=around"], &["trusts_everyone likely"]),
        (&["foreign-to-foreign=yes", "ctl-second-foreign=yes"], &["trusts_everyone likely"]),
        (&["foreign-to-foreign=yes", "ctl-second-foreign=no"], &["recipient_domain_too_wide \
            likely"]),
        // Who is trusted for himself may write to everybody.
        (
            &["foreign-to-foreign=yes", "ctl-second-foreign=yes", "quoted-local-foreign=no"],
            &["recipient_domain_too_wide likely"],
        ),
        (&["foreign-to-foreign=yes", "quoted-local-foreign=listed"], &["trusts_everyone likely"]),
        (&["foreign-to-foreign=yes", "local-domain-sender=no"], &["trusts_everyone likely"]),
        // Ours is turned down alone, for its own sake or as one that isn't on a list.
        (&["foreign-to-foreign=unwanted", "ctl-second-foreign=yes"], &["trusts_everyone likely"]),
        (&["foreign-to-foreign=unwanted", "ctl-foreign-invalid=yes"], &["trusts_everyone likely"]),
        (&["foreign-to-foreign=no", "ctl-listed-senders=yes"], &["trusts_listed_sender likely"]),
        (&["foreign-to-foreign=no", "trusted-sender=yes"], &["trusts_listed_sender likely"]),
        (&["foreign-to-foreign=no", "ctl-provider-recipients=yes"], &["relays_for_some_domains \
            likely"]),
        (&["foreign-to-foreign=no", "ctl-second-foreign=yes"], &["relays_for_some_domains \
            likely"]),
        (&["foreign-to-foreign=unwanted", "ctl-second-foreign=no"], &[]),
        (&["foreign-to-foreign=sender", "null-sender=yes", "target-host-sender=yes"],
            &["trusts_everyone likely"]),
        (&["foreign-to-foreign=sender", "null-sender=no", "target-host-sender=yes"],
            &["trusts_sender_domain possible"]),
        // Taken at RCPT and refused with its text: that others are taken at RCPT is no difference.
        (&["foreign-to-foreign=late", "piggyback-recipient=yes"], &[]),
        (&["foreign-to-foreign=late", "piggyback-recipient=back"], &["session_state possible"]),
        (&["foreign-to-foreign=no", "null-sender=yes"], &["trusts_null_sender likely"]),
        (&["foreign-to-foreign=no", "null-sender=back"], &["trusts_null_sender certain"]),
        (&["foreign-to-foreign=listed", "null-sender=yes"], &["trusts_null_sender possible"]),
        (&["foreign-to-foreign=no", "target-host-sender=yes"], &["trusts_sender_domain likely"]),
        (&["foreign-to-foreign=no", "bare-sender=yes"], &["trusts_sender_domain likely"]),
        (&["foreign-to-foreign=no", "local-user-sender=back"], &["trusts_sender_domain certain"]),
        (
            &["foreign-to-foreign=no", "null-sender=yes", "target-host-sender=yes"],
            &["trusts_null_sender likely", "trusts_sender_domain likely"],
        ),
        // The sender of tests 6 to 17 explains what they accept.
        (
            &["foreign-to-foreign=no", "target-host-sender=yes", "source-route-host=yes",
                "percent-host=yes"],
            &["trusts_sender_domain likely"],
        ),
        // With a foreign sender the sign is the cause.
        (
            &["foreign-to-foreign=no", "target-host-sender=yes", "percent-domain=yes"],
            &["percent_hack likely", "trusts_sender_domain likely"],
        ),
        (&["foreign-to-foreign=no", "target-host-sender=no", "percent-host=yes"],
            &["percent_hack likely"]),
        (&["foreign-to-foreign=no", "target-host-sender=no", "percent-host=back"],
            &["percent_hack certain"]),
        (
            &["foreign-to-foreign=no", "target-host-sender=no", "percent-host=around"],
            &["multi_hop certain", "percent_hack certain"],
        ),
        // Whether the sender alone would do was not answered.
        (&["foreign-to-foreign=no", "target-host-sender=listed", "percent-host=yes"],
            &["percent_hack possible"]),
        (&["foreign-to-foreign=no", "percent-host=yes"], &["percent_hack possible"]),
        (&["foreign-to-foreign=no", "percent-domain=yes"], &["percent_hack likely"]),
        (&["foreign-to-foreign=no", "bang-domain=yes"], &["bang_path likely"]),
        (&["foreign-to-foreign=no", "target-host-sender=no", "bang-bare=yes", "bang-ip=yes"],
            &["bang_path likely"]),
        (&["foreign-to-foreign=no", "source-route-domain=yes"], &["source_route likely"]),
        (&["foreign-to-foreign=no", "double-at-domain=yes", "quoted-at-domain=yes"],
            &["double_at likely"]),
        (&["foreign-to-foreign=no", "imceasmtp-domain=yes"], &["encapsulated_address likely"]),
        // Whoever takes any local part may take this one for such.
        (&["foreign-to-foreign=no", "imceasmtp-domain=yes", "ctl-local-nx=yes"],
            &["encapsulated_address possible"]),
        (&["foreign-to-foreign=no", "imceasmtp-domain=back", "ctl-local-nx=yes"],
            &["encapsulated_address certain"]),
        (&["foreign-to-foreign=no", "null-sender=yes", "ctl-local-nx=yes"], &["trusts_null_sender \
            likely"]),
        (&["foreign-to-foreign=no", "srs0-forged=yes"], &["encapsulated_address likely"]),
        (&["foreign-to-foreign=no", "no-brackets=yes"], &["address_syntax likely"]),
        (&["foreign-to-foreign=no", "local-domain-as-label=yes"], &["recipient_domain_too_wide \
            likely"]),
        (&["foreign-to-foreign=no", "double-at-foreign-last=yes"], &["recipient_domain_too_wide \
            likely"]),
        (&["foreign-to-foreign=no", "helo-localhost=yes"], &["trusts_helo_name likely"]),
        (&["foreign-to-foreign=no", "no-helo=yes"], &["session_state likely"]),
        (&["foreign-to-foreign=no", "piggyback-recipient=yes"], &["session_state likely"]),
        (&["foreign-to-foreign=no", "auth-plain-random=yes"], &["trusts_any_credentials likely"]),
        (&["foreign-to-foreign=no", "auth-anonymous=back"], &["trusts_any_credentials certain"]),
        (&["foreign-to-foreign=no", "after-failed-auth=yes"], &["session_state likely"]),
        // No authentication fails there.
        (
            &["foreign-to-foreign=no", "after-failed-auth=yes", "auth-plain-random=yes"],
            &["trusts_any_credentials likely"],
        ),
        (&["foreign-to-foreign=no", "xclient-loopback=yes"], &["trusts_xclient likely"]),
        (&["foreign-to-foreign=no", "plain-selfsigned-clientcert=yes"], &["trusts_tls likely"]),
        (&["foreign-to-foreign=no", "proxy-v1-loopback=yes"], &["trusts_proxy_header likely"]),
        (&["foreign-to-foreign=no", "postmaster-recipient=yes"], &["postmaster_anywhere likely"]),
        (&["foreign-to-foreign=no", "postmaster-recipient=back"], &["postmaster_anywhere certain"]),
        (&["foreign-to-foreign=yes", "postmaster-recipient=yes"], &["trusts_everyone likely"]),
        (&["foreign-to-foreign=no", "mx-backup-trap=yes"], &["backup_mx_loose likely"]),
        (&["foreign-to-foreign=no", "mx-backup-trap=yes", "mx-primary-trap=back"],
            &["backup_mx_loose certain"]),
        (&["foreign-to-foreign=yes", "ctl-second-foreign=no", "mx-backup-trap=yes"],
            &["backup_mx_loose likely"]),
        // What a control explains as local delivery, or shows beside the relay question, is no
        // cause.
        (&["foreign-to-foreign=no", "ctl-local-nx=yes", "ctl-postmaster=yes"], &[]),
        (&["foreign-to-foreign=no", "spoof-local-to-local=yes"], &[]),
];

/// The causes that take more than one path, or a message, and have tests of their own below.
static ELSEWHERE: &[RelayCause] = &[
    RelayCause::LostClientAddress,
    RelayCause::PortWithoutRelayCheck,
    RelayCause::TrustsTls,
    RelayCause::LateRelayCheck,
];

#[test]
fn every_cause_is_named_somewhere() {
    for cause in RelayCause::ALL
        .iter()
        .filter(|cause| !ELSEWHERE.contains(cause))
    {
        let names = |named: &&str| named.split(' ').next() == Some(cause.word());
        assert!(ROWS.iter().any(|(_, expected)| expected.iter().any(names)), "{cause}");
    }
}

#[test]
fn answers_on_one_path_name_the_cause() {
    for (answers, expected) in ROWS {
        let report = one_path(answers);
        let found = diagnose(&report, &judge(&report));
        assert_eq!(words(&found), *expected, "{answers:?}: {found:#?}");
    }
}

/// A server that turns down our domain and takes mail for another isn't closed, and no message can
/// tell.
#[test]
fn who_takes_mail_for_another_foreign_domain_is_not_closed() {
    for (answers, verdict) in [
        (
            &["foreign-to-foreign=unwanted", "ctl-postmaster=yes", "ctl-second-foreign=yes"][..],
            "suspect",
        ),
        (&["foreign-to-foreign=no", "ctl-postmaster=yes", "ctl-second-foreign=yes"], "suspect"),
        (&["foreign-to-foreign=no", "ctl-postmaster=yes", "ctl-foreign-invalid=yes"], "suspect"),
        (
            &["foreign-to-foreign=unwanted", "ctl-postmaster=yes", "ctl-second-foreign=unwanted"],
            "closed",
        ),
        (&["foreign-to-foreign=no", "ctl-postmaster=yes", "ctl-local-nx=yes"], "closed"),
        (&["foreign-to-foreign=back", "ctl-second-foreign=yes"], "open"),
    ] {
        let judgement = judge(&one_path(answers));
        assert_eq!(judgement.verdict.word(), verdict, "{answers:?}: {:?}", judgement.paths[0].why);
    }
}

/// There are several remedies for trust in TLS; the one that the evidence is for comes first.
#[test]
fn trust_in_a_certificate_has_its_own_remedy() {
    let report = one_path(&["foreign-to-foreign=no", "plain-public-clientcert=yes"]);
    let found = diagnose(&report, &judge(&report));
    assert_eq!(found[0].remedy.as_deref(), Some("postfix/client-certificates"));
}

#[test]
fn paths_beside_each_other_name_the_cause() {
    type Told = (&'static str, u16, Security, &'static str);
    let (v4, v6) = ("192.0.2.7", "2001:db8::7");
    let plain = Security::Plain;
    for (paths, expected) in [
        (&[(v4, 25, plain, NO), (v6, 25, plain, YES)][..], &["lost_client_address likely"][..]),
        (&[(v4, 25, plain, YES), (v6, 25, plain, NO)], &["lost_client_address likely"]),
        (&[(v4, 25, plain, YES), (v6, 25, plain, YES)], &["trusts_everyone likely"]),
        (&[(v4, 25, plain, YES), (v6, 25, plain, LISTED)], &["trusts_everyone likely"]),
        (&[(v4, 25, plain, NO), (v4, 587, plain, YES)], &["port_without_relay_check likely"]),
        (&[(v4, 25, plain, NO), (v4, 2525, plain, YES)], &["port_without_relay_check likely"]),
        (&[(v4, 25, plain, NO), (v4, 25, Security::StartTls, YES)], &["trusts_tls likely"]),
        (
            &[(v4, 25, plain, NO), (v4, 465, Security::Tls, YES)],
            &["port_without_relay_check likely"],
        ),
        (&[(v4, 25, plain, NO), (v4, 587, plain, NO)], &[]),
        (&[(v4, 25, plain, NO), ("192.0.2.8", 25, plain, YES)], &["trusts_everyone likely"]),
    ] as [(&[Told], &[&str]); 10]
    {
        let mut story = Story::begin(false);
        for (address, port, security, answer) in paths {
            let path = story.path(address, *port, *security, &["foreign-to-foreign"]);
            story.asked(path, "foreign-to-foreign", answer);
        }
        let report = story.end();
        let found = diagnose(&report, &judge(&report));
        assert_eq!(words(&found), expected, "{paths:?}: {found:#?}");
    }
}

/// A server that offers STARTTLS under TLS doesn't know of it: it is behind a program that ends
/// TLS, and sees that.
#[test]
fn a_port_whose_tls_ends_before_the_server_has_lost_our_address() {
    for (hello, expected) in [
        ("250 mx.target.example / STARTTLS", "lost_client_address likely postfix/client-address"),
        (
            "250 mx.target.example / AUTH PLAIN",
            "port_without_relay_check likely postfix/submission",
        ),
    ] {
        let mut story = Story::begin(false);
        let closed = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
        story.asked(closed, "foreign-to-foreign", NO);
        story.server("220 mx.target.example ESMTP Postfix", hello);
        let open = story.path("192.0.2.7", 465, Security::Tls, &["foreign-to-foreign"]);
        story.asked(open, "foreign-to-foreign", YES);
        let report = story.end();
        let found = diagnose(&report, &judge(&report));
        let remedy = found[0].remedy.as_deref().unwrap_or_default();
        assert_eq!(format!("{} {remedy}", words(&found)[0]), expected, "{hello}");
    }
}

/// No list of trusted networks is narrow enough for a server that sees itself in the place of its
/// clients.
#[test]
fn a_client_taken_for_the_servers_own_machine_must_have_his_address_back() {
    for (seen, expected) in
        [("127.0.0.1", "postfix/client-address"), ("172.17.0.1", "postfix/mynetworks")]
    {
        let mut story = Story::begin(true);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
        let trace = format!("from probe.example (x [{seen}]) by mx");
        story.relayed(path, "foreign-to-foreign", "192.0.2.7:30000", &trace);
        let report = story.end();
        let found = diagnose(&report, &judge(&report));
        assert_eq!(words(&found), ["lost_client_address certain"], "{seen}");
        assert_eq!(found[0].remedy.as_deref(), Some(expected), "{seen}");
    }
}

/// A remedy for a software that is only possible says so, and how to find out.
#[test]
fn a_remedy_for_a_possible_software_says_what_it_rests_on() {
    for (greeting, hello, expected) in [
        ("220 mx.target.example ESMTP Postfix", "250 mx.target.example", None),
        (
            "220 mx.target.example ESMTP Postfix",
            "250 mx.target.example Hello probe.example, nice to meet you",
            Some("If this is Postfix"),
        ),
    ] {
        let mut story = Story::begin(false);
        story.server(greeting, hello);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
        story.asked(path, "foreign-to-foreign", YES);
        let report = story.end();
        let found = diagnose(&report, &judge(&report));
        let remedy = found[0].remedy.as_deref().expect("Postfix has remedies");
        assert!(remedy.starts_with("postfix/"), "{remedy}");
        let assumed = found[0].assumption_of(remedy);
        assert_eq!(assumed.map(Assumption::condition).as_deref(), expected, "{hello}");
        if let Some(assumed) = assumed {
            assert!(assumed.advice().contains("`postconf mail_version`"));
        }
    }
}

/// One family is open and the other is not: where the server sees us as it should, no address was
/// lost.
#[test]
fn a_family_that_is_trusted_is_told_from_one_whose_addresses_are_lost() {
    for (trace, expected) in [
        ("from probe.example (x [198.51.100.9]) by mx", "trusts_everyone likely"),
        ("from probe.example (x [172.22.1.1]) by mx", "lost_client_address certain"),
    ] {
        let mut story = Story::begin(true);
        let closed = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
        let open = story.path("2001:db8::7", 25, Security::Plain, &["foreign-to-foreign"]);
        story.asked(closed, "foreign-to-foreign", NO);
        story.relayed(open, "foreign-to-foreign", "192.0.2.7:30000", trace);
        let report = story.end();
        assert_eq!(words(&diagnose(&report, &judge(&report))), [expected], "{trace}");
    }
}

/// The path under TLS behaves like the one in the clear, and is asked the plain question alone.
#[test]
fn a_path_that_is_asked_less_has_the_cause_of_its_twin() {
    for (address, second, expected) in [
        ("192.0.2.7", NO, "recipient_domain_too_wide likely"),
        ("2001:db8::7", NO, "recipient_domain_too_wide likely"),
        ("192.0.2.7", YES, "trusts_everyone likely"),
    ] {
        let mut story = Story::begin(false);
        let first = story.path(
            "192.0.2.7",
            25,
            Security::Plain,
            &["foreign-to-foreign", "ctl-second-foreign"],
        );
        let twin = story.path(address, 25, Security::StartTls, &["foreign-to-foreign"]);
        story.asked(first, "foreign-to-foreign", YES);
        story.asked(first, "ctl-second-foreign", second);
        story.asked(twin, "foreign-to-foreign", YES);
        let report = story.end();
        assert_eq!(words(&diagnose(&report, &judge(&report))), [expected], "{address} {second}");
    }
}

/// The same for the recipients that show that no client is trusted.
#[test]
fn a_path_that_is_asked_less_has_the_recipients_of_its_twin() {
    for (odd, expected) in
        [(NO, "recipient_domain_too_wide likely"), (YES, "trusts_everyone likely")]
    {
        let mut story = Story::begin(false);
        let first = story.path(
            "192.0.2.7",
            25,
            Security::Plain,
            &["foreign-to-foreign", "double-at-foreign-last"],
        );
        let twin = story.path("192.0.2.7", 25, Security::StartTls, &["foreign-to-foreign"]);
        story.asked(first, "foreign-to-foreign", YES);
        story.asked(first, "double-at-foreign-last", odd);
        story.asked(twin, "foreign-to-foreign", YES);
        let report = story.end();
        assert_eq!(words(&diagnose(&report, &judge(&report))), [expected], "{odd}");
    }
}

/// What is taken over IPv6 may go on over IPv4.
#[test]
fn another_address_of_the_host_is_no_other_server() {
    let other = "out.provider.example";
    let around = &["multi_hop certain", "percent_hack certain"][..];
    let direct = &["percent_hack certain"][..];
    let alone = "from probe.example (x [198.51.100.9]) by mx";
    // Two machines handed the message on; a content filter is none of them.
    let two = "from mx.target.example ([192.0.2.7]) by hub / from probe.example by mx";
    let filtered = "from localhost (localhost [127.0.0.1]) by mx / from mx.target.example \
                    (localhost [127.0.0.1]) by localhost / from probe.example by mx";
    for (host, from, helo, traces, expected) in [
        ("192.0.2.7", "192.0.2.7:30000", other, alone, direct),
        ("2001:db8::7", "192.0.2.7:30000", other, alone, direct),
        ("2001:db8::7", "192.0.2.8:30000", other, alone, around),
        // A machine with several addresses says the same name from each of them.
        ("2001:db8::7", "192.0.2.8:30000", "mx.target.example", alone, direct),
        ("192.0.2.7", "203.0.113.9:30000", "MX.target.example", alone, direct),
        ("192.0.2.7", "203.0.113.9:30000", "mx.target.example", filtered, direct),
        ("192.0.2.7", "203.0.113.9:30000", "mx.target.example", two, around),
        ("192.0.2.7", "203.0.113.9:30000", "target", alone, around),
    ] {
        let mut story = Story::begin(true);
        let ids = ["foreign-to-foreign", "target-host-sender", "percent-host"];
        story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
        let path = story.path(host, 25, Security::StartTls, &ids);
        story.asked(path, "foreign-to-foreign", NO);
        story.asked(path, "target-host-sender", NO);
        story.delivered_by = helo.to_owned();
        story.relayed(path, "percent-host", from, traces);
        let report = story.end();
        assert_eq!(words(&diagnose(&report, &judge(&report))), expected, "{host} {from} {traces}");
    }
}

#[test]
fn a_server_that_sees_another_address_has_lost_ours() {
    for (hello, trace, seen, expected) in [
        (
            "250 mx.target.example Hello probe.example [172.22.1.1]",
            None,
            Some("172.22.1.1"),
            "lost_client_address likely",
        ),
        (
            "250 mx.target.example Hello probe.example [198.51.100.9]",
            None,
            Some("198.51.100.9"),
            "trusts_everyone likely",
        ),
        (
            "250 mx.target.example Hello probe.example [203.0.113.77]",
            None,
            Some("203.0.113.77"),
            "trusts_everyone likely",
        ),
        ("250 mx.target.example", None, None, "trusts_everyone likely"),
        (
            "250 mx.target.example",
            Some("from probe.example (unknown [10.0.2.100]) by mx"),
            Some("10.0.2.100"),
            "lost_client_address certain",
        ),
        (
            "250 mx.target.example",
            Some("from probe.example (mx [192.0.2.7]) by mx"),
            Some("192.0.2.7"),
            "lost_client_address certain",
        ),
        (
            "250 mx.target.example",
            Some("from probe.example (x [198.51.100.9]) by mx"),
            Some("198.51.100.9"),
            "trusts_everyone likely",
        ),
    ] {
        let mut story = Story::begin(true);
        story.server("220 mx.target.example ESMTP", hello);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
        match trace {
            Some(trace) => story.relayed(path, "foreign-to-foreign", "192.0.2.7:30000", trace),
            None => story.asked(path, "foreign-to-foreign", YES),
        }
        let report = story.end();
        assert_eq!(
            report
                .path(path)
                .and_then(seen_as)
                .map(|address| address.to_string())
                .as_deref(),
            seen,
            "{hello} {trace:?}"
        );
        let found = diagnose(&report, &judge(&report));
        assert_eq!(words(&found), [expected], "{hello} {trace:?}");
        // The gateway of a container network is the engine's.
        let is_gateway = seen == Some("172.22.1.1");
        let of_container = found[0]
            .remedies
            .iter()
            .any(|key| key == "docker/client-address");
        assert_eq!(of_container, is_gateway, "{:?}", found[0].remedies);
    }
}

/// A server that lets a client relay after it read mail trusts one address of ours.
#[test]
fn everyone_is_trusted_only_if_more_than_our_address_is() {
    for (second, ours, expected) in [
        (None, "198.51.100.9", "trusts_everyone likely"),
        (Some("192.0.2.8"), "198.51.100.9", "trusts_everyone likely"),
        (Some("2001:db8::7"), "198.51.100.9", "trusts_everyone certain"),
        // In the server's own network we may be known over both families.
        (Some("2001:db8::7"), "192.0.2.9", "trusts_everyone likely"),
    ] {
        let mut story = Story::begin(true);
        story.connected.set_ip(ours.parse().expect("an address"));
        for address in ["192.0.2.7"].into_iter().chain(second) {
            let path = story.path(address, 25, Security::Plain, &["foreign-to-foreign"]);
            let trace = format!("from probe.example (x [{ours}]) by mx");
            story.relayed(path, "foreign-to-foreign", "192.0.2.7:30000", &trace);
        }
        let report = story.end();
        let found = diagnose(&report, &judge(&report));
        assert_eq!(words(&found), [expected], "{second:?} {ours}");
        let says = found[0]
            .evidence
            .iter()
            .any(|line| line.contains("POP before SMTP"));
        assert_eq!(says, expected.ends_with("likely"), "{second:?} {ours}");
    }
}

#[test]
fn evidence_is_said_in_comparisons() {
    for (answers, sentence) in [
        (
            &["foreign-to-foreign=no", "target-host-sender=yes"][..],
            "Accepted with a sender at mx.target.example (test 4), refused with a foreign one \
             (test 1: 554 5.7.1 <u@probe.example>: Relay access denied).",
        ),
        (
            &["foreign-to-foreign=no", "null-sender=back"],
            "Relayed with no sender (<>) (test 3), refused with a foreign one (test 1: 554 5.7.1 \
             <u@probe.example>: Relay access denied).",
        ),
        (
            &["foreign-to-foreign=no", "percent-domain=yes"],
            "Accepted <user%probe.example@target.example> with a sender at probe.example (test \
             32), refused plain <user@probe.example> (test 1: 554 5.7.1 <u@probe.example>: Relay \
             access denied).",
        ),
        (
            &["foreign-to-foreign=no", "helo-localhost=yes"],
            "Accepted after HELO localhost (test 96), refused plain <user@probe.example> (test 1: \
             554 5.7.1 <u@probe.example>: Relay access denied).",
        ),
    ] {
        let report = one_path(answers);
        let found = diagnose(&report, &judge(&report));
        assert_eq!(found[0].evidence[0], sentence);
    }
}

#[test]
fn what_it_is_not_is_said() {
    for (answers, sentence) in [
        (
            &["foreign-to-foreign=no", "null-sender=yes"][..],
            "It doesn't relay for every client (test 1 was refused).",
        ),
        (
            &["foreign-to-foreign=no", "null-sender=no", "target-host-sender=yes"],
            "Naming no sender isn't enough (test 3 was refused).",
        ),
        (
            &["foreign-to-foreign=no", "target-host-sender=no", "percent-host=yes"],
            "A sender at the server's own name isn't enough (test 4 was refused).",
        ),
        (
            &["foreign-to-foreign=yes", "ctl-second-foreign=yes"],
            "It isn't our domain that is permitted: another foreign domain was accepted too.",
        ),
    ] {
        let report = one_path(answers);
        let found = diagnose(&report, &judge(&report));
        assert!(
            found[0].rules_out.iter().any(|one| one == sentence),
            "{answers:?}: {:?}",
            found[0].rules_out
        );
    }
}

#[test]
fn remedies_are_those_of_the_servers_software() {
    for (greeting, answers, expected) in [
        ("220 mx ESMTP Postfix", &["foreign-to-foreign=yes"][..], Some("postfix/mynetworks")),
        ("220 mx ESMTP Exim 4.96 Tue", &["foreign-to-foreign=yes"], Some("exim/relay-hosts")),
        (
            "220 mx ESMTP Sendmail 8.17/8.17;",
            &["foreign-to-foreign=no", "target-host-sender=yes"],
            Some("sendmail/relay-from"),
        ),
        (
            "220 mx ESMTP OpenSMTPD",
            &["foreign-to-foreign=no", "null-sender=yes"],
            Some("opensmtpd/match-sender"),
        ),
        ("220 mx ESMTP", &["foreign-to-foreign=yes"], None),
    ] {
        let mut story = Story::begin(false);
        story.server(greeting, "250 mx");
        let ids: Vec<&str> = answers
            .iter()
            .map(|answer| answer.split('=').next().expect("an id"))
            .collect();
        let path = story.path("192.0.2.7", 25, Security::Plain, &ids);
        for answer in answers {
            let (id, word) = answer.split_once('=').expect("id=answer");
            story.asked(path, id, if word == "yes" { "250 fine" } else { "550 relaying denied" });
        }
        let report = story.end();
        assert_eq!(diagnose(&report, &judge(&report))[0].remedy.as_deref(), expected, "{greeting}");
    }
}

#[test]
fn techniques_are_told_with_their_weakness() {
    for (reply, technique, has_warning) in [
        ("554 5.7.1 <x>: Relay access denied", "relay_check", false),
        ("454 4.7.1 <x>: Relay access denied", "relay_check_temporary", true),
        ("530 5.7.0 Authentication required", "authentication", false),
        ("550 5.1.1 User unknown", "unknown_user", false),
        ("553 5.1.8 Domain of sender address does not exist", "sender_check", true),
        ("554 blocked using zen.spamhaus.org", "reputation", true),
        ("450 4.2.0 Greylisted", "greylisting", true),
        ("452 4.5.3 too many recipients", "rate_limit", true),
        ("550 Unrouteable address", "recipient_lookup", true),
        ("550 no", "unexplained", false),
    ] {
        let mut story = Story::begin(false);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
        story.asked(path, "foreign-to-foreign", reply);
        let report = story.end();
        let shown = techniques(&report, &judge(&report));
        let told: Vec<_> = shown
            .iter()
            .map(|shown| (shown.technique, shown.warning.is_some()))
            .collect();
        assert_eq!(told, [(technique, has_warning)], "{reply}");
    }
}

#[test]
fn a_check_that_several_recipients_escape_is_not_taken_for_a_trusted_sender() {
    for (companions, expected) in
        [(1, "late_relay_check likely"), (0, "trusts_sender_domain certain")]
    {
        let mut story = Story::begin(true);
        let path = story.path(
            "192.0.2.7",
            25,
            Security::Plain,
            &["foreign-to-foreign", "target-host-sender"],
        );
        story.answered(path, "foreign-to-foreign", Stage::Data, NO);
        let trace = "from probe.example (x [198.51.100.9]) by mx";
        story.relayed(path, "target-host-sender", "192.0.2.7:30000", trace);
        let mut report = story.end();
        let proofs = report
            .dialogues
            .values_mut()
            .filter(|dialogue| dialogue.proof);
        proofs.for_each(|dialogue| {
            dialogue
                .tests
                .extend(vec![TestId::named("percent-host"); companions])
        });
        let found = diagnose(&report, &judge(&report));
        assert_eq!(words(&found), [expected], "{companions} companions: {found:#?}");
    }
}
