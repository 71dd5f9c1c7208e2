//! Who may send forms here: only our own pages.
//!
//! Rules:
//! - Reading needs no cookie, and nothing here sets one; so there is nothing to ride on but the
//!   service itself.
//! - A request that changes something must come from one of our own pages: browsers say so with
//!   `Sec-Fetch-Site`, older ones with `Origin`. A client that sends neither is no browser, and
//!   can't be misled by a page.
//! - In private mode the service answers only to names that nobody else can point at it (DNS
//!   rebinding): addresses, `localhost`, and the name in the settings.

use std::net::{IpAddr, Ipv6Addr};

use axum::{
    extract::Request,
    http::{HeaderMap, Method, Uri, header},
};

use crate::config::Settings;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    /// The service is private, and the request's `Host` is none of its names.
    NotOurName,
    /// The request would change something, and another site's page sent it.
    OtherSite,
}

/// Returns why a request must be refused, if so.
pub(super) fn objection(config: &Settings, request: &Request) -> Option<Objection> {
    let host = host_of(request.headers(), request.uri());
    let host = host.as_deref();
    if !config.public && host.is_some_and(|host| !is_ours(config, host)) {
        return Some(Objection::NotOurName);
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let is_foreign = changes && !is_same_origin(request.headers(), host, config.url.as_deref());
    is_foreign.then_some(Objection::OtherSite)
}

/// Returns the name that the client used for this service. HTTP/2 has the name in the URI.
fn host_of(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let named = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    named.or_else(|| uri.authority().map(ToString::to_string))
}

/// True if a form comes from a page of ours.
fn is_same_origin(headers: &HeaderMap, host: Option<&str>, url: Option<&str>) -> bool {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_from_us = |origin: &str| {
        let origin_host = origin.split_once("://").map(|(_, host)| host);
        url == Some(origin) || (origin_host.is_some() && origin_host == host)
    };
    match (header("sec-fetch-site"), header("origin")) {
        // "none": the user typed the address, or opened a bookmark.
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => is_from_us(origin),
        (None, None) => true,
    }
}

/// True if a `Host` is an address, `localhost` or the name in the settings.
fn is_ours(config: &Settings, host: &str) -> bool {
    let name = name_of(host);
    let is_address = name.parse::<IpAddr>().is_ok()
        || name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok());
    let configured = config
        .url
        .as_deref()
        .and_then(|url| url.split_once("://"))
        .map(|(_, rest)| name_of(rest));
    let is_listed = config
        .hosts
        .iter()
        .any(|ours| ours.eq_ignore_ascii_case(name));
    is_address
        || is_listed
        || name.eq_ignore_ascii_case("localhost")
        || configured.is_some_and(|ours| ours.eq_ignore_ascii_case(name))
}

/// A host without its port and path.
fn name_of(host: &str) -> &str {
    let host = host.split('/').next().unwrap_or(host);
    match (host.rfind(':'), host.rfind(']')) {
        (Some(colon), bracket) if bracket.is_none_or(|bracket| bracket < colon) => &host[..colon],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_come_from_our_own_pages() {
        for (site, origin, expected) in [
            (Some("same-origin"), Some("http://127.0.0.1:8025"), true),
            (Some("none"), None, true),
            (Some("cross-site"), None, false),
            (Some("same-site"), Some("http://127.0.0.1:8025"), false),
            (None, Some("http://127.0.0.1:8025"), true),
            (None, Some("https://relay.example.net"), true),
            (None, Some("http://127.0.0.1:9999"), false),
            (None, Some("https://evil.example"), false),
            (None, Some("null"), false),
            (None, None, true),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                headers.insert("sec-fetch-site", site.parse().expect("a header"));
            }
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().expect("a header"));
            }
            let is_ours =
                is_same_origin(&headers, Some("127.0.0.1:8025"), Some("https://relay.example.net"));
            assert_eq!(is_ours, expected, "{site:?} {origin:?}");
        }
    }

    #[test]
    fn private_names_cannot_be_rebound() {
        let config = Settings {
            url: Some("https://relay.example.net:8443".to_owned()),
            ..Settings::default()
        };
        for (host, expected) in [
            ("127.0.0.1:8025", true),
            ("[::1]:8025", true),
            ("[::1]", true),
            ("localhost", true),
            ("LOCALHOST:8025", true),
            ("relay.example.net", true),
            ("relay.example.net:8443", true),
            ("evil.example:8025", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("[::1].evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_ours(&config, host), expected, "{host}");
        }
    }
}
