//! Arrival: what a message that came is proof of.
//!
//! Rules:
//! - The proof is our message, at the token address of the very test, from the target or with the
//!   token of the text.
//! - The server must have read the route in the address. A server that forwards all mail for its
//!   own domain hands the local part on as it was written. That is forwarding, because a client
//!   cannot choose the destination.

use std::net::IpAddr;

use super::outcome::{Hops, Outcome};
use crate::{
    catalogue::{RelayTest, Strength},
    event::Receipt,
    path::PathId,
    report::{PathView, Report},
    token::{self, TokenRole},
};

/// Returns the proof that a test relayed, if a message shows it.
pub(super) fn proof(path: PathView<'_>, test: &RelayTest) -> Option<Outcome> {
    receipts_of(path, test)
        .filter(|(_, receipt)| !is_handed_on(path.report, test, receipt))
        .find_map(|(_, receipt)| {
            let from = receipt.peer.ip().to_canonical();
            let hops = if is_of_target(path, from) { Hops::Direct } else { Hops::Multihop };
            (hops == Hops::Direct || receipt.message_token)
                .then_some(Outcome::Relayed { from, hops })
        })
}

/// Returns the receipts with the recipient token of a test, and the time when each arrived.
pub fn receipts_of<'a>(
    path: PathView<'a>,
    test: &'a RelayTest,
) -> impl Iterator<Item = &'a (jiff::Timestamp, Receipt)> {
    path.report
        .receipts
        .iter()
        .filter(move |(_, receipt)| is_for(receipt, path.id, test))
}

/// True if the receipt has the recipient token of this test on this path.
fn is_for(receipt: &Receipt, path: PathId, test: &RelayTest) -> bool {
    let token = receipt.token;
    (test.is_scored() || test.needs_credentials())
        && token.role == TokenRole::Recipient
        && token.path == path
        && token.test == test.number
}

/// True if a recipient that reads as one of the server's own domain came to our domain with its
/// route unread: the local part holds more than the token, or never had a route.
pub(super) fn is_handed_on(report: &Report, test: &RelayTest, receipt: &Receipt) -> bool {
    let Some(run) = &report.run else { return false };
    let path = receipt.forward_path.to_text().to_ascii_lowercase();
    let Some((local_part, domain)) = path.trim_matches(['<', '>', ' ']).rsplit_once('@') else {
        return false;
    };
    // A source route (`@host:user`) stands before the mailbox and is no part of it.
    let local_part = local_part
        .rsplit_once(':')
        .map_or(local_part, |(_, mailbox)| mailbox);
    let ours = run.domain.to_ascii_lowercase();
    let is_ours = domain == ours
        || domain
            .strip_suffix(&ours)
            .is_some_and(|before| before.ends_with('.'));
    // A server that reads a route delivers to the bare token.
    let is_unread = local_part.trim_matches('"').len() > token::LENGTH;
    let has_no_route = test.forward_path.ends_with(":{user}@{local_domain}>");
    test.strength == Strength::Weak && is_ours && (is_unread || has_no_route)
}

/// True for the path's address, or for another one of its host: a server that accepts mail over
/// IPv6 may send it on over IPv4.
fn is_of_target(path: PathView<'_>, address: IpAddr) -> bool {
    let mut own = path
        .report
        .paths()
        .filter(|other| other.destination().is_to_host_of(path.destination()));
    own.any(|own| is_same_host(address, own.destination().address))
}

/// True for the same address or, with IPv6, for the same /64: one machine often sends from another
/// address of its network.
fn is_same_host(a: IpAddr, b: IpAddr) -> bool {
    match (a.to_canonical(), b.to_canonical()) {
        (IpAddr::V6(a), IpAddr::V6(b)) => a.segments()[..4] == b.segments()[..4],
        (a, b) => a == b,
    }
}
