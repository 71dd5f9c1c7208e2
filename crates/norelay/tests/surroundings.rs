//! `norelay test --blacklists --posture` as a user runs it: a closed server on loopback, a real DNS
//! server beside it.

#[path = "../../norelay-dns/tests/dns/mod.rs"]
mod dns;

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
};

use dns::{Unbound, Zone};

/// A server that takes senders and postmaster, and relays for nobody.
fn closed_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(&stream));
        }
    });
    port
}

fn serve(stream: &TcpStream) -> Option<()> {
    let mut writer = stream;
    writer.write_all(b"220 mx.t.example ESMTP\r\n").ok()?;
    for line in BufReader::new(stream).lines() {
        let line = line.ok()?.to_ascii_lowercase();
        let reply = match line.split([' ', ':']).next()? {
            "rcpt" if line.contains("postmaster@t.example") => "250 2.1.5 Ok",
            "rcpt" => "554 5.7.1 Relay access denied",
            "quit" => "221 2.0.0 Bye",
            _ => "250 2.0.0 Ok",
        };
        writer.write_all(format!("{reply}\r\n").as_bytes()).ok()?;
    }
    Some(())
}

fn findings(server: &Unbound, port: u16, options: &[&str]) -> (Option<i32>, Vec<String>) {
    let output = Command::new(env!("CARGO_BIN_EXE_norelay"))
        .args(["test", "t.example", "-o", "json", "--domain=probe.example"])
        .args([format!("--port={port}"), format!("--resolver={}", server.address)])
        .args(options)
        .env_remove("NORELAY_BLACKLIST_KEY_FILE")
        .env_remove("NORELAY_BLACKLIST_KEYS")
        .stdin(Stdio::null())
        .output()
        .expect("the executable was built");
    let complaint = String::from_utf8_lossy(&output.stderr);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no JSON: {error}; {complaint}"));
    let tags = report["findings"].as_array().expect("a list").iter();
    (
        output.status.code(),
        tags.map(|finding| finding["tag"].as_str().expect("a tag").to_owned())
            .collect(),
    )
}

#[test]
fn listings_and_posture_are_findings_of_the_same_run_and_change_no_verdict() {
    let server = Unbound::start(&[
        Zone::Holds(
            "t.example",
            &[
                "t.example. MX 10 mx.t.example.",
                "t.example. TXT \"v=spf1 +all\"",
                "mx.t.example. A 127.0.0.1",
                "_dmarc.t.example. TXT \"v=DMARC1; p=reject; rua=mailto:d@t.example\"",
            ],
        ),
        Zone::Holds(
            "dbl.spamhaus.org",
            &["test.dbl.spamhaus.org. A 127.0.1.2", "t.example.dbl.spamhaus.org. A 127.0.1.4"],
        ),
        Zone::NothingElse,
    ]);
    let port = closed_server();
    let (code, plain) = findings(&server, port, &[]);
    let questions = server.questions();
    assert_eq!(code, Some(0), "{plain:?}");
    let is_besides = |tag: &str| {
        ["blacklist_", "spf_", "dmarc_", "mx_", "reverse_"]
            .iter()
            .any(|start| tag.starts_with(start))
    };
    assert!(!plain.iter().any(|tag| is_besides(tag)), "{plain:?}");
    assert!(
        !questions
            .iter()
            .any(|question| question.contains("spamhaus")),
        "{questions:?}"
    );

    let (code, besides) = findings(&server, port, &["--blacklists", "--posture"]);
    assert_eq!(code, Some(0), "{besides:?}");
    for tag in [
        "blacklist_listed",
        "blacklist_unknown",
        "blacklist_summary",
        "spf_allows_all",
        "dmarc_found",
        "mx_private_address",
        // unbound itself knows that 127.0.0.1 is localhost.
        "reverse_name_confirmed",
    ] {
        assert!(besides.iter().any(|found| found == tag), "{tag}: {besides:?}");
    }
    // An address that no list can have is not asked about.
    assert!(
        !server
            .questions()
            .iter()
            .any(|question| question.starts_with("1.0.0.127.zen.")),
        "{:?}",
        server.questions()
    );
}

/// Where the DNS changes its mind, the run doesn't: what was found at its start is tested, and
/// nothing is asked twice.
#[test]
fn a_run_resolves_once() {
    let server = Unbound::start(&[
        Zone::Holds(
            "t.example",
            &["t.example. 0 IN MX 10 mx.t.example.", "mx.t.example. 0 IN A 127.0.0.1"],
        ),
        Zone::NothingElse,
    ]);
    let (code, found) = findings(&server, closed_server(), &[]);
    assert_eq!(code, Some(0), "{found:?}");
    let questions = server.questions();
    for question in ["mx.t.example. A IN", "mx.t.example. AAAA IN", "t.example. MX IN"] {
        let times = questions.iter().filter(|asked| *asked == question).count();
        assert_eq!(times, 1, "{question}: {questions:?}");
    }
}

/// A resolver that has an address for every name leads to somebody else's server: nothing is said
/// of the one meant.
#[test]
fn a_name_that_the_resolver_made_up_is_not_tested() {
    let server = Unbound::start(&[Zone::Everything("test", &["A 127.0.0.1"]), Zone::NothingElse]);
    let output = Command::new(env!("CARGO_BIN_EXE_norelay"))
        .args(["test", "typo.test", "--domain=probe.example"])
        .args([format!("--port={}", closed_server()), format!("--resolver={}", server.address)])
        .stdin(Stdio::null())
        .output()
        .expect("the executable was built");
    let said = String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.contains(
            "typo.test was not found: this resolver has 127.0.0.1 for names that don't exist"
        ),
        "{said}"
    );
}
