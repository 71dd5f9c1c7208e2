//! What a whole run means.
//!
//! Rules:
//! - Listed by one list that matters is listed; *not listed* needs an answer from every list of
//!   high or medium impact that could be asked, and from one at least.
//! - Lists of ignorable impact are shown and change nothing.
//! - When most lists fail in the same way, the resolver is named as the cause, not the lists.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    list::{Impact, Sense},
    listing::Listing,
    unknown::Why,
};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blacklist::{Answer, by_zone, read};

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
