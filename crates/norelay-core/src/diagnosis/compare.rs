//! The plain test, accepted on one path: compared with other answers, to tell whom the server
//! trusts.

use std::net::IpAddr;

use super::{Answer, Diagnosis, View, seen, sentence};
use crate::{
    catalogue::{self, Group, TestId, TestRole},
    check::{Outcome, Reason, TestJudgement, Weight, other_domain},
    event::Path,
    mta::Confidence,
    remedy::RelayCause,
    seen::neighbour,
    smtp::{Security, Stage},
};

/// A cause, and the sentences that show it.
type Ground = (RelayCause, Vec<String>);

/// Returns why the plain test was accepted on a path.
pub(super) fn plain(view: View<'_>) -> Diagnosis {
    let proven = view
        .test(TestRole::Plain)
        .is_some_and(|judged| judged.weight == Weight::Proof);
    // The first ground that holds explains the acceptance. What names a trusted address comes
    // first.
    let grounds: &[fn(View<'_>) -> Option<Ground>] =
        &[lost_address, one_domain, by_recipient, one_family, under_tls, one_port];
    let found = grounds.iter().find_map(|ground| ground(view));
    let (cause, mut evidence) = found.unwrap_or_else(|| (RelayCause::TrustsEveryone, Vec::new()));
    if let Some(judged) = view.test(TestRole::Plain) {
        evidence.insert(0, sentence::accepted(view, judged, None));
    }
    let mut rules_out = sentence::rules_out(view, cause);
    if cause == RelayCause::TrustsEveryone {
        rules_out.extend(everywhere(view));
        evidence.extend(from_nearby(view));
    }
    // A message that came back shows that our address is trusted, and nothing about others.
    let is_shown = cause != RelayCause::TrustsEveryone || trusts_others(view);
    if proven && !is_shown {
        evidence.push(sentence::ONE_ADDRESS.to_owned());
    }
    let confidence = if proven && is_shown { Confidence::Certain } else { Confidence::Likely };
    let found = Diagnosis::new(view, cause, confidence, evidence, rules_out);
    if cause == RelayCause::LostClientAddress { from_this_machine(view, found) } else { found }
}

/// True if the server relays for more than one address of ours, over both address families, and
/// none of these is in its own network. A server that trusts a client because that client read
/// mail before (POP before SMTP), or by a list, trusts one address.
fn trusts_others(view: View<'_>) -> bool {
    let here = is_v6(view.path.destination().address);
    let is_open = |other: &View<'_>| {
        other.answer(TestRole::Plain) == Answer::Yes && neighbour(other.path).is_none()
    };
    is_open(&view)
        && view
            .others()
            .any(|other| is_v6(other.path.destination().address) != here && is_open(&other))
}

/// Prefers the remedies that give the server its clients' addresses, if the server takes clients
/// for its own machine: then no list of trusted networks is narrow enough.
fn from_this_machine(view: View<'_>, mut found: Diagnosis) -> Diagnosis {
    let seen = seen::misseen(view.path);
    if seen.map_or_else(|| ends_tls_before(view), |(seen, _)| seen.is_loopback()) {
        found.prefer(super::CLIENT_ADDRESS);
    }
    // Before a container the address is lost outside of the server, and of a proxy in front of it.
    if seen::is_gateway(view.path) {
        found.add_remedy(super::CONTAINER);
    }
    found
}

/// True if TLS ends in another program, which then connects to the server: a server that offers
/// STARTTLS under TLS does not know that the connection is secured.
fn ends_tls_before(view: View<'_>) -> bool {
    view.path.destination().security == Security::Tls && view.path.offers("STARTTLS")
}

/// Returns a lost client address, if the server says that it sees another address than ours, one
/// that the server may trust.
fn lost_address(view: View<'_>) -> Option<Ground> {
    let seen = seen::misseen(view.path)?;
    Some((RelayCause::LostClientAddress, vec![sentence::misseen(seen)]))
}

/// Returns a recipient domain that is permitted: our domain was accepted, and a second foreign
/// domain was rejected.
fn one_domain(view: View<'_>) -> Option<Ground> {
    let second = second_foreign(view).or_else(|| twins(view).find_map(second_foreign));
    let second = second.filter(|judged| sentence::is_refusal_of_relaying(judged))?;
    let domain = domain(view);
    let comparison = format!(
        "A recipient at {domain} was accepted, one at another foreign domain refused ({}).",
        sentence::reply_of(second)
    );
    // A backup MX relays for every domain whose MX records name it, and ours does in that test.
    let by_mx = view
        .accepted()
        .any(|judged| judged.test.cause == Some(RelayCause::BackupMxLoose));
    Some((
        if by_mx { RelayCause::BackupMxLoose } else { RelayCause::RecipientDomainTooWide },
        vec![comparison],
    ))
}

/// Returns the control at a second foreign domain, if this path was asked it.
fn second_foreign(view: View<'_>) -> Option<&TestJudgement> {
    view.test(TestRole::SecondForeign)
        .filter(|judged| !judged.dialogues.is_empty())
}

/// Returns the other paths to the same host that relay like this one. A path that behaves like
/// another is asked less, so the answer to a question may stand on any of these paths.
fn twins<'a>(view: View<'a>) -> impl Iterator<Item = View<'a>> {
    view.others().filter(move |other| {
        other
            .path
            .destination()
            .is_to_host_of(view.path.destination())
            && other.answer(TestRole::Plain) == Answer::Yes
    })
}

