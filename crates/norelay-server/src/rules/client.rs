//! Who asks: the network that a request comes from, and the API key that it shows.
//!
//! Rules:
//! - `X-Forwarded-For` is believed only from proxies that the settings list, and only as far as
//!   they wrote it.
//! - A key that is shown and doesn't work is an error: nobody becomes anonymous by mistake.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use ipnet::IpNet;
use jiff::Timestamp;

use crate::{
    AppState,
    http::problem::Problem,
    rules::address,
    store::{ApiKey, KeyText, Scope, StoreError},
};

/// More entries than this in `X-Forwarded-For` are not looked at.
const MAX_HOPS: usize = 20;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The client's address: the peer's, or what a trusted proxy says.
    pub address: IpAddr,
    /// The API key that it shows.
    pub key: Option<ApiKey>,
}

impl Asker {
    /// Somebody without a key.
    #[must_use]
    pub fn anonymous(address: IpAddr) -> Self {
        Self { address: address.to_canonical(), key: None }
    }

    /// What limits, jobs and proofs of control count for: the key, or the user network.
    #[must_use]
    pub fn bucket(&self) -> String {
        match &self.key {
            Some(key) => format!("key:{}", key.id),
            None => format!("net:{}", address::user_network(self.address)),
        }
    }

    /// Whether a key with this scope is shown.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.key
            .as_ref()
            .is_some_and(|key| key.scopes.contains(&scope))
    }
}

impl FromRequestParts<AppState> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(peer)| peer.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let mut asker =
            Self::anonymous(client(peer, &parts.headers, &state.config.trusted_proxies));
        if let Some(shown) = parts.headers.get(header::AUTHORIZATION) {
            asker.key = Some(key(state, shown.to_str().unwrap_or_default()).await?);
        }
        Ok(asker)
    }
}

async fn key(state: &AppState, authorization: &str) -> Result<ApiKey, Problem> {
    let refused =
        || Problem::unauthorized("This API key is not known, has expired or was revoked.");
    let (scheme, text) = authorization.split_once(' ').ok_or_else(refused)?;
    let text = KeyText::parse(text.trim())
        .filter(|_| scheme.eq_ignore_ascii_case("bearer"))
        .ok_or_else(refused)?;
    match state.store.key(&text, Timestamp::now()).await {
        Ok(key) => Ok(key),
        Err(StoreError::NotFound) => Err(refused()),
        Err(error) => Err(error.into()),
    }
}

/// The client's address. Each proxy adds at the end the address that it saw, so that the list is
/// read from there, as far as the proxies are ours.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| {
        trusted
            .iter()
            .any(|network| network.contains(&address.to_canonical()))
    };
    let mut client = peer;
    let values = headers
        .get_all("x-forwarded-for")
        .into_iter()
        .map(|value| value.to_str().unwrap_or("?"));
    let hops: Vec<&str> = values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    for hop in hops.iter().rev().take(MAX_HOPS) {
        if !is_trusted(client) {
            break;
        }
        // What can't be read was written by whoever came before our proxy: the proxy's own word
        // ends here.
        let Some(address) = parse(hop) else { break };
        client = address;
    }
    client
}

/// An address, with or without brackets and port.
fn parse(hop: &str) -> Option<IpAddr> {
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(hop);
    bare.parse()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().expect("a network"));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().expect("a header's value"));
        }
        let client = client(peer.parse().expect("an address"), &headers, &trusted);
        assert_eq!(client, expected.parse::<IpAddr>().expect("an address"), "{peer} {forwarded:?}");
    }

    #[test]
    fn forwarded_addresses_are_believed_as_far_as_the_proxies_are_ours() {
        for (peer, forwarded, expected) in [
            ("192.0.2.1", &[][..], "192.0.2.1"),
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", &["[2a00::1]:4711"], "2a00::1"),
            ("10.0.0.1", &["[2a00::1]"], "2a00::1"),
            ("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7, ''"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("2001:db8::1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            check(peer, forwarded, expected);
        }
    }

    #[test]
    fn askers_are_counted_by_network() {
        for (address, bucket) in [
            ("192.0.2.77", "net:192.0.2.0/24"),
            ("::ffff:192.0.2.78", "net:192.0.2.0/24"),
            ("2001:db8:0:1:a:b:c:d", "net:2001:db8:0:1::/64"),
        ] {
            assert_eq!(Asker::anonymous(address.parse().expect("an address")).bucket(), bucket);
        }
    }
}
