//! What is worth knowing beside the verdict: each kind of finding from the facts that make it.

mod story;

use norelay_core::{
    catalogue,
    check::{Finding, Verdict, findings, judge, observation::KINDS},
    event::{Event, Receipt, TlsFacts},
    octets::Octets,
    report::Report,
    smtp::{Cause, End, Purpose, Security, Stage},
    token::{Token, TokenRole},
};
use story::{Story, reply};

const TAGS: &[&str] = &[
    "auth_in_clear",
    "bare_postmaster_refused",
    "certificate_trouble",
    "client_address_changed",
    "client_address_lost",
    "client_address_translated",
    "etrn_accepted",
    "lmtp_exposed",
    "local_sender_spoofed",
    "postmaster_refused",
    "recipients_enumerable",
    "greeting_name_differs",
    "starttls_injection",
    "starttls_not_offered",
    "turn_accepted",
    "unresolvable_sender_accepted",
    "user_disclosed",
];

/// The findings of the kinds that are tested here, as `level tag`.
fn found(report: &Report) -> Vec<String> {
    let shown = |finding: &Finding| format!("{} {}", finding.level.word(), finding.tag);
    let findings = findings(report, &judge(report));
    findings
        .iter()
        .filter(|finding| TAGS.contains(&finding.tag.as_str()))
        .map(shown)
        .collect()
}

fn text_of(report: &Report, tag: &str) -> String {
    let findings = findings(report, &judge(report));
    findings
        .into_iter()
        .find(|finding| finding.tag == tag)
        .map(|finding| finding.text)
        .unwrap_or_default()
}

/// A server that counts what one client asks is not one that has banned it: the one says so, the
/// other says nothing.
#[test]
fn a_limit_is_told_from_a_ban() {
    let busy = "421 4.7.0 mx.target.example Error: too many connections from 198.51.100.9";
    let deferred = "450 4.7.1 <u@probe.example>: Recipient address rejected: rate limit exceeded, \
                    try again later";
    let closing = |reply_text| {
        End::Interrupted(Cause::Closing { stage: Stage::Greeting, reply: reply(reply_text) })
    };
    let silent = End::Interrupted(Cause::Disconnected { stage: Stage::Greeting, error: None });
    let greeting = [(Stage::Greeting, "", "220 mx.target.example")];
    let rcpt = [greeting[0], (Stage::Rcpt, "RCPT TO:<u@probe.example>", deferred)];
    for (lines, end, expected) in [
        (&[][..], closing(busy), "rate_limited"),
        (&rcpt, End::Answered, "rate_limited"),
        (&[], silent, "blocked"),
        (&[], closing("421 4.7.1 mx.target.example: your address is banned"), "blocked"),
    ] {
        let mut story = Story::begin(false);
        let path =
            story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign", "null-sender"]);
        story.answered(path, "foreign-to-foreign", Stage::Rcpt, "550 5.7.1 Relaying denied");
        story.dialogue_ending(path, "ctl-postmaster", lines, end);
        story.tell(Event::GivenUp { path, cause: Cause::Blocked { answered: 1 } });
        let report = story.end();
        let tags: Vec<_> = findings(&report, &judge(&report))
            .into_iter()
            .map(|finding| finding.tag)
            .collect();
        let told: Vec<_> = tags
            .iter()
            .filter(|tag| ["rate_limited", "blocked"].contains(&tag.as_str()))
            .collect();
        assert_eq!(told, [expected]);
    }
}

#[test]
fn a_limit_is_named_where_every_test_was_turned_away_by_itself() {
    let busy = "421 4.7.0 mx.target.example Error: too many connections from 198.51.100.9";
    let closing = End::Interrupted(Cause::Closing { stage: Stage::Greeting, reply: reply(busy) });
    let mut story = Story::begin(false);
    let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign", "null-sender"]);
    story.answered(path, "foreign-to-foreign", Stage::Rcpt, "550 5.7.1 Relaying denied");
    story.dialogue_ending(path, "null-sender", &[], closing);
    story.tell(Event::GivenUp { path, cause: Cause::Blocked { answered: 1 } });
    let report = story.end();
    let tags: Vec<_> = findings(&report, &judge(&report))
        .into_iter()
        .map(|finding| finding.tag)
        .collect();
    assert!(tags.iter().any(|tag| tag == "rate_limited"), "{tags:?}");
}

