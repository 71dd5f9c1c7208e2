//! The service in public mode against those who mean harm, and those who may do more than
//! strangers.

#[path = "support/site.rs"]
mod site;
mod support;

use norelay_server::{
    Settings, TestRequest,
    config::{LimitSettings, ReceiverSettings, TestSettings},
    rules::permission::choose,
    store::{ApiKey, KeyText, Scope},
};
use serde_json::json;
use site::{Site, public};

const USER: &str = "192.0.2.10";

fn limits(limits: LimitSettings) -> Settings {
    Settings { limits, ..public() }
}

/// Settings under which only what a test is about is limited.
fn unlimited() -> Settings {
    limits(LimitSettings {
        asker_hourly: 1_000,
        wide_hourly: 1_000,
        target_network_hourly: 1_000,
        target_minutes: 0,
        ..LimitSettings::default()
    })
}

/// These settings, with a receiver.
fn receiving(settings: Settings) -> Settings {
    let listen = vec!["127.0.0.1:25".parse().expect("an address")];
    Settings { receiver: ReceiverSettings { listen, ..ReceiverSettings::default() }, ..settings }
}

/// Asks for a test with proof. Returns the status of the answer.
async fn proof(site: &Site, target: &str) -> u16 {
    site.post(USER, "/api/v1/tests", &json!({"target": target, "proof": true}))
        .await
        .status
}

#[tokio::test]
async fn addresses_are_refused_however_they_are_written() {
    let site = Site::new(unlimited()).await;
    for (name, address) in [
        ("localhost", "127.0.0.1"),
        ("0x7f000001.example", "127.0.0.1"),
        ("internal.example", "10.0.0.5"),
        ("cgn.example", "100.64.1.1"),
        ("metadata.example", "169.254.169.254"),
        ("azure.example", "168.63.129.16"),
        ("aws6.example", "fd00:ec2::254"),
        ("link.example", "fe80::1"),
        ("ula.example", "fd12:3456::1"),
        ("mapped.example", "::ffff:10.0.0.1"),
        ("nat64.example", "64:ff9b::7f00:1"),
        ("sixtofour.example", "2002:7f00:1::1"),
        ("teredo.example", "2001:0:7f00:1::1"),
        ("compatible.example", "::127.0.0.1"),
        ("isatap.example", "2a00:1450:1:1:0:5efe:7f00:1"),
        ("multicast.example", "224.0.0.1"),
        ("broadcast.example", "255.255.255.255"),
        ("zero.example", "0.0.0.0"),
        ("documentation.example", "203.0.113.9"),
        ("v6zero.example", "::"),
    ] {
        site.book.host(name, &[address]);
        let bracketed =
            if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        for target in
            [name.to_owned(), bracketed.clone(), format!("{bracketed}:25"), format!("user@{name}")]
        {
            let answer = site.test(USER, &target).await;
            assert_eq!(answer.status, 403, "{target}: {answer:?}");
        }
    }
    for target in [
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "127.0.0.1.",
        "http://127.0.0.1/",
        "127.0.0.1:25:25",
        "[127.0.0.1",
        "８.8.8.8:0",
        "a@b@[127.0.0.1]",
        "\u{202e}example",
        "x\r\nRCPT TO:<y>",
        "",
        " ",
    ] {
        let answer = site.test(USER, target).await;
        assert!(matches!(answer.status, 403 | 422), "{target:?}: {answer:?}");
    }
    assert!(
        site.clerk
            .assignments
            .lock()
            .expect("nobody panicked")
            .is_empty(),
        "nothing was tested"
    );
}

#[tokio::test]
async fn what_is_public_is_tested_and_the_rest_is_named() {
    let site = Site::new(unlimited()).await;
    site.book
        .host("mixed.example", &["8.8.8.8", "10.0.0.1", "2a00:1450:4001:81b::200e"]);
    let answer = site.whole_test(USER, "mixed.example").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let tested = site.clerk.assignments.lock().expect("nobody panicked")[0][0]
        .addresses
        .clone();
    assert_eq!(
        tested.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["8.8.8.8", "2a00:1450:4001:81b::200e"]
    );
    let log = site
        .ask(USER, "GET", &format!("/api/v1/tests/{}/report/jsonl", answer.id()), &[], "")
        .await
        .body;
    assert!(log.contains("address_refused") && log.contains("10.0.0.1"), "{log}");
}

