//! The page of blacklists, with lists that a real DNS server on loopback plays.

#[path = "../../norelay-dns/tests/dns/mod.rs"]
mod dns;
#[path = "support/site.rs"]
mod site;
mod support;

use dns::{Unbound, Zone};
use jiff::Timestamp;
use norelay_core::check::Verdict;
use norelay_server::{
    JobId, JobState, Settings,
    config::{LimitSettings, TestSettings},
};
use serde_json::json;
use site::{Answer, Site, public};

const USER: &str = "192.0.2.1";
const OURS: [(&str, &str); 2] =
    [("sec-fetch-site", "same-origin"), ("content-type", "application/x-www-form-urlencoded")];

/// 8.8.4.25 is listed by the list that matters most, with words that could act; another list
/// answers everything.
const ZONES: [Zone<'static>; 4] = [
    Zone::Holds(
        "zen.spamhaus.org",
        &[
            "2.0.0.127.zen.spamhaus.org. A 127.0.0.2",
            "25.4.8.8.zen.spamhaus.org. A 127.0.0.4",
            "25.4.8.8.zen.spamhaus.org. TXT \"<script>alert(1)</script>\"",
        ],
    ),
    Zone::Everything("bl.spamcop.net", &["A 127.0.0.2"]),
    Zone::Holds("psbl.surriel.com", &["2.0.0.127.psbl.surriel.com. A 127.0.0.2"]),
    Zone::NothingElse,
];

fn config(server: &Unbound, config: Settings) -> Settings {
    Settings {
        hosts: vec!["norelay.example".to_owned()],
        test: TestSettings { resolver: Some(server.address), ..TestSettings::default() },
        ..config
    }
}

async fn look_up(site: &Site, from: &str, form: &str) -> Answer {
    site.ask(from, "POST", "/blacklist", &OURS, form).await
}

/// Where each of these stands in a page; they must all be there, in this order.
fn assert_order(page: &str, parts: &[&str]) {
    let mut rest = page;
    for part in parts {
        let place = rest
            .find(part)
            .unwrap_or_else(|| panic!("{part:?} is not in its place in {page}"));
        rest = &rest[place..];
    }
}

#[tokio::test]
async fn listings_come_first_then_what_is_unknown_and_why_then_the_rest() {
    let server = Unbound::start(&ZONES);
    let site = Site::new(config(&server, Settings::default())).await;
    let form = site
        .ask(USER, "GET", "/blacklist?target=8.8.4.25", &[], "")
        .await;
    assert!(
        form.body.contains("value=\"8.8.4.25\"") && server.questions().is_empty(),
        "only the form looks up"
    );
    let answer = look_up(&site, USER, "target=8.8.4.25").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_order(
        &answer.body,
        &[
            "First close the relay, or prove it closed.",
            "<h2 class=\"sentence\">8.8.4.25 is listed",
            "<h3>Listed</h3>",
            "zen.spamhaus.org",
            "&#60;script&#62;alert(1)",
            "passed",
            "<h3>Unknown",
            "bl.spamcop.net",
            "failed",
            "Not listed by",
            "psbl.surriel.com",
            "dead lists, never asked",
            "sorbs.net",
            "5 June 2024",
        ],
    );
    assert!(!answer.body.contains("check.spamhaus.org"), "no way off before a test says closed");
    assert!(
        server
            .questions()
            .iter()
            .all(|question| !question.contains("sorbs")),
        "dead lists are not asked"
    );
    let clean = look_up(&site, USER, "target=8.8.4.26").await;
    assert!(!clean.body.contains("First close the relay"), "nothing to get off from");
}

#[tokio::test]
async fn the_way_off_is_shown_when_a_test_of_that_server_says_closed_and_only_then() {
    let server = Unbound::start(&ZONES);
    let site = Site::new(config(&server, Settings::default())).await;
    let listed = "https://check.spamhaus.org";
    for (request, verdict, expected) in [
        (json!({"target": "8.8.4.25"}), Verdict::OpenRelay, "First close the relay: it is open"),
        (
            json!({"target": "8.8.4.25"}),
            Verdict::Suspect,
            "First close the relay: the test found it suspect",
        ),
        (
            json!({"target": "8.8.4.25", "only": ["1"]}),
            Verdict::Closed,
            "First close the relay: the test found it suspect",
        ),
        (
            json!({"target": "8.8.4.99"}),
            Verdict::Closed,
            "First close the relay: the test found it suspect",
        ),
        (json!({"target": "8.8.4.25"}), Verdict::Closed, listed),
    ] {
        let id: JobId = site
            .post(USER, "/api/v1/tests", &request)
            .await
            .id()
            .parse()
            .expect("an id");
        site.is_over(&id.to_string()).await;
        site.state
            .store
            .finish(id, JobState::Finished, Some(verdict), Timestamp::now())
            .await
            .expect("the job");
        site.state
            .store
            .note_verdict(id, verdict)
            .await
            .expect("the job");
        let answer = look_up(&site, USER, "target=8.8.4.25").await;
        assert!(answer.body.contains(expected), "{request} {verdict:?}: {}", answer.body);
        assert_eq!(answer.body.contains(listed), expected == listed, "{request} {verdict:?}");
    }
    let answer = look_up(&site, USER, "target=8.8.4.25").await;
    assert_order(&answer.body, &["The relay is closed. Find and stop any other cause", listed]);
}

