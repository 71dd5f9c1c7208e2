//! The whole service in this process, over real connections: a test from the request to the report.

mod support;

use std::{net::SocketAddr, path::Path, sync::mpsc};

use norelay_server::{
    config::{Layers, Settings},
    service::{self, Addresses},
};
use serde_json::{Value, json};
use support::{
    Folder,
    http::{self, get, post},
    mail::MailServer,
};

/// A service in a thread of its own.
struct Running {
    http: SocketAddr,
    receiver: Option<SocketAddr>,
    connect_back: Option<SocketAddr>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn config(folder: &Path, settings: &[(&str, &str)]) -> Settings {
    let data = folder.to_str().expect("the folder's name is ours");
    let fixed = [
        ("data", data),
        ("listen", "127.0.0.1:0"),
        ("test.timeout", "60s"),
        ("test.wait", "60s"),
        ("test.domain", "probe.example"),
    ];
    let all = fixed.iter().chain(settings);
    all.fold(Layers::default(), |layers, (name, value)| {
        layers.flag(name, value).expect("the settings are ours")
    })
    .config()
    .expect("the settings are ours")
}

fn start(folder: &Path, settings: &[(&str, &str)]) -> Running {
    let config = config(folder, settings);
    let (ready, is_ready) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let stop = async { drop(stopped.await) };
        let ready =
            move |addresses: &Addresses| ready.send(addresses.clone()).expect("the test waits");
        runtime
            .expect("a runtime starts")
            .block_on(service::serve(config, ready, stop))
            .expect("it can be served");
    });
    let addresses = is_ready.recv().expect("the service starts");
    Running {
        http: addresses.http.expect("pages are served"),
        receiver: addresses.receiver.first().copied(),
        connect_back: addresses.connect_back.first().copied(),
        stop: Some(stop),
        thread: Some(thread),
    }
}

impl Running {
    fn test(&self, request: &Value) -> String {
        let answer = post(self.http, "/api/v1/tests", request);
        assert_eq!(answer.status, 201, "{answer:?}");
        assert!(
            answer
                .header("location")
                .expect("it has a place")
                .starts_with("/api/v1/tests/")
        );
        answer.json()["id"]
            .as_str()
            .expect("it has a name")
            .to_owned()
    }

    fn follow(&self, id: &str) -> Vec<Value> {
        http::follow(self.http, id)
    }

    fn shown(&self, id: &str) -> Value {
        get(self.http, &format!("/api/v1/tests/{id}")).json()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        assert!(
            std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()),
            "the service ends well"
        );
    }
}

fn is(record: &Value, event: &str) -> bool {
    record["event"] == event
}

#[test]
fn a_closed_server_is_closed() {
    let folder = Folder::new("service");
    let service = start(folder.path(), &[]);
    let server = MailServer::closed();
    let id = service.test(&json!({"target": server.address.to_string()}));
    let records = service.follow(&id);
    assert!(
        is(&records[0], "run_started")
            && is(records.last().expect("there are some"), "run_finished")
    );
    http::is_finished(service.http, &id, "closed");
    let report = |format: &str| get(service.http, &format!("/api/v1/tests/{id}/report/{format}"));
    assert!(
        report("text")
            .body
            .contains("All tests performed, no relays accepted."),
        "{}",
        report("text").body
    );
    assert_eq!(report("json").json()["verdict"], "closed");
    assert_eq!(report("jsonl").body.lines().count(), records.len());
    for (format, kind) in [
        ("csv", "text/csv"),
        ("junit", "application/xml"),
        ("sarif", "application/sarif+json"),
        ("html", "text/html"),
    ] {
        assert!(
            report(format)
                .header("content-type")
                .expect("it has a type")
                .starts_with(kind),
            "{format}"
        );
    }
    assert_eq!(report("pdf").status, 404);
    // A second look gives the same, and what was seen already isn't given again.
    assert_eq!(service.follow(&id), records);
    let rest = get(service.http, &format!("/api/v1/tests/{id}/events?since={}", records.len() - 1));
    assert_eq!(http::records(&rest).len(), 1);
    let last = format!("Last-Event-ID: {}", records.len());
    assert!(
        http::records(&http::ask(
            service.http,
            "GET",
            &format!("/api/v1/tests/{id}/events"),
            &[&last],
            ""
        ))
        .is_empty()
    );
}

#[test]
fn an_open_relay_is_proved_by_what_comes_back() {
    let folder = Folder::new("service");
    let service = start(folder.path(), &[("receiver.listen", "127.0.0.1:0")]);
    let server = MailServer::open(service.receiver.expect("the receiver listens"));
    let id = service.test(&json!({"target": server.address.to_string(), "proof": true}));
    let records = service.follow(&id);
    let messages = records
        .iter()
        .filter(|record| is(record, "sent") && record["stage"] == "end_of_data")
        .count();
    assert!((1..=3).contains(&messages), "{messages} messages were sent");
    // A message may have several recipients, and each of them is a receipt.
    assert!(records.iter().any(|record| is(record, "received")));
    http::is_finished(service.http, &id, "open");
}

