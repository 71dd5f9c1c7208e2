//! `norelay test` as a user runs it: exit codes, one clear sentence, an end in time. Its memory is
//! measured by `bench/memory`, on a release build.

#[path = "../../norelay-dns/tests/dns/loopback.rs"]
mod loopback;
mod servers;

use std::{
    cell::Cell,
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use servers::{Serve, answer, closed, is_own_postmaster, listen};

fn accepting(stream: TcpStream) {
    answer(stream, "220 mx.example.net ESMTP\r\n", |line| {
        if line == "QUIT" { "221 bye" } else { "250 ok" }
    });
}

fn blocking(stream: TcpStream) {
    answer(stream, "220 mx.example.net ESMTP\r\n", |line| match line {
        "QUIT" => "221 bye",
        line if line.starts_with("RCPT") => {
            "554 5.7.1 Service unavailable; Client host [127.0.0.1] blocked using zen.spamhaus.org"
        }
        _ => "250 ok",
    });
}

/// Its time is longer than the runs wait.
fn greylisting(stream: TcpStream) {
    answer(stream, "220 mx.example.net ESMTP\r\n", |line| match line {
        "QUIT" => "221 bye",
        line if line.starts_with("RCPT") => "450 4.2.0 Greylisted, come back in 600 seconds",
        _ => "250 ok",
    });
}

fn web(mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}

fn silent(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

fn endless_line(mut stream: TcpStream) {
    while stream.write_all(&[b'2'; 65_536]).is_ok() {}
}

fn endless_reply(mut stream: TcpStream) {
    let lines = b"220-mx.example.net ESMTP\r\n".repeat(1000);
    while stream.write_all(&lines).is_ok() {}
}

/// Greets, and closes with what the other has said unread, which resets the connection.
fn resetting(mut stream: TcpStream) {
    let _ = stream.write_all(b"220 mx.example.net ESMTP\r\n");
    let _ = stream.peek(&mut [0]);
}

/// A server in order whose every reply is as large as one may be.
fn verbose(stream: TcpStream) {
    static LARGE: LazyLock<[String; 4]> = LazyLock::new(|| {
        ["250 ok", "454 4.7.1 Relay access denied", "220 mx.example.net", "221 bye"].map(|last| {
            let line = format!("{}-{}\r\n", &last[..3], "x".repeat(990));
            line.repeat(8) + last
        })
    });
    let [accepts, denies, greets, leaves] = LARGE.each_ref().map(String::as_str);
    answer(stream, &format!("{greets}\r\n"), |line| match line.split([' ', ':']).next() {
        Some("RCPT") if !is_own_postmaster(line) => denies,
        Some("QUIT") => leaves,
        _ => accepts,
    });
}

/// Longer than any run here takes, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a run of the command gave.
struct Ran {
    code: Option<i32>,
    said: String,
    took: Duration,
}

/// Runs the command to its end; what it says on standard error follows its standard output.
fn run(arguments: &[&str]) -> Ran {
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_norelay"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the executable is built");
    let [said, errors] = [output.stdout, output.stderr]
        .map(|octets| String::from_utf8(octets).expect("the command says text"));
    Ran { code: output.status.code(), said: said + &errors, took: started.elapsed() }
}

/// What the command is told of how long to wait: as long as a busy machine needs, where an answer
/// comes in the end.
const ANSWERED: &[&str] = &["--timeout=60s", "--wait=60s"];
/// No longer than the test wants to wait, where none does.
const UNANSWERED: &[&str] = &["--timeout=3s", "--wait=5s"];
/// The server answers everything, and the command would ask again later.
const PUT_OFF: &[&str] = &["--timeout=60s", "--wait=5s"];

/// The command would wait for an hour, and is told to stop before.
const IN_FIVE_SECONDS: &[&str] = &["--timeout=60s", "--wait=1h", "--max-time=5s"];

/// Name, server, exit code, words of the answer, how long the command waits.
type Row = (&'static str, Serve, i32, &'static str, &'static [&'static str]);

