//! Which address the server thinks we have, and whether that is ours.
//!
//! Most open relays of today have lost their clients' addresses: a proxy, a container's gateway or
//! an address translator stands before them, and they trust it. A server that is closed today shows
//! the loss all the same.
//!
//! Rules:
//! - A dialogue in which we said on purpose where we come from (XCLIENT, a PROXY header) shows
//!   nothing.
//! - What servers say of their client in a refusal counts only where nothing else is known: its
//!   form is anybody's.
//! - A server is never believed to have lost an address unless we know which one it should have
//!   seen.

mod address;
mod reading;

use std::{
    collections::BTreeMap,
    iter,
    net::{IpAddr, Ipv4Addr},
};

use crate::{
    catalogue,
    octets::Octets,
    report::{Dialogue, PathView, Report},
    smtp::{Reply, Stage},
    token::{Token, TokenRole},
};

/// A quotation longer than this says nothing more.
const MAX_EVIDENCE: usize = 240;

/// Where a server named our address; the most telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The `Received` field that it put into our message, which came back.
    Trace,
    /// Its reply to EHLO or HELO.
    Hello,
    /// A refusal.
    Refusal,
}

impl Source {
    /// What it is of the server's.
    #[must_use]
    pub fn clause(self) -> &'static str {
        match self {
            Self::Trace => "its Received field",
            Self::Hello => "its answer to our introduction",
            Self::Refusal => "its refusal",
        }
    }
}

/// An address that a server named as its client's, when the client was us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The address.
    pub address: IpAddr,
    /// Where it was named.
    pub source: Source,
    /// The words, cut where they are long.
    pub evidence: Octets,
    /// The address that the connection had on our side.
    pub local: Option<IpAddr>,
}

/// What a sighting means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// Our address was lost on the way.
    Lost(Loss),
    /// The server sees a public address and ours is a private one: it is translated on our side.
    Translated,
    /// It can't be told, since it isn't known where the connection came from.
    Unknown,
    /// The server sees the address that it should.
    Ours,
}

/// Whose address a server sees in the place of ours; the most dangerous first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// A loopback address.
    Loopback,
    /// An address of the server itself.
    Server,
    /// The first address of a private network, as container engines give it to their bridges.
    Gateway,
    /// Another private address (RFC 1918, RFC 4193, RFC 6598).
    Private,
    /// An address of the link (RFC 3927, RFC 4291).
    LinkLocal,
    /// A public address that isn't ours.
    Other,
}

impl Loss {
    /// Whose address it is, as an apposition.
    #[must_use]
    pub fn clause(self) -> &'static str {
        match self {
            Self::Loopback => "a loopback address",
            Self::Server => "an address of the server itself",
            Self::Gateway => "by its looks the gateway of a container or private network",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Other => "another public address",
        }
    }
}

/// What a server showed of the address that it sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenAddress {
    /// The sighting.
    pub sighting: Sighting,
    /// What it means.
    pub meaning: Meaning,
    /// The address that it should have seen, where that is known: the user's expectation, or the
    /// connection's own.
    pub due: Option<IpAddr>,
}

/// What the server on a path showed: the worst, where it showed several.
#[must_use]
pub fn on_path(path: PathView<'_>) -> Option<SeenAddress> {
    let sightings = sightings(path);
    let best = sightings.first()?.source;
    let counted = sightings
        .into_iter()
        .filter(|sighting| sighting.source != Source::Refusal || best == Source::Refusal);
    let judged = counted.map(|sighting| {
        let due = due(path.report, &sighting);
        SeenAddress { meaning: meaning(path, &sighting, due), due, sighting }
    });
    judged.min_by_key(|seen| seen.meaning)
}

/// Every address that the server on a path named as ours, once for each source: the most telling
/// source first, and in each the address that was named most often.
#[must_use]
pub fn sightings(path: PathView<'_>) -> Vec<Sighting> {
    let mut seen: BTreeMap<(Source, IpAddr), (Sighting, usize)> = BTreeMap::new();
    let undisguised = path.dialogues().filter(|dialogue| !is_disguised(dialogue));
    for sighting in traces(path).chain(undisguised.flat_map(in_dialogue)) {
        seen.entry((sighting.source, sighting.address))
            .or_insert((sighting, 0))
            .1 += 1;
    }
    let mut seen: Vec<_> = seen.into_values().collect();
    seen.sort_by_key(|(sighting, times)| (sighting.source, std::cmp::Reverse(*times)));
    seen.into_iter().map(|(sighting, _)| sighting).collect()
}

/// Whether we claimed another address: by a header before the greeting, or by XCLIENT.
fn is_disguised(dialogue: &Dialogue) -> bool {
    dialogue.exchanges.iter().any(|exchange| {
        let is_xclient = |line: &Octets| {
            line.as_bytes()
                .get(..7)
                .is_some_and(|verb| verb.eq_ignore_ascii_case(b"XCLIENT"))
        };
        exchange
            .sent
            .as_ref()
            .is_some_and(|(_, line)| exchange.stage == Stage::Greeting || is_xclient(line))
    })
}

fn in_dialogue(dialogue: &Dialogue) -> impl Iterator<Item = Sighting> + '_ {
    dialogue.exchanges.iter().filter_map(|exchange| {
        let reply = exchange.reply.as_ref()?;
        let (source, address) = match exchange.stage {
            _ if reply.is_negative() => (Source::Refusal, reading::in_refusal(reply)?),
            Stage::Ehlo | Stage::Helo => {
                let (_, line) = exchange.sent.as_ref()?;
                (Source::Hello, reading::in_hello(reply, &argument(line))?)
            }
            _ => return None,
        };
        let words = match source {
            Source::Hello => reply.lines.first().cloned().unwrap_or_default(),
            _ => Octets::from(reply.text()),
        };
        Some(sighting(address, source, &words, dialogue))
    })
}

