//! Blacklists as they are met in the world, served by a real DNS server on loopback.

mod dns;

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use dns::{Unbound, Zone};
use norelay_dns::{
    blacklist::{ListKeys, Listing, Standing, Survey, assess_survey},
    lookup::lists::{Blacklists, SurveyOptions, target},
};

const LISTED: &str = "192.0.2.25";

/// How long a question may take that has an answer: longer than any busy machine needs.
const ANSWERED: Duration = Duration::from_secs(120);
/// How long a question may take where a list is silent. A list that a busy machine makes late is
/// silent, too.
const SILENT: Duration = Duration::from_secs(5);
/// The time of a run, which no run here needs.
const TIMEOUT: Duration = Duration::from_secs(600);

fn options(server: SocketAddr, lists: &[&str]) -> SurveyOptions {
    SurveyOptions {
        resolver: Some(server),
        lists: lists.iter().map(|&zone| zone.to_owned()).collect(),
        timeout: TIMEOUT,
        patience: ANSWERED,
        pace: Duration::ZERO,
        ..SurveyOptions::default()
    }
}

async fn survey(options: SurveyOptions, subject: &str) -> Survey {
    let target = target(subject).expect("the test's target is right");
    Blacklists::new(options)
        .expect("the test gives the resolver")
        .survey(&target)
        .await
}

/// `listed 127.0.0.2 meaning "reason"`, `not_listed`, `unknown why`, `dead`, `needs_key`.
fn shown(listing: &Listing) -> String {
    match listing {
        Listing::Listed { entries, reasons } => {
            let entries = entries.iter().map(|entry| match &entry.meaning {
                Some(meaning) => format!(" {} {meaning}", entry.answer),
                None => format!(" {}", entry.answer),
            });
            let reasons = reasons.iter().map(|reason| format!(" \"{reason}\""));
            format!("listed{}", entries.chain(reasons).collect::<String>())
        }
        Listing::Unknown { why, .. } => format!("unknown {}", why.as_str()),
        other => other.as_str().to_owned(),
    }
}

fn state_of(survey: &Survey, zone: &str) -> String {
    let reading = survey.readings.iter().find(|reading| reading.zone == zone);
    shown(
        &reading
            .unwrap_or_else(|| panic!("{zone} has no reading"))
            .listing,
    )
}

/// A zone, how it behaves, what is looked up, and what is to be known in the end.
type Row = (&'static str, Zone<'static>, &'static str, &'static str);