const SERVERS: &[Row] = &[
    ("closed", closed, 0, "\nAll tests performed, no relays accepted.\n", ANSWERED),
    ("accepts everything", accepting, 2, "VERDICT suspect", ANSWERED),
    ("blocks us", blocking, 2, "blacklist", ANSWERED),
    ("greylists for ten minutes", greylisting, 2, "Greylisted, come back in 600 seconds", PUT_OFF),
    ("greylists, and the time is over", greylisting, 2, "stopped before its end", IN_FIVE_SECONDS),
    ("a web server", web, 4, "not an SMTP reply", ANSWERED),
    ("silent", silent, 4, "no answer in time to the greeting", UNANSWERED),
    ("a line without end", endless_line, 4, "a line without an end", ANSWERED),
    ("a reply without end", endless_reply, 4, "a reply without an end", ANSWERED),
    ("resets the connection", resetting, 2, "connection reset", PUT_OFF),
    (
        "replies as large as they may be",
        verbose,
        0,
        "\nAll tests performed, no relays accepted.\n",
        ANSWERED,
    ),
];

#[test]
fn every_kind_of_server_has_its_exit_code_within_bounds() {
    check_servers("classic");
}

#[test]
fn every_kind_of_server_has_its_exit_code_within_bounds_in_the_standard_profile() {
    check_servers("standard");
}

fn check_servers(profile: &str) {
    for (name, serve, code, words, patience) in SERVERS {
        let address = listen(*serve).to_string();
        let ran = run(&[
            &["test", &address, "--profile", profile, "--domain", "probe.test"][..],
            patience,
        ]
        .concat());
        assert_eq!(ran.code, Some(*code), "{name}: {}", ran.said);
        let unfolded = ran
            .said
            .replace("\n       ", " ")
            .replace("\n         ", " ");
        assert!(ran.said.contains(words) || unfolded.contains(words), "{name}: {}", ran.said);
        assert!(ran.took < PATIENCE, "{name}: {:?}", ran.took);
    }
}

#[test]
fn what_a_user_types_wrongly_is_one_sentence_and_exit_code_3() {
    for (arguments, words) in [
        (&["test", "a..b"][..], "is not a host name"),
        (&["test", "127.0.0.1:0"], "port from 1 to 65535"),
        (&["test", "127.0.0.1", "--only", "nonsense"], "There is no test \"nonsense\""),
        (&["test", "127.0.0.1", "--only", "ctl-postmaster"], "No relay test is left to run"),
        (
            &["test", "127.0.0.1", "--only", "auth-plain-user"],
            "auth-plain-user logs in as a user who exists: name one with --local-user",
        ),
        (&["test", "127.0.0.1", "--profile", "intrusive"], "--i-control 127.0.0.1"),
        (&["test", "127.0.0.1", "--domain", "-"], "is not a host name"),
        (&["test", "127.0.0.1", "--log", "/nowhere/log"], "can't be written"),
        (&["test", "--resume", "/nowhere/log"], "can't be read"),
        (&["test", "--retest", "/nowhere/report"], "can't be read"),
        (&["test", "--retest", "/dev/null"], "is not a report"),
        (&["replay", "/nowhere/log"], "can't be read"),
        (&["replay", "/dev/null"], "holds no event"),
        (&["explain", "nonsense"], "There is no test"),
        (
            &["fix", "nonsense"],
            "There are no remedies for \"nonsense\": norelay fix lists the servers.",
        ),
        (&["fix", "mta-x"], "There are no remedies for \"mta-x\": norelay fix lists the servers."),
        (&["fix", "mailpitt"], "did you mean mailpit"),
        (&["fix", "podmann"], "did you mean podman."),
        (&["fix", "gmail"], "This is a hosted service"),
        (&["fix", "Heralding"], "This is a honeypot"),
        (&["fix", "cisco-pix"], "The server behind it decides who may relay"),
        (&["fix", "postfx"], "There are no remedies for \"postfx\": did you mean postfix."),
        (
            &["fix", "postfix", "nonsense"],
            "\"nonsense\" of postfix: norelay fix postfix shows those that there are.",
        ),
        (&["fix", "postfix", "mynetwork"], "\"mynetwork\" of postfix: did you mean mynetworks."),
        (&["fix", "postfix", "percent-hak"], "did you mean percent_hack."),
        (
            &["fix", "courier", "trusts_tls"],
            "There is no remedy of courier for trusts_tls: norelay fix courier shows",
        ),
        (&["fix", "courier/smtp"], "did you mean smtpaccess."),
    ] {
        let ran = run(arguments);
        assert_eq!(
            (ran.code, ran.said.lines().count()),
            (Some(3), 1),
            "{arguments:?}: {}",
            ran.said
        );
        assert!(
            ran.said.contains(words) && ran.said.trim_end().ends_with('.'),
            "{arguments:?}: {}",
            ran.said
        );
    }
    for arguments in [
        &["test"][..],
        &["test", "x", "--wait", "soon"],
        &["test", "x", "--receive", "127.0.0.1:0"],
        &["x"],
    ] {
        assert_eq!(run(arguments).code, Some(3), "{arguments:?}");
    }
}

