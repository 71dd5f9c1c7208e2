//! The pages, asked for without a browser: what they say, what they let nobody do, and what is in
//! their headers.
//!
//! The logs are the core's; what a page shows of them is what the core's renderers show.

#[path = "support/pages.rs"]
mod site;

use axum::http::{Method, StatusCode, header};
use norelay_core::event::Event;
use norelay_server::{JobId, Settings};
use site::Site;

const PAGES: [&str; 13] = [
    "/",
    "/tests",
    "/tests/percent-host",
    "/fix",
    "/fix/postfix",
    "/blacklist",
    "/api",
    "/about/scanner",
    "/about/accuracy",
    "/privacy",
    "/optout",
    "/verify",
    "/status",
];

#[tokio::test]
async fn every_page_is_there_and_nothing_in_it_is_inline_or_from_elsewhere() {
    let site = Site::private().await;
    let result = site.keep("open", None).await;
    let running = site.keep("closed", Some(90)).await;
    let mut pages: Vec<String> = PAGES.iter().map(ToString::to_string).collect();
    for id in [result, running] {
        pages.extend([
            format!("/t/{id}"),
            format!("/t/{id}/transcript"),
            format!("/t/{id}/delete"),
        ]);
    }
    for address in &pages {
        let page = site.get(address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}");
        let policy = page.headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .expect("ASCII");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{address}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{address}");
        assert_eq!(page.headers[header::REFERRER_POLICY], "same-origin", "{address}");
        assert_eq!(page.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{address}");
        assert!(page.headers.get(header::SET_COOKIE).is_none(), "{address} sets a cookie");
        for inline in
            [" style=", "<style", " onclick=", " onload=", "javascript:", "src=\"http", "href=\"//"]
        {
            assert!(!page.body.contains(inline), "{address} has {inline}");
        }
        let scripts = page.body.matches("<script").count();
        assert_eq!(
            scripts,
            page.body.matches("<script src=\"/assets/").count(),
            "{address} has an inline script"
        );
    }
}

#[tokio::test]
async fn results_are_not_for_search_engines_or_caches() {
    let site = Site::new(Settings { public: true, ..Settings::default() }).await;
    let id = site.keep("closed", None).await;
    for address in [format!("/t/{id}"), format!("/t/{id}/transcript"), format!("/t/{id}/delete")] {
        let page = site.get(&address).await;
        assert!(
            page.body
                .contains("<meta name=\"robots\" content=\"noindex, nofollow\">"),
            "{address}"
        );
        assert_eq!(page.headers[header::CACHE_CONTROL], "no-store", "{address}");
    }
    assert!(!site.get("/tests").await.body.contains("noindex"));
    assert!(
        !site.get("/").await.body.contains(&id.to_string()),
        "a public front page lists no results"
    );
}

#[tokio::test]
async fn verdicts_are_said_in_words() {
    let site = Site::private().await;
    for (log, words) in [
        ("closed", &["All tests performed, no relays accepted.", "17 refused"][..]),
        (
            "open",
            &[
                "open relay",
                "Sent",
                "2026-03-04 05:06:07 UTC",
                "Arrived",
                "05:06:10 UTC",
                "3.1 s later",
                "2001:db8::7",
            ],
        ),
        ("suspect", &["Suspect", "not proven", "Test with a receiver."]),
        (
            "inconclusive",
            &[
                "Could not tell",
                "our address is on a blacklist",
                "Test again in a quarter of an hour.",
            ],
        ),
        ("unreachable", &["Could not connect, test failed.", "Connection refused"]),
        ("multihop", &["open relay", "a server that it handed the message to"]),
    ] {
        let id = site.keep(log, None).await;
        let page = site.get(&format!("/t/{id}")).await;
        for word in words {
            assert!(page.body.contains(word), "{log} lacks {word:?}");
        }
    }
}

#[tokio::test]
async fn a_closed_servers_sentence_stands_alone() {
    let site = Site::private().await;
    let id = site.keep("closed", None).await;
    let page = site.get(&format!("/t/{id}")).await;
    assert!(
        page.body
            .contains("<p class=\"sentence\">All tests performed, no relays accepted.</p>"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("What to do now"), "a closed server needs no advice");
}

#[tokio::test]
async fn hostile_text_does_nothing() {
    let site = Site::private().await;
    let id = site.keep("hostile", None).await;
    for address in [
        format!("/t/{id}"),
        format!("/t/{id}/transcript"),
        format!("/t/{id}/delete"),
        "/".to_owned(),
    ] {
        let page = site.get(&address).await;
        assert!(page.body.contains("&#60;script&#62;"), "{address} should show what the log says");
        for harm in ["<script>", "<img", "<svg onload", "\u{1b}", "\u{7}", "\u{0}", "\u{202e}"] {
            assert!(!page.body.contains(harm), "{address} has {harm:?}");
        }
    }
}

#[tokio::test]
async fn a_running_test_is_shown_and_refreshes_itself_without_scripts() {
    let site = Site::private().await;
    let id = site.keep("closed", Some(90)).await;
    let page = site.get(&format!("/t/{id}")).await;
    for word in ["8 of 22 questions answered", "data-live=\"/t/", "Not yet asked", "Stop the test"]
    {
        assert!(page.body.contains(word), "lacks {word:?}");
    }
    let refresh = "<noscript><meta http-equiv=\"refresh\"";
    assert!(page.body.contains(refresh));
    assert!(!page.body.contains("no relays accepted"), "nothing is decided yet");
    assert!(
        !site
            .get(&format!("/t/{id}?refresh=no"))
            .await
            .body
            .contains(refresh)
    );
}

#[tokio::test]
async fn the_first_paint_is_small() {
    const LIMIT: usize = 100 * 1024;
    let site = Site::private().await;
    for log in ["closed", "open", "suspect", "inconclusive", "hostile"] {
        let id = site.keep(log, None).await;
        let page = site.get(&format!("/t/{id}")).await;
        let assets: Vec<&str> = page
            .body
            .split('"')
            .filter(|word| word.starts_with("/assets/"))
            .collect();
        assert_eq!(assets.len(), 3, "{assets:?}");
        let mut size = page.body.len();
        for asset in assets {
            let answer = site.get(asset).await;
            assert_eq!(
                answer.headers[header::CACHE_CONTROL],
                "public, max-age=31536000, immutable"
            );
            size += answer.body.len();
        }
        assert!(size < LIMIT, "{log}: {size} octets");
    }
}

#[tokio::test]
async fn transcripts_and_downloads_are_there() {
    let site = Site::private().await;
    let id = site.keep("closed", None).await;
    for (address, kind, within) in [
        (format!("/t/{id}/transcript"), "text/html; charset=utf-8", "Test 17: "),
        (
            format!("/t/{id}/transcript/percent-host"),
            "text/html; charset=utf-8",
            "<b>C:</b><span>RCPT TO:",
        ),
        (format!("/t/{id}/transcript/6?bare"), "text/html; charset=utf-8", "<ol class=\"talk\">"),
        (format!("/t/{id}.txt"), "text/plain; charset=utf-8", "no relays accepted"),
        (format!("/t/{id}.json"), "application/json", "norelay.report/1"),
        (format!("/t/{id}.csv"), "text/csv; charset=utf-8; header=present", "percent-host"),
        (format!("/t/{id}.junit"), "application/xml", "<testsuite"),
        (format!("/t/{id}.html"), "text/html; charset=utf-8", "no relays accepted"),
        (format!("/t/{id}.nagios"), "text/plain; charset=utf-8", "OK"),
        (format!("/t/{id}.jsonl"), "application/jsonl; charset=utf-8", "\"event\":\"run_started\""),
    ] {
        let answer = site.get(&address).await;
        assert_eq!(answer.status, StatusCode::OK, "{address}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], kind, "{address}");
        assert!(answer.body.contains(within), "{address}: {}", answer.body);
    }
    let page = site.get(&format!("/t/{id}.html")).await;
    let disposition = page.headers[header::CONTENT_DISPOSITION]
        .to_str()
        .expect("ASCII");
    assert!(
        disposition.starts_with("attachment; "),
        "a browser doesn't run it here: {disposition}"
    );
    assert!(
        !site
            .get(&format!("/t/{id}/transcript/6?bare"))
            .await
            .body
            .contains("<html")
    );
}

#[tokio::test]
async fn what_is_not_there_is_a_page_too() {
    let site = Site::private().await;
    let id = site.keep("closed", None).await;
    let stranger = JobId::random();
    for address in [
        "/nowhere".to_owned(),
        "/t/x".to_owned(),
        format!("/t/{stranger}"),
        format!("/t/{stranger}/transcript"),
        format!("/t/{stranger}/delete"),
        format!("/t/{stranger}/live"),
        format!("/t/{id}.exe"),
        format!("/t/{id}/transcript/nothing"),
        "/tests/nothing".to_owned(),
    ] {
        let answer = site.get(&address).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{address}");
        assert!(answer.body.contains("<h1>Not found</h1>"), "{address}");
    }
}

#[tokio::test]
async fn forms_of_other_sites_change_nothing() {
    let site = Site::private().await;
    let id = site.keep("closed", None).await;
    let delete = format!("/t/{id}/delete");
    for from_elsewhere in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:8025")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://127.0.0.1:9000")],
        &[("origin", "null")],
        &[("host", "evil.example:8025"), ("origin", "http://evil.example:8025")],
    ] {
        for address in [delete.as_str(), "/", &format!("/t/{id}/again"), &format!("/t/{id}/stop")] {
            let answer = site
                .ask(Method::POST, address, from_elsewhere, "target=127.0.0.1")
                .await;
            let refused = [StatusCode::FORBIDDEN, StatusCode::MISDIRECTED_REQUEST];
            assert!(
                refused.contains(&answer.status),
                "{address} {from_elsewhere:?}: {}",
                answer.status
            );
        }
    }
    assert_eq!(
        site.get(&format!("/t/{id}")).await.status,
        StatusCode::OK,
        "the result is still there"
    );
    let ours = [("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8025")];
    assert_eq!(site.ask(Method::POST, &delete, &ours, "").await.status, StatusCode::OK);
    assert_eq!(site.get(&format!("/t/{id}")).await.status, StatusCode::NOT_FOUND, "now it is gone");
}