/// Returns a recipient domain that is permitted: the same client with the same sender was rejected
/// as relaying for another recipient. A trusted client or sender could write to everybody.
fn by_recipient(view: View<'_>) -> Option<Ground> {
    let view = Some(view)
        .filter(asks_recipient_domains)
        .or_else(|| twins(view).find(asks_recipient_domains))?;
    let plain = view.test(TestRole::Plain)?.test;
    let mut others = view.judged.tests.iter().filter(|judged| {
        judged.test.group == Group::RecipientDomain
            && judged.test.reverse_path == plain.reverse_path
    });
    let refused =
        others.find(|judged| is_denied(judged) && sentence::is_refusal_of_relaying(judged))?;
    Some((RelayCause::RecipientDomainTooWide, vec![sentence::other_recipient(view, refused)]))
}

/// True if this path was asked the tests about recipient domains.
fn asks_recipient_domains(view: &View<'_>) -> bool {
    let mut tests = view.judged.tests.iter();
    tests.any(|judged| judged.test.group == Group::RecipientDomain)
}

/// Compares with a path over the other address family that is closed. There the relay check works,
/// so here the client's address may be lost. If the address is known to arrive here as well, the
/// server trusts this whole family.
fn one_family(view: View<'_>) -> Option<Ground> {
    let comparison = over_families(view, plain_test(), is_denied)?;
    // The address arrives, so it is not lost: the list of trusted networks is too wide.
    if seen::is_well_seen(view.path) {
        return Some((RelayCause::TrustsEveryone, vec![comparison]));
    }
    let family = family(view.path.destination().address);
    Some((RelayCause::LostClientAddress, vec![comparison, sentence::unseen(family)]))
}

/// Returns a server that relays for everybody but our domain: another foreign domain is accepted,
/// and ours is rejected in words that do not speak of relaying.
pub(super) fn all_but_our_domain(view: View<'_>) -> Option<Diagnosis> {
    let (plain, comparison) = another_domain(view)?;
    let is_denied = sentence::is_refusal_of_relaying(plain);
    (!is_denied).then(|| likely(view, RelayCause::TrustsEveryone, comparison))
}

