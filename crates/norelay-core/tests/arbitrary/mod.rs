//! Any event at all, with numbers small enough to meet each other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use jiff::Timestamp;
use norelay_core::{
    catalogue::{Profile, TESTS},
    event::{Event, MailExchanger, Path, Receipt, Record, Run, TlsFacts, Wait},
    octets::Octets,
    path::PathId,
    smtp::{Cause, End, Purpose, Reply, Security, Stage, Violation},
    token::{RunId, Token, TokenRole},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

fn octets() -> impl Strategy<Value = Octets> {
    let texts = [
        "",
        "ok",
        "4.7.1 Relay access denied",
        "5.7.1 blocked using zen.spamhaus.org",
        "<>",
        "MAIL FROM:<a@b>",
    ];
    prop_oneof![
        select(texts.to_vec()).prop_map(Octets::from),
        vec(any::<u8>(), 0..40).prop_map(Octets::from),
        ".{0,20}".prop_map(Octets::from),
    ]
}

fn path() -> impl Strategy<Value = PathId> {
    (0..3u8).prop_map(PathId::new)
}

fn test_id() -> impl Strategy<Value = String> {
    let ids: Vec<_> = TESTS
        .iter()
        .take(17)
        .chain(TESTS.iter().filter(|test| test.is_control()))
        .map(|test| test.id.as_str())
        .collect();
    prop_oneof![9 => select(ids).prop_map(str::to_owned), 1 => ".{0,8}"]
}

fn stage() -> impl Strategy<Value = Stage> {
    use Stage::{
        Auth, Data, Ehlo, EndOfData, Greeting, Helo, Mail, Other, Quit, Rcpt, Rset, StartTls,
    };
    select(vec![
        Greeting, Ehlo, Helo, StartTls, Auth, Other, Mail, Rcpt, Data, EndOfData, Rset, Quit,
    ])
}

fn reply() -> impl Strategy<Value = Reply> {
    let code = select(vec![
        0,
        200,
        220,
        250,
        251,
        354,
        421,
        450,
        454,
        500,
        530,
        550,
        554,
        599,
        999,
        u16::MAX,
    ]);
    (code, vec(octets(), 0..4)).prop_map(|(code, lines)| Reply { code, lines })
}

fn address() -> impl Strategy<Value = IpAddr> {
    select(vec![
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7)),
        IpAddr::V6(Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped()),
    ])
}

fn cause() -> impl Strategy<Value = Cause> {
    prop_oneof![
        (any::<bool>(), ".{0,20}")
            .prop_map(|(refused, error)| Cause::ConnectFailed { refused, error }),
        (stage(), option::of(".{0,20}"))
            .prop_map(|(stage, error)| Cause::Disconnected { stage, error }),
        stage().prop_map(|stage| Cause::TimedOut { stage }),
        (stage(), reply()).prop_map(|(stage, reply)| Cause::Closing { stage, reply }),
        (stage(), octets()).prop_map(|(stage, line)| Cause::Violated {
            stage,
            violation: Violation::NotAReply { line }
        }),
        stage()
            .prop_map(|stage| Cause::Violated { stage, violation: Violation::InjectedBeforeTls }),
        ".{0,20}".prop_map(|error| Cause::TlsFailed { error }),
        any::<u32>().prop_map(|answered| Cause::Blocked { answered }),
        Just(Cause::Stopped),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Answered),
        ".{0,10}".prop_map(End::NotOffered),
        cause().prop_map(End::Interrupted),
    ]
}

fn run() -> impl Strategy<Value = Run> {
    (".{0,20}", 0..2u64, any::<bool>(), any::<bool>(), option::of(".{0,10}")).prop_map(
        |(target, run, domain_given, receiving, local_domain)| Run {
            run: RunId(run),
            target,
            version: "0".to_owned(),
            profile: Profile::Classic,
            domain: "probe.example".to_owned(),
            domain_given,
            helo: "probe.example".to_owned(),
            local_domain,
            named_user: None,
            trusted_senders: Vec::new(),
            receiving,
            seen_as_expected: receiving.then_some([203, 0, 113, 9].into()),
            tests: Vec::new(),
        },
    )
}

