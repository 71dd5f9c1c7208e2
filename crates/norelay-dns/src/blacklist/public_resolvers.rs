//! Resolvers that are open to the public: many lists refuse them, or tell them falsehoods.

use std::net::IpAddr;

/// The best known ones, with their operators.
const PUBLIC: &[(&str, &[&str])] = &[
    ("Google", &["8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"]),
    ("Cloudflare", &["1.1.1.1", "1.0.0.1", "2606:4700:4700::1111", "2606:4700:4700::1001"]),
    ("Quad9", &["9.9.9.9", "149.112.112.112", "9.9.9.10", "9.9.9.11", "2620:fe::fe", "2620:fe::9"]),
    ("OpenDNS", &["208.67.222.222", "208.67.220.220", "2620:119:35::35", "2620:119:53::53"]),
    ("Level 3", &["4.2.2.1", "4.2.2.2", "4.2.2.3", "4.2.2.4"]),
    ("AdGuard", &["94.140.14.14", "94.140.15.15"]),
    ("Yandex", &["77.88.8.8", "77.88.8.1"]),
    ("AliDNS", &["223.5.5.5", "223.6.6.6"]),
];

/// True if a resolver's address is known to be open to the public.
#[must_use]
pub fn is_public_resolver(address: IpAddr) -> bool {
    let address = address.to_canonical();
    PUBLIC
        .iter()
        .flat_map(|(_, addresses)| addresses.iter())
        .any(|known| known.parse() == Ok(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_resolvers_are_known() {
        for (address, expected) in [
            ("8.8.8.8", true),
            ("::ffff:1.1.1.1", true),
            ("2620:fe::fe", true),
            ("127.0.0.53", false),
            ("192.0.2.53", false),
        ] {
            assert_eq!(
                is_public_resolver(address.parse().expect("an address")),
                expected,
                "{address}"
            );
        }
        let mut addresses = PUBLIC.iter().flat_map(|(_, addresses)| addresses.iter());
        assert!(addresses.all(|address| address.parse::<IpAddr>().is_ok()));
    }
}
