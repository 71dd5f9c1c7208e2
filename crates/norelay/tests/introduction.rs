//! A server whose hosted domain only its own name tells, tested by the command and by the service:
//! a mail server and a real DNS server on loopback.

#![cfg(feature = "server")]

#[path = "../../norelay-dns/tests/dns/mod.rs"]
mod dns;
mod served;
#[path = "../../norelay-server/tests/support/mod.rs"]
mod support;

use std::process::{Command, Stdio};

use dns::{Unbound, Zone, loopback};
use serde_json::{Value, json};
use support::{
    Folder,
    http::{self, get, post},
    mail::MailServer,
};

#[test]
fn the_hosted_domain_is_found_by_the_servers_own_name() {
    let dns = Unbound::start(&[
        Zone::Holds("mail.test", &["mail.test. MX 10 mail.test."]),
        Zone::NothingElse,
    ]);
    let server = MailServer::closed();
    let (target, resolver) = (server.address.to_string(), dns.address.to_string());

    let output = Command::new(env!("CARGO_BIN_EXE_norelay"))
        .args([
            "test",
            &target,
            "--profile=classic",
            "-o",
            "jsonl",
            "--domain=probe.test",
            "--resolver",
            &resolver,
        ])
        .stdin(Stdio::null())
        .output()
        .expect("the executable was built");
    let log = String::from_utf8(output.stdout).expect("JSON lines are text");
    let records: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("a record a line"))
        .collect();
    let is_introduction =
        |record: &&Value| record["event"] == "opened" && record["tests"] == json!([]);
    assert_eq!(records[0]["event"], "run_started");
    assert_eq!(records[0]["local_domain"], "mail.test");
    assert_eq!(
        records.iter().filter(is_introduction).count(),
        1,
        "the connection is one of the run's"
    );
    let said_to = |words: &str| log.contains(words);
    assert!(said_to("<postmaster@mail.test>"), "{log}");

    let folder = Folder::new("introduction");
    let mut command = served::command(folder.path());
    command.args(["--set", &format!("test.resolver={resolver}")]);
    let service = served::start_by(command, served::receiver_address(), None);
    let made =
        post(service.http, "/api/v1/tests", &json!({"target": target, "profile": "classic"}));
    let id = made.json()["id"]
        .as_str()
        .expect("it has a name")
        .to_owned();
    let records = service.follow(&id);
    assert_eq!(http::count(&records, "run_finished"), 1, "the test has ended");
    let log = get(service.http, &format!("/api/v1/tests/{id}/report/jsonl")).body;
    let started: Value =
        serde_json::from_str(log.lines().next().expect("it has records")).expect("a record a line");
    assert_eq!(started["local_domain"], "mail.test", "{started}");
    assert!(log.contains("<postmaster@mail.test>"));
    let records = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a record a line"));
    assert_eq!(records.filter(|record| is_introduction(&record)).count(), 1);
}
