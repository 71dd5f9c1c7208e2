//! The words of a run: what the templates of the catalogue stand for on one path and in one test.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use norelay_core::{
    catalogue::{Certificate, RelayTest, Words},
    event::{MailExchanger, Path},
    octets::Octets,
    path::PathId,
    report::{PathView, Report},
    smtp::Stage,
    token::{Role, Token},
};

use super::{Context, Request};
use crate::network::Network;

/// An address as a literal (RFC 5321 section 4.1.3).
pub fn literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// The name that we say with EHLO to this server.
pub fn helo<N: Network>(context: &Context<N>, to: SocketAddr) -> String {
    match (&context.request.helo, context.network.source(to)) {
        (Some(name), _) => name.clone(),
        (None, Some(address)) => literal(address),
        (None, None) => context.request.domain.clone(),
    }
}

/// The words for a test on a path.
pub fn words<N: Network>(
    context: &Context<N>,
    index: PathId,
    way: &Path,
    test: &RelayTest,
) -> Words {
    let request = &context.request;
    let token = |role| {
        request
            .key
            .mint(Token { run: request.run, path: index, test: test.number, role })
    };
    let to = SocketAddr::from(way.endpoint());
    let host = way
        .host
        .clone()
        .or_else(|| context.recorder.look(|report| own_name(report, index)));
    Words {
        user: token(Role::Recipient),
        sender: token(Role::Sender),
        unknown: token(Role::Unknown),
        inner: token(Role::Inner),
        text_token: token(Role::Message),
        domain: request.domain.clone(),
        second_domain: request.second_domain.clone(),
        helo: helo(context, to),
        local_domain: request.local_domain.clone().or_else(|| host.clone()),
        host,
        literal: Some(literal(way.address)),
        address_typed: request.address_typed,
        local_user: request.local_user.clone(),
        own_address: context
            .network
            .source(to)
            .map(|address| address.to_string()),
        receiver: receiver(request, test).map(|address| address.to_string()),
        backup_trap: request.traps.backup.clone(),
        primary_trap: request.traps.primary.clone(),
        credentials: None,
    }
}

/// The receiver's address that a test asks for.
fn receiver(request: &Request, test: &RelayTest) -> Option<IpAddr> {
    let is_v6 = test.forward_path.contains("{v6:");
    request
        .receivers
        .iter()
        .copied()
        .find(|address| address.is_ipv6() == is_v6)
}

/// What of our own a test needs and the run hasn't, as a clause; what is said of the server may
/// still turn out while it is asked.
pub fn lacks(request: &Request, test: &RelayTest) -> Option<&'static str> {
    let needs = |word: &str| test.uses(word);
    let needs_certificate = test.certificate() == Some(Certificate::Given);
    [
        (
            needs("receiver") && receiver(request, test).is_none(),
            "no receiver's address of that family is known",
        ),
        (
            test.is_scored() && needs("second_domain") && request.second_domain.is_none(),
            "there is no second domain",
        ),
        (
            needs("backup_trap") && request.traps.backup.is_none(),
            "no domain of ours has the server as its second exchanger",
        ),
        (
            needs("primary_trap") && request.traps.primary.is_none(),
            "no domain of ours has the server as its first exchanger",
        ),
        (needs_certificate && request.client_identity.is_none(), "no client certificate was given"),
    ]
    .into_iter()
    .find_map(|(is_missing, clause)| is_missing.then_some(clause))
}

/// The tests that are left out for want of something of our own, by what it is: `receiver-literal
/// (no receiver …)`.
pub fn left_out(request: &Request) -> Option<String> {
    let mut by_clause: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for test in &request.tests {
        if let Some(clause) = lacks(request, test) {
            by_clause.entry(clause).or_default().push(test.id.as_str());
        }
    }
    let shown: Vec<_> = by_clause
        .into_iter()
        .map(|(clause, ids)| format!("{} ({clause})", ids.join(", ")))
        .collect();
    (!shown.is_empty()).then(|| shown.join("; "))
}

/// The addresses of the receivers, our own in the place of an unspecified one: `[::]` hears both
/// families.
pub fn receivers<N: Network>(
    request: &Request,
    exchangers: &[MailExchanger],
    network: &N,
) -> Vec<IpAddr> {
    let targets: Vec<IpAddr> = exchangers
        .iter()
        .flat_map(|exchanger| exchanger.addresses.iter().copied())
        .collect();
    let own = |receiver: &IpAddr| {
        let sources = targets
            .iter()
            .filter_map(|target| network.source(SocketAddr::new(*target, 25)));
        let hears = |source: &IpAddr| receiver.is_ipv6() || source.is_ipv4();
        sources
            .map(|source| source.to_canonical())
            .filter(hears)
            .collect::<Vec<_>>()
    };
    let known = |receiver: &IpAddr| match receiver.is_unspecified() {
        true => own(receiver),
        false => vec![receiver.to_canonical()],
    };
    request.receivers.iter().flat_map(known).collect()
}

/// The name that a server gives itself in its greeting or, failing that, in its reply to EHLO (RFC
/// 5321 sections 4.2 and 4.1.1.1), where it is a name.
pub fn own_name(report: &Report, index: PathId) -> Option<String> {
    [Stage::Greeting, Stage::Ehlo]
        .into_iter()
        .find_map(|stage| {
            let path = report.path(index).into_iter();
            path.flat_map(PathView::dialogues)
                .filter_map(|dialogue| dialogue.reply_at(stage))
                .find_map(|reply| {
                    let text = reply
                        .lines
                        .first()
                        .filter(|_| reply.is_positive())
                        .map(Octets::to_text)?;
                    let word = text.split_whitespace().next()?.to_owned();
                    let name = crate::target::host_name(&word).ok()?;
                    name.contains('.').then_some(name)
                })
        })
}