#[tokio::test]
async fn a_private_service_answers_to_no_borrowed_name() {
    let site = Site::private().await;
    for (host, expected) in [
        ("127.0.0.1:8025", StatusCode::OK),
        ("localhost:8025", StatusCode::OK),
        ("rebound.example:8025", StatusCode::MISDIRECTED_REQUEST),
    ] {
        assert_eq!(
            site.ask(Method::GET, "/", &[("host", host)], "")
                .await
                .status,
            expected,
            "{host}"
        );
    }
}

#[tokio::test]
async fn oversized_forms_are_refused() {
    let site = Site::private().await;
    let form = format!("target={}", "a".repeat(1 << 20));
    let answer = site
        .ask(Method::POST, "/", &[("sec-fetch-site", "same-origin")], &form)
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn an_empty_form_says_what_to_type() {
    let site = Site::private().await;
    for form in [
        "",
        "target=",
        "target=++",
        "target=mx.example.net&ports=x",
        "target=mx.example.net&ports=0",
    ] {
        let answer = site
            .ask(Method::POST, "/", &[("sec-fetch-site", "same-origin")], form)
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        assert!(answer.body.contains("aria-invalid=\"true\""), "{form}");
        assert!(answer.body.contains("id=\"problem\""), "{form}");
    }
}

#[tokio::test]
async fn pages_are_compressed_and_event_streams_are_not() {
    let site = Site::private().await;
    let id = site.keep("open", None).await;
    let takes = [("accept-encoding", "gzip, br")];
    let plain = site.get(&format!("/t/{id}")).await.body.len();
    let page = site.ask(Method::GET, &format!("/t/{id}"), &takes, "").await;
    assert_eq!(page.headers["content-encoding"], "gzip");
    assert!(page.octets * 5 < plain, "{} of {plain} octets", page.octets);
    for address in [format!("/t/{id}/live?after=0"), format!("/api/v1/tests/{id}/events")] {
        let stream = site.ask(Method::GET, &address, &takes, "").await;
        assert_eq!(stream.headers["content-type"], "text/event-stream", "{address}");
        assert!(!stream.headers.contains_key("content-encoding"), "{address}");
    }
}

/// The id of the page's element, and what stands in it.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page
        .find(&format!("aria-labelledby=\"{heading}\""))
        .unwrap_or_else(|| panic!("no {heading} in {page}"));
    let end = page[start..]
        .find("</section>")
        .map_or(page.len(), |end| start + end);
    &page[start..end]
}

