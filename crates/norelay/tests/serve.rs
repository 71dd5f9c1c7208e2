//! `norelay serve` as a process: what a kill, a lost database and slow clients do to it.
//!
//! The mail server under test lets some questions pass and makes the others wait, so that every
//! kill is in mid-run.

#![cfg(feature = "server")]

#[path = "../../norelay-dns/tests/dns/loopback.rs"]
mod loopback;
mod served;
#[path = "../../norelay-server/tests/support/mod.rs"]
mod support;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::{Value, json};
use served::{PATIENCE, Service, command, receiver_address, spawn, start};
use support::{
    Folder, Postgres,
    http::{self, get, post},
    mail::MailServer,
};

/// Kills a service twice in mid-run; in the end everything is there, once.
fn survives_kills(folder: &Path, database: Option<&str>) {
    let receiver = receiver_address();
    let server = MailServer::start(Some(receiver), 6);
    let service = start(folder, receiver, database);
    let made = post(
        service.http,
        "/api/v1/tests",
        &json!({"target": server.address.to_string(), "proof": true}),
    );
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["id"]
        .as_str()
        .expect("it has a name")
        .to_owned();
    server.await_recipients(7);
    let before = {
        let log = get(service.http, &format!("/api/v1/tests/{id}/report/jsonl")).body;
        log.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    service.kill();
    let asked = server.recipients();
    let service = start(folder, receiver, database);
    server.await_recipients(asked + 1);
    service.kill();
    server.raise();
    let service = start(folder, receiver, database);
    let records = service.follow(&id);
    let after = get(service.http, &format!("/api/v1/tests/{id}/report/jsonl")).body;
    let after: Vec<_> = after.lines().collect();
    assert_eq!(after[..before.len()], before, "what was shown stays");
    http::is_finished(service.http, &id, "open");
    assert_eq!(
        (
            http::count(&records, "run_started"),
            http::count(&records, "run_finished"),
            http::count(&records, "resolved")
        ),
        (1, 1, 1)
    );
    let receipts: Vec<_> = records
        .iter()
        .filter(|record| record["event"] == "received")
        .collect();
    assert!(!receipts.is_empty());
    for (index, receipt) in receipts.iter().enumerate() {
        let same = |other: &&&Value| {
            ["token", "forward_path", "received", "size"]
                .iter()
                .all(|field| other[*field] == receipt[*field])
        };
        assert!(
            !receipts[..index].iter().any(|other| same(&other)),
            "a message is reported twice: {receipt}"
        );
    }
    let mut dialogues: Vec<_> = records
        .iter()
        .filter(|record| record["event"] == "opened")
        .map(|record| record["dialogue"].as_u64())
        .collect();
    let opened = dialogues.len();
    dialogues.sort_unstable();
    dialogues.dedup();
    assert_eq!(dialogues.len(), opened, "each dialogue has its own number");
}

#[test]
fn sqlite_survives_kills_in_mid_run() {
    let folder = Folder::new("serve");
    survives_kills(folder.path(), None);
}

#[test]
fn postgres_survives_kills_in_mid_run() {
    let (folder, postgres) = (Folder::new("serve"), Postgres::start());
    survives_kills(folder.path(), Some(&postgres.database("norelay")));
}

#[test]
fn messages_that_come_while_the_service_is_down_come_later() {
    let folder = Folder::new("serve");
    let receiver = receiver_address();
    let service = start(folder.path(), receiver, None);
    let made = post(service.http, "/api/v1/receptions", &json!({"target": "x"})).json();
    let (reception, recipient) = token_of(&made);
    service.kill();
    let hand_on =
        || support::mail::hand_on(receiver, "MAIL FROM:<>", &recipient, "Subject: x\r\n\r\nx\r\n");
    hand_on().expect_err("nobody is there");
    let service = start(folder.path(), receiver, None);
    let receipts = |service: &Service| {
        get(service.http, &format!("/api/v1/receptions/{reception}/receipts?wait=60")).json()
    };
    hand_on().expect("it is taken");
    assert_eq!(receipts(&service).as_array().expect("a list").len(), 1);
    // Its sender didn't hear the answer, and sends it again: to this process, and to the next.
    hand_on().expect("it is taken");
    service.kill();
    let service = start(folder.path(), receiver, None);
    hand_on().expect("it is taken");
    assert_eq!(receipts(&service).as_array().expect("a list").len(), 1);
}

#[test]
fn a_database_that_goes_away_and_comes_back_loses_nothing() {
    let (folder, mut postgres) = (Folder::new("serve"), Postgres::start());
    let database = postgres.database("norelay");
    let receiver = receiver_address();
    let server = MailServer::start(None, 5);
    let service = start(folder.path(), receiver, Some(&database));
    let made =
        post(service.http, "/api/v1/tests", &json!({"target": server.address.to_string()})).json();
    let id = made["id"].as_str().expect("it has a name").to_owned();
    server.await_recipients(6);
    postgres.kill();
    assert_eq!(get(service.http, "/healthz").status, 503);
    assert_eq!(
        post(service.http, "/api/v1/tests", &json!({"target": loopback::unused().to_string()}))
            .status,
        503
    );
    // The run goes on while the database is away, and its records wait.
    server.raise();
    server.await_recipients(18);
    postgres.resume();
    assert_eq!(get(service.http, "/healthz").status, 200, "the database is back");
    let records = service.follow(&id);
    assert_eq!(http::count(&records, "run_finished"), 1);
    assert_eq!(get(service.http, &format!("/api/v1/tests/{id}")).json()["verdict"], "closed");
}

/// What can't be kept is not taken: the sender comes again. What runs goes on when there is room.
#[test]
fn a_full_disk_loses_nothing() {
    let folder = Folder::new("serve");
    let receiver = receiver_address();
    let server = MailServer::start(None, 5);
    let service = start(folder.path(), receiver, None);
    let made = post(service.http, "/api/v1/receptions", &json!({"target": "x"})).json();
    let (reception, recipient) = token_of(&made);
    let hand_on =
        || support::mail::hand_on(receiver, "MAIL FROM:<>", &recipient, "Subject: x\r\n\r\nx\r\n");
    let made =
        post(service.http, "/api/v1/tests", &json!({"target": server.address.to_string()})).json();
    let id = made["id"].as_str().expect("it has a name").to_owned();
    server.await_recipients(6);
    service.no_file_grows(true);
    hand_on().expect_err("there is no room to keep it");
    let refused =
        post(service.http, "/api/v1/tests", &json!({"target": loopback::unused().to_string()}));
    assert_eq!(refused.status, 503, "{refused:?}");
    server.raise();
    server.await_recipients(18);
    service.no_file_grows(false);
    hand_on().expect("there is room");
    let receipts =
        get(service.http, &format!("/api/v1/receptions/{reception}/receipts?wait=60")).json();
    assert_eq!(receipts.as_array().expect("a list").len(), 1);
    let records = service.follow(&id);
    assert_eq!(http::count(&records, "run_finished"), 1);
    assert_eq!(get(service.http, &format!("/api/v1/tests/{id}")).json()["verdict"], "closed");
}

/// What is in the database needs no second place.
#[test]
fn the_spool_is_cut_when_everything_is_stored() {
    let folder = Folder::new("serve");
    let receiver = receiver_address();
    let service = start(folder.path(), receiver, None);
    let made = post(service.http, "/api/v1/receptions", &json!({"target": "x"})).json();
    let (reception, recipient) = token_of(&made);
    support::mail::hand_on(receiver, "MAIL FROM:<>", &recipient, "Subject: x\r\n\r\nx\r\n")
        .expect("it is taken");
    let receipts =
        get(service.http, &format!("/api/v1/receptions/{reception}/receipts?wait=60")).json();
    assert_eq!(receipts.as_array().expect("a list").len(), 1);
    // The receipt is in the store before the spool is cut. Only the end of the service tells that
    // the service has done both; stopping cuts no spool by itself.
    service.stop();
    let spool = std::fs::metadata(folder.path().join("receipts.jsonl")).expect("there is a spool");
    assert_eq!(spool.len(), 0, "the spool is empty");
}

#[test]
fn silent_clients_are_hung_up_on() {
    let folder = Folder::new("serve");
    let service = start(folder.path(), receiver_address(), None);
    let mut silent = TcpStream::connect(service.http).expect("it listens");
    silent
        .set_read_timeout(Some(PATIENCE))
        .expect("a time-out is set");
    let read = silent.read(&mut [0]);
    assert!(matches!(read, Ok(0)), "not within {PATIENCE:?}: {read:?}");
}

#[test]
fn one_network_does_not_take_all_connections() {
    let folder = Folder::new("serve");
    let mut command = command(folder.path());
    command.args(["--public", "--url", "https://norelay.example"]);
    command.args(["--receive", &receiver_address().to_string(), "--domain", "probe.example"]);
    command.args([
        "--set",
        "contact=abuse@norelay.example",
        "--set",
        "limits.connections-per-network=3",
    ]);
    let service = spawn(command);
    let http = service.http;
    let held: Vec<_> = (0..3).map(|_| answered(http, "keep-alive")).collect();
    assert!(held.iter().all(Option::is_some), "three have places");
    assert!(!answers(http), "the fourth is turned away");
    drop(held);
    // The service gives a place back when it has seen the end of its connection, and tells nobody.
    // So the client comes again, as browsers do, and each time waits until it is turned away.
    let given_up = Instant::now() + PATIENCE;
    while !answers(http) {
        assert!(Instant::now() < given_up, "the places are not given back");
    }
}

/// Whether there is an answer on a new connection.
fn answers(http: SocketAddr) -> bool {
    answered(http, "close").is_some()
}

/// A new connection on which there was an answer.
fn answered(http: SocketAddr, connection: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(http).expect("it listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a time-out is set");
    drop(write!(
        stream,
        "GET /healthz HTTP/1.1\r\nHost: norelay.example\r\nConnection: {connection}\r\n\r\n"
    ));
    let mut start = [0; 12];
    stream
        .read_exact(&mut start)
        .ok()
        .filter(|()| start == *b"HTTP/1.1 200")
        .map(|()| stream)
}

/// The recipient of a message that proves something in a reception, and the reception's name.
fn token_of(made: &Value) -> (String, [String; 1]) {
    let text = |name: &str| made[name].as_str().expect("it is there").to_owned();
    let key = data_encoding::HEXLOWER
        .decode(text("key").as_bytes())
        .expect("hexadecimal");
    let key = norelay_core::token::TokenKey::new(key.try_into().expect("32 octets"));
    let role = norelay_core::token::TokenRole::Recipient;
    let token = key.mint(norelay_core::token::Token {
        run: text("run").parse().expect("a run"),
        path: norelay_core::path::PathId::FIRST,
        test: 1,
        role,
    });
    (text("id"), [format!("RCPT TO:<{token}@probe.example>")])
}

/// A laptop tests, the service's receiver proves.
#[test]
fn a_test_elsewhere_is_proved_by_the_service() {
    let folder = Folder::new("serve");
    let receiver = receiver_address();
    let service = start(folder.path(), receiver, None);
    let url = format!("http://{}/", service.http);
    let test = |server: &MailServer, url: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_norelay"));
        command.args([
            "test",
            &server.address.to_string(),
            "--receiver",
            url,
            "--output",
            "json",
            "--wait",
            "120s",
        ]);
        let output = command.output().expect("the executable was built");
        (
            output.status.code(),
            String::from_utf8(output.stdout).expect("UTF-8"),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, report, said) = test(&MailServer::open(receiver), &url);
    assert_eq!(code, Some(1), "{report} {said}");
    let report: Value = serde_json::from_str(&report).expect("the report is JSON");
    assert_eq!(report["verdict"], "open");
    assert_eq!(test(&MailServer::closed(), &url).0, Some(0), "a closed server stays closed");
    let nobody = loopback::unused();
    for url in [format!("http://{nobody}/"), format!("https://{nobody}"), "http://[::1".to_owned()]
    {
        let (code, _, said) = test(&MailServer::closed(), &url);
        assert!(
            code == Some(3) && said.contains("The receiver") && said.ends_with(".\n"),
            "{code:?} {said}"
        );
    }
}

#[test]
fn the_own_receiver_is_not_tested() {
    let folder = Folder::new("serve");
    let receiver = receiver_address();
    let service = start(folder.path(), receiver, None);
    let answer = post(service.http, "/api/v1/tests", &json!({"target": receiver.to_string()}));
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.body.contains("takes the mail of the probe domain"), "{answer:?}");
}