const ROWS: &[Row] = &[
    (
        "good.test",
        Zone::Holds("good.test", &["2.0.0.127.good.test. A 127.0.0.2"]),
        LISTED,
        "not_listed",
    ),
    (
        "lists.test",
        Zone::Holds(
            "lists.test",
            &[
                "2.0.0.127.lists.test. A 127.0.0.2",
                "25.2.0.192.lists.test. A 127.0.0.2",
                "25.2.0.192.lists.test. A 127.0.0.9",
                "25.2.0.192.lists.test. TXT \"sent mail to\" \" a trap\"",
            ],
        ),
        LISTED,
        "listed 127.0.0.2 127.0.0.9 \"sent mail to a trap\"",
    ),
    (
        "zen.spamhaus.org",
        Zone::Holds(
            "zen.spamhaus.org",
            &[
                "2.0.0.127.zen.spamhaus.org. A 127.0.0.2",
                "25.2.0.192.zen.spamhaus.org. A 127.0.0.11",
            ],
        ),
        LISTED,
        "listed 127.0.0.11 PBL: Spamhaus says that it should not send mail directly",
    ),
    // It ended, and its zone is empty.
    ("gone.test", Zone::Holds("gone.test", &[]), LISTED, "unknown self_test_missed"),
    // It ended, and lists the world.
    (
        "world.test",
        Zone::Everything("world.test", &["A 127.0.0.2"]),
        LISTED,
        "unknown lists_everything",
    ),
    // A domain dealer's page, or a resolver that rewrites NXDOMAIN.
    (
        "parked.test",
        Zone::Everything("parked.test", &["A 198.51.100.7"]),
        LISTED,
        "unknown rewritten",
    ),
    (
        "rewrites.test",
        Zone::Holds(
            "rewrites.test",
            &["2.0.0.127.rewrites.test. A 127.0.0.2", "25.2.0.192.rewrites.test. A 198.51.100.9"],
        ),
        LISTED,
        "unknown rewritten",
    ),
    ("silent.test", Zone::Silent("silent.test", &[]), LISTED, "unknown timed_out"),
    // It answers its test points and then no more.
    (
        "tires.test",
        Zone::Silent(
            "tires.test",
            &["2.0.0.127.tires.test. A 127.0.0.2", "1.0.0.127.tires.test. TXT \"no address\""],
        ),
        LISTED,
        "unknown timed_out",
    ),
    ("fails.test", Zone::Fails("fails.test"), LISTED, "unknown server_failure"),
    ("refuses.test", Zone::Refuses("refuses.test"), LISTED, "unknown refused"),
    // You may not ask.
    (
        "xbl.spamhaus.org",
        Zone::Everything("xbl.spamhaus.org", &["A 127.255.255.254"]),
        LISTED,
        "unknown public_resolver",
    ),
    (
        "sbl.spamhaus.org",
        Zone::Everything("sbl.spamhaus.org", &["A 127.255.255.255"]),
        LISTED,
        "unknown quota",
    ),
    (
        "pbl.spamhaus.org",
        Zone::Everything("pbl.spamhaus.org", &["A 127.255.255.252"]),
        LISTED,
        "unknown typing_error",
    ),
    (
        "limits.test",
        Zone::Holds(
            "limits.test",
            &["2.0.0.127.limits.test. A 127.0.0.2", "25.2.0.192.limits.test. A 127.255.255.255"],
        ),
        LISTED,
        "unknown quota",
    ),
    (
        "list.dnswl.org",
        Zone::Everything("list.dnswl.org", &["A 127.0.10.3"]),
        LISTED,
        "unknown lists_everything",
    ),
    // Its own test entry.
    (
        "bl.suomispam.net",
        Zone::Holds("bl.suomispam.net", &["2.0.0.127.bl.suomispam.net. A 127.0.0.99"]),
        LISTED,
        "not_listed",
    ),
    // IPv6.
    (
        "six.test",
        Zone::Holds(
            "six.test",
            &[
                "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.six.test. A \
                 127.0.0.2",
                "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.six.test. A \
                 127.0.0.2",
            ],
        ),
        "2001:db8::25",
        "listed 127.0.0.2",
    ),
    (
        "four.test",
        Zone::Holds("four.test", &["2.0.0.127.four.test. A 127.0.0.2"]),
        "2001:db8::25",
        "unknown self_test_missed",
    ),
    // Domains.
    (
        "names.test",
        Zone::Holds(
            "names.test",
            &["test.names.test. A 127.0.0.2", "spam.example.names.test. A 127.0.1.2"],
        ),
        "mail.spam.example",
        "listed 127.0.1.2",
    ),
    (
        "multi.uribl.com",
        Zone::Holds(
            "multi.uribl.com",
            &[
                "2.0.0.127.multi.uribl.com. A 127.0.0.14",
                "spam.example.multi.uribl.com. A 127.0.0.2",
            ],
        ),
        "spam.example",
        "listed 127.0.0.2 black: a spammer's",
    ),
    (
        "grey.uribl.com",
        Zone::Everything("grey.uribl.com", &["A 127.0.0.1"]),
        "spam.example",
        "unknown not_allowed",
    ),
    (
        "dbl.spamhaus.org",
        Zone::Holds("dbl.spamhaus.org", &["dbltest.com.dbl.spamhaus.org. A 127.0.1.2"]),
        "spam.example",
        "not_listed",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_list_gets_its_state() {
    let server = Unbound::start(&ROWS.iter().map(|row| row.1).collect::<Vec<_>>());
    for subject in [LISTED, "2001:db8::25", "spam.example", "mail.spam.example"] {
        let rows = ROWS.iter().filter(|row| row.2 == subject);
        let (silent, answering): (Vec<&Row>, Vec<&Row>) =
            rows.partition(|row| matches!(row.1, Zone::Silent(..)));
        for (rows, patience) in [(silent, SILENT), (answering, ANSWERED)] {
            let lists: Vec<_> = rows.iter().map(|row| row.0).collect();
            // No list at all would mean the usual ones.
            if lists.is_empty() {
                continue;
            }
            let options = SurveyOptions { patience, ..options(server.address, &lists) };
            let survey = survey(options, subject).await;
            assert_eq!(survey.readings.len(), rows.len());
            for (zone, _, _, expected) in rows {
                assert_eq!(state_of(&survey, zone), *expected, "{zone} about {subject}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_lists_with_five_gone_and_five_silent_end_in_time() {
    let names: Vec<String> = (0..60).map(|number| format!("bl{number}.test")).collect();
    let records: Vec<[String; 2]> = names
        .iter()
        .map(|zone| {
            [format!("2.0.0.127.{zone}. A 127.0.0.2"), format!("25.2.0.192.{zone}. A 127.0.0.2")]
        })
        .collect();
    let records: Vec<[&str; 2]> = records
        .iter()
        .map(|[point, entry]| [point.as_str(), entry.as_str()])
        .collect();
    let zones: Vec<_> = (0..60)
        .map(|number| match number % 12 {
            0 => Zone::Holds(&names[number], &[]),
            1 => Zone::Silent(&names[number], &[]),
            2 => Zone::Holds(&names[number], &records[number]),
            _ => Zone::Holds(&names[number], &records[number][..1]),
        })
        .collect();
    let server = Unbound::start(&zones);
    let dead = ["dul.dnsbl.sorbs.net", "bl.spamcannibal.org"];
    let lists: Vec<_> = names.iter().map(String::as_str).chain(dead).collect();
    let answering: Vec<_> = names
        .iter()
        .enumerate()
        .filter(|(number, _)| number % 12 != 1)
        .map(|(_, zone)| zone.as_str())
        .collect();

    // Beside silent lists, one that a busy machine makes late looks silent as well.
    let options = options(server.address, &lists);
    let mixed = survey(SurveyOptions { patience: SILENT, ..options.clone() }, LISTED).await;
    let lists = answering.iter().map(|&zone| zone.to_owned()).collect();
    let answered = survey(SurveyOptions { lists, ..options }, LISTED).await;

    for (number, zone) in names.iter().enumerate() {
        let expected = match number % 12 {
            0 => "unknown self_test_missed",
            1 => "unknown timed_out",
            2 => "listed 127.0.0.2",
            _ => "not_listed",
        };
        let state = state_of(&mixed, zone);
        assert!(state == expected || state == "unknown timed_out", "{zone}: {state}");
        if number % 12 != 1 {
            assert_eq!(state_of(&answered, zone), expected, "{zone}");
        }
    }
    let questions = server.questions();
    for zone in dead {
        assert_eq!(state_of(&mixed, zone), "dead");
        assert!(!questions.iter().any(|question| question.contains(zone)), "{zone} was asked");
    }
    assert!(
        questions
            .iter()
            .any(|question| question.starts_with("25.2.0.192.bl2.test. TXT")),
        "{questions:?}"
    );
    let unhealthy = questions
        .iter()
        .filter(|question| question.starts_with("25.2.0.192.bl0.test."));
    assert_eq!(unhealthy.count(), 0, "a list that failed its self-test was asked");
    assert_eq!(assess_survey(&answered).standing, Standing::Listed);
}

/// The clock is the test's: it goes on when nothing else does, and no list answers.
#[tokio::test(start_paused = true)]
async fn a_short_run_ends_in_time_with_the_rest_unknown() {
    let names: Vec<String> = (0..12)
        .map(|number| format!("silent{number}.test"))
        .collect();
    let zones: Vec<_> = names.iter().map(|zone| Zone::Silent(zone, &[])).collect();
    let server = Unbound::start(&zones);
    let lists: Vec<_> = names.iter().map(String::as_str).collect();
    // Each question may take half of it.
    let timeout = Duration::from_secs(6);
    let started = tokio::time::Instant::now();

    let survey = survey(
        SurveyOptions { timeout, concurrency: 2, ..options(server.address, &lists) },
        LISTED,
    )
    .await;

    assert!(started.elapsed() <= timeout, "{:?}", started.elapsed());
    let count = |expected: &str| {
        survey
            .readings
            .iter()
            .filter(|reading| shown(&reading.listing) == expected)
            .count()
    };
    let (silent, waiting) = (count("unknown timed_out"), count("unknown unfinished"));
    // Two at a time, half a run each.
    assert!(
        (2..=4).contains(&silent) && silent + waiting == 12,
        "{silent} silent, {waiting} waiting"
    );
    assert_eq!(assess_survey(&survey).standing, Standing::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_tested_once_a_run_and_asked_in_its_pace() {
    let server = Unbound::start(&[Zone::Holds("bl.test", &["2.0.0.127.bl.test. A 127.0.0.2"])]);
    let pace = Duration::from_millis(60);
    let lists = Blacklists::new(SurveyOptions { pace, ..options(server.address, &["bl.test"]) })
        .expect("a resolver");
    let first = lists
        .survey(&target("192.0.2.1").expect("an address"))
        .await;
    let second = lists
        .survey(&target("192.0.2.2").expect("an address"))
        .await;
    assert_eq!(
        (state_of(&first, "bl.test"), state_of(&second, "bl.test")),
        ("not_listed".to_owned(), "not_listed".to_owned())
    );
    // Three questions have two pauses between them.
    assert!(first.readings[0].elapsed_ms >= 120, "{}", first.readings[0].elapsed_ms);
    let questions = server.questions();
    let asked = |name: &str| {
        questions
            .iter()
            .filter(|question| question.starts_with(name))
            .count()
    };
    assert_eq!((asked("2.0.0.127.bl.test."), asked("1.0.0.127.bl.test.")), (1, 1), "{questions:?}");
    assert_eq!((asked("1.2.0.192.bl.test."), asked("2.2.0.192.bl.test.")), (1, 1), "{questions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_asked_with_and_never_shown() {
    let server = Unbound::start(&[Zone::Holds(
        "s3cret.combined.mail.abusix.zone",
        &[
            "2.0.0.127.s3cret.combined.mail.abusix.zone. A 127.0.0.2",
            "25.2.0.192.s3cret.combined.mail.abusix.zone. A 127.0.0.4",
            "25.2.0.192.s3cret.combined.mail.abusix.zone. TXT \"see s3cret\"",
        ],
    )]);
    let zone = "combined.mail.abusix.zone";
    let without = survey(options(server.address, &[zone]), LISTED).await;
    assert_eq!(state_of(&without, zone), "needs_key");
    assert!(server.questions().is_empty());
    let keys = ListKeys::parse("combined.mail.abusix.zone=s3cret").expect("a right line");
    let options = SurveyOptions { keys, ..options(server.address, &[zone]) };
    assert!(!format!("{options:?}").contains("s3cret"));
    let with = survey(options, LISTED).await;
    assert_eq!(state_of(&with, zone), "listed 127.0.0.4 hijacked or infected \"see ********\"");
    let json = serde_json::to_string(&with).expect("the keys are strings");
    assert!(!json.contains("s3cret"), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_list_says_cannot_act_in_a_terminal() {
    let server = Unbound::start(&[Zone::Holds(
        "evil.test",
        &[
            "2.0.0.127.evil.test. A 127.0.0.2",
            "25.2.0.192.evil.test. A 127.0.0.2",
            r#"25.2.0.192.evil.test. TXT "\027[31mred\010""#,
        ],
    )]);
    let survey = survey(options(server.address, &["evil.test"]), LISTED).await;
    assert_eq!(state_of(&survey, "evil.test"), r#"listed 127.0.0.2 "\x1b[31mred\x0a""#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_that_is_no_use_is_named_as_the_fault() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
    let babbling = babbler();
    let rewriting = Unbound::start(&[Zone::Everything("bl.test", &["A 198.51.100.1"])]);
    let stripping = Unbound::start(&[Zone::Holds("bl.test", &[])]);
    let soon = Duration::from_secs(1);
    for (server, patience, hint) in [
        (silent.local_addr().expect("it is bound"), soon, "in time"),
        (dns::loopback::unused(), SILENT, "reach"),
        (babbling, soon, "in time"),
        (rewriting.address, ANSWERED, "rewrites answers"),
        (stripping.address, ANSWERED, "127.0.0.0/8"),
    ] {
        let options =
            SurveyOptions { patience, ..options(server, &["a.bl.test", "b.bl.test", "c.bl.test"]) };
        let survey = survey(options, LISTED).await;
        let judgement = assess_survey(&survey);
        assert_eq!(judgement.standing, Standing::Unknown, "{survey:?}");
        assert!(
            judgement.hints.iter().any(|text| text.contains(hint)),
            "{hint}: {:?} {survey:?}",
            judgement.hints
        );
    }
}

/// A socket that answers everything with what is no DNS.
fn babbler() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = socket.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((_, peer)) = socket.recv_from(&mut question) {
            let _ = socket.send_to(b"220 this is no DNS", peer);
        }
    });
    address
}
