//! Every kind of hostile text on every page that shows a result, and in what the API gives: nothing
//! of it acts.

#[path = "../../norelay-core/tests/hostile/mod.rs"]
mod hostile;
#[path = "support/pages.rs"]
mod site;

use axum::http::Method;
use hostile::{KINDS, MARK, acts, records};
use site::Site;

const LOGS: [(&str, &str); 2] = [
    ("multihop", include_str!("../../norelay-core/tests/logs/multihop.jsonl")),
    ("inconclusive", include_str!("../../norelay-core/tests/logs/inconclusive.jsonl")),
];

/// What a page may have a server's words stand beside: elements and attributes of its own.
fn check_page(name: &str, page: &str) {
    let body = page.split_once("<main").map_or(page, |(_, body)| body);
    for piece in body.split('<').skip(1) {
        let tag = piece.split_once('>').expect("a tag ends").0;
        let element: String = tag
            .chars()
            .take_while(|character| !character.is_whitespace())
            .collect();
        let is_ours = element
            .trim_start_matches('/')
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
        assert!(is_ours && !["script", "img", "x"].contains(&element.as_str()), "{name}: <{tag}>");
        // What stands within quotation marks is a value, and nothing but a value.
        let (names, values): (Vec<_>, Vec<_>) = tag
            .split('"')
            .enumerate()
            .partition(|(place, _)| place % 2 == 0);
        let is_name =
            |name: &str| name.contains(" on") || name.contains(" style=") || name.contains("evil");
        assert!(!names.iter().any(|(_, name)| is_name(name)), "{name}: <{tag}>");
        let is_led =
            |value: &str| value.starts_with("javascript:") || value.starts_with("http://evil");
        let is_led = names.iter().zip(&values).any(|((_, name), (_, value))| {
            (name.ends_with("href=") || name.ends_with("src=") || name.ends_with("action="))
                && is_led(value)
        });
        assert!(!is_led, "{name}: <{tag}>");
    }
}

#[tokio::test]
async fn every_page_neutralises_and_shows_every_kind_of_text() {
    for (log, lines) in LOGS {
        for is_over in [true, false] {
            let site = Site::private().await;
            for (kind, text) in KINDS {
                let id = site.keep_records(&records(lines, text), is_over).await;
                let mut addresses =
                    vec![format!("/t/{id}"), format!("/t/{id}/transcript"), "/".to_owned()];
                addresses.extend(
                    ["/report/jsonl", "/report/json"]
                        .map(|part| format!("/api/v1/tests/{id}{part}")),
                );
                if is_over {
                    addresses.extend(["delete", "live"].map(|part| format!("/t/{id}/{part}")));
                    addresses.push(format!("/api/v1/tests/{id}/events"));
                }
                for address in addresses {
                    let name = format!("{kind} in {log}: {address}");
                    let page = site.get(&address).await;
                    assert!(page.status.is_success(), "{name}: {}", page.status);
                    let before = page
                        .body
                        .find(acts)
                        .map(|place| page.body[..place].chars().rev().take(99));
                    let before = before.map(|letters| {
                        letters
                            .collect::<Vec<_>>()
                            .into_iter()
                            .rev()
                            .collect::<String>()
                    });
                    assert_eq!(before, None, "{name}");
                    // The live stream of a test that is over says only that.
                    assert!(
                        page.body.contains(MARK) || address.ends_with("/live"),
                        "{name} is not shown"
                    );
                    if page.headers["content-type"]
                        .to_str()
                        .is_ok_and(|kind| kind.starts_with("text/html"))
                    {
                        check_page(&name, &page.body);
                    }
                }
                for (field, value) in &site.get(&format!("/t/{id}.csv")).await.headers {
                    assert!(
                        !value
                            .as_bytes()
                            .iter()
                            .any(|octet| octet.is_ascii_control()),
                        "{kind}: {field}"
                    );
                }
            }
        }
    }
}

/// Octets as a form or an address writes them.
fn encoded(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("%{octet:02x}")).collect()
}

/// What somebody types, or leads another to by a link, is given back as words.
#[tokio::test]
async fn every_form_and_address_gives_back_every_kind_of_text_as_words() {
    let site = Site::private().await;
    let ours = [("sec-fetch-site", "same-origin")];
    for (kind, text) in KINDS {
        let text = encoded(&[text, MARK.as_bytes()].concat());
        let mut answers = Vec::new();
        for (address, form) in [
            ("/", "target"),
            ("/", "target=127.0.0.1&ports"),
            ("/", "target=127.0.0.1&profile"),
            ("/blacklist", "target"),
            ("/verify/dns", "domain"),
            ("/verify/mail", "address"),
            ("/verify/mailed", "id=a&code"),
            ("/verify/connect", "code"),
            ("/optout", "what=in&network"),
        ] {
            answers.push((
                address,
                site.ask(Method::POST, address, &ours, &format!("{form}={text}"))
                    .await,
            ));
        }
        for address in ["/t", "/tests", "/fix", "/api/v1/tests", "/nowhere"] {
            answers.push((address, site.get(&format!("{address}/{text}")).await));
        }
        for address in ["/?target", "/tests?q", "/blacklist?target"] {
            answers.push((address, site.get(&format!("{address}={text}")).await));
        }
        for (address, page) in answers {
            let name = format!("{kind} at {address}");
            assert!(!page.status.is_server_error(), "{name}: {} {}", page.status, page.body);
            match page.headers["content-type"]
                .to_str()
                .unwrap_or_default()
                .split(';')
                .next()
            {
                Some("application/problem+json" | "application/json") => {
                    assert!(
                        serde_json::from_str::<serde_json::Value>(&page.body).is_ok(),
                        "{name}: {}",
                        page.body
                    );
                }
                kind => {
                    assert_eq!(
                        page.body.chars().find(|character| acts(*character)),
                        None,
                        "{name}"
                    );
                    assert!(
                        kind == Some("text/html") || kind == Some("text/plain"),
                        "{name}: {kind:?}"
                    );
                    check_page(&name, &page.body);
                }
            }
            assert_eq!(page.headers["x-content-type-options"], "nosniff", "{name}");
            for (field, value) in &page.headers {
                assert!(
                    !value
                        .as_bytes()
                        .iter()
                        .any(|octet| octet.is_ascii_control()),
                    "{name}: {field}"
                );
            }
        }
    }
}