fn receipt() -> impl Strategy<Value = Receipt> {
    let role = select(vec![
        TokenRole::Recipient,
        TokenRole::Sender,
        TokenRole::Message,
        TokenRole::Unknown,
    ]);
    let test = select(vec![0, 1, 2, 6, 17, 136, 255]);
    let token = (0..2u64, path(), test, role);
    (token, any::<bool>(), address(), octets(), octets(), vec(octets(), 0..3)).prop_map(
        |((run, path, test, role), message_token, peer, helo, path_said, received)| Receipt {
            token: Token { run: RunId(run), path, test, role },
            message_token,
            peer: SocketAddr::new(peer, 25),
            helo,
            tls: message_token,
            reverse_path: path_said.clone(),
            forward_path: path_said,
            received,
            size: u64::MAX,
        },
    )
}

fn exchanged() -> impl Strategy<Value = Event> {
    let test = || option::weighted(0.3, test_id());
    let purpose = option::of(select(vec![Purpose::Condition, Purpose::Attempt, Purpose::Question]));
    let after_ms = || prop_oneof![0..100u64, Just(u64::MAX)];
    prop_oneof![
        (0..6u32, after_ms(), stage(), test(), octets()).prop_map(
            |(dialogue, after_ms, stage, test, line)| Event::Sent {
                dialogue,
                after_ms,
                stage,
                test,
                line
            }
        ),
        (0..6u32, after_ms(), stage(), test(), purpose, reply()).prop_map(
            |(dialogue, after_ms, stage, test, purpose, reply)| Event::Replied {
                dialogue,
                after_ms,
                stage,
                test,
                purpose,
                reply
            }
        ),
        (0..6u32, after_ms(), end()).prop_map(|(dialogue, after_ms, end)| Event::Ended {
            dialogue,
            after_ms,
            end
        }),
    ]
}

fn opened() -> impl Strategy<Value = Event> {
    let security = select(vec![Security::Plain, Security::StartTls, Security::Tls]);
    let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
    prop_oneof![
        (path(), address(), any::<u16>(), security, vec(test_id(), 0..6), option::of(".{0,9}"))
            .prop_map(|(path, address, port, security, tests, host)| Event::PathAdded {
                path,
                destination: Path { host, address, port, security },
                tests
            }),
        (0..6u32, path(), vec(test_id(), 0..4), any::<bool>(), any::<u32>()).prop_map(
            |(dialogue, path, tests, proof, attempt)| Event::Opened {
                dialogue,
                path,
                tests,
                proof,
                attempt,
                login: None,
            }
        ),
        (0..6u32).prop_map(move |dialogue| Event::Connected { dialogue, after_ms: 1, local }),
        (0..6u32, vec(test_id(), 0..4)).prop_map(|(dialogue, tests)| Event::Shared {
            dialogue,
            after_ms: 1,
            tests
        }),
        (0..6u32, octets(), ".{0,20}").prop_map(|(dialogue, subject, trouble)| Event::Secured {
            dialogue,
            after_ms: 2,
            tls: TlsFacts {
                subject: Some(subject),
                troubles: vec![trouble],
                ..TlsFacts::default()
            }
        }),
    ]
}

/// Any event.
pub fn event() -> impl Strategy<Value = Event> {
    let exchanger = (option::of(".{0,9}"), vec(address(), 0..2))
        .prop_map(|(name, addresses)| MailExchanger { name, preference: None, addresses });
    let until = Timestamp::UNIX_EPOCH;
    prop_oneof![
        2 => run().prop_map(Event::RunStarted),
        1 => vec(exchanger, 0..3).prop_map(|exchangers| Event::Resolved { exchangers }),
        12 => opened(),
        30 => exchanged(),
        2 => (path(), test_id(), ".{0,20}").prop_map(|(path, test, why)| Event::NotRun { path, test, why }),
        1 => path().prop_map(move |path| Event::Waiting { path: Some(path), test: None, until, why: Wait::Dropped }),
        6 => receipt().prop_map(Event::Received),
        1 => (path(), ".{0,9}", vec(octets(), 0..3))
            .prop_map(|(path, tag, arguments)| Event::Noted { path: Some(path), tag, arguments }),
        1 => any::<bool>().prop_map(|stopped| Event::RunFinished { stopped }),
    ]
}

/// Any record: of any time, and now and then of a version that nobody knows.
pub fn record() -> impl Strategy<Value = Record> {
    let times = vec![Timestamp::UNIX_EPOCH, Timestamp::MIN, Timestamp::MAX];
    (event(), select(times), 0..20u8).prop_map(|(event, at, v)| match v {
        0 => Record { v: 0, at, event },
        _ => Record::new(at, event),
    })
}
