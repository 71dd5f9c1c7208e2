//! What to do about a listing: close the relay first, then ask for delisting.
//!
//! Rules:
//! - Advice begins with the relay. How to leave a list is said only if the relay test says closed.

use norelay_core::check::Verdict;
use norelay_dns::blacklist::{Impact, ListReading, Provenance, by_zone};

/// Returns what to do about a listing, a sentence each. `relay` is the verdict of the relay test,
/// if there was one. Empty if the reading is no listing against the server.
#[must_use]
pub fn advice(reading: &ListReading, relay: Option<Verdict>) -> Vec<String> {
    if !reading.listing.is_against() {
        return Vec::new();
    }
    if reading.impact == Impact::Ignorable {
        return vec![
            "Nothing: this list is about neighbours or newness, and hardly anybody refuses mail \
             for it."
                .to_owned(),
        ];
    }
    let first = match relay {
        Some(Verdict::Closed) => {
            return steps_off_list(reading);
        }
        Some(Verdict::OpenRelay) => {
            "First close the relay: it is open, and a server that is let go now is listed again."
        }
        Some(Verdict::Suspect) => {
            "First close the relay: the test found it suspect. Prove it closed, then ask again."
        }
        Some(Verdict::Inconclusive | Verdict::Unreachable) => {
            "First close the relay, or prove it closed: the relay test could not tell. Then ask \
             again."
        }
        None => {
            "First close the relay, or prove it closed: run `norelay test`, then ask again with \
             its verdict."
        }
    };
    vec![first.to_owned()]
}

/// Returns how to leave the list: first the cause, then the operator's own procedure.
fn steps_off_list(reading: &ListReading) -> Vec<String> {
    let mut steps = vec![
        "The relay is closed. Find and stop any other cause (hijacked accounts, scripts, \
              forwarding)."
            .to_owned(),
    ];
    let Some(list) = by_zone(&reading.zone) else {
        steps.push(format!("Then look for the way off {} at its operator's.", reading.zone));
        return steps;
    };
    let doubt = if list.removal.how.source == Provenance::Remembered {
        " (remembered, not verified)"
    } else {
        ""
    };
    let page = if list.removal.page.is_empty() {
        String::new()
    } else {
        format!(" {}", list.removal.page)
    };
    steps.push(format!("Then: {}{doubt}.{page}", list.removal.how.text));
    steps
}

#[cfg(test)]
mod tests {
    use norelay_dns::blacklist::{DnsAnswer, Listing, Sense, read};

    use super::*;

    fn reading(zone: &str, listing: Listing) -> ListReading {
        let list = by_zone(zone);
        ListReading {
            zone: zone.to_owned(),
            operator: None,
            sense: list.map_or(Sense::Against, |list| list.sense),
            impact: list.map_or(Impact::Low, |list| list.impact),
            listing,
            elapsed_ms: 0,
        }
    }

    fn listed(zone: &str) -> ListReading {
        reading(zone, read(by_zone(zone), &DnsAnswer::Addresses(vec![[127, 0, 0, 2].into()]), &[]))
    }

    #[test]
    fn the_way_off_is_shown_only_when_the_relay_is_closed() {
        for (zone, relay, begins, shows_page) in [
            ("zen.spamhaus.org", Some(Verdict::Closed), "The relay is closed.", true),
            ("zen.spamhaus.org", Some(Verdict::OpenRelay), "First close the relay", false),
            ("zen.spamhaus.org", Some(Verdict::Suspect), "First close the relay", false),
            ("zen.spamhaus.org", Some(Verdict::Inconclusive), "First close the relay", false),
            ("zen.spamhaus.org", Some(Verdict::Unreachable), "First close the relay", false),
            ("zen.spamhaus.org", None, "First close the relay", false),
            ("own.example", Some(Verdict::Closed), "The relay is closed.", false),
            ("dnsbl-3.uceprotect.net", Some(Verdict::OpenRelay), "Nothing", false),
        ] {
            let text = advice(&listed(zone), relay).join(" ");
            assert!(text.starts_with(begins), "{zone} {relay:?}: {text}");
            assert_eq!(text.contains("https://"), shows_page, "{zone} {relay:?}: {text}");
        }
        assert_eq!(
            advice(&reading("zen.spamhaus.org", Listing::NotListed), Some(Verdict::Closed)),
            Vec::<String>::new()
        );
        assert_eq!(
            advice(&listed("wl.mailspike.net"), Some(Verdict::Closed)),
            Vec::<String>::new()
        );
    }
}
