//! The plain question, accepted on one path: compared with the others, to tell who is trusted
//! there.

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

/// Why the plain question was accepted on a path.
pub(super) fn plain(view: View<'_>) -> Diagnosis {
    let proven = view
        .test(TestRole::Plain)
        .is_some_and(|judged| judged.weight == Weight::Proof);
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
    let confidence = if proven { Confidence::Certain } else { Confidence::Likely };
    let found = Diagnosis::new(view, cause, confidence, evidence, rules_out);
    if cause == RelayCause::LostClientAddress { from_this_machine(view, found) } else { found }
}

/// Whoever is taken for the server's own machine must get his address back, or nobody may be
/// trusted: no list of trusted networks is narrow enough.
fn from_this_machine(view: View<'_>, mut found: Diagnosis) -> Diagnosis {
    let seen = seen::misseen(view.path);
    if seen.map_or_else(|| ends_tls_before(view), |(seen, _)| seen.is_loopback()) {
        found.prefer(super::CLIENT_ADDRESS);
    }
    found
}

/// Whether TLS ends before the server, in a program of its own that connects to it: it offers
/// STARTTLS to us who use TLS from the start.
fn ends_tls_before(view: View<'_>) -> bool {
    view.path.destination().security == Security::Tls && view.path.offers("STARTTLS")
}

/// The server says that it sees another address than ours, and one that it may trust.
fn lost_address(view: View<'_>) -> Option<Ground> {
    let seen = seen::misseen(view.path)?;
    Some((RelayCause::LostClientAddress, vec![sentence::misseen(seen)]))
}

/// A second foreign domain was refused: it is ours that is permitted.
fn one_domain<'a>(view: View<'a>) -> Option<Ground> {
    let asked = |view: View<'a>| {
        view.test(TestRole::SecondForeign)
            .filter(|judged| !judged.dialogues.is_empty())
    };
    let second = asked(view).or_else(|| twins(view).filter_map(asked).next());
    let second = second.filter(|judged| sentence::is_refusal_of_relaying(judged))?;
    let domain = domain(view);
    let comparison = format!(
        "A recipient at {domain} was accepted, one at another foreign domain refused ({}).",
        sentence::reply_of(second)
    );
    let by_mx = view
        .accepted()
        .any(|judged| judged.test.cause == Some(RelayCause::BackupMxLoose));
    Some((
        if by_mx { RelayCause::BackupMxLoose } else { RelayCause::RecipientDomainTooWide },
        vec![comparison],
    ))
}

/// The paths to the same host that relay as this one does: a path that behaves like another is
/// asked less.
fn twins<'a>(view: View<'a>) -> impl Iterator<Item = View<'a>> {
    view.others().filter(move |other| {
        other
            .path
            .destination()
            .is_to_host_of(view.path.destination())
            && other.answer(TestRole::Plain) == Answer::Yes
    })
}

/// The same client with the same sender was refused as relaying, and all that was another was the
/// recipient: who is trusted for himself may write to everybody.
fn by_recipient(view: View<'_>) -> Option<Ground> {
    let asked = |view: &View<'_>| {
        view.judged
            .tests
            .iter()
            .any(|judged| judged.test.group == Group::RecipientDomain)
    };
    let view = Some(view)
        .filter(asked)
        .or_else(|| twins(view).find(asked))?;
    let plain = view.test(TestRole::Plain)?.test;
    let mut others = view.judged.tests.iter().filter(|judged| {
        judged.test.group == Group::RecipientDomain
            && judged.test.reverse_path == plain.reverse_path
    });
    let refused =
        others.find(|judged| is_denied(judged) && sentence::is_refusal_of_relaying(judged))?;
    Some((RelayCause::RecipientDomainTooWide, vec![sentence::other_recipient(view, refused)]))
}

/// The other address family is closed: the relay check works where the client's address arrives. If
/// it arrives here as well, then all of this family is trusted.
fn one_family(view: View<'_>) -> Option<Ground> {
    let comparison = over_families(view, plain_test(), is_denied)?;
    if seen::is_well_seen(view.path) {
        return Some((RelayCause::TrustsEveryone, vec![comparison]));
    }
    let family = family(view.path.destination().address);
    Some((RelayCause::LostClientAddress, vec![comparison, sentence::unseen(family)]))
}