/// A connection of ours from `local`, greeted with `hello`, whose recipient is refused with
/// `answer`.
fn greeted(local: &str, hello: &str, answer: &str) -> Report {
    let mut story = Story::begin(false);
    let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
    story.connected = local.parse().expect("an address and a port");
    let lines = [
        (Stage::Greeting, "", "220 mx.target.example"),
        (Stage::Ehlo, "EHLO probe.example", hello),
        (Stage::Mail, "MAIL FROM:<s@probe.example>", "250 fine"),
        (Stage::Rcpt, "RCPT TO:<u@probe.example>", answer),
    ];
    story.dialogue(path, "foreign-to-foreign", false, &lines);
    story.end()
}

#[test]
fn a_lost_address_is_found_where_relaying_is_refused() {
    const DENIED: &str = "554 5.7.1 <u@probe.example>: Relay access denied";
    for (local, hello, answer, expected) in [
        (
            "203.0.113.9:4000",
            "250-mx Hello probe.example [203.0.113.9] / STARTTLS",
            DENIED,
            &[][..],
        ),
        (
            "203.0.113.9:4000",
            "250-mx Hello x [172.22.1.1] / STARTTLS",
            DENIED,
            &["error client_address_lost"],
        ),
        (
            "203.0.113.9:4000",
            "250-mx Hello x [192.0.2.7] / STARTTLS",
            DENIED,
            &["error client_address_lost"],
        ),
        (
            "203.0.113.9:4000",
            "250-mx Hello x [198.51.100.77] / STARTTLS",
            DENIED,
            &["warning client_address_changed"],
        ),
        (
            "192.168.1.5:4000",
            "250-mx Hello x [203.0.113.9] / STARTTLS",
            DENIED,
            &["info client_address_translated"],
        ),
        (
            "192.168.1.5:4000",
            "250-mx Hello x [127.0.0.1] / STARTTLS",
            DENIED,
            &["error client_address_lost"],
        ),
        (
            "203.0.113.9:4000",
            "250-mx / STARTTLS",
            "550-(probe.example) [10.0.0.1]:41233 is not permitted to relay through this server",
            &["error client_address_lost"],
        ),
        ("203.0.113.9:4000", "250-mx / STARTTLS", DENIED, &[]),
    ] {
        let report = greeted(local, hello, answer);
        assert_eq!(
            (found(&report), judge(&report).verdict),
            (strings(expected), Verdict::Closed),
            "{hello} {answer}"
        );
    }
    let report = greeted("203.0.113.9:4000", "250-mx Hello x [172.22.1.1] / STARTTLS", DENIED);
    assert_eq!(
        text_of(&report, "client_address_lost"),
        "The server sees our connections come from 172.22.1.1, by its looks the gateway of a \
         container or private \
         network, and not from 203.0.113.9: its clients' addresses are lost on the way, and what \
         it grants to \
         172.22.1.1 it grants to everybody (its answer to our introduction: \"mx Hello x \
         [172.22.1.1]\")."
    );
}