/// Returns a recipient domain that is permitted: another foreign domain is accepted, and ours is
/// rejected as relaying.
pub(super) fn listed_domain(view: View<'_>) -> Option<Diagnosis> {
    let (plain, comparison) = another_domain(view)?;
    let is_denied = sentence::is_refusal_of_relaying(plain);
    is_denied.then(|| likely(view, RelayCause::RelaysForSomeDomains, comparison))
}

/// Returns trust in a sender of another domain: a listed sender is accepted, and ours is rejected.
pub(super) fn listed_sender(view: View<'_>) -> Option<Diagnosis> {
    let plain = view.test(TestRole::Plain)?;
    let Outcome::Refused { stage: Stage::Mail | Stage::Rcpt, .. } = plain.outcome else {
        return None;
    };
    let taken = view
        .test(TestRole::ListedSenders)
        .filter(|judged| super::answer(judged) == Answer::Yes)?;
    let comparison = sentence::listed_sender(view, taken, plain, domain(view));
    Some(likely(view, RelayCause::TrustsListedSender, comparison))
}

/// Returns a likely cause that one comparison shows.
fn likely(view: View<'_>, cause: RelayCause, comparison: String) -> Diagnosis {
    Diagnosis::new(view, cause, Confidence::Likely, vec![comparison], Vec::new())
}

/// Returns the plain test and the comparison, if the plain test was rejected at RCPT and a control
/// shows that another foreign domain is accepted.
fn another_domain<'a>(view: View<'a>) -> Option<(&'a TestJudgement, String)> {
    let plain = view.test(TestRole::Plain)?;
    let Outcome::Refused { stage: Stage::Rcpt, .. } = plain.outcome else { return None };
    let is_taken = |judged: &&TestJudgement| super::answer(judged) == Answer::Yes;
    let controls = other_domain::FOREIGN
        .into_iter()
        .filter_map(|role| view.test(role));
    let taken = controls.into_iter().find(is_taken)?;
    Some((plain, sentence::other_domain(view, taken, plain, domain(view))))
}

/// Returns a server that relays for everybody but our sender: the null sender and another sender
/// are accepted, and ours is rejected as a sender.
pub(super) fn all_but_our_sender(view: View<'_>) -> Option<Diagnosis> {
    let plain = view.test(TestRole::Plain)?;
    let Outcome::Refused { reason: Reason::SenderDomain, .. } = plain.outcome else { return None };
    let is_other = |judged: &TestJudgement| {
        judged.test.group == Group::Sender && !judged.test.is(TestRole::NullSender)
    };
    // Two other senders, because a server may well trust one of them.
    if view.answer(TestRole::NullSender) != Answer::Yes || !view.accepted().any(is_other) {
        return None;
    }
    Some(likely(view, RelayCause::TrustsEveryone, sentence::other_senders(plain, domain(view))))
}

/// Returns the probe domain.
fn domain<'a>(view: View<'a>) -> &'a str {
    view.path
        .report
        .run
        .as_ref()
        .map(|run| run.domain.as_str())
        .unwrap_or_default()
}

/// Returns a lost client address: a sender is enough over this address family and not over the
/// other. There our address arrives; here the server takes us for a client that may use the sender.
pub(super) fn insider(view: View<'_>) -> Option<Diagnosis> {
    let judged = view
        .accepted()
        .find(|judged| judged.test.group == Group::Sender)?;
    let is_refused = |judged: &TestJudgement| matches!(judged.outcome, Outcome::Refused { .. });
    let mut evidence = vec![
        sentence::accepted(view, judged, None),
        over_families(view, judged.test.id, is_refused)?,
    ];
    if seen::is_well_seen(view.path) {
        return None;
    }
    let misseen = seen::misseen(view.path);
    let confidence = if misseen.is_some() { Confidence::Certain } else { Confidence::Likely };
    evidence.extend(misseen.map(sentence::misseen));
    let rules_out = sentence::rules_out(view, RelayCause::LostClientAddress);
    let found =
        Diagnosis::new(view, RelayCause::LostClientAddress, confidence, evidence, rules_out);
    Some(from_this_machine(view, found))
}

