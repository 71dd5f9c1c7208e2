//! What the table knows about one list.
//!
//! Rules:
//! - Every statement carries its source: verified or only remembered.

use serde::{Deserialize, Serialize};

use super::unknown::UnknownReason;

/// What can be looked up in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryKind {
    /// IPv4 addresses, by reversed octets (RFC 5782 section 2.1).
    Ipv4,
    /// IPv6 addresses, by reversed nibbles (RFC 5782 section 2.4).
    Ipv6,
    /// Domain names (RFC 5782 section 3).
    Domain,
}

/// How much a listing hurts: how many receivers reject mail because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// No receiver worth acting for: the list has whole networks, or things that are no fault.
    Ignorable,
    /// Few receivers, mostly as one point among many.
    Low,
    /// Some receivers.
    Medium,
    /// A large part of all receivers.
    High,
}

impl Impact {
    /// The word in outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignorable => "ignorable",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What it means for a target to be on a list, or to get one of the list's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sense {
    /// The list speaks against the target.
    Against,
    /// The list vouches for the target.
    For,
    /// Neither: a remark.
    Neutral,
}

/// Whether a list is still in operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// There is evidence that the list answers. It is asked in every run.
    Living,
    /// The list answers, but another list contains its entries, or its entries are no fault. It is
    /// asked only when named.
    Optional,
    /// The evidence is old, weak or contradictory. The list is asked only when named.
    Doubtful,
    /// The list has ended. It is never asked.
    Dead,
}

/// Where a statement of the table comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Read in the operator's or another dependable text, or seen in an experiment.
    Verified,
    /// Remembered only.
    Remembered,
}

/// A statement about a list and how sure it is.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// The statement, as a clause.
    pub text: &'static str,
    /// Where it comes from.
    pub source: Provenance,
}

/// A verified statement.
pub(super) const fn known(text: &'static str) -> Statement {
    Statement { text, source: Provenance::Verified }
}

/// A remembered statement.
pub(super) const fn recalled(text: &'static str) -> Statement {
    Statement { text, source: Provenance::Remembered }
}

impl std::fmt::Display for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.source {
            Provenance::Verified => f.write_str(self.text),
            Provenance::Remembered => write!(f, "{} (remembered, not verified)", self.text),
        }
    }
}

/// Who may ask a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, within the operator's limits.
    Open,
    /// Resolvers whose address is registered with the operator. Others get no or false answers.
    Registered,
    /// Anybody; with a key, another zone is asked that takes any resolver.
    OpenOrKey(&'static str),
    /// Only holders of a key. The text is the zone, with `{key}` where the key goes.
    Key(&'static str),
}

/// Which answers a code is: each octet of the address within its range, or one bit of the last
/// octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Octet by octet, the lowest and the highest value.
    Within([u8; 4], [u8; 4]),
    /// `127.0.0.x`, where `x` has this bit.
    Bit(u8),
}

impl Pattern {
    /// True if an answer is of this code.
    #[must_use]
    pub fn matches(self, octets: [u8; 4]) -> bool {
        match self {
            Self::Within(low, high) => (0..4).all(|i| (low[i]..=high[i]).contains(&octets[i])),
            Self::Bit(bit) => octets[..3] == [127, 0, 0] && octets[3] & bit != 0,
        }
    }
}

/// What one answer of a list means.
#[derive(Clone, Copy, Debug)]
pub struct AnswerCode {
    /// Which answers.
    pub pattern: Pattern,
    /// Their meaning.
    pub meaning: CodeMeaning,
    /// Where the meaning comes from.
    pub source: Provenance,
}

/// The meaning of an answer.
#[derive(Clone, Copy, Debug)]
pub enum CodeMeaning {
    /// A listing.
    Entry(Sense, &'static str),
    /// Not an answer to the question: the list will not tell.
    Refusal(UnknownReason),
}

/// What a list is known to answer, where that is not what RFC 5782 section 5 wants.
#[derive(Clone, Copy, Debug)]
pub struct Points {
    /// For which kind of question.
    pub kind: QueryKind,
    /// The entries for tests, of which one must be listed. They are tried in this order.
    pub listed: &'static [&'static str],
    /// The entry that must not be listed.
    pub unlisted: &'static str,
}

/// RFC 5782 section 5, for IPv4, IPv6 and domains.
const CONVENTION: [Points; 3] = [
    Points { kind: QueryKind::Ipv4, listed: &["127.0.0.2"], unlisted: "127.0.0.1" },
    Points { kind: QueryKind::Ipv6, listed: &["::ffff:7f00:2"], unlisted: "::ffff:7f00:1" },
    Points { kind: QueryKind::Domain, listed: &["TEST"], unlisted: "INVALID" },
];

/// The way off a list.
#[derive(Clone, Copy, Debug)]
pub struct Removal {
    /// What to do.
    pub how: Statement,
    /// Where, if there is a page for it.
    pub page: &'static str,
}

/// One list.
#[derive(Clone, Copy, Debug)]
pub struct Blacklist {
    /// The DNS zone that names it.
    pub zone: &'static str,
    /// True if the entry stands for every zone below as well (dead families only).
    pub with_subzones: bool,
    /// Who runs it, or ran it.
    pub operator: &'static str,
    /// What can be looked up in it.
    pub kinds: &'static [QueryKind],
    /// What it means to be on it.
    pub sense: Sense,
    /// How much a listing hurts.
    pub impact: Impact,
    /// Whether the list is still in operation.
    pub liveness: Liveness,
    /// Who may ask.
    pub access: Access,
    /// The answers that have a meaning of their own.
    pub codes: &'static [AnswerCode],
    /// Its own test points.
    pub points: &'static [Points],
    /// The way off it.
    pub removal: Removal,
    /// What says that it lives, or that it has ended, with the date.
    pub evidence: Statement,
}

impl Blacklist {
    /// The test points for a kind of question: the list's own, or those of RFC 5782.
    #[must_use]
    pub fn points(&self, kind: QueryKind) -> Points {
        points_of(self.points, kind)
    }
}

/// Returns the test points for a kind of question: the list's own, or those of RFC 5782.
pub(super) fn points_of(own: &[Points], kind: QueryKind) -> Points {
    let convention = match kind {
        QueryKind::Ipv4 => CONVENTION[0],
        QueryKind::Ipv6 => CONVENTION[1],
        QueryKind::Domain => CONVENTION[2],
    };
    own.iter()
        .find(|points| points.kind == kind)
        .copied()
        .unwrap_or(convention)
}