#[tokio::test]
async fn blacklists_and_posture_stand_apart_from_the_verdict() {
    let site = Site::private().await;
    let note = |tag: &str, arguments: &[&str]| Event::Noted {
        path: None,
        tag: tag.to_owned(),
        arguments: arguments.iter().map(|&argument| argument.into()).collect(),
    };
    let notes = vec![
        note(
            "blacklist_listed",
            &["192.0.2.7", "bl.example", "high", "127.0.0.2, \"<b>spam</b>\""],
        ),
        note(
            "blacklist_unknown",
            &["192.0.2.7", "slow.example", "medium", "it gave no answer in time"],
        ),
        note(
            "blacklist_summary",
            &["192.0.2.7", "192.0.2.7 is listed: on 1 of 20 lists that answered."],
        ),
        note("spf_missing", &["example.net"]),
        note("tls_rpt_found", &["example.net"]),
    ];
    let id = site.keep_with("closed", None, notes).await;
    let page = site.get(&format!("/t/{id}")).await.body;
    assert!(page.contains("All tests performed, no relays accepted."), "it changes no verdict");
    let lists = section(&page, "lists");
    for within in [
        "192.0.2.7 is on the blacklist bl.example (high impact)",
        "&#60;b&#62;spam",
        "on 1 of 20 lists",
        "1 answer is missing",
        "slow.example",
        "Every list about 192.0.2.7",
    ] {
        assert!(lists.contains(within), "{within}: {lists}");
    }
    assert!(
        lists.contains(&format!("name=\"test\" value=\"{id}\"")),
        "so that the way off can be shown"
    );
    let posture = section(&page, "posture");
    assert!(
        posture.contains("example.net has no SPF record") && posture.contains("1 further entry"),
        "{posture}"
    );
    assert!(
        !page.contains("aria-labelledby=\"worth\"") || !section(&page, "worth").contains("SPF"),
        "{page}"
    );
}

