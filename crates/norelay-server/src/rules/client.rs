//! The client: the network that a request comes from, and the API key that the request shows.

use std::net::IpAddr;

use super::address;
use crate::store::{ApiKey, Scope};

/// A client: a user network, or the holder of an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client's address: the peer's, or what a trusted proxy says.
    pub address: IpAddr,
    /// The API key that the client shows.
    pub key: Option<ApiKey>,
}

impl Client {
    /// A client without a key.
    #[must_use]
    pub fn anonymous(address: IpAddr) -> Self {
        Self { address: address.to_canonical(), key: None }
    }

    /// The name that limits, jobs and proofs of control are counted by: that of the key, or of the
    /// user network.
    #[must_use]
    pub fn bucket(&self) -> String {
        match &self.key {
            Some(key) => format!("key:{}", key.id),
            None => format!("net:{}", address::user_network(self.address)),
        }
    }

    /// True if the client shows a key with this scope.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.key
            .as_ref()
            .is_some_and(|key| key.scopes.contains(&scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn askers_are_counted_by_network() {
        for (address, bucket) in [
            ("192.0.2.77", "net:192.0.2.0/24"),
            ("::ffff:192.0.2.78", "net:192.0.2.0/24"),
            ("2001:db8:0:1:a:b:c:d", "net:2001:db8:0:1::/64"),
        ] {
            assert_eq!(Client::anonymous(address.parse().expect("an address")).bucket(), bucket);
        }
    }
}
