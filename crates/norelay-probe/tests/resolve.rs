//! Names that are in order and names that are traps, served by a real DNS server on loopback: what
//! a target stands for, within bounds.

#[path = "../../norelay-dns/tests/dns/mod.rs"]
mod dns;

use std::{net::IpAddr, time::Duration};

use dns::{Unbound, Zone};
use norelay_probe::resolve::Resolver;

/// How long a question may take that has an answer.
const ANSWERED: Duration = Duration::from_secs(60);
/// How long a question may take where a server says nothing.
const SILENT: Duration = Duration::from_secs(2);
/// How often one question may be asked that has no answer; the rows together ask each question that
/// has one less often.
const MOST_TIMES: usize = 9;
/// How often a target is asked about anew where the resolver gives its server little time. The
/// first time is enough, unless the machine is busy.
const TRIES: usize = 30;

/// A target, and its exchangers with their addresses, or words of the sentence that says why there
/// are none.
type Row = (&'static str, Result<&'static [&'static str], &'static str>);

const ROWS: &[Row] = &[
    (
        "order.example",
        Ok(&["mx1.order.example 192.0.2.1", "mx2.order.example 192.0.2.2 2001:db8::2"]),
    ),
    ("bare.example", Ok(&["bare.example 192.0.2.3"])),
    ("loopback.example", Ok(&["mx.loopback.example 127.0.0.1 ::1"])),
    ("private.example", Ok(&["mx.private.example 10.0.0.1 fd00::1"])),
    ("localhost:2525", Ok(&["localhost 127.0.0.1 ::1"])),
    ("null.example", Err("takes no mail: its MX record is the null MX")),
    ("nullandmore.example", Ok(&["mx.order.example 192.0.2.9"])),
    ("hostile.example", Ok(&["mx.order.example 192.0.2.9"])),
    ("cname.example", Ok(&["alias.cname.example 192.0.2.4"])),
    ("alias.cname.example", Ok(&["alias.cname.example 192.0.2.4"])),
    ("loop.example", Err("mail exchanger of loop.example")),
    ("a.loop.example", Err("a.loop.example")),
    ("itself.example", Err("The mail exchanger of itself.example was not found")),
    ("deaf.example", Err("The mail exchanger of deaf.example was not found")),
    ("nothing.example", Err("nothing.example was not found")),
    ("missing.norelay.invalid", Err("missing.norelay.invalid was not found")),
    ("silent.example", Err("silent.example could not be looked up")),
    ("half.example", Err("half.example could not be looked up")),
    ("halved.example", Ok(&["half.example 192.0.2.5"])),
    ("failing.test", Err("failing.test could not be looked up")),
    ("refusing.example", Err("refusing.example could not be looked up")),
];

const ZONES: &[Zone<'static>] = &[
    Zone::Holds(
        "order.example",
        &[
            "order.example. MX 20 mx2.order.example.",
            "order.example. MX 10 mx1.order.example.",
            "mx1.order.example. A 192.0.2.1",
            "mx2.order.example. A 192.0.2.2",
            "mx2.order.example. AAAA 2001:db8::2",
            "mx.order.example. A 192.0.2.9",
        ],
    ),
    Zone::Holds("bare.example", &["bare.example. A 192.0.2.3"]),
    Zone::Holds(
        "loopback.example",
        &[
            "loopback.example. MX 10 mx.loopback.example.",
            "mx.loopback.example. A 127.0.0.1",
            "mx.loopback.example. AAAA ::1",
        ],
    ),
    Zone::Holds(
        "private.example",
        &[
            "private.example. MX 10 mx.private.example.",
            "mx.private.example. A 10.0.0.1",
            "mx.private.example. AAAA fd00::1",
        ],
    ),
    Zone::Holds("null.example", &["null.example. MX 0 ."]),
    Zone::Holds(
        "nullandmore.example",
        &["nullandmore.example. MX 0 .", "nullandmore.example. MX 10 mx.order.example."],
    ),
    Zone::Holds(
        "hostile.example",
        &[
            "hostile.example. MX 5 x\\062\\013\\010RCPT.hostile.example.",
            "hostile.example. MX 6 a\\032b.hostile.example.",
            "hostile.example. MX 7 \\<script\\>.hostile.example.",
            "hostile.example. MX 8 \\027\\091m.hostile.example.",
            "hostile.example. MX 9 192.0.2.1.",
            "hostile.example. MX 10 mx.order.example.",
            "x\\062\\013\\010RCPT.hostile.example. A 192.0.2.6",
            "a\\032b.hostile.example. A 192.0.2.6",
            "\\<script\\>.hostile.example. A 192.0.2.6",
            "\\027\\091m.hostile.example. A 192.0.2.6",
        ],
    ),
    Zone::Holds(
        "cname.example",
        &[
            "cname.example. MX 10 alias.cname.example.",
            "alias.cname.example. CNAME real.cname.example.",
            "real.cname.example. A 192.0.2.4",
        ],
    ),
    Zone::Holds(
        "loop.example",
        &[
            "loop.example. MX 10 a.loop.example.",
            "a.loop.example. CNAME b.loop.example.",
            "b.loop.example. CNAME a.loop.example.",
        ],
    ),
    Zone::Holds("itself.example", &["itself.example. MX 10 itself.example."]),
    Zone::Holds("deaf.example", &["deaf.example. MX 10 mx.elsewhere.nothing.example."]),
    Zone::Holds("nothing.example", &[]),
    Zone::Silent("silent.example", &[]),
    Zone::Silent("half.example", &["half.example. A 192.0.2.5"]),
    Zone::Holds("halved.example", &["halved.example. MX 10 half.example."]),
    Zone::Fails("failing.test"),
    Zone::Refuses("refusing.example"),
    Zone::Holds("invalid", &[]),
    Zone::Holds("example", &[]),
];

fn resolver(server: &Unbound, timeout: Duration) -> Resolver {
    Resolver::new(Some(server.address), timeout).expect("the resolver needs no file")
}

/// What a target stands for, a line an exchanger.
async fn found(resolver: &Resolver, target: &str) -> Result<Vec<String>, String> {
    let exchangers = resolver
        .exchangers(&target.parse().expect("a target"))
        .await
        .map_err(|error| error.to_string())?;
    let line = |name: Option<String>, addresses: Vec<IpAddr>| {
        let addresses = addresses.iter().map(ToString::to_string);
        std::iter::once(name.unwrap_or_default())
            .chain(addresses)
            .collect::<Vec<_>>()
            .join(" ")
    };
    Ok(exchangers
        .into_iter()
        .map(|exchanger| line(exchanger.name, exchanger.addresses))
        .collect())
}

/// What a target stands for, asked anew until that `is_whole`.
async fn found_in(
    tries: usize,
    resolver: &Resolver,
    target: &str,
    is_whole: fn(&Result<Vec<String>, String>) -> bool,
) -> Result<Vec<String>, String> {
    for _ in 1..tries {
        let found = found(resolver, target).await;
        if is_whole(&found) {
            return found;
        }
    }
    found(resolver, target).await
}

#[tokio::test]
async fn every_kind_of_name_is_found_or_told_apart() {
    let server = Unbound::start(ZONES);
    let asked: Vec<_> = ROWS
        .iter()
        .map(|(target, expected)| {
            let is_silent = target.starts_with("silent.") || target.starts_with("hal");
            let resolver = resolver(&server, if is_silent { SILENT } else { ANSWERED });
            // Half of this answer has to come while the other half is awaited in vain.
            let tries = if target.starts_with("halved.") { TRIES } else { 1 };
            tokio::spawn(async move {
                let found = found_in(tries, &resolver, target, Result::is_ok).await;
                (target, expected, found)
            })
        })
        .collect();
    let mut wrong = Vec::new();
    for row in asked {
        let (target, expected, found) = row.await.expect("no look-up panics");
        let is_right = match (&found, expected) {
            (Ok(found), Ok(expected)) => found == expected,
            (Err(error), Err(words)) => error.contains(words),
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{target}: {found:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    let questions = server.questions();
    for question in &questions {
        let times = questions.iter().filter(|other| *other == question).count();
        let may_be_repeated = question.starts_with("half");
        assert!(may_be_repeated || times <= MOST_TIMES, "{question} was asked {times} times");
    }
}

#[tokio::test]
async fn huge_sets_are_bounded() {
    let mut records: Vec<String> = (0..300)
        .map(|host| format!("huge.example. MX {host} h{host}.huge.example."))
        .collect();
    for host in 0..20 {
        records
            .extend((0..50).map(|number| format!("h{host}.huge.example. A 192.0.{host}.{number}")));
    }
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let server = Unbound::start(&[Zone::Holds("huge.example", &records), Zone::NothingElse]);
    let found = found(&resolver(&server, ANSWERED), "huge.example")
        .await
        .expect("it has servers");
    let names: Vec<_> = found
        .iter()
        .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    let expected: Vec<_> = (0..16)
        .map(|host| format!("h{host}.huge.example"))
        .collect();
    assert_eq!(names, expected, "the most preferred");
    assert!(found.iter().all(|line| line.split(' ').count() == 1 + 16), "{found:?}");
    assert!(server.questions().len() <= 1 + 2 * 16 + 4, "{} questions", server.questions().len());
}

/// A provider's resolver that has an address for every name: what nobody has is not tested in its
/// place.
#[tokio::test]
async fn a_resolver_that_knows_every_name_is_seen_through() {
    let server = Unbound::start(&[
        Zone::Everything("test", &["A 198.51.100.80"]),
        Zone::Holds("real.test", &["real.test. MX 10 mx.real.test.", "mx.real.test. A 192.0.2.1"]),
        Zone::Holds("typo.test", &["typo.test. MX 10 mx.nobody.test."]),
        Zone::Holds("invalid", &[]),
    ]);
    let resolver = resolver(&server, ANSWERED);
    assert_eq!(found(&resolver, "real.test").await, Ok(vec!["mx.real.test 192.0.2.1".to_owned()]));
    for target in ["nobody.test", "mx.nobody.test:25", "typo.test"] {
        // The name that nobody has is looked up within a second, which a busy machine may need.
        let error = found_in(TRIES, &resolver, target, Result::is_err)
            .await
            .expect_err("nobody has that name");
        assert!(
            error.contains("198.51.100.80") && error.contains("names that don't exist"),
            "{target}: {error}"
        );
    }
}
