//! The headers that every answer has.
//!
//! Rules:
//! - They are set last, over whatever a handler has set.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

/// Headers as names in lower case and values.
pub(super) type Headers = &'static [(&'static str, &'static str)];

/// The pages' policy: only what is ours, and nothing inline. `trusted-types` names the one place in
/// our script that makes markup.
const POLICY_OF_PAGES: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src \
                               'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                               frame-ancestors 'none'; require-trusted-types-for 'script'; \
                               trusted-types norelay";

/// The headers of pages.
pub(super) const OF_PAGES: Headers = &[
    ("content-security-policy", POLICY_OF_PAGES),
    // A form's request must say where it comes from; other sites are told nothing.
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=(), interest-cohort=()"),
];

/// The headers of the API's answers.
pub(super) const OF_API: Headers = &[
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ("x-robots-tag", "noindex"),
];

/// Sets headers of a response.
pub(super) fn set(mut response: Response, headers: Headers) -> Response {
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// Forbids browsers and proxies to keep a response.
pub(super) fn no_store(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