#[test]
fn trusted_senders_are_given_and_not_too_many() {
    for (arguments, words) in [
        (
            &["test", "127.0.0.1", "--only", "trusted-sender"][..],
            "trusted-sender asks with a sender that you name: give one with --trusted-sender",
        ),
        (
            &[
                "test",
                "127.0.0.1",
                "--trusted-sender=a.example",
                "--trusted-sender=b.example",
                "--trusted-sender=c.example",
                "--local-domain=d.example",
                "--local-domain=e.example",
                "--local-domain=f.example",
            ],
            "5 trusted senders are too many: at most 4",
        ),
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.said.lines().count()), (Some(3), 1), "{arguments:?}");
        assert!(ran.said.contains(words), "{arguments:?}: {}", ran.said);
    }
}

#[test]
fn chosen_findings_make_a_closed_server_fail() {
    let closed_server = listen(closed).to_string();
    let open_server = listen(accepting).to_string();
    let unreachable = loopback::unused().to_string();
    // A closed server in the clear alone has starttls_not_offered, a notice or worse, and no error.
    for (server, fail_on, code) in [
        (closed_server.as_str(), "", 0),
        (&closed_server, "--fail-on=error", 0),
        (&closed_server, "--fail-on=backscatter,injected_before_tls", 0),
        (&closed_server, "--fail-on=backscatter,starttls_not_offered", 2),
        (&closed_server, "--fail-on=info", 2),
        (&closed_server, "--fail-on=error,starttls_not_offered", 2),
        (&closed_server, "--fail-on=warnings", 3),
        (&open_server, "--fail-on=error", 2),
        (&unreachable, "--fail-on=error", 4),
    ] {
        let options = [
            "test",
            server,
            "--profile=classic",
            "--domain=probe.test",
            "--timeout=60s",
            "--wait=5s",
            fail_on,
        ];
        let options: Vec<_> = options
            .into_iter()
            .filter(|option| !option.is_empty())
            .collect();
        let ran = run(&options);
        assert_eq!(ran.code, Some(code), "{server} {fail_on}: {}", ran.said);
    }
}

#[test]
fn remedies_are_shown_by_server_and_cause() {
    for (arguments, words) in [
        (&["fix"][..], "\nOpenSMTPD\n  opensmtpd match-any "),
        (
            &["fix", "postfix"],
            "  postfix mynetworks           Trust this machine's own addresses only\n      for \
             trusts_everyone",
        ),
        (&["fix", "mail-in-a-box"], "NAME is a remedy or a cause.\n"),
        (&["fix", "HCL Domino"], "domino relay-controls"),
        (&["fix", "traefik"], "traefik client-address"),
        (&["fix", "podman"], "docker client-address"),
        (&["fix", "k3s"], "k3s client-address"),
        (&["fix", "directadmin"], "directadmin relay-hosts"),
        (&["fix", "Mailpit"], "mail-catcher loopback"),
        (&["fix", "mailpit", "loopback"], "it must not face the Internet"),
        (&["fix", "iis"], "iis relay-restrictions"),
        (&["fix", "mox"], "mox localserve"),
        (&["fix", "poste.io"], "poste-io client-address"),
        (&["fix", "IBM i"], "ibm-i relay"),
        (&["fix", "vestacp"], "hestiacp relay-hosts"),
        (&["fix", "wildduck"], "zonemta feeder"),
        (&["fix", "postfix", "mynetworks"], "mynetworks = 127.0.0.0/8"),
        (&["fix", "postfix/mynetworks"], "mynetworks = 127.0.0.0/8"),
        (&["fix", "courier", "percent-hack"], "# Route no"),
        (&["fix", "Postfix", "percent_hack"], "allow_untrusted_routing = no"),
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.said);
        assert!(ran.said.contains(words), "{}", ran.said);
    }
}

