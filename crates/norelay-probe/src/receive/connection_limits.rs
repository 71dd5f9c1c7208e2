//! The receiver's limits: how many connections are open, from which networks, and which networks
//! failed in TLS.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{MAX_CONNECTIONS, MAX_CONNECTIONS_OF_NETWORK, network};

/// How many networks with a failed handshake are remembered.
const MAX_FAILED: usize = 1000;

/// Counts the open connections. Dropping a [`ConnectionSlot`] frees its place in both counts.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectionLimits(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// Open connections.
    total: usize,
    /// Open connections of each network that has any.
    of_network: HashMap<IpAddr, usize>,
    /// Networks with a failed handshake, oldest first.
    failed: VecDeque<IpAddr>,
}

/// One connection's place within the limits.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    limits: ConnectionLimits,
    network: IpAddr,
}

impl ConnectionLimits {
    /// Reserves a slot for one more connection. Returns `None` if a limit is reached.
    pub(super) fn reserve(&self, peer: IpAddr) -> Option<ConnectionSlot> {
        let network = network(peer);
        let mut counts = self.counts();
        let of_network = counts.of_network.get(&network).copied().unwrap_or_default();
        if counts.total >= MAX_CONNECTIONS || of_network >= MAX_CONNECTIONS_OF_NETWORK {
            return None;
        }
        counts.total += 1;
        counts.of_network.insert(network, of_network + 1);
        Some(ConnectionSlot { limits: self.clone(), network })
    }

    /// Returns how many connections are open.
    pub(super) fn in_use(&self) -> usize {
        self.counts().total
    }

    /// Records a failed handshake. This network gets no more offers of STARTTLS, so that its mail
    /// comes in the clear.
    pub(super) fn remember_failed_handshake(&self, peer: IpAddr) {
        let mut counts = self.counts();
        if counts.failed.len() >= MAX_FAILED {
            counts.failed.pop_front();
        }
        counts.failed.push_back(network(peer));
    }

    /// True if no remembered handshake with this network has failed.
    pub(super) fn may_offer_tls(&self, peer: IpAddr) -> bool {
        !self.counts().failed.contains(&network(peer))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut counts = self.limits.counts();
        counts.total -= 1;
        if let Some(count) = counts.of_network.get_mut(&self.network) {
            *count -= 1;
            // Without this, the map would grow with every network that ever came.
            if *count == 0 {
                counts.of_network.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("the text is an address")
    }

    #[test]
    fn room_is_counted_by_network_and_given_back() {
        let limits = ConnectionLimits::default();
        let of_network = |host: usize| address(&format!("2001:db8::{host:x}"));
        let slots: Vec<_> = (0..=MAX_CONNECTIONS_OF_NETWORK)
            .map(|host| limits.reserve(of_network(host)))
            .collect();
        assert!(
            slots[..MAX_CONNECTIONS_OF_NETWORK]
                .iter()
                .all(Option::is_some)
        );
        assert!(slots[MAX_CONNECTIONS_OF_NETWORK].is_none());
        let others: Vec<_> = (0..MAX_CONNECTIONS)
            .map(|host| limits.reserve(address(&format!("192.0.2.{host}"))))
            .collect();
        assert_eq!(others.iter().flatten().count(), MAX_CONNECTIONS - MAX_CONNECTIONS_OF_NETWORK);
        drop((slots, others));
        assert_eq!(limits.in_use(), 0);
        assert!(limits.counts().of_network.is_empty());
    }

    #[test]
    fn failed_handshakes_are_remembered_and_bounded() {
        let limits = ConnectionLimits::default();
        limits.remember_failed_handshake(address("2001:db8::1"));
        assert!(!limits.may_offer_tls(address("2001:db8::2")));
        assert!(limits.may_offer_tls(address("2001:db8:0:1::1")));
        for host in 0..MAX_FAILED {
            limits.remember_failed_handshake(address(&format!(
                "10.0.{}.{}",
                host / 256,
                host % 256
            )));
        }
        assert!(limits.may_offer_tls(address("2001:db8::2")));
        assert_eq!(limits.counts().failed.len(), MAX_FAILED);
    }
}