/// Nobody's server hears more than MAIL and RCPT at a stranger's wish: no DATA, no credentials, no
/// VRFY.
#[tokio::test]
async fn strangers_ask_by_rcpt_alone() {
    let site = Site::new(unlimited()).await;
    for (wish, status) in [
        (json!({"target": "8.8.8.8"}), 201),
        (json!({"target": "8.8.4.4", "profile": "standard"}), 201),
        (json!({"target": "1.1.1.1", "profile": "classic"}), 201),
        (json!({"target": "9.9.9.9", "only": ["auth-plain-random"]}), 403),
        (json!({"target": "9.9.9.9", "only": ["data-after-refused", "vrfy-disclosure"]}), 403),
    ] {
        let answer = site.post(USER, "/api/v1/tests", &wish).await;
        assert_eq!(answer.status, status, "{wish}: {answer:?}");
        if status == 201 {
            let request: TestRequest =
                serde_json::from_value(answer.json()["request"].clone()).expect("a request");
            let tests = choose(&request).expect("tests are left");
            assert!(tests.iter().all(|test| test.is_asked_by_rcpt()), "{wish}: {request:?}");
            assert!(tests.len() >= 22, "{wish}: {}", tests.len());
            site.is_over(&answer.id()).await;
        }
    }
}

#[tokio::test]
async fn a_name_cannot_be_pointed_elsewhere_after_the_check() {
    let site = Site::new(unlimited()).await;
    site.book.host("rebinding.example", &["8.8.8.8"]);
    site.book.host("rebinding.example", &["127.0.0.1"]);
    let answer = site.whole_test(USER, "rebinding.example").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let tested = site
        .clerk
        .assignments
        .lock()
        .expect("nobody panicked")
        .clone();
    assert_eq!(tested.len(), 1);
    assert_eq!(
        tested[0][0].addresses,
        ["8.8.8.8".parse::<std::net::IpAddr>().expect("an address")]
    );
    assert_eq!(site.book.asked(), 1, "a run has one resolution");
    assert_eq!(
        site.test(USER, "rebinding.example").await.status,
        403,
        "the next one sees where it points now"
    );
}

#[tokio::test]
async fn test_networks_can_be_allowed() {
    let config = Settings {
        test: TestSettings {
            allow_networks: vec!["10.9.0.0/16".parse().expect("a network")],
            ..TestSettings::default()
        },
        ..unlimited()
    };
    let site = Site::new(config).await;
    assert_eq!(site.whole_test(USER, "10.9.1.1").await.status, 201);
    assert_eq!(site.test(USER, "10.8.1.1").await.status, 403);
}

#[tokio::test]
async fn strangers_choose_neither_sender_nor_recipient_nor_more_than_rcpt() {
    let site = Site::new(receiving(unlimited())).await;
    for (request, status) in [
        (json!({"target": "8.8.8.8", "proof": true}), 403),
        (json!({"target": "8.8.8.8", "profile": "thorough"}), 403),
        (json!({"target": "8.8.8.8", "profile": "intrusive"}), 403),
        (json!({"target": "8.8.8.8", "ports": [25, 80]}), 403),
        (json!({"target": "8.8.8.8:2525"}), 403),
        (json!({"target": "8.8.8.8", "ports": [0]}), 422),
        (json!({"target": "8.8.8.8", "ports": (1..=20).collect::<Vec<_>>()}), 422),
        (json!({"target": "8.8.8.8", "ports": [65536]}), 422),
        (json!({"target": "8.8.8.8", "only": ["no-such-test"]}), 422),
        (
            json!({"target": "8.8.8.8", "skip": (1..=255).map(|number| number.to_string())
                .collect::<Vec<_>>()}),
            422,
        ),
        (json!({"target": "8.8.8.8", "from": "victim@example.net"}), 422),
        (json!({"target": "8.8.8.8", "domain": "victim.example"}), 422),
        (json!({"target": ["8.8.8.8"]}), 422),
        (json!({}), 422),
        (json!([]), 422),
        (json!({"target": "a".repeat(70_000)}), 413),
    ] {
        let answer = site.post(USER, "/api/v1/tests", &request).await;
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{request}");
        assert_eq!(answer.json()["status"], status);
    }
    assert_eq!(
        site.ask(USER, "POST", "/api/v1/tests", &[("content-type", "text/plain")], "{")
            .await
            .status,
        415
    );
    assert!(
        site.clerk
            .assignments
            .lock()
            .expect("nobody panicked")
            .is_empty(),
        "nothing was tested"
    );
}