#[test]
fn without_proof_nothing_goes_past_rcpt() {
    let folder = Folder::new("service");
    let service = start(folder.path(), &[("receiver.listen", "127.0.0.1:0")]);
    let server = MailServer::open(service.receiver.expect("the receiver listens"));
    for (profile, said) in
        [("classic", &["data", "end_of_data"][..]), ("standard", &["end_of_data"])]
    {
        // The standard tests ask for DATA after a refusal, and give no text.
        let id = service.test(&json!({"target": server.address.to_string(), "profile": profile}));
        let records = service.follow(&id);
        let goes_past = |record: &Value| {
            said.iter().any(|stage| record["stage"] == *stage) || is(record, "received")
        };
        assert_eq!(records.iter().find(|record| goes_past(record)), None, "{profile}");
        assert_eq!(service.shown(&id)["verdict"], "suspect", "{profile}");
    }
}

#[test]
fn a_run_goes_on_after_a_graceful_stop() {
    let folder = Folder::new("service");
    let server = MailServer::start(None, 5);
    let service = start(folder.path(), &[]);
    let id = service.test(&json!({"target": server.address.to_string()}));
    server.await_recipients(6);
    drop(service);
    server.raise();
    let service = start(folder.path(), &[]);
    let records = service.follow(&id);
    http::is_finished(service.http, &id, "closed");
    assert_eq!(http::count(&records, "run_started"), 1);
    assert_eq!(http::count(&records, "run_finished"), 1);
    let dialogues: Vec<_> = records
        .iter()
        .filter(|record| is(record, "opened"))
        .map(|record| record["dialogue"].as_u64())
        .collect();
    let mut unique = dialogues.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), dialogues.len(), "each dialogue has its own number");
}

/// A run that another version has begun: with a test and a note that this one has no words for, and
/// a record of another version of the event language.
#[test]
fn a_run_goes_on_after_an_upgrade() {
    let folder = Folder::new("service");
    let server = MailServer::start(None, 5);
    let service = start(folder.path(), &[]);
    let id = service.test(&json!({"target": server.address.to_string()}));
    server.await_recipients(6);
    drop(service);
    let others = [
        json!({"v": 1, "at": "2026-11-24T00:00:00Z", "event": "tests_added", "path": 0,
            "tests": ["test-of-yesterday"]}),
        json!({"v": 1, "at": "2026-11-24T00:00:00Z", "event": "noted", "tag": "note_of_yesterday",
            "arguments": ["x"]}),
        json!({"v": 0, "at": "2026-11-24T00:00:00Z", "event": "run_finished", "stopped": false}),
    ];
    let others = others.map(|record| serde_json::from_value(record).expect("a record"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let store = norelay_server::Store::sqlite(folder.path())
            .await
            .expect("nobody else has it");
        let lease = jiff::SignedDuration::from_mins(1);
        let claimed = store
            .claim("yesterday", jiff::Timestamp::now(), lease)
            .await
            .expect("the database");
        let (_, lease) = claimed.expect("the job was given back");
        store
            .append(&lease, &others)
            .await
            .expect("the lease holds");
        assert!(store.release(&lease).await.expect("the lease holds"));
    });
    server.raise();
    let service = start(folder.path(), &[]);
    let records = service.follow(&id);
    http::is_finished(service.http, &id, "closed");
    assert_eq!(http::count(&records, "run_started"), 1);
    let report = get(service.http, &format!("/api/v1/tests/{id}/report/json")).json();
    assert_eq!(report["summary"], "All tests performed, no relays accepted.", "{report}");
}

#[test]
fn a_run_is_stopped_and_deleted() {
    let folder = Folder::new("service");
    let service = start(folder.path(), &[]);
    let server = MailServer::start(None, 3);
    let id = service.test(&json!({"target": server.address.to_string()}));
    assert_eq!(post(service.http, &format!("/api/v1/tests/{id}/stop"), &json!({})).status, 202);
    let records = service.follow(&id);
    assert_eq!(records.last().expect("there are some")["stopped"], true);
    assert_eq!(service.shown(&id)["state"], "interrupted");
    let path = format!("/api/v1/tests/{id}");
    assert_eq!(http::ask(service.http, "DELETE", &path, &[], "").status, 204);
    assert_eq!(http::ask(service.http, "DELETE", &path, &[], "").status, 404);
    assert_eq!(get(service.http, &path).status, 404);
    assert_eq!(get(service.http, &format!("{path}/events")).status, 404);
    server.raise();
}

