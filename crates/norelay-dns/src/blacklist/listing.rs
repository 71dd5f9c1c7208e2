//! What the answers of a list mean.
//!
//! Rules:
//! - Only an answer within 127.0.0.0/8 can be a list's (RFC 5782 section 2.1); anything else was
//!   put there by a resolver.
//! - 127.0.0.1 is no listing unless the table says so, and 127.255.255.0/24 never is one.
//! - One answer that says "you may not ask" makes the whole reply unknown.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{
    list::{Blacklist, CodeMeaning, Provenance, Sense},
    list_keys::BLACKED_OUT,
    unknown::UnknownReason,
};
use crate::unanswered::Failure;
use norelay_smtp::octets::Octets;

/// Addresses of one answer that are read: more than any list gives for one name.
const MAX_ENTRIES: usize = 16;
/// Reasons that are kept: more than a user reads.
const MAX_REASONS: usize = 4;
/// Octets of a reason that are kept: two character-strings (RFC 1035 section 3.3).
const MAX_REASON: usize = 510;

/// What DNS said to one question for A records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsAnswer {
    /// These addresses.
    Addresses(Vec<IpAddr>),
    /// No such name, or no address.
    Nothing,
    /// No answer.
    Failed(Failure),
}

/// One answer of a list that lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEntry {
    /// The answer.
    pub answer: Ipv4Addr,
    /// What this answer means for the target.
    pub sense: Sense,
    /// The meaning that the list gives to this answer, if it gives one.
    #[serde(default)]
    pub meaning: Option<String>,
}

/// What is known about a target and a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Listing {
    /// The target is on the list.
    Listed {
        /// The list's answers.
        entries: Vec<ListEntry>,
        /// The list's own words.
        reasons: Vec<Octets>,
    },
    /// The target is not on the list, and the list passed its self-test.
    NotListed,
    /// Nothing is known.
    Unknown {
        /// Why.
        why: UnknownReason,
        /// The answers that say so.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        answers: Vec<IpAddr>,
    },
    /// The list is dead and was not asked.
    Dead {
        /// What says that it is dead.
        evidence: String,
    },
    /// The list answers holders of a key only, and was not asked.
    NeedsKey,
}

impl Listing {
    /// The word in outputs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Listed { .. } => "listed",
            Self::NotListed => "not_listed",
            Self::Unknown { .. } => "unknown",
            Self::Dead { .. } => "dead",
            Self::NeedsKey => "needs_key",
        }
    }

    /// Unknown for a reason without an answer.
    #[must_use]
    pub fn unknown(why: UnknownReason) -> Self {
        Self::Unknown { why, answers: Vec::new() }
    }

    /// True if the list speaks against the target.
    #[must_use]
    pub fn is_against(&self) -> bool {
        self.has(Sense::Against)
    }

    /// True if the list vouches for the target and has no entry against the target.
    #[must_use]
    pub fn is_for(&self) -> bool {
        self.has(Sense::For) && !self.is_against()
    }

    fn has(&self, sense: Sense) -> bool {
        match self {
            Self::Listed { entries, .. } => entries.iter().any(|entry| entry.sense == sense),
            _ => false,
        }
    }

    /// Returns what is known from two questions to the same list. One listing is enough to be
    /// listed. Without a listing, one unknown answer leaves the result unknown.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Listed { mut entries, mut reasons },
                Self::Listed { entries: more_entries, reasons: more_reasons },
            ) => {
                entries.extend(
                    more_entries
                        .into_iter()
                        .filter(|entry| !entries.contains(entry))
                        .collect::<Vec<_>>(),
                );
                reasons.extend(
                    more_reasons
                        .into_iter()
                        .filter(|reason| !reasons.contains(reason))
                        .collect::<Vec<_>>(),
                );
                Self::Listed { entries, reasons }
            }
            (listed @ Self::Listed { .. }, _) | (_, listed @ Self::Listed { .. }) => listed,
            (Self::NotListed, other) => other,
            (one, _) => one,
        }
    }

    /// Returns the listing without a key in the list's own words, since a list may repeat the
    /// question.
    pub(super) fn without_secret(self, key: &str) -> Self {
        let Self::Listed { entries, mut reasons } = self else { return self };
        for reason in &mut reasons {
            *reason = Octets::from(reason.to_text().replace(key, BLACKED_OUT));
        }
        Self::Listed { entries, reasons }
    }

    #[cfg(test)]
    pub(super) fn listed_for_test(reason: &str) -> Self {
        let entry =
            ListEntry { answer: Ipv4Addr::new(127, 0, 0, 2), sense: Sense::Against, meaning: None };
        Self::Listed { entries: vec![entry], reasons: vec![Octets::from(reason)] }
    }
}