/// Returns the sentence that a test was accepted over this path's address family and rejected over
/// the other, at the same port.
fn over_families(
    view: View<'_>,
    test: TestId,
    is_refused: impl Fn(&TestJudgement) -> bool,
) -> Option<String> {
    let ours = view.path.destination();
    let is_kind = |other: &Path| {
        is_v6(other.address) != is_v6(ours.address)
            && (other.port, other.security) == (ours.port, ours.security)
    };
    let (_, other, reply) = refusing(view, test, is_refused, is_kind)?;
    let (family, others) = (family(ours.address), family(other.address));
    Some(format!("Accepted over {family} ({ours}), refused over {others} ({other}): {reply}."))
}

/// Returns trust in TLS, if the same port is closed in the clear.
fn under_tls(view: View<'_>) -> Option<Ground> {
    let ours = view.path.destination();
    let other = refusing(view, plain_test(), is_denied, |other| {
        other.endpoint() == ours.endpoint()
            && other.security == Security::Plain
            && ours.security == Security::StartTls
    })?;
    let comparison = format!("Accepted under TLS ({ours}), refused in the clear: {}.", other.2);
    Some((RelayCause::TrustsTls, vec![comparison]))
}

/// Returns a port without a relay check, if another port of the same address is closed.
fn one_port(view: View<'_>) -> Option<Ground> {
    let ours = view.path.destination();
    let other = refusing(view, plain_test(), is_denied, |other| {
        other.address == ours.address && other.port != ours.port
    })?;
    let comparison = format!(
        "Accepted on port {} of {}, refused on port {}: {}.",
        ours.port, ours.address, other.1.port, other.2
    );
    // A TLS program in front of the server connects from an address that the server may trust.
    if ends_tls_before(view) && !seen::is_well_seen(view.path) {
        let sign = sentence::ends_tls_before(ours);
        return Some((RelayCause::LostClientAddress, vec![comparison, sign]));
    }
    Some((RelayCause::PortWithoutRelayCheck, vec![comparison]))
}

/// True if the server denied relaying in this test.
fn is_denied(judged: &TestJudgement) -> bool {
    super::answer(judged) == Answer::No
}

fn plain_test() -> TestId {
    catalogue::by_role(TestRole::Plain).id
}

/// Returns a path of this kind that rejected a test, and the reply.
fn refusing<'a>(
    view: View<'a>,
    test: TestId,
    is_refused: impl Fn(&TestJudgement) -> bool,
    is_kind: impl Fn(&Path) -> bool,
) -> Option<(View<'a>, &'a Path, String)> {
    view.others().find_map(|other| {
        let destination =
            Some(other.path.destination()).filter(|destination| is_kind(destination))?;
        let judged = other
            .judged
            .find(test)
            .filter(|judged| is_refused(judged))?;
        Some((other, destination, sentence::reply_of(judged)))
    })
}

/// Returns the sentence that the other paths are open as well, if all are.
fn everywhere(view: View<'_>) -> Option<String> {
    let open = view
        .others()
        .filter(|other| other.answer(TestRole::Plain) == Answer::Yes)
        .count();
    (open > 0 && open + 1 == view.judgement.paths.len()).then(|| {
        "It isn't one port or address family: the plain test was accepted on every path.".to_owned()
    })
}

/// Returns the sentence that the server may know our address, if we are in its own network.
fn from_nearby(view: View<'_>) -> Option<String> {
    neighbour(view.path).map(|ours| {
        format!("We asked from {ours}, which the server may know: ask from outside to be sure.")
    })
}

fn is_v6(address: IpAddr) -> bool {
    address.to_canonical().is_ipv6()
}

fn family(address: IpAddr) -> &'static str {
    if is_v6(address) { "IPv6" } else { "IPv4" }
}
