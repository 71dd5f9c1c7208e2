//! What the service asks of the probe: every path, what the settings say about ourselves, and one
//! path or test again.

#[path = "support/site.rs"]
mod site;
mod support;

use norelay_core::smtp::Security::{self, Plain, StartTls, Tls};
use norelay_probe::scan;
use norelay_server::{
    Settings,
    config::{ReceiverSettings, TestSettings},
};
use serde_json::json;
use site::Site;

const USER: &str = "192.0.2.1";

fn private() -> Settings {
    Settings { hosts: vec!["norelay.example".to_owned()], ..Settings::default() }
}

async fn asked(site: &Site, number: usize) -> scan::Request {
    site.clerk.requests.lock().expect("nobody panicked")[number].clone()
}

fn ways(request: &scan::Request) -> Vec<(u16, Security)> {
    request.ports.clone()
}

#[tokio::test]
async fn every_port_of_mail_is_tested_in_the_clear_and_under_tls() {
    let every = vec![(25, Plain), (25, StartTls), (465, Tls), (587, Plain), (587, StartTls)];
    let site = Site::new(private()).await;
    for (number, (request, expected)) in [
        (json!({"target": "192.0.2.7", "profile": "standard"}), every),
        (json!({"target": "192.0.2.7", "profile": "classic"}), vec![(25, Plain)]),
        (json!({"target": "192.0.2.7:2525"}), vec![(2525, Plain), (2525, StartTls)]),
        (
            json!({"target": "192.0.2.7", "ports": [465, 26]}),
            vec![(26, Plain), (26, StartTls), (465, Tls)],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = site.post(USER, "/api/v1/tests", &request).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        site.is_over(&answer.id()).await;
        assert_eq!(ways(&asked(&site, number).await), expected, "{request}");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one target in every form that a person can type")]
async fn a_path_alone_is_tested_as_the_part_of_the_target_that_it_is() {
    let site = Site::new(private()).await;
    site.book.host("example.net", &["192.0.2.7", "192.0.2.8"]);
    let whole = site
        .post(USER, "/api/v1/tests", &json!({"target": "user@example.net", "profile": "standard"}))
        .await;
    site.is_over(&whole.id()).await;
    assert_eq!(asked(&site, 0).await.local_domain.as_deref(), Some("example.net"));

    // The ninth path: STARTTLS on port 587 of the second address.
    let form =
        [("sec-fetch-site", "same-origin"), ("content-type", "application/x-www-form-urlencoded")];
    let again = format!("/t/{}/again", whole.id());
    let answer = site.ask(USER, "POST", &again, &form, "path=9").await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let page = answer.headers["location"]
        .to_str()
        .expect("an address")
        .to_owned();
    site.is_over(page.trim_start_matches("/t/")).await;
    let request = asked(&site, 1).await;
    assert_eq!(ways(&request), [(587, StartTls)]);
    assert_eq!(
        request.local_domain.as_deref(),
        Some("example.net"),
        "the hosted domain is still known"
    );
    assert_eq!(request.target, "user@example.net");
    let tested = site.clerk.assignments.lock().expect("nobody panicked")[1].clone();
    assert_eq!(tested.len(), 1);
    assert_eq!(
        tested[0].name.as_deref(),
        Some("example.net"),
        "and so is the name, for the certificate"
    );
    assert_eq!(tested[0].addresses, ["192.0.2.8".parse::<std::net::IpAddr>().expect("an address")]);
    assert!(request.every_path, "it is tested with everything, not with the first test alone");

    // One test on that path; and then all paths again.
    let again = format!("{page}/again");
    let one = site
        .ask(USER, "POST", &again, &form, "path=0&test=percent-host")
        .await;
    let one = one.headers["location"]
        .to_str()
        .expect("an address")
        .to_owned();
    site.is_over(one.trim_start_matches("/t/")).await;
    let request = asked(&site, 2).await;
    assert_eq!(
        request
            .tests
            .iter()
            .filter(|test| test.is_scored())
            .map(|test| test.id)
            .collect::<Vec<_>>(),
        ["percent-host"]
    );
    assert_eq!(ways(&request), [(587, StartTls)]);
    let all = site
        .ask(USER, "POST", &format!("{one}/again"), &form, "")
        .await;
    site.is_over(
        all.headers["location"]
            .to_str()
            .expect("an address")
            .trim_start_matches("/t/"),
    )
    .await;
    assert_eq!(ways(&asked(&site, 3).await).len(), 5);

    let gone = json!({"target": "user@example.net", "path": {"address": "192.0.2.9", "port": 25,
        "security": "plain"}});
    let answer = site.post(USER, "/api/v1/tests", &gone).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(
        answer
            .body
            .contains("192.0.2.9:25 (plain) is no longer a path of this target"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_the_settings_say_about_us_is_handed_on() {
    let text = |text: &str| text.parse().expect("an address");
    let config = Settings {
        test: TestSettings {
            domain: Some("probe.example".to_owned()),
            seen_as_expected: Some(text("198.51.100.9")),
            ..TestSettings::default()
        },
        receiver: ReceiverSettings {
            listen: vec!["10.0.0.1:25".parse().expect("an address")],
            addresses: vec![text("198.51.100.25"), text("2001:db8::25")],
            ..ReceiverSettings::default()
        },
        ..private()
    };
    let site = Site::new(config).await;
    site.whole_test(USER, "192.0.2.7").await;
    let request = asked(&site, 0).await;
    assert_eq!(request.receivers, [text("198.51.100.25"), text("2001:db8::25")]);
    assert_eq!(request.seen_as_expected, Some(text("198.51.100.9")));
    assert_eq!(request.traps.backup.as_deref(), Some("backup.probe.example"));
}
