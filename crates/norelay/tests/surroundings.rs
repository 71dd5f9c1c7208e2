//! `norelay test --blacklists --posture` as a user runs it: a closed server on loopback, a real DNS server beside it.

#[path = "../../norelay-probe/tests/dns/mod.rs"]
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
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("no JSON: {error}; {complaint}"));
    let tags = report["findings"].as_array().expect("a list").iter();
    (output.status.code(), tags.map(|finding| finding["tag"].as_str().expect("a tag").to_owned()).collect())
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
    let is_besides =
        |tag: &str| ["blacklist_", "spf_", "dmarc_", "mx_", "reverse_"].iter().any(|start| tag.starts_with(start));
    assert!(!plain.iter().any(|tag| is_besides(tag)), "{plain:?}");
    assert!(!questions.iter().any(|question| question.contains("spamhaus")), "{questions:?}");

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
        !server.questions().iter().any(|question| question.starts_with("1.0.0.127.zen.")),
        "{:?}",
        server.questions()
    );
}
