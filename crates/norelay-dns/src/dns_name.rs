//! Names and addresses as the DNS has them.
//!
//! Rules:
//! - Only names that fit into a question are names (RFC 1035 section 2.3.4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// RFC 1035 section 2.3.4, as text without the final dot.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// True if an address is not used on the Internet: private (RFC 1918, RFC 4193), shared (RFC 6598),
/// loopback, link-local, multicast, broadcast or unspecified.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                // 100.64.0.0/10, between a provider and its customers (RFC 6598).
                || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

/// Returns an address as the left part of a name: `4.3.2.1`, or 32 nibbles (RFC 5782 sections 2.1
/// and 2.4).
#[must_use]
pub fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => reversed_octets(v4),
        IpAddr::V6(v6) => reversed_nibbles(v6),
    }
}

fn reversed_octets(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("{d}.{c}.{b}.{a}")
}

fn reversed_nibbles(address: Ipv6Addr) -> String {
    let nibbles = address
        .octets()
        .into_iter()
        .rev()
        .flat_map(|octet| [octet & 0xf, octet >> 4]);
    nibbles
        .map(|nibble| format!("{nibble:x}"))
        .collect::<Vec<_>>()
        .join(".")
}

/// True if a text is a domain name of letters, digits, hyphens and underscores.
#[must_use]
pub fn is_domain(text: &str) -> bool {
    text.len() <= MAX_NAME && !text.is_empty() && text.split('.').all(is_label)
}

/// True if a text is one label of such a name.
pub(crate) fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && label
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn addresses_are_reversed_without_loss(octets: [u8; 16]) {
            let nibbles = reversed(IpAddr::V6(octets.into()));
            let back: String = nibbles.split('.').rev().collect();
            let number = u128::from_str_radix(&back, 16).expect("nibbles");
            prop_assert_eq!(number, u128::from_be_bytes(octets));
        }
    }
}