/// Another foreign domain is taken, and ours is refused in words that don't speak of relaying: it
/// is turned down for its own sake.
pub(super) fn all_but_our_domain(view: View<'_>) -> Option<Diagnosis> {
    let (plain, comparison) = another_domain(view)?;
    let found = || {
        Diagnosis::new(
            view,
            RelayCause::TrustsEveryone,
            Confidence::Likely,
            vec![comparison],
            Vec::new(),
        )
    };
    (!sentence::is_refusal_of_relaying(plain)).then(found)
}

/// Another foreign domain is taken, and ours is refused as relaying: that one is permitted.
pub(super) fn listed_domain(view: View<'_>) -> Option<Diagnosis> {
    let (plain, comparison) = another_domain(view)?;
    let found = || {
        Diagnosis::new(
            view,
            RelayCause::RecipientDomainTooWide,
            Confidence::Likely,
            vec![comparison],
            Vec::new(),
        )
    };
    sentence::is_refusal_of_relaying(plain).then(found)
}

/// The plain test, refused at RCPT, where a control shows that another foreign domain is taken; and
/// the comparison.
fn another_domain<'a>(view: View<'a>) -> Option<(&'a TestJudgement, String)> {
    let plain = view.test(TestRole::Plain)?;
    let Outcome::Refused { stage: Stage::Rcpt, .. } = plain.outcome else { return None };
    let is_taken = |judged: &&TestJudgement| super::answer(judged) == Answer::Yes;
    let controls = other_domain::FOREIGN
        .into_iter()
        .filter_map(|role| view.test(role));
    let taken = controls.into_iter().find(is_taken)?;
    Some((plain, sentence::other_domain(taken, plain, domain(view))))
}

/// The null sender and one of the server's own are taken, and ours is refused for its own sake: it
/// is the exception.
pub(super) fn all_but_our_sender(view: View<'_>) -> Option<Diagnosis> {
    let plain = view.test(TestRole::Plain)?;
    let Outcome::Refused { reason: Reason::SenderDomain, .. } = plain.outcome else { return None };
    let is_other = |judged: &TestJudgement| {
        judged.test.group == Group::Sender && !judged.test.is(TestRole::NullSender)
    };
    if view.answer(TestRole::NullSender) != Answer::Yes || !view.accepted().any(is_other) {
        return None;
    }
    let proven = view.accepted().any(|judged| judged.weight == Weight::Proof);
    let confidence = if proven { Confidence::Certain } else { Confidence::Likely };
    let evidence = vec![sentence::other_senders(plain, domain(view))];
    Some(Diagnosis::new(view, RelayCause::TrustsEveryone, confidence, evidence, Vec::new()))
}

fn domain<'a>(view: View<'a>) -> &'a str {
    view.path
        .report
        .run
        .as_ref()
        .map(|run| run.domain.as_str())
        .unwrap_or_default()
}

/// A sender is enough over one address family and over the other it isn't, where our address
/// arrives: here we are taken for somebody who may name it.
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

/// That a test was accepted over this path's address family and refused over the other, at the same
/// port.
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

/// The same port is closed in the clear.
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

/// Another port of the same address is closed.
fn one_port(view: View<'_>) -> Option<Ground> {
    let ours = view.path.destination();
    let other = refusing(view, plain_test(), is_denied, |other| {
        other.address == ours.address && other.port != ours.port
    })?;
    let comparison = format!(
        "Accepted on port {} of {}, refused on port {}: {}.",
        ours.port, ours.address, other.1.port, other.2
    );
    if ends_tls_before(view) && !seen::is_well_seen(view.path) {
        let sign = sentence::ends_tls_before(ours);
        return Some((RelayCause::LostClientAddress, vec![comparison, sign]));
    }
    Some((RelayCause::PortWithoutRelayCheck, vec![comparison]))
}

/// Whether a test was refused as relaying.
fn is_denied(judged: &TestJudgement) -> bool {
    super::answer(judged) == Answer::No
}

fn plain_test() -> TestId {
    catalogue::by_role(TestRole::Plain).id
}

/// A path of this kind that refused a test, and its reply.
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

/// That the other paths are open as well.
fn everywhere(view: View<'_>) -> Option<String> {
    let open = view
        .others()
        .filter(|other| other.answer(TestRole::Plain) == Answer::Yes)
        .count();
    (open > 0 && open + 1 == view.judgement.paths.len()).then(|| {
        "It isn't one port or address family: the plain test was accepted on every path.".to_owned()
    })
}

/// That we may be no stranger.
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