#[test]
fn a_lost_address_is_said_once_for_each_address_and_port() {
    for (local, hello, expected) in [
        ("203.0.113.9:4000", "250-mx Hello x [172.22.1.1] / STARTTLS", "error client_address_lost"),
        (
            "192.168.1.5:4000",
            "250-mx Hello x [203.0.113.9] / STARTTLS",
            "info client_address_translated",
        ),
    ] {
        let mut story = Story::begin(false);
        story.connected = local.parse().expect("an address and a port");
        let ways = [("192.0.2.7", 25, Security::Plain), ("192.0.2.7", 25, Security::StartTls)];
        for (address, port, security) in
            ways.into_iter()
                .chain([("192.0.2.7", 587, Security::Plain)])
        {
            let path = story.path(address, port, security, &["foreign-to-foreign"]);
            let hello = (Stage::Ehlo, "EHLO probe.example", hello);
            let refused = (Stage::Rcpt, "RCPT TO:<u@probe.example>", "550 Relaying denied");
            story.dialogue(path, "foreign-to-foreign", false, &[hello, refused]);
        }
        let times = if expected.contains("lost") { 2 } else { 1 };
        assert_eq!(found(&story.end()), vec![expected; times]);
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn offers_in_the_clear() {
    for (hello, expected) in [
        ("250-mx / STARTTLS / AUTH CRAM-MD5", &[][..]),
        ("250-mx / STARTTLS / AUTH PLAIN LOGIN", &["warning auth_in_clear"]),
        ("250-mx / STARTTLS / AUTH=LOGIN", &["warning auth_in_clear"]),
        ("250-mx / STARTTLS / AUTH XOAUTH2", &["warning auth_in_clear"]),
        ("250-mx / AUTH CRAM-MD5", &["notice starttls_not_offered"]),
        ("250 mx", &["notice starttls_not_offered"]),
    ] {
        assert_eq!(
            found(&greeted("203.0.113.9:4000", hello, "550 Relaying denied")),
            strings(expected),
            "{hello}"
        );
    }
}

#[test]
fn troubles_of_a_certificate() {
    let mut story = Story::begin(false);
    let path = story.path("192.0.2.7", 465, Security::Tls, &["foreign-to-foreign"]);
    let tls = TlsFacts {
        subject: Some("CN=mx\x1b[31m.example".into()),
        troubles: vec!["it expired on 2025-01-01".into(), "it is signed by itself".into()],
        ..TlsFacts::default()
    };
    story.tell(Event::Opened {
        dialogue: 9,
        path,
        tests: Vec::new(),
        proof: false,
        attempt: 0,
        login: None,
    });
    story.tell(Event::Secured { dialogue: 9, after_ms: 1, tls });
    let report = story.end();
    assert_eq!(found(&report), ["notice certificate_trouble"]);
    assert_eq!(
        text_of(&report, "certificate_trouble"),
        "The certificate of CN=mx\\x1b[31m.example: it expired on 2025-01-01; it is signed by \
         itself."
    );
}

/// What a relay can't deliver of our message it tells the sender, as every server must; who relays
/// nothing and bounces is the one who should have refused.
#[test]
fn a_relay_that_tells_of_another_recipient_is_no_source_of_bounces() {
    for (relays, expected) in [(true, 0), (false, 1)] {
        let mut story = Story::begin(true);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
        match relays {
            true => story.relayed(
                path,
                "foreign-to-foreign",
                "192.0.2.7:30000",
                "from probe.example (x [198.51.100.9]) by mx",
            ),
            false => story.asked(path, "foreign-to-foreign", "250 ok"),
        }
        story.tell(Event::Received(Receipt {
            token: Token { run: story::RUN, path, test: 1, role: TokenRole::Sender },
            message_token: false,
            peer: ([192, 0, 2, 7], 30_000).into(),
            helo: "mx.target.example".into(),
            tls: false,
            reverse_path: "<>".into(),
            forward_path: "<s@probe.example>".into(),
            received: Vec::new(),
            size: 1,
        }));
        let report = story.end();
        let bounces = findings(&report, &judge(&report))
            .into_iter()
            .filter(|finding| finding.tag == "backscatter");
        assert_eq!(bounces.count(), expected, "relays: {relays}");
    }
}

#[test]
fn adjacent_tests() {
    for (id, stage, answer, expected) in [
        ("ctl-postmaster", Stage::Rcpt, "550 5.1.1 no such user", "notice postmaster_refused"),
        (
            "ctl-postmaster",
            Stage::Rcpt,
            "554 5.7.1 Client host [198.51.100.9] blocked using zen.spamhaus.org",
            "",
        ),
        ("ctl-postmaster", Stage::Rcpt, "250 ok", ""),
        (
            "ctl-bare-postmaster",
            Stage::Rcpt,
            "550 5.1.1 no such user",
            "notice bare_postmaster_refused",
        ),
        ("spoof-local-to-local", Stage::Rcpt, "250 ok", "notice local_sender_spoofed"),
        ("spoof-local-to-local", Stage::Rcpt, "550 5.7.1 not yours", ""),
        ("unresolvable-sender", Stage::Rcpt, "250 ok", "info unresolvable_sender_accepted"),
        ("etrn-open", Stage::Other, "250 queuing", "notice etrn_accepted"),
        ("etrn-open", Stage::Other, "458 unable to queue", ""),
        ("turn-open", Stage::Other, "502 no", ""),
        ("turn-open", Stage::Other, "250 turning", "warning turn_accepted"),
        ("lmtp-exposed", Stage::Other, "250 mx", "warning lmtp_exposed"),
        ("starttls-injection", Stage::Other, "250 ok", "error starttls_injection"),
    ] {
        assert!(catalogue::by_id(id).is_some(), "{id}");
        let mut story = Story::begin(false);
        let path = story.path("192.0.2.7", 25, Security::Plain, &[id]);
        let hello = (Stage::Ehlo, "EHLO probe.example", "250-mx / STARTTLS");
        let asked = (stage, "…", answer);
        story.purpose = Some(Purpose::Question);
        story.dialogue(path, id, false, &[hello, asked]);
        let expected: Vec<_> = [expected]
            .into_iter()
            .filter(|expected| !expected.is_empty())
            .collect();
        assert_eq!(found(&story.end()), strings(&expected), "{id} {answer}");
    }
}

/// Each adjacent row has a kind of finding of its own, and none of them is about relaying.
#[test]
fn every_adjacent_row_has_its_finding() {
    let tag_of = |id: &str| match id {
        "backscatter" => "backscatter",
        "spoof-local-to-local" => "local_sender_spoofed",
        "recipient-enumeration" => "recipients_enumerable",
        "vrfy-disclosure" | "expn-disclosure" => "user_disclosed",
        "etrn-open" => "etrn_accepted",
        "turn-open" => "turn_accepted",
        "auth-cleartext" => "auth_in_clear",
        "starttls-injection" => "starttls_injection",
        "unresolvable-sender" => "unresolvable_sender_accepted",
        "lmtp-exposed" => "lmtp_exposed",
        id if id.starts_with("smuggle-") => "smuggling",
        id => panic!("{id} has no finding"),
    };
    let adjacent = catalogue::TESTS
        .iter()
        .filter(|test| test.group == catalogue::Group::Adjacent);
    for test in adjacent {
        let known = KINDS
            .iter()
            .filter(|kind| kind.tag == tag_of(test.id.as_str()))
            .count();
        assert_eq!((known, test.is_scored()), (1, false), "{}", test.id);
    }
}

#[test]
fn users_who_are_told_apart() {
    for (id, verb) in [("vrfy-disclosure", "VRFY"), ("expn-disclosure", "EXPN")] {
        for (nobody, somebody, is_told) in [
            ("550 5.1.1 unknown", "250 2.1.5 <postmaster@target.example>", true),
            ("550 5.1.1 unknown", "252 2.0.0 postmaster", true),
            ("252 2.5.2 Cannot VRFY user", "252 2.5.2 Cannot VRFY user", false),
            ("250 nobody", "250 postmaster", false),
            ("502 5.5.1 disabled", "502 5.5.1 disabled", false),
            ("550 no", "550 no", false),
            ("502 5.5.1 not so", "250 ok", false),
        ] {
            assert!(catalogue::by_id(id).is_some(), "{id}");
            let mut story = Story::begin(false);
            let path = story.path("192.0.2.7", 25, Security::Plain, &[id]);
            let hello = (Stage::Ehlo, "EHLO probe.example", "250-mx / STARTTLS");
            let asked = [
                hello,
                (Stage::Other, "… nobody", nobody),
                (Stage::Other, "… postmaster", somebody),
            ];
            story.dialogue(path, id, false, &asked);
            let report = story.end();
            assert_eq!(
                found(&report),
                if is_told { &["notice user_disclosed"][..] } else { &[] },
                "{nobody} {somebody}"
            );
            if is_told {
                let text = text_of(&report, "user_disclosed");
                assert!(
                    text.contains(verb) && text.contains(&reply(somebody).to_string()),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn names_of_addresses() {
    for (tag, name, expected) in [
        ("reverse_name_confirmed", "mx.target.example", &[][..]),
        ("reverse_name_confirmed", "MX.target.example.", &[]),
        ("reverse_name_confirmed", "host7.provider.example", &["info greeting_name_differs"]),
        ("reverse_name_unconfirmed", "host7.provider.example", &[]),
    ] {
        let mut story = Story::begin(false);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
        let lines = [
            (Stage::Greeting, "", "220 mx.target.example ESMTP"),
            (Stage::Ehlo, "EHLO probe.example", "250-mx / STARTTLS"),
            (Stage::Rcpt, "RCPT TO:<u@probe.example>", "550 Relaying denied"),
        ];
        story.dialogue(path, "foreign-to-foreign", false, &lines);
        for address in ["192.0.2.7", "192.0.2.99", "nonsense"] {
            let arguments = [address, name].map(Octets::from).to_vec();
            story.tell(Event::Noted { path: None, tag: tag.to_owned(), arguments });
        }
        story.tell(Event::Noted { path: None, tag: tag.to_owned(), arguments: Vec::new() });
        assert_eq!(found(&story.end()), strings(expected), "{name}");
    }
}

#[test]
fn enumeration_is_mentioned_only_where_more_was_asked_than_relaying() {
    use catalogue::Profile::{Classic, Standard};
    for (profile, expected) in [(Classic, &[][..]), (Standard, &["info recipients_enumerable"])] {
        let mut story = Story::begin_with(false, profile);
        let path =
            story.path("192.0.2.7", 25, Security::Plain, &["ctl-local-nx", "ctl-postmaster"]);
        let hello = (Stage::Ehlo, "EHLO probe.example", "250-mx / STARTTLS");
        for (id, answer) in
            [("ctl-local-nx", "550 5.1.1 User unknown"), ("ctl-postmaster", "250 ok")]
        {
            story.dialogue(path, id, false, &[hello, (Stage::Rcpt, "RCPT TO:<x>", answer)]);
        }
        assert_eq!(found(&story.end()), strings(expected));
    }
}

/// A demand for TLS or authentication, and a submission port, reject no postmaster.
#[test]
fn postmaster_is_rejected_only_where_mail_comes_in() {
    for (port, stage, answer, is_found) in [
        (25, Stage::Rcpt, "550 5.1.1 no such user", true),
        (25, Stage::Mail, "530 5.7.0 Must issue a STARTTLS command first", false),
        (25, Stage::Rcpt, "530 5.7.1 Authentication required", false),
        (25, Stage::StartTls, "502 5.5.1 not implemented", false),
        (587, Stage::Rcpt, "554 5.7.1 <postmaster@target.example>: Access denied", false),
    ] {
        let mut story = Story::begin(false);
        story.server("220 mx.target.example ESMTP", "250 mx.target.example / AUTH PLAIN");
        let path = story.path("192.0.2.7", port, Security::Plain, &["ctl-postmaster"]);
        let said = [
            (Stage::Greeting, "", "220 mx.target.example ESMTP"),
            (Stage::Ehlo, "EHLO t", "250 mx.target.example / AUTH PLAIN"),
            (stage, "the command", answer),
        ];
        story.dialogue(path, "ctl-postmaster", false, &said);
        let found = found(&story.end());
        assert_eq!(found.contains(&"notice postmaster_refused".to_owned()), is_found, "{answer}");
    }
}

/// Nobody but norelay knows its templates.
#[test]
fn a_rejected_sender_is_named_in_words() {
    for (template, words) in [
        ("<{sender}@{primary}>", "rejects a sender at the server's own name or address"),
        ("<{sender}@{local_domain}>", "rejects a sender in the hosted domain"),
        ("<{sender}@localhost>", "rejects a sender at a domain of the server"),
        ("<{sender}>", "rejects a sender without a domain"),
        ("<>", "rejects the null sender"),
    ] {
        let mut story = Story::begin(false);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
        story.tell(Event::Noted {
            path: Some(path),
            tag: "sender_refused".to_owned(),
            arguments: vec![template.into(), "<{sender}@{domain}>".into()],
        });
        let text = text_of(&story.end(), "sender_refused");
        assert!(text.contains(words) && !text.contains('{'), "{template}: {text}");
        assert!(text.ends_with("asked again from a sender in the probe domain."), "{text}");
    }
}

/// A server that speaks another protocol was connected to.
#[test]
fn what_answers_in_another_protocol_was_connected_to() {
    let violation = norelay_core::smtp::Violation::NotAReply { line: "SSH-2.0-OpenSSH".into() };
    let stage = Stage::Greeting;
    for (cause, words) in [
        (Cause::Violated { stage, violation }, "Connected, but no SMTP service answered"),
        (
            Cause::ConnectFailed { refused: true, error: "connection refused".to_owned() },
            "Could not connect, test failed: no connection: connection refused.",
        ),
    ] {
        let mut story = Story::begin(false);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
        story.dialogue_ending(path, "foreign-to-foreign", &[], End::Interrupted(cause));
        let summary = judge(&story.end()).summary;
        assert!(summary.starts_with(words), "{summary}");
    }
}