#[tokio::test]
async fn a_result_has_every_format() {
    let site = Site::private().await;
    for log in ["closed", "open", "hostile", "unreachable"] {
        let id = site.keep(log, None).await;
        let page = site.get(&format!("/t/{id}")).await.body;
        for (ending, kind, begins) in [
            ("txt", "text/plain", ""),
            ("html", "text/html", "<!DOCTYPE html>"),
            ("md", "text/markdown", "#"),
            ("json", "application/json", "{"),
            ("csv", "text/csv", ""),
            ("junit", "application/xml", "<?xml"),
            ("sarif", "application/", "{"),
            ("nagios", "text/plain", "NORELAY "),
            ("jsonl", "application/jsonl", "{"),
        ] {
            let address = format!("/t/{id}.{ending}");
            assert!(page.contains(&format!("href=\"{address}\"")), "{ending} is offered");
            let answer = site.get(&address).await;
            assert_eq!(answer.status, StatusCode::OK, "{address}");
            let media = answer.headers["content-type"]
                .to_str()
                .expect("a media type")
                .to_owned();
            assert!(media.starts_with(kind), "{ending}: {media}");
            assert!(
                answer.body.starts_with(begins) && answer.body.len() > 20,
                "{ending}: {}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn probing_is_described_for_machines() {
    let config = Settings {
        url: Some("https://relay.example.net".to_owned()),
        contact: Some("abuse@example.net".to_owned()),
        public: true,
        ..Settings::default()
    };
    let site = Site::new(config).await;
    let text = site.get("/.well-known/probing.txt").await.body;
    for line in [
        "Canonical: https://relay.example.net/.well-known/probing.txt",
        "Contact: mailto:abuse@example.net",
        "Expires: 20",
        "Description: ",
    ] {
        assert!(text.lines().any(|one| one.starts_with(line)), "{text}");
    }
}

#[tokio::test]
async fn control_is_shown_by_forms() {
    let site = Site::new(Settings { public: true, ..Settings::default() }).await;
    let ours = [("sec-fetch-site", "same-origin")];
    let page = site.get("/verify?domain=example.net").await;
    assert!(page.body.contains("<code>_norelay.example.net</code>"), "{}", page.body);
    assert!(page.body.contains("<code>norelay-verify="));
    for (address, form, status, within) in [
        ("/verify/dns", "domain=example.net", StatusCode::FORBIDDEN, "There is no TXT record"),
        (
            "/verify/mail",
            "domain=example.net&address=x",
            StatusCode::UNPROCESSABLE_ENTITY,
            "Type the address",
        ),
        (
            "/verify/mailed",
            "id=x&code=y",
            StatusCode::UNPROCESSABLE_ENTITY,
            "Have a code mailed first.",
        ),
        ("/verify/connect", "code=abc", StatusCode::FORBIDDEN, "This code is wrong"),
        ("/optout", "network=x", StatusCode::UNPROCESSABLE_ENTITY, "Type a network"),
        (
            "/optout",
            "network=192.0.2.0/24&what=out",
            StatusCode::FORBIDDEN,
            "Nothing shows yet that 192.0.2.0/24 is yours",
        ),
        ("/optout", "network=192.0.2.7&what=in", StatusCode::FORBIDDEN, "192.0.2.7/32 is yours"),
    ] {
        let answer = site.ask(Method::POST, address, &ours, form).await;
        assert_eq!(answer.status, status, "{address} {form}: {}", answer.body);
        assert!(answer.body.contains(within), "{address} {form}: {}", answer.body);
    }
}

#[tokio::test]
async fn strangers_choose_nothing_but_the_target() {
    let public = Site::new(Settings { public: true, ..Settings::default() }).await;
    assert!(!public.get("/").await.body.contains("name=\"profile\""));
    let private = Site::private().await;
    let page = private.get("/").await.body;
    assert!(page.contains("name=\"profile\"") && page.contains("name=\"ports\""));
    assert!(!page.contains("name=\"proof\""), "without a receiver there is nothing to prove with");
}

#[tokio::test]
async fn the_api_is_described_without_scripts() {
    let site = Site::private().await;
    let page = site.get("/api").await.body;
    for within in ["<code>/api/v1/tests</code>", "POST", "DELETE", "target: string"] {
        assert!(page.contains(within), "{within}");
    }
}