/// Rows that other tests answer have no dialogue of their own: a job for one of them would ask
/// nothing, and judge the server by it.
#[tokio::test]
async fn a_test_that_is_read_from_others_is_not_asked_for() {
    let site = Site::new(unlimited()).await;
    for name in ["104", "plain-starttls", "plain-port-465", "107", "108", "144", "149"] {
        let request = json!({"target": "8.8.8.8", "only": ["1", name]});
        let answer = site.post(USER, "/api/v1/tests", &request).await;
        assert_eq!(answer.status, 422, "{name}: {answer:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{name}");
        let detail = answer.json()["detail"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let expected = "is read from the answers to other tests: /tests/";
        assert!(detail.contains(expected), "{name}: {detail}");
    }
}

#[tokio::test]
async fn a_network_has_its_tests_an_hour_whatever_address_it_uses() {
    let site = Site::new(limits(LimitSettings {
        asker_hourly: 3,
        wide_hourly: 5,
        target_minutes: 0,
        ..LimitSettings::default()
    }))
    .await;
    let mut statuses = Vec::new();
    for (from, target) in [
        ("2001:db8:0:1::1", "8.8.1.1"),
        ("2001:db8:0:1::2", "8.8.2.1"),
        ("2001:db8:0:1:ffff::", "8.8.3.1"),
        ("2001:db8:0:1::4", "8.8.4.1"),
        ("2001:db8:0:2::1", "8.8.5.1"),
        ("2001:db8:0:3::1", "8.8.6.1"),
        ("2001:db8:0:4::1", "8.8.7.1"),
        ("2001:db8:1::1", "8.8.8.1"),
    ] {
        let answer = site.whole_test(from, target).await;
        if answer.status == 429 {
            assert!(
                answer.headers.contains_key("retry-after") && answer.json()["until"].is_string(),
                "{answer:?}"
            );
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [201, 201, 201, 429, 201, 201, 429, 201], "three of a /64, five of a /48");
}

#[tokio::test]
async fn a_forwarded_address_counts_only_from_our_proxies() {
    let trusted_proxies = vec!["10.1.0.0/16".parse().expect("a network")];
    let config = Settings {
        trusted_proxies,
        ..limits(LimitSettings { asker_hourly: 1, target_minutes: 0, ..LimitSettings::default() })
    };
    let site = Site::new(config).await;
    let test = async |from: &str, forwarded: &str, target: &str| {
        let body = json!({"target": target}).to_string();
        let answer = site
            .ask(from, "POST", "/api/v1/tests", &[("x-forwarded-for", forwarded)], &body)
            .await;
        if answer.status == 201 {
            site.is_over(&answer.id()).await;
        }
        answer.status
    };
    assert_eq!(test("198.51.100.1", "203.0.113.1", "8.8.1.1").await, 201);
    assert_eq!(
        test("198.51.100.1", "203.0.114.1", "8.8.2.1").await,
        429,
        "a stranger's header is air"
    );
    assert_eq!(test("10.1.0.1", "203.0.115.1", "8.8.3.1").await, 201);
    assert_eq!(test("10.1.0.1", "203.0.116.1", "8.8.4.1").await, 201);
    assert_eq!(
        test("10.1.0.1", "192.0.2.1, 203.0.116.2", "8.8.5.1").await,
        429,
        "what the client wrote before is air"
    );
}

#[tokio::test]
async fn a_target_tested_recently_shows_that_result() {
    let site = Site::new(public()).await;
    site.book.host("mail.example", &["8.8.8.8"]);
    site.book.host("other-name.example", &["8.8.8.8"]);
    site.book.host("both.example", &["8.8.8.8", "8.8.9.9"]);
    let first = site.whole_test("192.0.2.1", "mail.example").await;
    assert_eq!(first.status, 201);
    for target in ["mail.example", "8.8.8.8", "other-name.example"] {
        let again = site.test("198.51.100.1", target).await;
        assert_eq!((again.status, again.id()), (200, first.id()), "{target}");
        assert_eq!(again.json()["recent"], true);
    }
    let other = site.test("198.51.100.1", "both.example").await;
    assert_eq!(other.status, 429, "another question about the same server has to wait: {other:?}");
    assert_eq!(
        site.clerk
            .assignments
            .lock()
            .expect("nobody panicked")
            .len(),
        1
    );
    // Deleting a result gives nothing back.
    let path = format!("/api/v1/tests/{}", first.id());
    assert_eq!(
        site.ask("198.51.100.1", "DELETE", &path, &[], "")
            .await
            .status,
        403,
        "not who has asked"
    );
    assert_eq!(
        site.ask("192.0.2.99", "DELETE", &path, &[], "")
            .await
            .status,
        204,
        "the same network"
    );
    assert_eq!(site.test("192.0.2.1", "mail.example").await.status, 429);
}

#[tokio::test]
async fn target_networks_and_the_whole_have_limits() {
    let site = Site::new(limits(LimitSettings {
        asker_hourly: 100,
        wide_hourly: 100,
        target_network_hourly: 2,
        hourly: 4,
        ..LimitSettings::default()
    }))
    .await;
    let mut statuses = Vec::new();
    for target in [
        "8.8.8.1",
        "8.8.8.2",
        "8.8.8.3",
        "2a00:1:1:1::1",
        "2a00:1:1:2::1",
        "2a00:1:1:3::1",
        "9.9.9.9",
    ] {
        statuses.push(site.whole_test(USER, target).await.status);
    }
    assert_eq!(statuses, [201, 201, 429, 201, 201, 429, 429]);
}

#[tokio::test]
async fn strangers_have_one_test_at_a_time() {
    let site = Site::new(unlimited()).await;
    site.let_end(false);
    let first = site.test(USER, "8.8.8.1").await;
    assert_eq!(first.status, 201);
    assert_eq!(site.test("192.0.2.77", "8.8.9.1").await.status, 429, "the same /24");
    assert_eq!(site.test("198.51.100.1", "8.8.10.1").await.status, 201, "another");
    site.let_end(true);
    site.is_over(&first.id()).await;
    assert_eq!(site.test(USER, "8.8.9.1").await.status, 201);
}

#[tokio::test]
async fn the_queue_has_an_end() {
    let site = Site::new(limits(LimitSettings {
        running: 1,
        queued: 1,
        target_minutes: 0,
        ..LimitSettings::default()
    }))
    .await;
    site.let_end(false);
    let mut statuses = Vec::new();
    for number in 1..=4 {
        let answer = site
            .test(&format!("198.51.{number}.1"), &format!("8.8.{number}.1"))
            .await;
        statuses.push(answer.status);
        if number == 1 {
            site.clerk.await_begun(1).await;
        }
    }
    assert_eq!(statuses, [201, 201, 429, 429]);
}

#[tokio::test]
async fn other_sites_pages_and_other_names_are_refused() {
    let site = Site::new(unlimited()).await;
    let body = json!({"target": "8.8.8.8"}).to_string();
    for (headers, status) in [
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "same-site")], 403),
        (vec![("sec-fetch-site", "cross-site"), ("origin", "https://norelay.example")], 403),
        (vec![("origin", "https://norelay.example")], 201),
    ] {
        let answer = site
            .ask(USER, "POST", "/api/v1/tests", &headers, &body)
            .await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
    }
    let private =
        Site::new(Settings { hosts: vec!["norelay.internal".to_owned()], ..Settings::default() })
            .await;
    for (host, status) in [
        ("127.0.0.1:8025", 200),
        ("localhost:8025", 200),
        ("norelay.internal", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
    ] {
        let answer = private
            .ask("127.0.0.1", "GET", "/api/v1/catalogue", &[("host", host)], "")
            .await;
        assert_eq!(answer.status, status, "{host}");
    }
}

