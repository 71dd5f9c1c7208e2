//! Addresses in text: where they stand, and how they are marked.

use std::net::{IpAddr, SocketAddr};

/// An address in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The address; an IPv4 address written as IPv6 is taken for what it is.
    pub address: IpAddr,
    /// Where it begins, without a bracket or a tag.
    pub start: usize,
    /// Where it ends, with its port.
    pub end: usize,
    /// Whether it follows `[`, be it with the tag of RFC 5321 section 4.1.3 (`[IPv6:…`).
    pub bracketed: bool,
}

/// The addresses that stand in a text as words of their own: `192.0.2.1`, `[192.0.2.1]:25`,
/// `[IPv6:2001:db8::1]`, `192.0.2.1:25`, `::ffff:192.0.2.1`. Addresses of no host (unspecified,
/// multicast, broadcast) are left out.
pub(super) fn addresses(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(offset) = text[rest..].find(is_part) {
        let start = rest + offset;
        let length = text[start..]
            .find(|character| !is_part(character))
            .unwrap_or(text.len() - start);
        found.extend(read(text, start, start + length));
        rest = start + length;
    }
    found
}

fn is_part(character: char) -> bool {
    character.is_ascii_hexdigit() || matches!(character, '.' | ':')
}

/// What a run of hexadecimal digits, dots and colons is, if it is an address and no part of a
/// longer word.
fn read(text: &str, mut start: usize, mut end: usize) -> Option<Found> {
    // The digit of the tag `IPv6:` is part of the run.
    let is_tagged = text[start..end].starts_with("6:") && ends_with_tag(&text[..start]);
    if is_tagged {
        start += 2;
    } else if text[start..end].starts_with(':') && !text[start..end].starts_with("::") {
        start += 1;
    }
    let after = text[end..].chars().next();
    while text[start..end].ends_with(['.', ':']) && !text[start..end].ends_with("::") {
        end -= 1;
    }
    let before = text[..if is_tagged { start - "IPv6:".len() } else { start }]
        .chars()
        .next_back();
    let is_word = |character: Option<char>| {
        character
            .is_some_and(|character| character.is_alphanumeric() || matches!(character, '-' | '_'))
    };
    if is_word(before) || is_word(after) {
        return None;
    }
    let run = &text[start..end];
    let address: IpAddr = run
        .parse()
        .or_else(|_| run.parse::<SocketAddr>().map(|socket| socket.ip()))
        .ok()?;
    let address = address.to_canonical();
    is_of_a_host(address).then_some(Found { address, start, end, bracketed: before == Some('[') })
}

fn ends_with_tag(text: &str) -> bool {
    text.len()
        .checked_sub(3)
        .and_then(|at| text.get(at..))
        .is_some_and(|tag| tag.eq_ignore_ascii_case("IPv"))
}

fn is_of_a_host(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !is_broadcast
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_found_in_text() {
        for (text, expected) in [
            ("a [192.0.2.1], b", &["[192.0.2.1"][..]),
            ("192.0.2.1", &["192.0.2.1"]),
            ("to 192.0.2.1:63602", &["192.0.2.1"]),
            ("from 192.0.2.1. Then", &["192.0.2.1"]),
            ("[192.0.2.1]:41233 is", &["[192.0.2.1"]),
            ("([192.0.2.1:40123] helo=x)", &["[192.0.2.1"]),
            ("ip=192.0.2.1;r=x", &["192.0.2.1"]),
            ("ip:192.0.2.1", &["192.0.2.1"]),
            ("[IPv6:2001:db8::1]", &["[2001:db8::1"]),
            ("[IPV6:2001:db8::1] [ipv6:::1]", &["[2001:db8::1", "[::1"]),
            (
                "[2001:db8::1] and 2001:db8::2, fe80::1%eth0",
                &["[2001:db8::1", "2001:db8::2", "fe80::1"],
            ),
            ("[::ffff:192.0.2.1]", &["[192.0.2.1"]),
            ("(root@192.0.2.1)", &["192.0.2.1"]),
            ("<x@[192.0.2.1]>", &["[192.0.2.1"]),
            ("192.0.2.1-192.0.2.9", &[]),
            ("ip-192-0-2-1.example 1.2.0.192.in-addr.arpa", &[]),
            ("v192.0.2.1 192.0.2.1x 192.0.2 192.0.2.256 12:30:45 dead:beef", &[]),
            ("[0.0.0.0] [255.255.255.255] [224.0.0.1] [::] [ff02::1]", &[]),
            (": .. :: [] IPv6: 6:", &[]),
            ("é192.0.2.1 [192.0.2.1é", &[]),
        ] {
            let found: Vec<_> = addresses(text)
                .iter()
                .map(|found| format!("{}{}", if found.bracketed { "[" } else { "" }, found.address))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([0-9a-f:.\\[\\]IPv é]|IPv6:|192.0.2.1){0,24}") {
            for found in addresses(&text) {
                prop_assert!(found.start < found.end && text.is_char_boundary(found.start));
            }
        }
    }
}
