//! A wall clock that jumps while something runs: by `libfaketime`, which the tests turn forwards
//! and backwards by days. Deadlines, leases, the order of events and what is kept are none of the
//! wall clock's.

#![cfg(feature = "server")]

#[path = "../../norelay-dns/tests/dns/loopback.rs"]
mod loopback;
mod served;
mod servers;
#[path = "../../norelay-server/tests/support/mod.rs"]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use serde_json::{Value, json};
use served::{PATIENCE, command, receiver_address, start_by};
use support::{
    Folder,
    http::{self, get, post},
    mail::MailServer,
};

const FORWARDS: &str = "+400d";
const BACKWARDS: &str = "-400d";
const RIGHT: &str = "+0d";

/// A clock for processes that look at it.
#[derive(Clone)]
struct Clock(PathBuf);

impl Clock {
    fn new(folder: &Path) -> Self {
        let clock = Self(folder.join("clock"));
        clock.turn(RIGHT);
        clock
    }

    fn turn(&self, offset: &str) {
        // In one step: nobody reads half of it.
        let next = self.0.with_extension("next");
        fs::write(&next, format!("{offset}\n")).expect("the folder is ours");
        fs::rename(&next, &self.0).expect("the folder is ours");
    }

    /// The process lives by this clock; time that only passes is the machine's.
    fn rule<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", &self.0)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1")
    }
}

fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut found = folders
        .map(|folder| folder.join("faketime/libfaketime.so.1"))
        .filter(|file| file.is_file());
    found
        .next()
        .expect("these tests need the library libfaketime: apt-get install libfaketime")
}

/// The clock of a process that has none of its own to check.
#[test]
fn the_clock_can_be_turned() {
    let folder = Folder::new("clock");
    let clock = Clock::new(folder.path());
    let year = || {
        let output = clock
            .rule(Command::new("date").arg("+%s"))
            .output()
            .expect("date is part of coreutils");
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse::<i64>()
            .expect("seconds")
    };
    let now = year();
    clock.turn(FORWARDS);
    let later = year();
    assert!((399 * 86_400..401 * 86_400).contains(&(later - now)), "{now} {later}");
}

/// The command, before a server that asks for patience twice: the clock jumps forwards, then
/// backwards.
#[test]
fn a_run_of_the_command_minds_no_clock() {
    let folder = Folder::new("clock");
    let clock = Clock::new(folder.path());
    let (turning, asked) = (clock.clone(), Arc::new(AtomicUsize::new(0)));
    let address = servers::listen(move |stream| {
        let (clock, asked) = (turning.clone(), asked.clone());
        servers::answer(stream, "220 mx.example.net ESMTP Postfix\r\n", move |line| {
            match line.split([' ', ':']).next() {
                Some("EHLO") => "250-mx.example.net\r\n250 PIPELINING",
                Some("RCPT") if line.contains("<POSTMASTER@") => "250 2.1.5 Ok",
                Some("RCPT") => match asked.fetch_add(1, Ordering::SeqCst) {
                    3 => {
                        clock.turn(FORWARDS);
                        "451 4.7.1 Greylisting in action, please come back in 00:00:01"
                    }
                    8 => {
                        clock.turn(BACKWARDS);
                        "451 4.7.1 Greylisting in action, please come back in 00:00:01"
                    }
                    _ => "454 4.7.1 <x>: Relay access denied",
                },
                Some("QUIT") => "221 2.0.0 Bye",
                _ => "250 2.1.0 Ok",
            }
        });
    });
    let started = Instant::now();
    let output = clock
        .rule(Command::new(env!("CARGO_BIN_EXE_norelay")).args([
            "test",
            &address.to_string(),
            "--output",
            "json",
        ]))
        .args([
            "--profile",
            "classic",
            "--domain",
            "probe.test",
            "--timeout",
            "60s",
            "--wait",
            "60s",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("the executable was built");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    let report: Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    assert_eq!(report["summary"], "All tests performed, no relays accepted.", "{report}");
    let tests = report["paths"][0]["tests"].as_array().expect("a list");
    assert!(
        tests.iter().all(|test| test["elapsed_ms"]
            .as_u64()
            .is_some_and(|took| u128::from(took) < PATIENCE.as_millis())),
        "{report}"
    );
}

/// The service, in mid-run: the job goes on in the same process, is there when the clock is right
/// again, and so is its log.
#[test]
fn the_service_minds_no_clock() {
    let folder = Folder::new("clock");
    let clock = Clock::new(folder.path());
    let receiver = receiver_address();
    let mut command = command(folder.path());
    clock.rule(&mut command);
    let service = start_by(command, receiver, None);
    for (offset, after) in [(FORWARDS, RIGHT), (BACKWARDS, RIGHT), (BACKWARDS, FORWARDS)] {
        let server = MailServer::start(Some(receiver), 5);
        let body = json!({"target": server.address.to_string(), "proof": true});
        let id = post(service.http, "/api/v1/tests", &body).json()["id"]
            .as_str()
            .expect("a name")
            .to_owned();
        server.await_recipients(6);
        clock.turn(offset);
        server.raise();
        server.await_recipients(18);
        clock.turn(after);
        clock.turn(RIGHT);
        let records = service.follow(&id);
        let counted =
            ["run_started", "run_finished", "resumed"].map(|event| http::count(&records, event));
        assert_eq!(counted, [1, 1, 0], "{offset} {after}");
        http::is_finished(service.http, &id, "open");
        let page = get(service.http, &format!("/t/{id}"));
        assert_eq!(page.status, 200, "{page:?}");
    }
}
