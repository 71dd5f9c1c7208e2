//! Every kind of hostile text on every page that shows a result, and in what the API gives: nothing of it acts.

#[path = "../../norelay-core/tests/hostile/mod.rs"]
mod hostile;
#[path = "support/pages.rs"]
mod site;

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
        let element: String = tag.chars().take_while(|character| !character.is_whitespace()).collect();
        let is_ours = element
            .trim_start_matches('/')
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
        assert!(is_ours && !["script", "img", "x"].contains(&element.as_str()), "{name}: <{tag}>");
        assert!(!tag.contains(" on") && !tag.contains("javascript:") && !tag.contains(" style="), "{name}: <{tag}>");
        assert!(!tag.contains("http://evil"), "{name}: <{tag}>");
    }
}

#[tokio::test]
async fn every_page_neutralises_and_shows_every_kind_of_text() {
    for (log, lines) in LOGS {
        for is_over in [true, false] {
            let site = Site::private().await;
            for (kind, text) in KINDS {
                let id = site.keep_records(&records(lines, text), is_over).await;
                let mut addresses = vec![format!("/t/{id}"), format!("/t/{id}/transcript"), "/".to_owned()];
                addresses.extend(["/report/jsonl", "/report/json"].map(|part| format!("/api/v1/tests/{id}{part}")));
                if is_over {
                    addresses.extend(["delete", "live"].map(|part| format!("/t/{id}/{part}")));
                    addresses.push(format!("/api/v1/tests/{id}/events"));
                }
                for address in addresses {
                    let name = format!("{kind} in {log}: {address}");
                    let page = site.get(&address).await;
                    assert!(page.status.is_success(), "{name}: {}", page.status);
                    let before = page.body.find(acts).map(|place| page.body[..place].chars().rev().take(99));
                    let before =
                        before.map(|letters| letters.collect::<Vec<_>>().into_iter().rev().collect::<String>());
                    assert_eq!(before, None, "{name}");
                    // The live stream of a test that is over says only that.
                    assert!(page.body.contains(MARK) || address.ends_with("/live"), "{name} is not shown");
                    if page.headers["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/html")) {
                        check_page(&name, &page.body);
                    }
                }
                for (field, value) in &site.get(&format!("/t/{id}.csv")).await.headers {
                    assert!(!value.as_bytes().iter().any(|octet| octet.is_ascii_control()), "{kind}: {field}");
                }
            }
        }
    }
}