#[test]
fn slow_and_huge_requests_are_cut_off() {
    let folder = Folder::new("serve");
    let service = start(folder.path(), receiver_address(), None);
    let mut slow = TcpStream::connect(service.http).expect("it listens");
    slow.set_read_timeout(Some(PATIENCE))
        .expect("a time-out is set");
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ")
        .expect("it can be written");
    let ended = slow.read_to_end(&mut Vec::new());
    assert!(
        !ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        "a head that never ends is cut off within {PATIENCE:?}"
    );
    let mut huge = TcpStream::connect(service.http).expect("it listens");
    huge.set_read_timeout(Some(PATIENCE))
        .expect("a time-out is set");
    let field = format!("X-A: {}\r\n", "a".repeat(1 << 20));
    drop(huge.write_all(format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{field}\r\n").as_bytes()));
    let mut answer = Vec::new();
    drop(huge.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    let body = json!({"target": "x".repeat(1 << 20)});
    assert_eq!(post(service.http, "/api/v1/tests", &body).status, 413);
    assert_eq!(get(service.http, "/healthz").status, 200);
}

#[test]
fn settings_are_checked_and_secrets_are_not_said() {
    let folder = Folder::new("serve");
    let check = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = command(folder.path())
            .arg("--check-config")
            .args(arguments)
            .envs(variables.iter().copied())
            .output();
        let output = output.expect("the executable was built");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!said.contains("secret-word"), "{said}");
        (output.status.code(), said)
    };
    assert_eq!(check(&[], &[]), (Some(0), "The settings are in order.\n".to_owned()));
    for (arguments, variables, part) in [
        (&["--public"][..], &[][..], "Public mode needs url"),
        (&["--set", "no.such=1"], &[], "There is no setting"),
        (&["--set", "limits.running"], &[], "NAME=VALUE"),
        (&["--config", "/no/such/file"], &[], "can't be read"),
        (&[], &[("NORELAY_LIMITS_RUNNING", "0")], "at least 1"),
        (&[], &[("NORELAY_DATABASE", "mysql://norelay:secret-word@db/")], "database must begin"),
        (&["--receive", "127.0.0.1:2525"], &[], "needs test.domain"),
    ] {
        let (code, said) = check(arguments, variables);
        assert!(
            code == Some(3) && said.contains(part),
            "{arguments:?} {variables:?}: {code:?} {said}"
        );
    }
    // The address of a database that isn't there: the service says so without the password.
    let database = format!("postgres://norelay:secret-word@{}/norelay", loopback::unused());
    let output = command(folder.path())
        .env("NORELAY_DATABASE", database)
        .output()
        .expect("the executable was built");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(3)
            && said.contains("The store can't be opened")
            && !said.contains("secret-word"),
        "{said}"
    );
}

