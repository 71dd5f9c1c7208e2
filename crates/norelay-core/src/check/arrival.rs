//! Arrival: what a message that came is proof of.
//!
//! Rules:
//! - The proof is our message, at the token address of the very test, from the target or with the
//!   token of the text.
//! - The server must have read the route in the address. Who hands on all mail for his own domain,
//!   to whatever end, hands the local part on as it was written: that is forwarding, and a stranger
//!   chooses no destination by it.

use std::net::IpAddr;

use super::outcome::{Hops, Outcome};
use crate::{
    catalogue::{RelayTest, Strength},
    event::Receipt,
    path::PathId,
    report::{PathView, Report},
    token::{self, TokenRole},
};

/// The proof that a test relayed, where there is one.
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

/// The receipts that bear a test's recipient token, with the time of their arrival.
pub fn receipts_of<'a>(
    path: PathView<'a>,
    test: &'a RelayTest,
) -> impl Iterator<Item = &'a (jiff::Timestamp, Receipt)> {
    path.report
        .receipts
        .iter()
        .filter(move |(_, receipt)| is_for(receipt, path.id, test))
}

fn is_for(receipt: &Receipt, path: PathId, test: &RelayTest) -> bool {
    let token = receipt.token;
    (test.is_scored() || test.needs_credentials())
        && token.role == TokenRole::Recipient
        && token.path == path
        && token.test == test.number
}

/// Whether a recipient that reads as one of the server's own domain came to ours with its route
/// unread: in its local part there is more than the token, or there never was more.
pub(super) fn is_handed_on(report: &Report, test: &RelayTest, receipt: &Receipt) -> bool {
    let Some(run) = &report.run else { return false };
    let path = receipt.forward_path.to_text().to_ascii_lowercase();
    let Some((local_part, domain)) = path.trim_matches(['<', '>', ' ']).rsplit_once('@') else {
        return false;
    };
    let local_part = local_part
        .rsplit_once(':')
        .map_or(local_part, |(_, mailbox)| mailbox);
    let ours = run.domain.to_ascii_lowercase();
    let is_ours = domain == ours
        || domain
            .strip_suffix(&ours)
            .is_some_and(|before| before.ends_with('.'));
    let is_unread = local_part.trim_matches('"').len() > token::LENGTH;
    let has_no_route = test.forward_path.ends_with(":{user}@{local_domain}>");
    test.strength == Strength::Weak && is_ours && (is_unread || has_no_route)
}

/// The path's address, or another one of its host: what is taken over IPv6 may go on over IPv4.
fn is_of_target(path: PathView<'_>, address: IpAddr) -> bool {
    let mut own = path
        .report
        .paths()
        .filter(|other| other.destination().is_to_host_of(path.destination()));
    own.any(|own| is_same_host(address, own.destination().address))
}

/// The same address or, for IPv6, the same /64.
fn is_same_host(a: IpAddr, b: IpAddr) -> bool {
    match (a.to_canonical(), b.to_canonical()) {
        (IpAddr::V6(a), IpAddr::V6(b)) => a.segments()[..4] == b.segments()[..4],
        (a, b) => a == b,
    }
}