/// The messages that came back: the oldest `Received` field is the one of the server that took them
/// from us.
fn traces(path: PathView<'_>) -> impl Iterator<Item = Sighting> + '_ {
    let receipts = path.report.receipts.iter().map(|(_, receipt)| receipt);
    let is_ours = move |token: Token| token.path == path.id && token.role == TokenRole::Recipient;
    let ours = receipts.filter(move |receipt| is_ours(receipt.token));
    ours.filter_map(move |receipt| {
        let test = catalogue::by_number(receipt.token.test)?;
        let mut delivered = path.dialogues_of(test.id).map(|(_, dialogue)| dialogue);
        let dialogue =
            delivered.find(|dialogue| dialogue.has_delivered() && !is_disguised(dialogue))?;
        let field = receipt.received.last()?;
        let said = dialogue
            .exchanges
            .iter()
            .rev()
            .find_map(|exchange| match exchange.stage {
                Stage::Ehlo | Stage::Helo => exchange.sent.as_ref().map(|(_, line)| argument(line)),
                _ => None,
            })?;
        let field = field.to_text();
        let taken = dialogue
            .exchanges
            .iter()
            .rev()
            .find(|exchange| exchange.stage == Stage::EndOfData)?;
        let taken = taken.reply.as_ref().map(Reply::text).unwrap_or_default();
        let address = reading::in_trace(&field, &said, &taken)?;
        // What follows (an id, the recipient's token, the date) is no evidence.
        let words = field.split(';').next().unwrap_or_default();
        let words = words.split(" id ").next().unwrap_or_default().into();
        Some(sighting(address, Source::Trace, &words, dialogue))
    })
}

fn sighting(address: IpAddr, source: Source, words: &Octets, dialogue: &Dialogue) -> Sighting {
    let evidence = Octets::from(&words.as_bytes()[..words.len().min(MAX_EVIDENCE)]);
    Sighting {
        address,
        source,
        evidence,
        local: dialogue.local.map(|local| local.ip().to_canonical()),
    }
}

/// What follows the verb of a command.
fn argument(line: &Octets) -> String {
    line.to_text()
        .split_once(' ')
        .map(|(_, argument)| argument.trim().to_owned())
        .unwrap_or_default()
}

/// The address that the server should have seen: an expectation holds for its own address family.
fn due(report: &Report, sighting: &Sighting) -> Option<IpAddr> {
    let expected = report
        .run
        .as_ref()
        .and_then(|run| run.seen_as_expected)
        .map(|expected| expected.to_canonical());
    let is_of_family = |expected: &IpAddr| {
        sighting
            .local
            .is_none_or(|local| local.is_ipv4() == expected.is_ipv4())
    };
    expected.filter(is_of_family).or(sighting.local)
}

fn meaning(path: PathView<'_>, sighting: &Sighting, due: Option<IpAddr>) -> Meaning {
    let seen = sighting.address;
    let Some(due) = due else { return Meaning::Unknown };
    if due == seen || sighting.local == Some(seen) {
        return Meaning::Ours;
    }
    match loss(path, seen) {
        Loss::Other if is_inside(due) => Meaning::Translated,
        loss => Meaning::Lost(loss),
    }
}

fn loss(path: PathView<'_>, seen: IpAddr) -> Loss {
    let others = path
        .report
        .exchangers
        .iter()
        .flat_map(|exchanger| exchanger.addresses.iter().copied());
    if seen.is_loopback() {
        Loss::Loopback
    } else if iter::once(path.destination().address)
        .chain(others)
        .any(|address| address.to_canonical() == seen)
    {
        Loss::Server
    } else if is_link_local(seen) {
        Loss::LinkLocal
    } else if is_private(seen) {
        if is_first(seen) { Loss::Gateway } else { Loss::Private }
    } else {
        Loss::Other
    }
}

/// Our address, where a server may know it and trust it: on the server's own machine, in a private
/// network with it, or beside it (the same /24, of IPv6 the same /64). Whoever asks from there is
/// no stranger.
#[must_use]
pub fn neighbour(path: PathView<'_>) -> Option<IpAddr> {
    let theirs = path.destination().address.to_canonical();
    let ours = path
        .dialogues()
        .find_map(|dialogue| dialogue.local)?
        .ip()
        .to_canonical();
    let is_beside = match (ours, theirs) {
        (IpAddr::V4(ours), IpAddr::V4(theirs)) => ours.octets()[..3] == theirs.octets()[..3],
        (IpAddr::V6(ours), IpAddr::V6(theirs)) => ours.segments()[..4] == theirs.segments()[..4],
        _ => false,
    };
    (is_beside || (is_inside(ours) && is_inside(theirs))).then_some(ours)
}

/// Whether an address means nothing outside of its own network or machine.
#[must_use]
pub fn is_inside(address: IpAddr) -> bool {
    let address = address.to_canonical();
    is_private(address) || is_link_local(address) || address.is_loopback()
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || is_shared(address),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// RFC 6598: 100.64.0.0/10.
fn is_shared(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [100, 64..128, ..])
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether it is the first address of a network: engines number their bridges so.
fn is_first(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[3] == 1,
        IpAddr::V6(address) => address.segments()[4..] == [0, 0, 0, 1],
    }
}

#[cfg(test)]
mod tests;