/// Whether a list can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The list passed its self-test.
    Healthy,
    /// The list failed its self-test, for this reason.
    Unhealthy(UnknownReason),
}

/// Returns the outcome of a self-test. `listed` are the answers about the points of which one must
/// be listed, in order, as far as they were asked. `unlisted` is the answer about the point that
/// must not be listed.
#[must_use]
pub fn health(list: Option<&Blacklist>, listed: &[DnsAnswer], unlisted: &DnsAnswer) -> Health {
    match meaning_of(list, unlisted) {
        Ok(entries) if entries.is_empty() => {}
        Ok(_) => return Health::Unhealthy(UnknownReason::ListsEverything),
        Err(why) => return Health::Unhealthy(why),
    }
    let meanings: Vec<_> = listed
        .iter()
        .map(|answer| meaning_of(list, answer))
        .collect();
    if meanings.iter().flatten().any(|entries| !entries.is_empty()) {
        return Health::Healthy;
    }
    let why = meanings.into_iter().find_map(Result::err);
    Health::Unhealthy(why.unwrap_or(UnknownReason::SelfTestMissed))
}

/// Returns what a healthy list says, with the list's own words.
#[must_use]
pub fn read(list: Option<&Blacklist>, answer: &DnsAnswer, reasons: &[Octets]) -> Listing {
    match meaning_of(list, answer) {
        Ok(entries) if entries.is_empty() => Listing::NotListed,
        Ok(entries) => Listing::Listed { entries, reasons: bounded(reasons) },
        Err(why) => {
            let answers = match answer {
                DnsAnswer::Addresses(addresses) => {
                    addresses.iter().take(MAX_ENTRIES).copied().collect()
                }
                DnsAnswer::Nothing | DnsAnswer::Failed(_) => Vec::new(),
            };
            Listing::Unknown { why, answers }
        }
    }
}

fn bounded(reasons: &[Octets]) -> Vec<Octets> {
    let mut kept: Vec<_> = reasons
        .iter()
        .filter(|reason| !reason.is_empty())
        .map(|reason| Octets::from(&reason.as_bytes()[..reason.len().min(MAX_REASON)]))
        .collect();
    kept.sort_unstable();
    kept.dedup();
    kept.truncate(MAX_REASONS);
    kept
}

/// Returns the entries that an answer stands for, or why it is no answer. Without entries, the
/// target is not listed.
fn meaning_of(
    list: Option<&Blacklist>,
    answer: &DnsAnswer,
) -> Result<Vec<ListEntry>, UnknownReason> {
    let addresses = match answer {
        DnsAnswer::Nothing => return Ok(Vec::new()),
        DnsAnswer::Failed(failure) => return Err((*failure).into()),
        DnsAnswer::Addresses(addresses) => addresses,
    };
    // Resolvers change the order of records at will (RFC 1794), and results should be the same.
    let mut addresses = addresses.clone();
    addresses.sort_unstable();
    addresses.dedup();
    let mut entries = Vec::new();
    for address in addresses.iter().take(MAX_ENTRIES) {
        let found = match address {
            IpAddr::V4(v4) if v4.is_loopback() => entries_of(list, *v4)?,
            _ => return Err(UnknownReason::Rewritten),
        };
        entries.extend(found);
    }
    Ok(entries)
}

fn entries_of(list: Option<&Blacklist>, answer: Ipv4Addr) -> Result<Vec<ListEntry>, UnknownReason> {
    let octets = answer.octets();
    if octets[..3] == [127, 255, 255] {
        return Err(error_code(octets[3]));
    }
    let codes = list
        .map_or(&[][..], |list| list.codes)
        .iter()
        .filter(|code| code.pattern.matches(octets));
    let mut entries = Vec::new();
    for code in codes {
        match code.meaning {
            CodeMeaning::Refusal(why) => return Err(why),
            CodeMeaning::Entry(sense, text) => {
                let doubt = if code.source == Provenance::Remembered {
                    " (remembered, not verified)"
                } else {
                    ""
                };
                entries.push(ListEntry { answer, sense, meaning: Some(format!("{text}{doubt}")) });
            }
        }
    }
    if entries.is_empty() {
        if answer == Ipv4Addr::LOCALHOST {
            return Err(UnknownReason::NotAllowed);
        }
        entries.push(ListEntry {
            answer,
            sense: list.map_or(Sense::Against, |list| list.sense),
            meaning: None,
        });
    }
    Ok(entries)
}

