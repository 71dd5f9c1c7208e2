//! What lists are asked about, and its names under a list's zone.

use std::{fmt, net::IpAddr, str::FromStr};

use super::list::QueryKind;
use crate::dns_name::{is_domain, is_private, reversed};

/// What lists are asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListSubject {
    /// An address. An IPv4-mapped IPv6 address counts as IPv4.
    Address(IpAddr),
    /// A domain.
    Domain {
        /// Its name, in lower case, as A-labels.
        name: String,
        /// The registered domain above the name, if that is another name. Most lists hold
        /// registered domains only.
        registered: Option<String>,
    },
}

/// Why a text is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotASubject {
    /// Neither an address nor a domain.
    Neither,
    /// An address that is of no use on the Internet, so no list has it.
    Private,
}

impl fmt::Display for NotASubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Neither => "neither an address nor a domain",
            Self::Private => "an address that isn't used on the Internet: no list can have it",
        })
    }
}

impl std::error::Error for NotASubject {}

impl FromStr for ListSubject {
    type Err = NotASubject;

    /// Reads `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]` or a domain of A-labels.
    fn from_str(text: &str) -> Result<Self, NotASubject> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let address = address.to_canonical();
            return if is_private(address) {
                Err(NotASubject::Private)
            } else {
                Ok(Self::Address(address))
            };
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let is_public = name.contains('.') && !is_numeric(&name);
        if is_domain(&name) && is_public {
            Ok(Self::Domain { name, registered: None })
        } else {
            Err(NotASubject::Neither)
        }
    }
}

/// True if the last label has digits only. Then the text is a mistyped address, since no top-level
/// domain is like that.
fn is_numeric(name: &str) -> bool {
    name.rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit()))
}

impl ListSubject {
    /// Returns the kind of question for this subject.
    #[must_use]
    pub fn kind(&self) -> QueryKind {
        match self {
            Self::Address(IpAddr::V4(_)) => QueryKind::Ipv4,
            Self::Address(IpAddr::V6(_)) => QueryKind::Ipv6,
            Self::Domain { .. } => QueryKind::Domain,
        }
    }

    /// The left parts of the names that are asked under a list's zone.
    pub(super) fn labels(&self) -> Vec<String> {
        match self {
            Self::Address(address) => vec![reversed(*address)],
            Self::Domain { name, registered } => [Some(name), registered.as_ref()]
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
        }
    }
}

impl fmt::Display for ListSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Domain { name, .. } => f.write_str(name),
        }
    }
}

/// A test point as the left part of a name. IPv6 points stay IPv6, although they look like mapped
/// addresses.
pub(super) fn test_label(point: &str) -> String {
    point.parse().map_or_else(|_| point.to_owned(), reversed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_addresses_or_domains() {
        for (text, shown) in [
            ("192.0.2.1", Ok("192.0.2.1")),
            ("[2001:DB8::1]", Ok("2001:db8::1")),
            ("::ffff:192.0.2.1", Ok("192.0.2.1")),
            ("Mail.Example.NET.", Ok("mail.example.net")),
            ("xn--bcher-kva.example", Ok("xn--bcher-kva.example")),
            ("127.0.0.1", Err(NotASubject::Private)),
            ("10.1.2.3", Err(NotASubject::Private)),
            ("100.64.0.1", Err(NotASubject::Private)),
            ("::ffff:10.1.2.3", Err(NotASubject::Private)),
            ("fd00::1", Err(NotASubject::Private)),
            ("fe80::1", Err(NotASubject::Private)),
            ("192.0.2.256", Err(NotASubject::Neither)),
            ("localhost", Err(NotASubject::Neither)),
            ("", Err(NotASubject::Neither)),
            ("a..b", Err(NotASubject::Neither)),
            ("a b.example", Err(NotASubject::Neither)),
            ("bücher.example", Err(NotASubject::Neither)),
            ("example.net\u{1b}[31m", Err(NotASubject::Neither)),
        ] {
            let read = text.parse::<ListSubject>().map(|target| target.to_string());
            assert_eq!(read, shown.map(str::to_owned), "{text}");
        }
    }
}