#[test]
fn a_test_that_runs_elsewhere_learns_what_came() {
    let folder = Folder::new("service");
    let service = start(folder.path(), &[("receiver.listen", "127.0.0.1:0")]);
    let made = post(service.http, "/api/v1/receptions", &json!({"target": "mail.example.net"}));
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let text = |name: &str| made[name].as_str().expect("it is there").to_owned();
    assert_eq!(text("domain"), "probe.example");
    let octets = data_encoding::HEXLOWER
        .decode(text("key").as_bytes())
        .expect("the key is hexadecimal");
    let key = norelay_core::token::TokenKey::new(octets.try_into().expect("the key has 32 octets"));
    let run = text("run").parse().expect("a run's name");
    let mint = |role| {
        key.mint(norelay_core::token::Token {
            run,
            path: norelay_core::path::PathId::FIRST,
            test: 1,
            role,
        })
    };
    let path = format!("/api/v1/receptions/{}/receipts", text("id"));
    assert_eq!(get(service.http, &path).json(), json!([]));
    let token = mint(norelay_core::token::TokenRole::Recipient);
    let waiting = {
        let (to, path) = (service.http, format!("{path}?wait=30"));
        std::thread::spawn(move || get(to, &path).json())
    };
    let recipient = format!("RCPT TO:<{token}@probe.example>");
    let receiver = service.receiver.expect("the receiver listens");
    support::mail::hand_on(receiver, "MAIL FROM:<>", &[recipient], "Subject: x\r\n\r\nx\r\n")
        .expect("it is taken");
    let came = waiting.join().expect("the client ends well");
    assert_eq!(came[0]["receipt"]["token"]["test"], 1, "{came}");
    assert_eq!(get(service.http, &format!("{path}?since={}", came[0]["number"])).json(), json!([]));
    // Another run's token, made with this run's key, opens nothing.
    let forged = key.mint(norelay_core::token::Token {
        run: norelay_core::token::RunId(7),
        path: norelay_core::path::PathId::FIRST,
        test: 1,
        role: norelay_core::token::TokenRole::Recipient,
    });
    let forged = format!("RCPT TO:<{forged}@probe.example>");
    support::mail::hand_on(receiver, "MAIL FROM:<>", &[forged], "x\r\n")
        .expect_err("it is refused");
    assert_eq!(
        get(service.http, &format!("/api/v1/receptions/{}/receipts", text("id")))
            .json()
            .as_array()
            .expect("a list")
            .len(),
        1
    );
}

#[test]
fn whoever_connects_back_proves_the_address() {
    let folder = Folder::new("service");
    let service = start(folder.path(), &[("connect-back.listen", "127.0.0.1:0")]);
    let mut told = String::new();
    let mut door = std::net::TcpStream::connect(service.connect_back.expect("it listens"))
        .expect("it listens");
    std::io::Read::read_to_string(&mut door, &mut told).expect("it tells");
    assert!(told.contains("Your address is 127.0.0.1."), "{told}");
    let code = told
        .lines()
        .find_map(|line| line.strip_prefix("Your code is "))
        .expect("there is a code");
    let proved = post(
        service.http,
        "/api/v1/proofs/connect",
        &json!({"code": format!(" {} ", code.to_uppercase())}),
    );
    assert_eq!(
        (proved.status, &proved.json()["subject"]),
        (201, &json!("127.0.0.1/32")),
        "{proved:?}"
    );
    assert_eq!(
        post(service.http, "/api/v1/proofs/connect", &json!({"code": code})).status,
        403,
        "a code counts once"
    );
    assert_eq!(
        get(service.http, "/api/v1/proofs")
            .json()
            .as_array()
            .expect("a list")
            .len(),
        1
    );
}

#[test]
fn one_folder_has_one_service() {
    let folder = Folder::new("service");
    let _service = start(folder.path(), &[]);
    let second = config(folder.path(), &[]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let error = runtime
        .block_on(service::serve(second, |_| {}, async {}))
        .expect_err("the folder is taken");
    assert!(
        error
            .to_string()
            .contains("Another norelay serve uses the data folder"),
        "{error}"
    );
}

#[test]
fn pages_are_served_under_tls() {
    let folder = Folder::new("tls");
    let made = rcgen::generate_simple_self_signed(vec!["norelay.example".to_owned()])
        .expect("a certificate can be made");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("the folder is ours");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("the folder is ours");
    let text = |path: &std::path::PathBuf| path.to_str().expect("UTF-8").to_owned();
    let service =
        start(folder.path(), &[("tls.certificate", &text(&certificate)), ("tls.key", &text(&key))]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let answer = runtime.block_on(async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let stream = tokio::net::TcpStream::connect(service.http)
            .await
            .expect("it listens");
        let address = service.http.ip();
        let (mut stream, facts) =
            norelay_probe::secure::handshake(Box::new(stream), Some("norelay.example"), address)
                .await
                .expect("TLS");
        assert!(facts.version.starts_with("TLSv1"), "{facts:?}");
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.expect("it reads");
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer).await);
        answer
    });
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_a_sentence() {
    let folder = Folder::new("tls");
    let nothing = folder.path().join("nothing.pem");
    std::fs::write(&nothing, "").expect("the folder is ours");
    let nothing = nothing.to_str().expect("UTF-8");
    let config = config(folder.path(), &[("tls.certificate", nothing), ("tls.key", nothing)]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let error = runtime
        .block_on(service::serve(config, |_| {}, async {}))
        .expect_err("there is no certificate");
    assert!(error.to_string().contains("TLS certificate"), "{error}");
}