/// 127.255.255.0/24 is about the question, with Spamhaus and lists that follow its example.
fn error_code(last: u8) -> UnknownReason {
    match last {
        250 | 251 => UnknownReason::KeyRejected,
        252 => UnknownReason::TypingError,
        254 => UnknownReason::PublicResolver,
        255 => UnknownReason::Quota,
        _ => UnknownReason::NotAllowed,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::blacklist::by_zone;

    fn answer(text: &str) -> DnsAnswer {
        match text {
            "-" => DnsAnswer::Nothing,
            "timeout" => DnsAnswer::Failed(Failure::TimedOut),
            "servfail" => DnsAnswer::Failed(Failure::ServerFailure),
            "refused" => DnsAnswer::Failed(Failure::Refused),
            addresses => DnsAnswer::Addresses(
                addresses
                    .split_whitespace()
                    .map(|address| address.parse().expect("an address"))
                    .collect(),
            ),
        }
    }

    /// `listed: meaning | meaning`, `not_listed` or `unknown: why`.
    fn shown(listing: &Listing) -> String {
        match listing {
            Listing::Listed { entries, .. } => {
                let meanings = entries
                    .iter()
                    .map(|entry| entry.meaning.as_deref().unwrap_or("?").to_owned());
                format!("listed: {}", meanings.collect::<Vec<_>>().join(" | "))
            }
            Listing::Unknown { why, .. } => format!("unknown: {}", why.as_str()),
            other => other.as_str().to_owned(),
        }
    }

    #[test]
    fn answers_mean_what_the_table_says() {
        for (zone, answers, expected) in [
            ("own.example", "-", "not_listed"),
            ("own.example", "127.0.0.2", "listed: ?"),
            ("own.example", "127.3.2.1", "listed: ?"),
            ("own.example", "127.0.0.1", "unknown: not_allowed"),
            ("own.example", "198.51.100.7", "unknown: rewritten"),
            ("own.example", "127.0.0.2 198.51.100.7", "unknown: rewritten"),
            ("own.example", "::1", "unknown: rewritten"),
            ("own.example", "127.255.255.9", "unknown: not_allowed"),
            ("own.example", "timeout", "unknown: timed_out"),
            ("own.example", "servfail", "unknown: server_failure"),
            ("own.example", "refused", "unknown: refused"),
            ("zen.spamhaus.org", "127.0.0.2", "listed: SBL: a source of spam, entered by hand"),
            (
                "zen.spamhaus.org",
                "127.0.0.4 127.0.0.11",
                "listed: XBL: hijacked or infected, an open proxy | PBL: Spamhaus says that it \
                 should not send mail directly",
            ),
            ("zen.spamhaus.org", "127.0.0.77", "listed: ?"),
            ("zen.spamhaus.org", "127.255.255.252", "unknown: typing_error"),
            ("zen.spamhaus.org", "127.255.255.254", "unknown: public_resolver"),
            ("zen.spamhaus.org", "127.255.255.255", "unknown: quota"),
            ("zen.spamhaus.org", "127.255.255.250", "unknown: key_rejected"),
            ("zen.spamhaus.org", "127.0.0.2 127.255.255.254", "unknown: public_resolver"),
            ("dbl.spamhaus.org", "127.0.1.4", "listed: phishing"),
            ("dbl.spamhaus.org", "127.0.1.255", "unknown: wrong_kind"),
            ("multi.uribl.com", "127.0.0.1", "unknown: not_allowed"),
            ("multi.uribl.com", "127.0.0.6", "listed: black: a spammer's | grey"),
            ("multi.surbl.org", "127.0.0.80", "listed: malware | abuse"),
            ("list.dnswl.org", "127.0.0.255", "unknown: not_allowed"),
            ("list.dnswl.org", "127.0.5.2", "listed: medium trust"),
            ("hostkarma.junkemailfilter.com", "127.0.0.1", "listed: white: a trusted source"),
            ("bl.mailspike.net", "127.0.0.11", "listed: very bad reputation"),
            (
                "all.spamrats.com",
                "127.0.0.37",
                "listed: NoPtr: it has no reverse name (remembered, not verified)",
            ),
            ("bl.suomispam.net", "127.0.0.99", "listed: its test entry"),
        ] {
            assert_eq!(
                shown(&read(by_zone(zone), &answer(answers), &[])),
                expected,
                "{zone} {answers}"
            );
        }
    }

    #[test]
    fn a_list_is_believed_after_its_self_test_only() {
        for (zone, listed, unlisted, expected) in [
            ("own.example", &["127.0.0.2"][..], "-", Health::Healthy),
            ("bl.suomispam.net", &["127.0.0.99"], "-", Health::Healthy),
            ("own.example", &["-"], "-", Health::Unhealthy(UnknownReason::SelfTestMissed)),
            (
                "own.example",
                &["127.0.0.2"],
                "127.0.0.2",
                Health::Unhealthy(UnknownReason::ListsEverything),
            ),
            (
                "list.dnswl.org",
                &["127.0.10.3"],
                "127.0.10.3",
                Health::Unhealthy(UnknownReason::ListsEverything),
            ),
            (
                "own.example",
                &["198.51.100.1"],
                "198.51.100.1",
                Health::Unhealthy(UnknownReason::Rewritten),
            ),
            ("own.example", &["198.51.100.1"], "-", Health::Unhealthy(UnknownReason::Rewritten)),
            (
                "zen.spamhaus.org",
                &["127.255.255.254"],
                "127.255.255.254",
                Health::Unhealthy(UnknownReason::PublicResolver),
            ),
            (
                "multi.uribl.com",
                &["127.0.0.1"],
                "127.0.0.1",
                Health::Unhealthy(UnknownReason::NotAllowed),
            ),
            ("multi.uribl.com", &["-", "127.0.0.14"], "-", Health::Healthy),
            ("multi.uribl.com", &["-", "timeout"], "-", Health::Unhealthy(UnknownReason::TimedOut)),
            ("own.example", &["timeout"], "-", Health::Unhealthy(UnknownReason::TimedOut)),
            ("own.example", &["127.0.0.2"], "timeout", Health::Unhealthy(UnknownReason::TimedOut)),
            (
                "own.example",
                &["127.0.0.2"],
                "servfail",
                Health::Unhealthy(UnknownReason::ServerFailure),
            ),
            ("own.example", &[], "-", Health::Unhealthy(UnknownReason::SelfTestMissed)),
        ] {
            let listed: Vec<_> = listed.iter().map(|text| answer(text)).collect();
            assert_eq!(
                health(by_zone(zone), &listed, &answer(unlisted)),
                expected,
                "{zone} {listed:?} {unlisted}"
            );
        }
    }

    #[test]
    fn two_questions_to_one_list_make_one_reading() {
        let listed = || Listing::listed_for_test("a");
        let unknown = || Listing::unknown(UnknownReason::TimedOut);
        for (one, other, expected) in [
            (Listing::NotListed, Listing::NotListed, Listing::NotListed),
            (Listing::NotListed, unknown(), unknown()),
            (unknown(), Listing::NotListed, unknown()),
            (unknown(), listed(), listed()),
            (listed(), unknown(), listed()),
            (listed(), listed(), listed()),
        ] {
            assert_eq!(one.clone().and(other.clone()), expected, "{one:?} and {other:?}");
        }
    }

    #[test]
    fn what_a_list_says_is_bounded() {
        let reasons: Vec<_> = (0..50).map(|i| Octets::from(vec![i; 9_000])).collect();
        let many = DnsAnswer::Addresses(
            (0..5_000_u16)
                .map(|i| [127, 0, i.to_be_bytes()[0], i.to_be_bytes()[1]].into())
                .filter(|address| *address != IpAddr::from([127, 0, 0, 1]))
                .collect(),
        );
        let Listing::Listed { entries, reasons } = read(None, &many, &reasons) else {
            panic!("it is listed")
        };
        assert_eq!((entries.len(), reasons.len()), (MAX_ENTRIES, MAX_REASONS));
        assert!(reasons.iter().all(|reason| reason.len() <= MAX_REASON));
    }

    proptest! {
        #[test]
        fn no_answer_outside_127_is_ever_a_listing(octets: [u8; 4]) {
            let answer = DnsAnswer::Addresses(vec![octets.into()]);
            for list in crate::blacklist::LISTS {
                let is_listed = matches!(read(Some(list), &answer, &[]), Listing::Listed { .. });
                prop_assert!(!is_listed || octets[0] == 127);
                prop_assert!(!is_listed || octets[..3] != [127, 255, 255]);
            }
        }

        #[test]
        fn an_unhealthy_list_stays_so_whatever_more_it_says(octets: [u8; 4]) {
            let everything = DnsAnswer::Addresses(vec![octets.into()]);
            let tested = health(None, std::slice::from_ref(&everything), &everything);
            prop_assert!(tested != Health::Healthy);
        }
    }
}
