//! What an address is, before anything connects to it.
//!
//! Rules:
//! - An address is classified after resolution, and the address that was classified is the one that
//!   is connected to.
//! - An address that carries another one (mapped, translated, tunnelled) is never public: what it
//!   leads to depends on whoever routes it.
//! - What the tables don't know is public only if it is IPv4 below 224/4 or IPv6 global unicast
//!   (2000::/3).

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, UdpSocket},
    sync::LazyLock,
};

use ipnet::IpNet;

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Anybody's server.
    Public,
    /// "This host", or nothing.
    Unspecified,
    /// This machine.
    Loopback,
    /// A network of its own (RFC 1918, RFC 4193, and the old site-local ones).
    Private,
    /// Behind a carrier's translator (RFC 6598).
    CarrierNat,
    /// This link (RFC 3927, RFC 4291).
    LinkLocal,
    /// Where clouds tell their machines secrets.
    Metadata,
    /// For examples (RFC 5737, RFC 3849, RFC 9637).
    Documentation,
    /// For measurements (RFC 2544, RFC 5180).
    Benchmarking,
    /// Many machines.
    Multicast,
    /// Every machine of a link.
    Broadcast,
    /// An IPv4 address written as IPv6 (RFC 4291 section 2.5.5).
    Mapped,
    /// An IPv4 address behind a translator or a tunnel (NAT64, 6to4, Teredo, ISATAP).
    Translated,
    /// For protocols, for later, or for nobody.
    Reserved,
    /// One of our own.
    Own,
}

impl Class {
    /// The class as the end of "… is".
    #[must_use]
    pub fn clause(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Unspecified => "not an address of a host",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::CarrierNat => "an address behind a carrier's translator",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud's metadata address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Mapped => "an IPv4 address in the form of IPv6",
            Self::Translated => "an address that is translated or tunnelled",
            Self::Reserved => "a reserved address",
            Self::Own => "one of this service's own addresses",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.clause())
    }
}

/// IANA's special-purpose registries for IPv4 and IPv6, and the addresses of clouds' metadata
/// services. The first network that has the address decides.
const TABLE: &[(&str, Class)] = &[
    ("169.254.169.254/32", Class::Metadata),
    ("169.254.170.2/32", Class::Metadata),
    ("169.254.170.23/32", Class::Metadata),
    ("169.254.0.23/32", Class::Metadata),
    ("168.63.129.16/32", Class::Metadata),
    ("100.100.100.200/32", Class::Metadata),
    ("192.0.0.192/32", Class::Metadata),
    ("fd00:ec2::254/128", Class::Metadata),
    ("fd00:ec2::23/128", Class::Metadata),
    ("fd20:ce::254/128", Class::Metadata),
    ("0.0.0.0/8", Class::Unspecified),
    ("10.0.0.0/8", Class::Private),
    ("100.64.0.0/10", Class::CarrierNat),
    ("127.0.0.0/8", Class::Loopback),
    ("169.254.0.0/16", Class::LinkLocal),
    ("172.16.0.0/12", Class::Private),
    ("192.0.0.0/24", Class::Reserved),
    ("192.0.2.0/24", Class::Documentation),
    ("192.31.196.0/24", Class::Reserved),
    ("192.52.193.0/24", Class::Reserved),
    ("192.88.99.0/24", Class::Translated),
    ("192.168.0.0/16", Class::Private),
    ("192.175.48.0/24", Class::Reserved),
    ("198.18.0.0/15", Class::Benchmarking),
    ("198.51.100.0/24", Class::Documentation),
    ("203.0.113.0/24", Class::Documentation),
    ("224.0.0.0/4", Class::Multicast),
    ("255.255.255.255/32", Class::Broadcast),
    ("240.0.0.0/4", Class::Reserved),
    ("0.0.0.0/0", Class::Public),
    ("::/128", Class::Unspecified),
    ("::1/128", Class::Loopback),
    ("::ffff:0:0/96", Class::Mapped),
    ("::ffff:0:0:0/96", Class::Translated),
    ("::/96", Class::Translated),
    ("64:ff9b::/96", Class::Translated),
    ("64:ff9b:1::/48", Class::Translated),
    ("100::/64", Class::Reserved),
    ("2001::/32", Class::Translated),
    ("2001:2::/48", Class::Benchmarking),
    ("2001:db8::/32", Class::Documentation),
    ("2001::/23", Class::Reserved),
    ("2002::/16", Class::Translated),
    ("2620:4f:8000::/48", Class::Reserved),
    ("3ffe::/16", Class::Reserved),
    ("3fff::/20", Class::Documentation),
    ("5f00::/16", Class::Reserved),
    ("fc00::/7", Class::Private),
    ("fe80::/10", Class::LinkLocal),
    ("fec0::/10", Class::Private),
    ("ff00::/8", Class::Multicast),
    ("2000::/3", Class::Public),
    ("::/0", Class::Reserved),
];

static NETWORKS: LazyLock<Vec<(IpNet, Class)>> = LazyLock::new(|| {
    let parse =
        |&(text, class): &(&str, Class)| (text.parse().expect("the table has networks"), class);
    TABLE.iter().map(parse).collect()
});

