//! The words of a run: what the catalogue's templates stand for on one path and in one test.

use std::{collections::BTreeMap, net::IpAddr};

use super::request::{HostName, Means, Request};
use crate::{
    catalogue::{Certificate, Profile, RelayTest, TestRole, Words, by_role, listed},
    event::{MailExchanger, Path},
    octets::Octets,
    path::PathId,
    report::Report,
    smtp::Stage,
    token::{Token, TokenRole},
};

/// How many domains that the DNS tells the standard profile asks as senders.
const FEW_FOUND: usize = 3;

/// An address as a literal (RFC 5321 section 4.1.3).
#[must_use]
pub fn literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// The name that we say with EHLO to the server at an address.
#[must_use]
pub fn helo(request: &Request, means: &Means, to: IpAddr) -> String {
    match (&request.helo, means.source(to)) {
        (Some(name), _) => name.clone(),
        (None, Some(own)) => literal(own),
        (None, None) => request.domain.clone(),
    }
}

/// The words for a test on a path.
pub(super) fn words(
    request: &Request,
    means: &Means,
    report: &Report,
    (id, path): (PathId, &Path),
    test: &RelayTest,
) -> Words {
    let token = |role| {
        request
            .key
            .mint(Token { run: request.run, path: id, test: test.number, role })
    };
    let host = host(means, report, (id, path));
    Words {
        user: token(TokenRole::Recipient),
        sender: token(TokenRole::Sender),
        unknown: token(TokenRole::Unknown),
        nobody: login_token(request, TokenRole::Unknown),
        password: login_token(request, TokenRole::Message),
        login: None,
        inner: token(TokenRole::Inner),
        text_token: token(TokenRole::Message),
        domain: request.domain.clone(),
        second_domain: request.second_domain.clone(),
        helo: helo(request, means, path.address),
        local_domain: request.local_domain.clone().or_else(|| host.clone()),
        host,
        literal: Some(literal(path.address)),
        address_typed: request.address_typed,
        trusted_senders: request.trusted_senders.clone(),
        listed: listed(request, means, report, (id, path), test),
        listed_domain: None,
        own_names: own_names(request, means, report, (id, path)),
        local_user: request.local_user.clone(),
        own_address: means.source(path.address).map(|own| own.to_string()),
        receiver: receiver(request, test).map(|address| address.to_string()),
        backup_trap: request.traps.backup.clone(),
        primary_trap: request.traps.primary.clone(),
        credentials: None,
    }
}

/// A token for logins, which is the same in all logins of a run.
fn login_token(request: &Request, role: TokenRole) -> String {
    let test = by_role(TestRole::UnknownCredentials).number;
    request
        .key
        .mint(Token { run: request.run, path: PathId::FIRST, test, role })
}

/// Returns the host name of the target on a path: its name in the DNS or, failing that, the name
/// that the server gives itself.
fn host(means: &Means, report: &Report, (id, path): (PathId, &Path)) -> Option<String> {
    path.host
        .clone()
        .or_else(|| own_name(report, id, means.host_name))
}

/// Returns the names that the server may trust a sender at, and that no other test of the run asks:
/// the names in its greeting and in its reply to EHLO, and the registrable domain of each.
///
/// Later replies only add names at the end, so a test never gets another name than it had.
pub(super) fn own_names(
    request: &Request,
    means: &Means,
    report: &Report,
    (id, path): (PathId, &Path),
) -> Vec<String> {
    let host = host(means, report, (id, path));
    let asks_local_domain = request
        .tests
        .iter()
        .any(|test| test.is(TestRole::OwnDomainSender));
    let mut candidates = Vec::new();
    // An address leads to no domain, so the hosted domain is not what the user asked about.
    if request.address_typed {
        candidates.extend(request.local_domain.clone());
    }
    for stage in [Stage::Greeting, Stage::Ehlo] {
        let Some(name) = name_at(report, id, means.host_name, stage) else { continue };
        let domain = (means.registrable)(&name);
        // The domain of the name that the user typed is what the hosted domain stands for.
        let is_typed = !request.address_typed && Some(&name) == host.as_ref();
        candidates.push(name);
        candidates.extend(domain.filter(|_| !is_typed));
    }
    let mut names: Vec<String> = Vec::new();
    for candidate in candidates {
        let is_asked = Some(&candidate) == host.as_ref()
            || asks_local_domain && Some(&candidate) == request.local_domain.as_ref();
        if !is_asked && !names.contains(&candidate) {
            names.push(candidate);
        }
    }
    names
}

/// Returns the domains that a test asks one after another; none for a test that asks one question.
fn listed(
    request: &Request,
    means: &Means,
    report: &Report,
    path: (PathId, &Path),
    test: &RelayTest,
) -> Vec<String> {
    let found: &[String] = match test.role {
        Some(TestRole::ListedSenders) => &request.found_senders,
        Some(TestRole::ProviderRecipients) => &[],
        _ => return Vec::new(),
    };
    let (few_found, few) = match request.profile >= Profile::Thorough {
        true => (usize::MAX, usize::MAX),
        false => (FEW_FOUND, listed::FEW),
    };
    let mut domains: Vec<_> = found.iter().take(few_found).cloned().collect();
    for domain in providers(request, means, report, path).take(few) {
        if !domains.iter().any(|known| known == domain) {
            domains.push(domain.to_owned());
        }
    }
    domains
}