#[tokio::test]
async fn a_domain_stands_for_the_addresses_of_its_servers_too() {
    let server = Unbound::start(&ZONES);
    let site = Site::new(config(&server, Settings::default())).await;
    site.book
        .host("mail.example.net", &["8.8.4.25", "10.0.0.1"]);
    let answer = look_up(&site, USER, "target=mail.example.net").await;
    assert_order(&answer.body, &["mail.example.net", "8.8.4.25 is listed"]);
    assert!(!answer.body.contains("10.0.0.1"), "no list knows a private address");
}

#[tokio::test]
async fn what_is_no_target_is_said_at_the_field() {
    let server = Unbound::start(&ZONES);
    let site = Site::new(config(&server, Settings::default())).await;
    for (form, expected) in [
        ("", "Type an address or a domain."),
        ("target=%3Cscript%3E", "neither an address nor a domain"),
        ("target=10.1.2.3", "isn’t used on the Internet"),
    ] {
        let answer = look_up(&site, USER, form).await;
        assert_eq!(answer.status, 422, "{form}");
        assert!(answer.body.replace("&#39;", "’").contains(expected), "{form}: {}", answer.body);
        assert!(
            answer.body.contains("aria-invalid=\"true\"") && !answer.body.contains("<script>"),
            "{form}"
        );
    }
    assert!(server.questions().is_empty());
}

#[tokio::test]
async fn strangers_have_limits_and_choose_neither_targets_of_ours_nor_the_resolver() {
    let server = Unbound::start(&ZONES);
    let limits = LimitSettings { asker_hourly: 2, ..LimitSettings::default() };
    let site = Site::new(config(&server, Settings { limits, ..public() })).await;
    for target in ["127.0.0.1", "192.168.1.1", "169.254.169.254", "::ffff:10.0.0.1", "100.64.0.1"] {
        let answer = look_up(&site, USER, &format!("target={target}")).await;
        assert!([403, 422].contains(&answer.status), "{target}: {answer:?}");
    }
    let foreign = [("sec-fetch-site", "cross-site"), OURS[1]];
    assert_eq!(
        site.ask(USER, "POST", "/blacklist", &foreign, "target=8.8.4.25")
            .await
            .status,
        403
    );
    assert!(server.questions().is_empty(), "nothing was asked");

    assert_eq!(
        look_up(&site, USER, "target=8.8.4.25&resolver=8.8.8.8&list=evil.example")
            .await
            .status,
        200
    );
    let asked = server.questions().len();
    assert_eq!(
        look_up(&site, "198.51.100.9", "target=8.8.4.25")
            .await
            .status,
        200
    );
    assert_eq!(
        server.questions().len(),
        asked,
        "what was looked up a moment ago is not asked again"
    );
    assert_eq!(look_up(&site, USER, "target=8.8.4.26").await.status, 200);
    let limited = look_up(&site, "192.0.2.77", "target=8.8.4.27").await;
    assert_eq!(limited.status, 429, "the same network has used up its look-ups");
    assert!(limited.headers.contains_key("retry-after"), "{limited:?}");
    assert_eq!(site.test(USER, "8.8.8.8").await.status, 201, "tests have budgets of their own");

    // Another's result is for who has its address: by itself, no verdict is found.
    let id = site
        .whole_test("203.0.113.7", "8.8.4.28")
        .await
        .id()
        .parse()
        .expect("an id");
    site.state
        .store
        .note_verdict(id, Verdict::Closed)
        .await
        .expect("the job");
    let other = look_up(&site, "203.0.113.8", "target=8.8.4.28").await;
    assert!(!other.body.contains(&id.to_string()), "{}", other.body);
    let own = look_up(&site, "203.0.113.8", &format!("target=8.8.4.28&test={id}")).await;
    assert!(own.body.contains(&format!("/t/{id}")), "{}", own.body);
}

/// Lists that say nothing cost the time of a look-up, not more.
#[tokio::test]
async fn silent_lists_end_in_time() {
    let server = Unbound::start(&[Zone::Silent("zen.spamhaus.org", &[]), Zone::NothingElse]);
    let site = Site::new(config(&server, Settings::default())).await;
    let begun = std::time::Instant::now();
    let answer = look_up(&site, USER, "target=8.8.4.25").await;
    assert_eq!(answer.status, 200);
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_order(&answer.body, &["Could not tell", "<h3>Unknown", "zen.spamhaus.org", "no result"]);
}
