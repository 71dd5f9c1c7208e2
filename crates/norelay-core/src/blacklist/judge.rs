//! What a whole run means, and what to do about it.
//!
//! Rules:
//! - Listed by one list that matters is listed; *not listed* needs an answer from every list of
//!   high or medium impact that could be asked, and from one at least.
//! - Lists of ignorable impact are shown and change nothing.
//! - When most lists fail in the same way, the resolver is named as the cause, not the lists.
//! - Advice begins with the relay. The way off a list is given only when the relay test says
//!   closed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Impact, Listing, Sense, Source, Why, by_zone, reading::Entry};
use crate::{check::Verdict, event::Event, octets::Octets};

/// What stands in the place of a key.
pub(super) const BLACKED_OUT: &str = crate::smtp::session::BLACKED_OUT;

/// One list and what is known from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The zone that names the list.
    pub zone: String,
    /// Who runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// What it means to be on it.
    pub sense: Sense,
    /// How much a listing hurts.
    pub impact: Impact,
    /// What is known.
    #[serde(flatten)]
    pub listing: Listing,
    /// How long it took, with the self-test, in milliseconds.
    pub elapsed_ms: u64,
}

/// A run over lists: the facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// What was looked up.
    pub target: String,
    /// The resolvers that were asked.
    pub resolvers: Vec<String>,
    /// Whether one of them is known to be open to the public.
    pub public_resolver: bool,
    /// The lists, in the order of the table or of the selection.
    pub readings: Vec<Reading>,
    /// How long the run took, in milliseconds.
    pub elapsed_ms: u64,
}

/// What a run found, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is on a list that matters.
    Listed,
    /// Too little is known.
    Unknown,
    /// It is on none.
    NotListed,
}

impl State {
    /// The exit code of a command that ends with it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::NotListed => 0,
            Self::Listed => 1,
            Self::Unknown => 2,
        }
    }
}

/// What a run means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// In a word.
    pub state: State,
    /// The highest impact of the lists that it is on.
    pub worst: Option<Impact>,
    /// One sentence.
    pub summary: String,
    /// What stands in the way of knowing more, and what would help.
    pub hints: Vec<String>,
}

/// Judges a run.
#[must_use]
pub fn judge(survey: &Survey) -> Judgement {
    let count =
        |is: fn(&Reading) -> bool| survey.readings.iter().filter(|reading| is(reading)).count();
    let against = survey
        .readings
        .iter()
        .filter(|reading| reading.listing.is_against());
    let worst = against.map(|reading| reading.impact).max();
    let answered =
        count(|reading| matches!(reading.listing, Listing::Listed { .. } | Listing::NotListed));
    let is_unsure = |reading: &Reading| {
        is_unknown(reading) && reading.sense == Sense::Against && reading.impact >= Impact::Medium
    };
    let state = match worst {
        Some(impact) if impact > Impact::Ignorable => State::Listed,
        _ if answered == 0 || survey.readings.iter().any(is_unsure) => State::Unknown,
        _ => State::NotListed,
    };
    let listed = count(|reading| reading.listing.is_against());
    let unknown = count(is_unknown);
    let summary = summarise(survey, state, listed, answered, unknown);
    Judgement { state, worst, summary, hints: hints(survey, answered, unknown) }
}

fn is_unknown(reading: &Reading) -> bool {
    matches!(reading.listing, Listing::Unknown { .. })
}

fn summarise(
    survey: &Survey,
    state: State,
    listed: usize,
    answered: usize,
    unknown: usize,
) -> String {
    let target = &survey.target;
    let lists = if answered == 1 { "1 list".to_owned() } else { format!("{answered} lists") };
    let rest = match unknown {
        0 => String::new(),
        1 => "; 1 could not be told".to_owned(),
        more => format!("; {more} could not be told"),
    };
    match state {
        State::Listed => format!("{target} is listed: on {listed} of {lists} that answered{rest}."),
        State::NotListed if listed > 0 => {
            format!("{target} is only on lists that don't matter ({listed}){rest}.")
        }
        State::NotListed => format!("{target} is not listed: {lists} answered{rest}."),
        State::Unknown if answered == 0 => {
            format!("Could not tell whether {target} is listed: no list answered.")
        }
        State::Unknown => {
            format!(
                "Could not tell whether {target} is listed: lists that matter are among the \
                 {unknown} without answer."
            )
        }
    }
}