#[test]
fn what_can_not_be_reached_is_exit_code_4() {
    for (target, words) in [
        (loopback::unused().to_string(), "connection refused"),
        ("[fe80::1]:25".to_owned(), "no connection"),
    ] {
        let ran = run(&["test", &target, "--timeout", "60s", "--domain", "probe.test"]);
        assert_eq!(ran.code, Some(4), "{target}: {}", ran.said);
        assert!(
            ran.said.contains("Could not connect, test failed") && ran.said.contains(words),
            "{target}: {}",
            ran.said
        );
    }
}

#[test]
fn a_stored_log_gives_the_same_verdict() {
    let address = listen(closed).to_string();
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let log = folder.join("test-command.jsonl");
    let _ = std::fs::remove_file(&log);
    let shown = log.to_string_lossy().into_owned();
    let ran =
        run(&["test", &address, "--profile", "classic", "--domain", "probe.test", "--log", &shown]);
    let replayed = run(&["replay", &shown]);
    assert_eq!((ran.code, replayed.code), (Some(0), Some(0)), "{}", replayed.said);
    assert_eq!(ran.said, replayed.said);
}

/// Whether the server of [`mending`] has been mended, and the envelopes that it was asked for
/// since.
static MENDED: AtomicBool = AtomicBool::new(false);
static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Relays for the null sender until it is mended.
fn mending(stream: TcpStream) {
    let from_nobody = Cell::new(false);
    answer(stream, "220 mx.example.net ESMTP Postfix\r\n", |line| {
        let is_mended = MENDED.load(Ordering::SeqCst);
        if is_mended && (line.starts_with("MAIL") || line.starts_with("RCPT")) {
            ASKED
                .lock()
                .expect("no test panicked")
                .push(line.to_owned());
        }
        if line.starts_with("MAIL") {
            from_nobody.set(line.contains("<>"));
        }
        match line.split([' ', ':']).next() {
            Some("EHLO") => "250 mx.example.net",
            Some("RCPT") if is_own_postmaster(line) => "250 2.1.5 Ok",
            Some("RCPT") if from_nobody.get() && line.contains("PROBE.TEST>") && !is_mended => {
                "250 2.1.5 Ok"
            }
            Some("RCPT") => "554 5.7.1 <x>: Relay access denied",
            Some("QUIT") => "221 2.0.0 Bye",
            _ => "250 2.1.0 Ok",
        }
    });
}

#[test]
fn what_failed_is_asked_again_and_nothing_more_is_claimed() {
    let address = listen(mending).to_string();
    let report = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("retest.json");
    let shown = report.to_string_lossy().into_owned();
    let first = run(&[
        "test",
        &address,
        "--profile",
        "classic",
        "--domain",
        "probe.test",
        "--output",
        "json",
    ]);
    assert_eq!(first.code, Some(2), "{}", first.said);
    std::fs::write(&report, &first.said).expect("the folder of tests can be written to");

    let again = run(&["test", "--retest", &shown]);
    assert_eq!(again.code, Some(2), "it isn't mended yet: {}", again.said);
    MENDED.store(true, Ordering::SeqCst);
    let again = run(&["test", "--retest", &shown]);
    let words = again.said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(again.code, Some(0), "{}", again.said);
    assert!(
        words.contains("was asked again (1 test on 1 path), and no relay was accepted"),
        "{}",
        again.said
    );
    assert!(!words.contains("All tests performed"), "{}", again.said);
    // The null sender asks for a recipient at the probe domain once; other recipients there are
    // controls'.
    let asked = ASKED.lock().expect("no test panicked").clone();
    let senders: Vec<_> = asked
        .iter()
        .filter(|line| line.starts_with("MAIL") && line.contains("<>"))
        .collect();
    assert_eq!(senders.len(), 1, "{asked:?}");
    assert!(asked.len() <= 2 * 6, "one test and at most five controls: {asked:?}");

    let json = run(&["test", "--retest", &shown, "--output", "json"]).said;
    assert!(json.contains("\"what\": \"1 test on 1 path\""), "{json}");
    std::fs::write(&report, json).expect("the folder of tests can be written to");
    let none = run(&["test", "--retest", &shown]);
    assert_eq!((none.code, none.said.lines().count()), (Some(3), 1), "{}", none.said);
    assert!(none.said.contains("Nothing failed in "), "{}", none.said);
}
