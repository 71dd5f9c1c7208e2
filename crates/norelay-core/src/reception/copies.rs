//! How many copies of one arrival are kept: a relay may deliver a message two thousand times, and
//! whoever saw a token may send anything to its address.
//!
//! Rules:
//! - Of what one peer delivers to one token, a few copies are kept: they say no more than the
//!   first.
//! - Copies with the token of the text are counted apart from those without: whoever saw the
//!   envelope only can't use up the room of the real message, and neither can one peer use up
//!   another's.
//! - The memory is bounded; the oldest tokens are forgotten first, which costs at most a few more
//!   copies.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use crate::{event::Receipt, token::Token};

/// Of one peer network, one token, and texts of one kind.
const MAX_OF_PEER: u8 = 2;
/// Of one token, and texts of one kind, from all peers together.
const MAX_OF_TOKEN: usize = 32;
/// A run has at most a few thousand tokens; a receiver serves some runs at a time.
const MAX_TOKENS: usize = 10_000;

type ArrivalKind = (Token, bool);

/// What has been kept so far.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    kept: BTreeMap<ArrivalKind, BTreeMap<IpAddr, u8>>,
    oldest: VecDeque<ArrivalKind>,
}

impl Copies {
    /// Whether one more receipt is to be kept; counts it if so.
    pub fn admit(&mut self, receipt: &Receipt) -> bool {
        let kind = (receipt.token, receipt.message_token);
        if !self.kept.contains_key(&kind) {
            self.forget_oldest();
            self.oldest.push_back(kind);
        }
        let peers = self.kept.entry(kind).or_default();
        let total: usize = peers.values().map(|count| usize::from(*count)).sum();
        let count = peers.entry(network(receipt.peer.ip())).or_default();
        let is_admitted = *count < MAX_OF_PEER && total < MAX_OF_TOKEN;
        *count += u8::from(is_admitted);
        peers.retain(|_, count| *count > 0);
        is_admitted
    }

    /// A receipt that was admitted could not be kept: its copy, sent again, finds its room.
    pub fn retract(&mut self, receipt: &Receipt) {
        let peers = self.kept.get_mut(&(receipt.token, receipt.message_token));
        if let Some(count) = peers.and_then(|peers| peers.get_mut(&network(receipt.peer.ip()))) {
            *count = count.saturating_sub(1);
        }
    }

    fn forget_oldest(&mut self) {
        if self.oldest.len() >= MAX_TOKENS
            && let Some(kind) = self.oldest.pop_front()
        {
            self.kept.remove(&kind);
        }
    }
}

/// What one party commands: an IPv4 address, or an IPv6 network of /64 (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::{
        octets::Octets,
        path::PathId,
        token::{RunId, TokenRole},
    };

    fn receipt(test: u16, message_token: bool, peer: IpAddr) -> Receipt {
        let token = Token {
            run: RunId(u64::from(test >> 8)),
            path: PathId::FIRST,
            test: (test & 0xff) as u8,
            role: TokenRole::Recipient,
        };
        let (helo, reverse_path, forward_path) = Default::default();
        let peer = SocketAddr::new(peer, 25);
        let received: Vec<Octets> = Vec::new();
        Receipt {
            token,
            message_token,
            peer,
            helo,
            tls: false,
            reverse_path,
            forward_path,
            received,
            size: 0,
        }
    }

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn two_thousand_copies_are_a_few() {
        let mut copies = Copies::default();
        let admitted = |copies: &mut Copies, message_token, peer: &dyn Fn(u32) -> IpAddr| {
            (0..2000)
                .filter(|number| copies.admit(&receipt(1, message_token, peer(*number))))
                .count()
        };
        assert_eq!(admitted(&mut copies, false, &|_| address(1)), 2);
        assert_eq!(admitted(&mut copies, false, &address), MAX_OF_TOKEN - 2);
        assert!(!copies.admit(&receipt(1, false, address(9999))));
        // The flood of those who saw the envelope leaves room for the message itself.
        assert!(copies.admit(&receipt(1, true, address(1))));
        assert!(copies.admit(&receipt(2, false, address(1))));
    }

    #[test]
    fn what_could_not_be_kept_may_come_again() {
        let mut copies = Copies::default();
        let receipt = receipt(1, true, address(1));
        for _ in 0..10 {
            assert!(copies.admit(&receipt));
            copies.retract(&receipt);
        }
        assert_eq!((0..10).filter(|_| copies.admit(&receipt)).count(), usize::from(MAX_OF_PEER));
    }

    #[test]
    fn one_party_is_one_peer() {
        let parse = |text: &str| text.parse::<IpAddr>().expect("the text is an address");
        let mut copies = Copies::default();
        for (peer, expected) in [
            ("2001:db8::1", true),
            ("2001:db8::2", true),
            ("2001:db8::3", false),
            ("2001:db8:0:1::3", true),
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.2.1", false),
        ] {
            assert_eq!(copies.admit(&receipt(1, true, parse(peer))), expected, "{peer}");
        }
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut copies = Copies::default();
        for test in 0..20_000 {
            assert!(copies.admit(&receipt(test, false, address(1))));
        }
        assert_eq!((copies.kept.len(), copies.oldest.len()), (MAX_TOKENS, MAX_TOKENS));
    }
}