/// The resolver's faults look like many lists' faults at once.
fn hints(survey: &Survey, answered: usize, unknown: usize) -> Vec<String> {
    let mut by_reason: BTreeMap<Why, usize> = BTreeMap::new();
    for reading in &survey.readings {
        if let Listing::Unknown { why, .. } = &reading.listing {
            *by_reason.entry(*why).or_default() += 1;
        }
    }
    let times = |why| by_reason.get(&why).copied().unwrap_or_default();
    // Half of what was asked: single lists die, but not half of them at once.
    let many = |why| times(why) >= 3 && times(why) * 2 >= answered + unknown;
    let mut hints = Vec::new();
    let mut say = |is_so: bool, text: &str| {
        if is_so {
            hints.push(text.to_owned());
        }
    };
    let own = "ask through a recursive resolver of your own (--resolver)";
    say(
        survey.public_resolver || times(Why::PublicResolver) > 0,
        &format!("Blacklists don't answer public resolvers, or answer them falsely: {own}."),
    );
    say(
        many(Why::Rewritten),
        &format!("The resolver rewrites answers, as advertising or filtering resolvers do: {own}."),
    );
    say(
        many(Why::SelfTestMissed),
        &format!(
            "Hardly a test entry is there: the resolver may drop answers within 127.0.0.0/8 \
             (protection against rebinding), or be one that lists ignore: {own}."
        ),
    );
    say(
        many(Why::TimedOut) || many(Why::Unfinished),
        "Most lists gave no answer in time: is the resolver reachable, and --timeout long enough?",
    );
    say(
        many(Why::ServerFailure) || many(Why::Refused),
        &format!("The resolver fails for most lists: {own}."),
    );
    say(many(Why::Unreachable), "The resolver can't be reached: check --resolver and the network.");
    say(
        times(Why::Quota) > 0,
        "A list was asked too much by this resolver: wait, or get a key (--key-file).",
    );
    hints
}

/// What to do about a listing, sentence by sentence. `relay` is the verdict of the relay test,
/// where there was one.
#[must_use]
pub fn advice(reading: &Reading, relay: Option<Verdict>) -> Vec<String> {
    if !reading.listing.is_against() {
        return Vec::new();
    }
    if reading.impact == Impact::Ignorable {
        return vec![
            "Nothing: this list is about neighbours or newness, and hardly anybody refuses mail \
             for it."
                .to_owned(),
        ];
    }
    let first = match relay {
        Some(Verdict::Closed) => {
            return way_off(reading);
        }
        Some(Verdict::OpenRelay) => {
            "First close the relay: it is open, and a server that is let go now is listed again."
        }
        Some(Verdict::Suspect) => {
            "First close the relay: the test found it suspect. Prove it closed, then ask again."
        }
        Some(Verdict::Inconclusive | Verdict::Unreachable) => {
            "First close the relay, or prove it closed: the relay test could not tell. Then ask \
             again."
        }
        None => {
            "First close the relay, or prove it closed: run `norelay test`, then ask again with \
             its verdict."
        }
    };
    vec![first.to_owned()]
}

fn way_off(reading: &Reading) -> Vec<String> {
    let mut steps = vec![
        "The relay is closed. Find and stop any other cause (hijacked accounts, scripts, \
              forwarding)."
            .to_owned(),
    ];
    let Some(list) = by_zone(&reading.zone) else {
        steps.push(format!("Then look for the way off {} at its operator's.", reading.zone));
        return steps;
    };
    let doubt = if list.removal.how.source == Source::Remembered {
        " (remembered, not verified)"
    } else {
        ""
    };
    let page = if list.removal.page.is_empty() {
        String::new()
    } else {
        format!(" {}", list.removal.page)
    };
    steps.push(format!("Then: {}{doubt}.{page}", list.removal.how.text));
    steps
}

/// The run as events of a relay test: one for each list that lists or vouches, or that matters and
/// is unknown, and one for the whole. Their wording stands with the other findings'.
#[must_use]
pub fn notes(survey: &Survey, path: Option<u8>) -> Vec<Event> {
    let note =
        |tag: &str, arguments: Vec<Octets>| Event::Noted { path, tag: tag.to_owned(), arguments };
    let target = || Octets::from(survey.target.as_str());
    let about = |reading: &Reading, tag: &str, words: Octets| {
        let (zone, impact) =
            (Octets::from(reading.zone.as_str()), Octets::from(reading.impact.as_str()));
        note(tag, vec![target(), zone, impact, words])
    };
    let of = |reading: &Reading| match &reading.listing {
        Listing::Listed { entries, reasons } => {
            let tag = match reading.listing.is_against() {
                true if reading.impact >= Impact::Medium => "blacklist_listed",
                true => "blacklist_listed_little",
                false => "blacklist_vouched",
            };
            Some(about(reading, tag, words(entries, reasons)))
        }
        Listing::Unknown { why, .. } if reading.impact >= Impact::Medium => {
            Some(about(reading, "blacklist_unknown", Octets::from(why.clause())))
        }
        _ => None,
    };
    let whole = note("blacklist_summary", vec![target(), Octets::from(judge(survey).summary)]);
    survey
        .readings
        .iter()
        .filter_map(of)
        .chain([whole])
        .collect()
}

