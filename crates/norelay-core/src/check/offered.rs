//! Paths that the server does not offer at all.
//!
//! Rules:
//! - A path after STARTTLS exists only where the server offers STARTTLS (RFC 3207 section 2).

use crate::{
    report::PathView,
    smtp::{End, Security},
};

/// Returns the keyword that the path needs and that the server does not offer. Where nothing was
/// asked on the path itself, what the server offers in the clear on its twin counts.
#[must_use]
pub fn not_offered(path: PathView<'_>) -> Option<&'static str> {
    if path.destination().security != Security::StartTls {
        return None;
    }
    let mut ends = path
        .dialogues()
        .filter_map(|dialogue| dialogue.end.as_ref());
    let is_missing = match ends.next() {
        Some(first) => lacks_starttls(first) && ends.all(lacks_starttls),
        None => path
            .twins()
            .filter(|twin| twin.destination().security == Security::Plain)
            .any(|clear| clear.never_offers("STARTTLS")),
    };
    is_missing.then_some("STARTTLS")
}

fn lacks_starttls(end: &End) -> bool {
    matches!(end, End::NotOffered(keyword) if keyword == "STARTTLS")
}