/// Returns the domains of large providers, without those that the server may host itself: what the
/// user typed, what the DNS says and what the server calls itself can tell.
fn providers(
    request: &Request,
    means: &Means,
    report: &Report,
    (id, path): (PathId, &Path),
) -> impl Iterator<Item = &'static str> {
    let said =
        [Stage::Greeting, Stage::Ehlo].map(|stage| name_at(report, id, means.host_name, stage));
    let known = [&path.host, &request.local_domain, &said[0], &said[1]];
    let names = known.into_iter().flatten().map(String::as_str);
    let names: Vec<_> = names.chain([request.target.as_str()]).collect();
    listed::domains_beside(&names).into_iter()
}

/// Returns the receiver's address of the family that a test asks for.
fn receiver(request: &Request, test: &RelayTest) -> Option<IpAddr> {
    let is_v6 = test.forward_path.contains("{v6:");
    request
        .receivers
        .iter()
        .copied()
        .find(|address| address.is_ipv6() == is_v6)
}

/// Names that many systems have a user for. Each is tried by the thorough profile, with the one
/// made-up password of the run.
const ROLE_NAMES: [&str; 6] = ["postmaster", "mail", "root", "admin", "info", "test"];

/// The users that a run logs in as with a made-up password: the one that was named, then those that
/// many systems have.
pub(super) fn login_names(request: &Request) -> Vec<String> {
    let mut names: Vec<String> = request.named_user.iter().cloned().collect();
    if request.profile >= Profile::Thorough {
        let roles = ROLE_NAMES.iter().map(|name| (*name).to_owned());
        names.extend(roles.filter(|name| Some(name) != request.named_user.as_ref()));
    }
    names
}

/// True if the run has what the test asks about. A test of a trusted sender that was not given does
/// not exist.
pub(super) fn has_subject(request: &Request, test: &RelayTest) -> bool {
    test.trusted_sender_place()
        .is_none_or(|place| place < request.trusted_senders.len())
}

/// Returns what of our own a test needs and the run lacks, as a clause. Facts about the server are
/// not checked here, because they may still turn out while the server is asked.
pub(super) fn lacks(request: &Request, means: &Means, test: &RelayTest) -> Option<&'static str> {
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
        (needs_certificate && !means.has_certificate, "no client certificate was given"),
        (
            test.is_for_users() && login_names(request).is_empty(),
            "no user was named with --local-user",
        ),
    ]
    .into_iter()
    .find_map(|(is_missing, clause)| is_missing.then_some(clause))
}

/// Returns the tests that are left out for want of something of our own, by what is missing:
/// `receiver-literal (no receiver …)`.
pub(super) fn left_out(request: &Request, means: &Means) -> Option<String> {
    let mut by_clause: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for test in &request.tests {
        if let Some(clause) = lacks(request, means, test) {
            by_clause.entry(clause).or_default().push(test.id.as_str());
        }
    }
    let shown: Vec<_> = by_clause
        .into_iter()
        .map(|(clause, ids)| format!("{} ({clause})", ids.join(", ")))
        .collect();
    (!shown.is_empty()).then(|| shown.join("; "))
}

/// The addresses of the receivers, with our own in the place of an unspecified one: `[::]` listens
/// for both families.
pub(super) fn receivers(
    request: &Request,
    exchangers: &[MailExchanger],
    means: &Means,
) -> Vec<IpAddr> {
    let mut known = Vec::new();
    for receiver in &request.receivers {
        if !receiver.is_unspecified() {
            known.push(receiver.to_canonical());
            continue;
        }
        let targets = exchangers.iter().flat_map(|exchanger| &exchanger.addresses);
        let own = targets
            .filter_map(|target| means.source(*target))
            .map(|own| own.to_canonical());
        known.extend(own.filter(|own| receiver.is_ipv6() || own.is_ipv4()));
    }
    known
}

/// The name that a server gives itself in its greeting or, failing that, in its reply to EHLO (RFC
/// 5321 sections 4.2 and 4.1.1.1), where it is a host name.
#[must_use]
pub fn own_name(report: &Report, path: PathId, host_name: HostName) -> Option<String> {
    [Stage::Greeting, Stage::Ehlo]
        .into_iter()
        .find_map(|stage| name_at(report, path, host_name, stage))
}

/// Returns the host name with which the first reply at a stage begins, among those that have one. A
/// name without a dot, such as `localhost`, tells nothing.
fn name_at(report: &Report, path: PathId, host_name: HostName, stage: Stage) -> Option<String> {
    super::evidence::dialogues(report, path)
        .filter_map(|dialogue| dialogue.reply_at(stage))
        .filter(|reply| reply.is_positive())
        .find_map(|reply| {
            let text = reply.lines.first().map(Octets::to_text)?;
            let name = host_name(text.split_whitespace().next()?)?.to_ascii_lowercase();
            name.contains('.').then_some(name)
        })
}