/// `127.0.0.4 (XBL: …), "the list's own words"`
fn words(entries: &[Entry], reasons: &[Octets]) -> Octets {
    let entries = entries.iter().map(|entry| match &entry.meaning {
        Some(meaning) => format!("{} ({meaning})", entry.answer).into_bytes(),
        None => entry.answer.to_string().into_bytes(),
    });
    // The octets stay what they are: they are made harmless where they are shown.
    let reasons = reasons
        .iter()
        .map(|reason| [b"\"", reason.as_bytes(), b"\""].concat());
    Octets::from(entries.chain(reasons).collect::<Vec<_>>().join(&b", "[..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blacklist::{Answer, read};

    fn reading(zone: &str, listing: Listing) -> Reading {
        let list = by_zone(zone);
        Reading {
            zone: zone.to_owned(),
            operator: None,
            sense: list.map_or(Sense::Against, |list| list.sense),
            impact: list.map_or(Impact::Low, |list| list.impact),
            listing,
            elapsed_ms: 0,
        }
    }

    fn listed(zone: &str) -> Reading {
        reading(zone, read(by_zone(zone), &Answer::Addresses(vec![[127, 0, 0, 2].into()]), &[]))
    }

    fn survey(readings: Vec<Reading>) -> Survey {
        Survey {
            target: "192.0.2.1".to_owned(),
            resolvers: Vec::new(),
            public_resolver: false,
            readings,
            elapsed_ms: 0,
        }
    }

    #[test]
    fn a_run_is_judged_by_the_lists_that_matter() {
        let no = |zone| reading(zone, Listing::NotListed);
        let unknown = |zone| reading(zone, Listing::unknown(Why::TimedOut));
        for (readings, state, worst) in [
            (vec![no("zen.spamhaus.org"), no("all.s5h.net")], State::NotListed, None),
            (vec![no("zen.spamhaus.org"), listed("all.s5h.net")], State::Listed, Some(Impact::Low)),
            (
                vec![listed("zen.spamhaus.org"), unknown("bl.spamcop.net")],
                State::Listed,
                Some(Impact::High),
            ),
            (vec![unknown("zen.spamhaus.org"), no("all.s5h.net")], State::Unknown, None),
            (vec![no("zen.spamhaus.org"), unknown("all.s5h.net")], State::NotListed, None),
            (vec![no("zen.spamhaus.org"), unknown("list.dnswl.org")], State::NotListed, None),
            (vec![unknown("all.s5h.net")], State::Unknown, None),
            (
                vec![reading("sorbs.net", Listing::Dead { evidence: String::new() })],
                State::Unknown,
                None,
            ),
            (
                vec![
                    no("zen.spamhaus.org"),
                    reading("combined.mail.abusix.zone", Listing::NeedsKey),
                ],
                State::NotListed,
                None,
            ),
            (
                vec![no("zen.spamhaus.org"), listed("dnsbl-3.uceprotect.net")],
                State::NotListed,
                Some(Impact::Ignorable),
            ),
            (vec![no("zen.spamhaus.org"), listed("wl.mailspike.net")], State::NotListed, None),
            (vec![], State::Unknown, None),
        ] {
            let judgement = judge(&survey(readings.clone()));
            assert_eq!((judgement.state, judgement.worst), (state, worst), "{readings:?}");
        }
    }

    #[test]
    fn a_resolvers_fault_is_named_as_such() {
        for (why, count, expected) in [
            (Why::PublicResolver, 1, "public resolvers"),
            (Why::Rewritten, 4, "rewrites answers"),
            (Why::SelfTestMissed, 4, "127.0.0.0/8"),
            (Why::TimedOut, 4, "in time"),
            (Why::ServerFailure, 4, "fails for most"),
            (Why::Unreachable, 4, "can't be reached"),
        ] {
            let unknown =
                (0..count).map(|i| reading(&format!("bl{i}.example"), Listing::unknown(why)));
            let judgement = judge(&survey(unknown.collect()));
            assert!(
                judgement.hints.iter().any(|hint| hint.contains(expected)),
                "{why:?}: {:?}",
                judgement.hints
            );
        }
        let mut readings: Vec<_> = (0..20)
            .map(|i| reading(&format!("bl{i}.example"), Listing::NotListed))
            .collect();
        readings.extend(
            (0..5).map(|i| {
                reading(&format!("dead{i}.example"), Listing::unknown(Why::SelfTestMissed))
            }),
        );
        assert_eq!(judge(&survey(readings)).hints, Vec::<String>::new());
    }

    #[test]
    fn the_way_off_is_shown_only_when_the_relay_is_closed() {
        for (zone, relay, begins, shows_page) in [
            ("zen.spamhaus.org", Some(Verdict::Closed), "The relay is closed.", true),
            ("zen.spamhaus.org", Some(Verdict::OpenRelay), "First close the relay", false),
            ("zen.spamhaus.org", Some(Verdict::Suspect), "First close the relay", false),
            ("zen.spamhaus.org", Some(Verdict::Inconclusive), "First close the relay", false),
            ("zen.spamhaus.org", Some(Verdict::Unreachable), "First close the relay", false),
            ("zen.spamhaus.org", None, "First close the relay", false),
            ("own.example", Some(Verdict::Closed), "The relay is closed.", false),
            ("dnsbl-3.uceprotect.net", Some(Verdict::OpenRelay), "Nothing", false),
        ] {
            let text = advice(&listed(zone), relay).join(" ");
            assert!(text.starts_with(begins), "{zone} {relay:?}: {text}");
            assert_eq!(text.contains("https://"), shows_page, "{zone} {relay:?}: {text}");
        }
        assert_eq!(
            advice(&reading("zen.spamhaus.org", Listing::NotListed), Some(Verdict::Closed)),
            Vec::<String>::new()
        );
        assert_eq!(
            advice(&listed("wl.mailspike.net"), Some(Verdict::Closed)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_run_becomes_notes() {
        let reason = [Octets::from(&b"see \x1b[31m"[..])];
        let answer = Answer::Addresses(vec![[127, 0, 0, 4].into(), [127, 0, 0, 11].into()]);
        let readings = vec![
            reading("zen.spamhaus.org", read(by_zone("zen.spamhaus.org"), &answer, &reason)),
            listed("all.s5h.net"),
            listed("wl.mailspike.net"),
            reading("bl.spamcop.net", Listing::unknown(Why::Quota)),
            reading("rbl.interserver.net", Listing::unknown(Why::Quota)),
            reading("psbl.surriel.com", Listing::NotListed),
        ];
        let records: Vec<_> = notes(&survey(readings), None)
            .into_iter()
            .map(|event| crate::event::Record::new(jiff::Timestamp::UNIX_EPOCH, event))
            .collect();
        let report = crate::report::Report::of(&records);
        let findings =
            crate::check::finding::findings(&report, &crate::check::verdict::judge(&report));
        let shown: Vec<_> = findings
            .iter()
            .map(|finding| format!("{} {}", finding.tag, finding.text))
            .collect();
        assert_eq!(
            shown,
            [
                "blacklist_listed 192.0.2.1 is on the blacklist zen.spamhaus.org (high impact): \
                 127.0.0.4 (XBL: hijacked or \
                 infected, an open proxy), 127.0.0.11 (PBL: Spamhaus says that it should not send \
                 mail directly), \
                 \"see \\x1b[31m\". First make sure that the relay is closed; norelay blacklist \
                 then shows the way off.",
                "blacklist_listed_little 192.0.2.1 is on the blacklist all.s5h.net (low impact), \
                 which few receivers heed: \
                 127.0.0.2.",
                "blacklist_unknown What the blacklist bl.spamcop.net (high impact) says of \
                 192.0.2.1 is not known: this \
                 resolver has asked it too much.",
                "blacklist_vouched The whitelist wl.mailspike.net vouches for 192.0.2.1: \
                 127.0.0.2.",
                "blacklist_summary 192.0.2.1 is listed: on 2 of 4 lists that answered; 2 could \
                 not be told.",
            ]
        );
    }

    #[test]
    fn the_facts_survive_json() {
        let survey = survey(vec![
            listed("zen.spamhaus.org"),
            reading("a.example", Listing::NotListed),
            reading("b.example", Listing::unknown(Why::Rewritten)),
            reading("c.example", Listing::Dead { evidence: "gone".to_owned() }),
            reading("d.example", Listing::NeedsKey),
        ]);
        let json = serde_json::to_string(&survey).expect("the keys are strings");
        assert!(
            json.contains(r#""zone":"b.example","sense":"against","impact":"low","state":"unknown","why":"rewritten""#),
            "{json}"
        );
        assert_eq!(
            serde_json::from_str::<Survey>(&json).expect("what was written can be read"),
            survey
        );
    }
}
