//! Arrival: what a message that came is proof of.
//!
//! Rules:
//! - The proof is our message, at the token address of the very test, from the target or with the
//!   token of the text.
//! - A machine may send from another address than the one that accepts mail. A message whose client
//!   has the target's name, and that no other machine handed on, came from the target.
//! - The server must have read the route in the address. A server that forwards all mail for its
//!   own domain hands the local part on as it was written. That is forwarding, because a client
//!   cannot choose the destination.

use std::net::IpAddr;

use super::outcome::{Hops, Outcome};
use crate::{
    catalogue::{RelayTest, Strength},
    event::Receipt,
    path::PathId,
    report::{Dialogue, PathView, Report},
    smtp::Stage,
    token::{self, TokenRole},
};

/// Returns the proof that a test relayed, if a message shows it.
pub(super) fn proof(path: PathView<'_>, test: &RelayTest) -> Option<Outcome> {
    receipts_of(path, test)
        .filter(|(_, receipt)| !is_handed_on(path.report, test, receipt))
        .find_map(|(_, receipt)| {
            let from = receipt.peer.ip().to_canonical();
            let is_of_target = is_of_target(path, from);
            // A name in HELO is easily forged, so it never stands for the token of the text.
            let hops = match is_of_target || is_named_like_target(path, receipt) {
                true => Hops::Direct,
                false => Hops::Multihop,
            };
            (is_of_target || receipt.message_token).then_some(Outcome::Relayed { from, hops })
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

/// True if the client that delivered the message has a name of the target, and the trace shows one
/// machine only: the target sent the message itself, from another of its addresses.
fn is_named_like_target(path: PathView<'_>, receipt: &Receipt) -> bool {
    let named = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let helo = named(&receipt.helo.to_text());
    let names = path
        .destination()
        .host
        .iter()
        .map(|host| named(host))
        .chain(
            path.dialogues()
                .flat_map(names_said)
                .map(|name| named(&name)),
        );
    let machines = receipt
        .received
        .iter()
        .filter(|field| !is_inside_machine(&field.to_text()))
        .count();
    helo.contains('.') && machines <= 1 && names.into_iter().any(|name| name == helo)
}

/// Returns the names that the server gave itself in its greeting and its reply to EHLO.
fn names_said(dialogue: &Dialogue) -> Vec<String> {
    let is_name = |stage| matches!(stage, Stage::Greeting | Stage::Ehlo | Stage::Helo);
    let mut names = Vec::new();
    for exchange in &dialogue.exchanges {
        let reply = exchange.reply.as_ref().filter(|reply| reply.is_positive());
        if let Some(reply) = reply.filter(|_| is_name(exchange.stage)) {
            let first = reply.lines.first().map(|line| line.to_text());
            let name = first.and_then(|line| line.split(' ').next().map(str::to_owned));
            names.extend(name);
        }
    }
    names
}

/// True for a `Received` field that a machine wrote when it handed the message to itself: a content
/// filter at a loopback address, or qmail's own programs.
fn is_inside_machine(field: &str) -> bool {
    let before_by = field.split(" by ").next().unwrap_or_default();
    field.starts_with('(')
        || ["[127.0.0.1]", "[::1]", "[IPv6:::1]", "(localhost", "from localhost"]
            .iter()
            .any(|loopback| before_by.contains(loopback))
}

/// True for the same address or, with IPv6, for the same /64: one machine often sends from another
/// address of its network.
fn is_same_host(a: IpAddr, b: IpAddr) -> bool {
    match (a.to_canonical(), b.to_canonical()) {
        (IpAddr::V6(a), IpAddr::V6(b)) => a.segments()[..4] == b.segments()[..4],
        (a, b) => a == b,
    }
}