/// As the operators' document says: copied while in use, put back into an empty folder.
#[test]
fn a_backup_of_sqlite_is_restored() {
    let folder = Folder::new("serve");
    let service = start(folder.path(), receiver_address(), None);
    let id =
        post(service.http, "/api/v1/tests", &json!({"target": loopback::unused().to_string()}))
            .json()["id"]
            .as_str()
            .expect("a name")
            .to_owned();
    let records = service.follow(&id);
    let restored = Folder::new("restored");
    let copy = restored.path().join("norelay.sqlite3");
    let output = command(folder.path())
        .arg("--backup")
        .arg(&copy)
        .output()
        .expect("the executable was built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again = command(folder.path())
        .arg("--backup")
        .arg(&copy)
        .output()
        .expect("the executable was built");
    assert_eq!(again.status.code(), Some(3), "a copy is not written over");
    service.kill();
    std::fs::copy(folder.path().join("token.key"), restored.path().join("token.key"))
        .expect("the key is there");
    let service = start(restored.path(), receiver_address(), None);
    assert_eq!(service.follow(&id), records);
}

#[test]
fn a_backup_of_postgres_is_restored() {
    let (folder, postgres) = (Folder::new("serve"), Postgres::start());
    let database = postgres.database("norelay");
    let service = start(folder.path(), receiver_address(), Some(&database));
    let id =
        post(service.http, "/api/v1/tests", &json!({"target": loopback::unused().to_string()}))
            .json()["id"]
            .as_str()
            .expect("a name")
            .to_owned();
    let records = service.follow(&id);
    let dump = postgres
        .client("pg_dump")
        .args(["--format=custom", "norelay"])
        .output()
        .expect("pg_dump is part of PostgreSQL");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    service.kill();
    let restored = postgres.database("restored");
    let mut restore = postgres
        .client("pg_restore")
        .args(["--dbname=restored"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("pg_restore is part of PostgreSQL");
    restore
        .stdin
        .take()
        .expect("it is piped")
        .write_all(&dump.stdout)
        .expect("it reads");
    assert!(restore.wait().expect("it ends").success());
    let service = start(folder.path(), receiver_address(), Some(&restored));
    assert_eq!(service.follow(&id), records);
}

#[test]
fn the_log_holds_no_secrets() {
    let folder = Folder::new("serve");
    let made = command(folder.path())
        .args(["--new-key", "secret"])
        .output()
        .expect("the executable was built");
    let key = String::from_utf8(made.stdout)
        .expect("a key is ASCII")
        .trim()
        .to_owned();
    let mut command = command(folder.path());
    command.args(["--receive", &receiver_address().to_string(), "--domain", "probe.example"]);
    command.args(["--set", "log.level=debug", "--set", "log.format=json"]);
    let service = spawn(command);
    let http = service.http;
    let bearer = format!("Authorization: Bearer {key}");
    let body = json!({"target": loopback::unused().to_string()}).to_string();
    assert_eq!(http::ask(http, "POST", "/api/v1/tests", &[&bearer], &body).status, 201);
    let reception = post(http, "/api/v1/receptions", &json!({"target": "x"})).json();
    let log = service.log();
    let master = std::fs::read_to_string(folder.path().join("token.key")).expect("there is a key");
    assert!(log.contains("test queued"), "{log}");
    for secret in [&key[key.len() - 52..], reception["key"].as_str().expect("a key"), master.trim()]
    {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[test]
fn a_key_is_made_on_the_command_line() {
    let folder = Folder::new("serve");
    let mut command = command(folder.path());
    let output = command
        .args(["--new-key", "first", "--scopes", "admin,test", "--networks", "192.0.2.0/24"])
        .output();
    let output = output.expect("the executable was built");
    let key = String::from_utf8(output.stdout).expect("a key is ASCII");
    assert!(
        output.status.success() && key.starts_with("norelay_"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let service = start(folder.path(), receiver_address(), None);
    let bearer = format!("Authorization: Bearer {}", key.trim());
    let listed = http::ask(service.http, "GET", "/api/v1/keys", &[&bearer], "").json();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["scopes"]),
        (&json!("first"), &json!(["admin", "test"])),
        "{listed}"
    );
}

/// Whatever is asked for and tested, labels of metrics are of norelay's own making, and few.
#[test]
fn nobody_else_makes_labels_of_metrics() {
    let folder = Folder::new("serve");
    let service = start(folder.path(), receiver_address(), None);
    let hostile = "h0stile%22,code=%22550%22%7D%201%0Anorelay_x%201";
    for path in
        [format!("/{hostile}"), format!("/t/{hostile}"), format!("/tests/{hostile}?{hostile}")]
    {
        assert_eq!(get(service.http, &path).status, 404, "{path}");
    }
    post(
        service.http,
        "/api/v1/tests",
        &json!({"target": "h0stile\",code=\"550\"} 1\nnorelay_x 1"}),
    );
    let metrics = get(service.http, "/metrics");
    assert_eq!(metrics.status, 200, "{metrics:?}");
    assert!(
        metrics.body.contains("route=\"/t/{id}\"") && metrics.body.contains("route=\"none\""),
        "{}",
        metrics.body
    );
    assert!(
        !metrics.body.contains("h0stile") && !metrics.body.contains("norelay_x"),
        "{}",
        metrics.body
    );
}