#[tokio::test]
async fn pages_and_api_have_one_rate() {
    let site = Site::in_one_moment(limits(LimitSettings {
        requests_per_minute: 5,
        ..LimitSettings::default()
    }))
    .await;
    let mut statuses = Vec::new();
    for path in [
        "/",
        "/tests",
        "/api/v1/catalogue",
        "/t/aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "/no/such/page",
        "/fix",
        "/",
    ] {
        let answer = site.ask("2001:db8::1", "GET", path, &[], "").await;
        if answer.status == 429 {
            assert!(
                answer.headers.contains_key("retry-after") && answer.body.contains("slow down"),
                "{answer:?}"
            );
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 200, 200, 404, 404, 429, 429]);
    assert_eq!(
        site.ask("2001:db8::2", "GET", "/assets/x/y.css", &[], "")
            .await
            .status,
        404,
        "these aren't counted"
    );
    assert_eq!(
        site.ask("2001:db8:0:1::1", "GET", "/", &[], "")
            .await
            .status,
        200,
        "another network"
    );
}

#[tokio::test]
async fn requests_have_a_rate() {
    let site = Site::in_one_moment(limits(LimitSettings {
        requests_per_minute: 5,
        ..LimitSettings::default()
    }))
    .await;
    let mut statuses = Vec::new();
    for number in 0..7 {
        statuses.push(
            site.ask(&format!("192.0.2.{number}"), "GET", "/api/v1/catalogue", &[], "")
                .await
                .status,
        );
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    assert_eq!(
        site.ask("198.51.100.1", "GET", "/api/v1/catalogue", &[], "")
            .await
            .status,
        200
    );
}

async fn key(site: &Site, scopes: &[Scope], networks: &[&str], hourly: u32) -> (KeyText, String) {
    let text = KeyText::random();
    let key = ApiKey {
        id: text.id().to_owned(),
        name: "test".to_owned(),
        scopes: scopes.to_vec(),
        networks: networks
            .iter()
            .map(|network| network.parse().expect("a network"))
            .collect(),
        hourly,
        created: jiff::Timestamp::now(),
        expires: None,
        revoked: None,
    };
    site.state
        .store
        .create_key(&key, &text)
        .await
        .expect("kept");
    let bearer = format!("Bearer {}", text.expose());
    (text, bearer)
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told from its start")]
async fn keys_may_what_their_scopes_say() {
    let site = Site::new(receiving(public())).await;
    let (_, prover) = key(&site, &[Scope::Test, Scope::Prove], &["8.8.8.0/24"], 100).await;
    let (_, tester) = key(&site, &[Scope::Test], &["8.8.8.0/24"], 2).await;
    let (_, receiving) = key(&site, &[Scope::Receive], &[], 100).await;
    let (_, admin) = key(&site, &[Scope::Admin], &[], 100).await;
    let (revoked_text, revoked) = key(&site, &[Scope::Test], &[], 100).await;
    site.state
        .store
        .revoke_key(revoked_text.id(), jiff::Timestamp::now())
        .await
        .expect("revoked");
    let forged = format!("Bearer norelay_{}_{}", revoked_text.id(), "a".repeat(52));
    let test = |target: &str, proof: bool| json!({"target": target, "proof": proof}).to_string();
    for (name, bearer, target, proof, status) in [
        ("prover", &prover, "8.8.8.1", true, 201),
        ("prover elsewhere", &prover, "9.9.9.9", true, 403),
        ("tester", &tester, "8.8.8.2", true, 403),
        ("tester", &tester, "9.9.1.9", false, 201),
        ("tester", &tester, "9.9.2.9", false, 201),
        ("tester a third time", &tester, "9.9.3.9", false, 429),
        ("receiver", &receiving, "9.9.4.9", false, 403),
        ("admin", &admin, "9.9.5.9", false, 403),
        ("revoked", &revoked, "9.9.6.9", false, 401),
        ("forged", &forged, "9.9.7.9", false, 401),
        ("nonsense", &"Bearer x".to_owned(), "9.9.8.9", false, 401),
        ("basic", &"Basic YTpi".to_owned(), "9.9.9.9", false, 401),
    ] {
        let answer = site
            .ask(USER, "POST", "/api/v1/tests", &[("authorization", bearer)], &test(target, proof))
            .await;
        assert_eq!(answer.status, status, "{name} {target}: {answer:?}");
    }
    let wanted = json!({"name": "new", "scopes": ["test"]}).to_string();
    for (name, headers, status) in [
        ("nobody", vec![], 401),
        ("tester", vec![("authorization", tester.as_str())], 403),
        ("admin", vec![("authorization", admin.as_str())], 201),
    ] {
        assert_eq!(
            site.ask(USER, "POST", "/api/v1/keys", &headers, &wanted)
                .await
                .status,
            status,
            "{name}"
        );
    }
    let listed = site
        .ask(USER, "GET", "/api/v1/keys", &[("authorization", admin.as_str())], "")
        .await;
    assert!(!listed.body.contains(&prover[prover.len() - 52..]), "secrets are not listed");
    let reception = json!({"target": "x"}).to_string();
    assert_eq!(
        site.ask(
            USER,
            "POST",
            "/api/v1/receptions",
            &[("authorization", receiving.as_str())],
            &reception
        )
        .await
        .status,
        201
    );
    assert_eq!(
        site.ask(
            USER,
            "POST",
            "/api/v1/receptions",
            &[("authorization", tester.as_str())],
            &reception
        )
        .await
        .status,
        403
    );
}

#[tokio::test]
async fn the_same_request_twice_is_one_test() {
    let site = Site::new(unlimited()).await;
    let ask = async |from: &str, key: &str, target: &str| {
        let body = json!({"target": target}).to_string();
        let answer = site
            .ask(from, "POST", "/api/v1/tests", &[("idempotency-key", key)], &body)
            .await;
        if answer.status == 201 {
            site.is_over(&answer.id()).await;
        }
        answer
    };
    let first = ask(USER, "one", "8.8.8.8").await;
    let second = ask(USER, "one", "8.8.8.8").await;
    assert_eq!((second.status, second.id()), (201, first.id()));
    assert_eq!(
        ask(USER, "one", "8.8.9.9").await.status,
        422,
        "the key was used for another request"
    );
    assert_ne!(ask(USER, "two", "8.8.8.8").await.id(), first.id());
    assert_ne!(
        ask("198.51.100.1", "one", "8.8.8.8").await.id(),
        first.id(),
        "keys are of who asks"
    );
    assert_eq!(ask(USER, &"k".repeat(256), "8.8.8.8").await.status, 400);
    assert_eq!(
        site.clerk
            .assignments
            .lock()
            .expect("nobody panicked")
            .len(),
        3
    );
}

#[tokio::test]
async fn control_is_shown_by_dns_only_where_the_address_agrees() {
    let site = Site::new(receiving(unlimited())).await;
    site.book.host("mx.owner.example", &["8.8.8.8"]);
    site.book.host("victim.owner.example", &["9.9.9.9"]);
    site.book.host("mx.not-owner.example", &["8.8.8.8"]);
    site.book.reverse("8.8.8.8", "mx.owner.example");
    site.book.reverse("9.9.9.9", "mail.victim.example");
    let shown = site
        .ask(USER, "GET", "/api/v1/proofs/dns?domain=Owner.Example", &[], "")
        .await
        .json();
    assert_eq!(shown["name"], "_norelay.owner.example");
    let domain = json!({"domain": "owner.example"});
    assert_eq!(
        site.post(USER, "/api/v1/proofs/dns", &domain).await.status,
        403,
        "it isn't published"
    );
    site.book
        .text("_norelay.owner.example", "norelay-verify=somethingelse");
    assert_eq!(site.post(USER, "/api/v1/proofs/dns", &domain).await.status, 403, "it is wrong");
    assert_eq!(proof(&site, "mx.owner.example").await, 403);
    site.book
        .text("_norelay.owner.example", shown["value"].as_str().expect("a value"));
    assert_eq!(
        site.post("198.51.100.1", "/api/v1/proofs/dns", &domain)
            .await
            .status,
        403,
        "the record is for one asker"
    );
    assert_eq!(site.post(USER, "/api/v1/proofs/dns", &domain).await.status, 201);
    assert_eq!(
        proof(&site, "victim.owner.example").await,
        403,
        "a name that points at somebody else's server"
    );
    assert_eq!(proof(&site, "mx.not-owner.example").await, 403, "another name of the same server");
    assert_eq!(proof(&site, "mx.owner.example").await, 201);
    for no_domain in ["", "a b", "127.0.0.1", "x\u{0}"] {
        assert_eq!(
            site.post(USER, "/api/v1/proofs/dns", &json!({"domain": no_domain}))
                .await
                .status,
            422,
            "{no_domain:?}"
        );
    }
}

#[tokio::test]
async fn networks_are_left_alone_when_their_owners_say_so() {
    let site = Site::new(unlimited()).await;
    let (_, admin) = key(&site, &[Scope::Admin], &[], 10).await;
    let (_, owner) = key(&site, &[Scope::Test, Scope::Prove], &["8.8.0.0/16"], 100).await;
    let as_key = |bearer: &str| [("authorization".to_owned(), bearer.to_owned())];
    let opt_out = async |bearer: Option<&str>, method: &str, network: &str| {
        let headers: Vec<_> = bearer.into_iter().flat_map(as_key).collect();
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let path = if method == "DELETE" {
            format!("/api/v1/opt-outs?network={network}")
        } else {
            "/api/v1/opt-outs".to_owned()
        };
        let body = if method == "DELETE" {
            String::new()
        } else {
            json!({"network": network}).to_string()
        };
        site.ask(USER, method, &path, &headers, &body).await.status
    };
    assert_eq!(opt_out(None, "POST", "8.8.8.0/24").await, 403, "somebody else's");
    assert_eq!(opt_out(Some(&owner), "POST", "8.0.0.0/8").await, 403, "more than is theirs");
    assert_eq!(opt_out(Some(&owner), "POST", "8.8.8.0/24").await, 204);
    assert_eq!(opt_out(Some(&admin), "POST", "9.9.9.0/24").await, 204);
    assert_eq!(opt_out(None, "POST", "nonsense").await, 422);
    for (target, status) in [("8.8.8.200", 403), ("9.9.9.9", 403), ("8.8.9.1", 201)] {
        assert_eq!(site.whole_test(USER, target).await.status, status, "{target}");
    }
    assert_eq!(opt_out(None, "DELETE", "8.8.8.0/24").await, 403);
    assert_eq!(opt_out(Some(&owner), "DELETE", "8.8.8.0/24").await, 204);
    assert_eq!(opt_out(Some(&owner), "DELETE", "8.8.8.0/24").await, 404);
    assert_eq!(site.whole_test(USER, "8.8.8.200").await.status, 201);
}

#[tokio::test]
async fn metrics_are_for_listed_networks_and_not_through_a_proxy() {
    let site = Site::new(public()).await;
    assert_eq!(
        site.ask("198.51.100.1", "GET", "/metrics", &[], "")
            .await
            .status,
        403
    );
    assert_eq!(
        site.ask("127.0.0.1", "GET", "/metrics", &[("x-forwarded-for", "198.51.100.1")], "")
            .await
            .status,
        403
    );
    assert_ne!(
        site.ask("127.0.0.1", "GET", "/metrics", &[], "")
            .await
            .status,
        403
    );
    assert_eq!(
        site.ask("198.51.100.1", "GET", "/healthz", &[], "")
            .await
            .status,
        200
    );
}

/// A mailer that keeps the last letter.
#[derive(Default)]
struct Letterbox(std::sync::Mutex<Vec<(std::net::IpAddr, norelay_server::rules::mailing::Letter)>>);

impl norelay_server::rules::mailing::Mailer for Letterbox {
    fn mail(
        &self,
        address: std::net::IpAddr,
        letter: norelay_server::rules::mailing::Letter,
    ) -> futures_util::future::BoxFuture<'_, Result<(), String>> {
        self.0
            .lock()
            .expect("nobody panicked")
            .push((address, letter));
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told from its start")]
async fn control_is_shown_by_a_code_that_went_through_the_server() {
    use norelay_server::{Client, Refusal};

    let site = Site::new(receiving(unlimited())).await;
    site.book.host("owner.example", &["8.8.8.8", "10.0.0.1"]);
    let (letters, address) = (Letterbox::default(), "8.8.8.8".parse().expect("an address"));
    let asker = Client::anonymous(USER.parse().expect("an address"));
    let other = Client::anonymous("198.51.100.1".parse().expect("an address"));
    for (domain, through, part) in [
        ("owner.example", "9.9.9.9", "not a mail exchanger"),
        ("owner.example", "10.0.0.1", "private"),
        ("a b", "8.8.8.8", "not a host name"),
        ("nowhere.example", "8.8.8.8", "was not found"),
    ] {
        let refused = site
            .state
            .runs
            .control()
            .mail_code(&letters, &asker, domain, through.parse().expect("an address"))
            .await;
        let why = match refused.expect_err("it is refused") {
            Refusal::Malformed(why) | Refusal::Forbidden(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(why.contains(part), "{domain} {through}: {why}");
    }
    assert!(letters.0.lock().expect("nobody panicked").is_empty(), "nothing was mailed");
    let challenge = site
        .state
        .runs
        .control()
        .mail_code(&letters, &asker, "Owner.Example", address)
        .await
        .expect("it is mailed");
    let (through, letter) = letters.0.lock().expect("nobody panicked")[0].clone();
    assert_eq!((through, letter.forward_path.as_str()), (address, "<postmaster@owner.example>"));
    assert!(
        letter.text.is_ascii()
            && letter
                .text
                .split("\r\n")
                .all(|line| line.len() < 78 && !line.contains(['\r', '\n'])),
        "{}",
        letter.text
    );
    let code = letter
        .text
        .lines()
        .find_map(|line| line.strip_prefix("    "))
        .expect("it has the code")
        .to_owned();
    let check = async |asker: &Client, code: &str| {
        site.state
            .runs
            .control()
            .check_mailed(asker, challenge.id, code)
            .await
            .is_ok()
    };
    assert!(!check(&asker, &"a".repeat(26)).await, "a wrong code");
    assert!(!check(&other, &code).await, "somebody else with the code");
    assert!(check(&asker, &format!(" {} ", code.to_uppercase())).await);
    assert!(!check(&asker, &code).await, "a code counts once");
    assert_eq!((proof(&site, "9.9.9.9").await, proof(&site, "8.8.8.8").await), (403, 201));

    // After five wrong answers the right one comes too late, and after three letters there are no
    // more that day.
    let challenge = site
        .state
        .runs
        .control()
        .mail_code(&letters, &asker, "owner.example", address)
        .await
        .expect("it is mailed");
    let code = letters.0.lock().expect("nobody panicked")[1]
        .1
        .text
        .lines()
        .find_map(|line| line.strip_prefix("    ").map(str::to_owned))
        .expect("it has the code");
    for _ in 0..5 {
        assert!(
            site.state
                .runs
                .control()
                .check_mailed(&asker, challenge.id, "wrong")
                .await
                .is_err()
        );
    }
    assert!(
        site.state
            .runs
            .control()
            .check_mailed(&asker, challenge.id, &code)
            .await
            .is_err()
    );
    site.state
        .runs
        .control()
        .mail_code(&letters, &asker, "owner.example", address)
        .await
        .expect("the third");
    let fourth = site
        .state
        .runs
        .control()
        .mail_code(&letters, &other, "owner.example", address)
        .await;
    assert!(matches!(fourth, Err(Refusal::Limited { .. })), "{fourth:?}");
}

#[tokio::test]
async fn event_streams_are_not_hoarded() {
    use axum::{body::Body, extract::ConnectInfo, http::Request};
    use tower::ServiceExt;

    let site =
        Site::new(limits(LimitSettings { streams_per_network: 2, ..LimitSettings::default() }))
            .await;
    site.let_end(false);
    let id = site.test(USER, "8.8.8.8").await.id();
    let open = async |from: &str| {
        let peer = std::net::SocketAddr::new(from.parse().expect("an address"), 40_000);
        let request = Request::builder()
            .uri(format!("/api/v1/tests/{id}/events"))
            .header("host", "norelay.example");
        let request = request
            .extension(ConnectInfo(peer))
            .body(Body::empty())
            .expect("a request");
        site.router
            .clone()
            .oneshot(request)
            .await
            .expect("the router answers")
    };
    let (first, second) = (open("2001:db8::1").await, open("2001:db8::2").await);
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    assert_eq!(open("2001:db8::3").await.status().as_u16(), 429, "the same /64");
    assert_eq!(open("198.51.100.1").await.status().as_u16(), 200);
    drop(first);
    assert_eq!(open("2001:db8::3").await.status().as_u16(), 200, "a place was given back");
}

#[tokio::test]
async fn a_result_says_when_its_target_can_be_tested_again() {
    let site = Site::new(public()).await;
    let form =
        [("sec-fetch-site", "same-origin"), ("content-type", "application/x-www-form-urlencoded")];
    let first = site.ask(USER, "POST", "/", &form, "target=8.8.8.8").await;
    assert_eq!(first.status, 303, "{first:?}");
    let page = first.headers["location"]
        .to_str()
        .expect("an address")
        .to_owned();
    site.is_over(page.trim_start_matches("/t/")).await;
    let own = site.ask(USER, "GET", &page, &[], "").await.body;
    assert!(
        own.contains("Another test of this target can be started after <time datetime=\"20"),
        "{own}"
    );
    // Who asks for the same sees that result, and why, and until when; so does who presses the
    // button on its page.
    for (address, body) in [("/", "target=8.8.8.8"), (&*format!("{page}/again"), "")] {
        let again = site.ask("198.51.100.7", "POST", address, &form, body).await;
        assert_eq!(again.headers["location"], format!("{page}?recent"), "{again:?}");
    }
    let recent = site
        .ask("198.51.100.7", "GET", &format!("{page}?recent"), &[], "")
        .await
        .body;
    assert!(recent.contains("A new test can be started after <time datetime=\"20"), "{recent}");
    assert!(!recent.contains("/delete\""), "another's result can't be deleted");
    assert!(own.contains("/delete\""), "one's own can");
}