/// Returns the class of an address by the registries alone. The order of the table counts: the
/// first network that has the address decides.
#[must_use]
pub fn classify(address: IpAddr) -> Class {
    if let IpAddr::V6(address) = address
        && is_isatap(address)
    {
        return Class::Translated;
    }
    let found = NETWORKS
        .iter()
        .find(|(network, _)| network.contains(&address));
    found.map_or(Class::Reserved, |(_, class)| *class)
}

/// RFC 5214 section 6.1: the interface identifier is `0000:5efe` or `0200:5efe` and an IPv4
/// address, in any prefix.
fn is_isatap(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [_, _, _, _, 0x0000 | 0x0200, 0x5efe, _, _])
}

/// True if this machine has the address. Sends nothing: the kernel binds a socket only to an
/// address of its own.
#[must_use]
pub fn is_of_this_machine(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// The rule that says which addresses may be tested.
#[derive(Clone, Debug, Default)]
pub struct AddressRule {
    /// True if only public addresses may be tested.
    pub public_only: bool,
    /// Networks that are tested although they aren't public: test networks, an administrator's own.
    pub allowed: Vec<IpNet>,
    /// Addresses that are the service's own, though not of this machine (behind a translator).
    pub own: Vec<IpAddr>,
}

impl AddressRule {
    /// Returns the class for which an address may not be tested. `None` if the address may.
    #[must_use]
    pub fn objection(&self, address: IpAddr) -> Option<Class> {
        if !self.public_only
            || self
                .allowed
                .iter()
                .any(|network| network.contains(&address))
        {
            return None;
        }
        if self.own.contains(&address) {
            return Some(Class::Own);
        }
        match classify(address) {
            // A public address may be one of this machine, whose services trust it.
            Class::Public => is_of_this_machine(address).then_some(Class::Own),
            other => Some(other),
        }
    }
}

/// The network of a user: /24 for IPv4 and /64 for IPv6. A provider hands at least that much to one
/// customer, who may use any address of the network.
#[must_use]
pub fn user_network(address: IpAddr) -> IpNet {
    network(address, 24, 64)
}

/// The network of a target, about what one site has: /24 for IPv4 and /48 for IPv6.
#[must_use]
pub fn target_network(address: IpAddr) -> IpNet {
    network(address, 24, 48)
}

/// The network around a user's network: /16 for IPv4 and /48 for IPv6. A site that has many /64
/// networks is one here.
#[must_use]
pub fn wide_network(address: IpAddr) -> IpNet {
    network(address, 16, 48)
}

fn network(address: IpAddr, of_v4: u8, of_v6: u8) -> IpNet {
    // An IPv4 client of a socket for both families looks like IPv6, and belongs to its IPv4
    // network.
    let address = address.to_canonical();
    let length = if address.is_ipv4() { of_v4 } else { of_v6 };
    IpNet::new(address, length)
        .expect("the lengths are at most 32 and 128")
        .trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: &str) {
        let class = classify(
            address
                .parse()
                .unwrap_or_else(|_| panic!("{address} is no address")),
        );
        assert_eq!(format!("{class:?}"), expected, "{address}");
    }

    #[test]
    fn every_address_has_its_class() {
        let rows = include_str!("../../tests/data/addresses.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for row in rows {
            let (address, class) = row
                .split_once('\t')
                .expect("a row is an address, a tab and a class");
            check(address, class);
            count += 1;
        }
        assert!(count > 200, "the file has {count} rows");
    }

    #[test]
    fn the_rule_objects_in_public_mode_only() {
        let own: IpAddr = "8.8.4.4".parse().expect("an address");
        let allowed = vec!["127.0.0.0/8".parse().expect("a network")];
        let public = AddressRule { public_only: true, allowed, own: vec![own] };
        for (address, objection) in [
            ("127.0.0.1", None),
            ("8.8.8.8", None),
            ("8.8.4.4", Some(Class::Own)),
            ("::ffff:127.0.0.1", Some(Class::Mapped)),
            ("::1", Some(Class::Loopback)),
            ("10.0.0.1", Some(Class::Private)),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(public.objection(address), objection, "{address}");
            assert_eq!(AddressRule::default().objection(address), None, "{address}");
        }
        assert!(is_of_this_machine("127.0.0.1".parse().expect("an address")));
        assert!(!is_of_this_machine("192.0.2.1".parse().expect("an address")));
    }

    #[test]
    fn networks_gather_addresses() {
        for (address, user, target, wide) in [
            ("192.0.2.77", "192.0.2.0/24", "192.0.2.0/24", "192.0.0.0/16"),
            ("::ffff:192.0.2.77", "192.0.2.0/24", "192.0.2.0/24", "192.0.0.0/16"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8:1::/48"),
        ] {
            let address = address.parse().expect("an address");
            let all = [user_network(address), target_network(address), wide_network(address)];
            assert_eq!(all.map(|network| network.to_string()), [user, target, wide], "{address}");
        }
    }
}
