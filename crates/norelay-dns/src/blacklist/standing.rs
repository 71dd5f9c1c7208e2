//! How a target stands with all lists that were asked.
//!
//! Rules:
//! - A target that is on one list that matters is listed. A target is *not listed* only if every
//!   list of high or medium impact that could be asked has answered, and at least one list has.
//! - Lists of ignorable impact are shown and change nothing.
//! - When most lists fail in the same way, the resolver is named as the cause, not the lists.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    list::{Impact, Sense},
    listing::Listing,
    unknown::UnknownReason,
};

/// One list and what is known from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListReading {
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
    /// True if one of them is known to be open to the public.
    pub public_resolver: bool,
    /// The lists, in the order of the table or of the selection.
    pub readings: Vec<ListReading>,
    /// How long the run took, in milliseconds.
    pub elapsed_ms: u64,
}

/// How a target stands with the lists that were asked, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The target is on a list that matters.
    Listed,
    /// Too little is known.
    Unknown,
    /// The target is on no list that matters.
    NotListed,
}

impl Standing {
    /// Returns the exit code of a command that ends with this standing.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::NotListed => 0,
            Self::Listed => 1,
            Self::Unknown => 2,
        }
    }
}

/// What a survey means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyAssessment {
    /// The standing of the target.
    pub standing: Standing,
    /// The highest impact of the lists that the target is on.
    pub worst: Option<Impact>,
    /// The result in one sentence.
    pub summary: String,
    /// What stands in the way of knowing more, and what would help.
    pub hints: Vec<String>,
}

/// How many lists said what.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Lists that speak against the target. These lists have answered, too.
    listed: usize,
    /// Lists that gave an answer.
    answered: usize,
    /// Lists of which nothing is known.
    unknown: usize,
}

impl Tally {
    fn of(survey: &Survey) -> Self {
        let mut tally = Self::default();
        for reading in &survey.readings {
            match &reading.listing {
                Listing::Listed { .. } | Listing::NotListed => tally.answered += 1,
                Listing::Unknown { .. } => tally.unknown += 1,
                // These lists were not asked.
                Listing::Dead { .. } | Listing::NeedsKey => {}
            }
            tally.listed += usize::from(reading.listing.is_against());
        }
        tally
    }
}

/// Returns what a survey means.
#[must_use]
pub fn assess_survey(survey: &Survey) -> SurveyAssessment {
    let tally = Tally::of(survey);
    let against = survey
        .readings
        .iter()
        .filter(|reading| reading.listing.is_against());
    let worst = against.map(|reading| reading.impact).max();
    let standing = match worst {
        Some(impact) if impact > Impact::Ignorable => Standing::Listed,
        _ if tally.answered == 0 || survey.readings.iter().any(leaves_open) => Standing::Unknown,
        _ => Standing::NotListed,
    };
    let summary = summarise(&survey.target, standing, tally);
    SurveyAssessment { standing, worst, summary, hints: hints(survey, tally) }
}

/// True if the answer of a list that matters is missing. A missing whitelist changes nothing.
fn leaves_open(reading: &ListReading) -> bool {
    let is_unknown = matches!(reading.listing, Listing::Unknown { .. });
    is_unknown && reading.sense == Sense::Against && reading.impact >= Impact::Medium
}

fn summarise(target: &str, standing: Standing, tally: Tally) -> String {
    let Tally { listed, answered, unknown } = tally;
    let lists = if answered == 1 { "1 list".to_owned() } else { format!("{answered} lists") };
    let rest = match unknown {
        0 => String::new(),
        1 => "; 1 could not be told".to_owned(),
        more => format!("; {more} could not be told"),
    };
    match standing {
        Standing::Listed => {
            format!("{target} is listed: on {listed} of {lists} that answered{rest}.")
        }
        Standing::NotListed if listed > 0 => {
            format!("{target} is only on lists that don't matter ({listed}){rest}.")
        }
        Standing::NotListed => format!("{target} is not listed: {lists} answered{rest}."),
        Standing::Unknown if answered == 0 => {
            format!("Could not tell whether {target} is listed: no list answered.")
        }
        Standing::Unknown => {
            format!(
                "Could not tell whether {target} is listed: lists that matter are among the \
                 {unknown} without answer."
            )
        }
    }
}

/// What would help against most faults of a resolver.
const OWN_RESOLVER: &str = "ask through a recursive resolver of your own (--resolver)";

/// The reasons why lists are unknown, counted.
struct Reasons {
    counts: BTreeMap<UnknownReason, usize>,
    /// Lists that were asked.
    asked: usize,
}

impl Reasons {
    fn of(survey: &Survey, tally: Tally) -> Self {
        let mut counts: BTreeMap<UnknownReason, usize> = BTreeMap::new();
        for reading in &survey.readings {
            if let Listing::Unknown { why, .. } = &reading.listing {
                *counts.entry(*why).or_default() += 1;
            }
        }
        Self { counts, asked: tally.answered + tally.unknown }
    }

    /// Returns how many lists are unknown for a reason.
    fn times(&self, why: UnknownReason) -> usize {
        self.counts.get(&why).copied().unwrap_or_default()
    }

    /// True if a reason explains half of the lists that were asked. Single lists die, but half of
    /// all lists never die at once.
    fn is_common(&self, why: UnknownReason) -> bool {
        self.times(why) >= 3 && self.times(why) * 2 >= self.asked
    }
}

/// Returns what to do about the resolver: its faults look like the faults of many lists at once.
fn hints(survey: &Survey, tally: Tally) -> Vec<String> {
    use UnknownReason as Why;

    let reasons = Reasons::of(survey, tally);
    let mut hints = Vec::new();
    if survey.public_resolver || reasons.times(Why::PublicResolver) > 0 {
        hints.push(format!(
            "Blacklists don't answer public resolvers, or answer them falsely: {OWN_RESOLVER}."
        ));
    }
    if reasons.is_common(Why::Rewritten) {
        hints.push(format!(
            "The resolver rewrites answers, as advertising or filtering resolvers do: \
             {OWN_RESOLVER}."
        ));
    }
    if reasons.is_common(Why::SelfTestMissed) {
        hints.push(format!(
            "Hardly a test entry is there: the resolver may drop answers within 127.0.0.0/8 \
             (protection against rebinding), or be one that lists ignore: {OWN_RESOLVER}."
        ));
    }
    if reasons.is_common(Why::TimedOut) || reasons.is_common(Why::Unfinished) {
        hints.push(
            "Most lists gave no answer in time: is the resolver reachable, and --timeout long \
             enough?"
                .to_owned(),
        );
    }
    if reasons.is_common(Why::ServerFailure) || reasons.is_common(Why::Refused) {
        hints.push(format!("The resolver fails for most lists: {OWN_RESOLVER}."));
    }
    if reasons.is_common(Why::Unreachable) {
        let text = "The resolver can't be reached: check --resolver and the network.";
        hints.push(text.to_owned());
    }
    if reasons.times(Why::Quota) > 0 {
        let text = "A list was asked too much by this resolver: wait, or get a key (--key-file).";
        hints.push(text.to_owned());
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blacklist::{DnsAnswer, by_zone, read};

    fn reading(zone: &str, listing: Listing) -> ListReading {
        let list = by_zone(zone);
        ListReading {
            zone: zone.to_owned(),
            operator: None,
            sense: list.map_or(Sense::Against, |list| list.sense),
            impact: list.map_or(Impact::Low, |list| list.impact),
            listing,
            elapsed_ms: 0,
        }
    }

    fn listed(zone: &str) -> ListReading {
        reading(zone, read(by_zone(zone), &DnsAnswer::Addresses(vec![[127, 0, 0, 2].into()]), &[]))
    }

    fn survey(readings: Vec<ListReading>) -> Survey {
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
        let unknown = |zone| reading(zone, Listing::unknown(UnknownReason::TimedOut));
        for (readings, state, worst) in [
            (vec![no("zen.spamhaus.org"), no("all.s5h.net")], Standing::NotListed, None),
            (
                vec![no("zen.spamhaus.org"), listed("all.s5h.net")],
                Standing::Listed,
                Some(Impact::Low),
            ),
            (
                vec![listed("zen.spamhaus.org"), unknown("bl.spamcop.net")],
                Standing::Listed,
                Some(Impact::High),
            ),
            (vec![unknown("zen.spamhaus.org"), no("all.s5h.net")], Standing::Unknown, None),
            (vec![no("zen.spamhaus.org"), unknown("all.s5h.net")], Standing::NotListed, None),
            (vec![no("zen.spamhaus.org"), unknown("list.dnswl.org")], Standing::NotListed, None),
            (vec![unknown("all.s5h.net")], Standing::Unknown, None),
            (
                vec![reading("sorbs.net", Listing::Dead { evidence: String::new() })],
                Standing::Unknown,
                None,
            ),
            (
                vec![
                    no("zen.spamhaus.org"),
                    reading("combined.mail.abusix.zone", Listing::NeedsKey),
                ],
                Standing::NotListed,
                None,
            ),
            (
                vec![no("zen.spamhaus.org"), listed("dnsbl-3.uceprotect.net")],
                Standing::NotListed,
                Some(Impact::Ignorable),
            ),
            (vec![no("zen.spamhaus.org"), listed("wl.mailspike.net")], Standing::NotListed, None),
            (vec![], Standing::Unknown, None),
        ] {
            let assessment = assess_survey(&survey(readings.clone()));
            assert_eq!((assessment.standing, assessment.worst), (state, worst), "{readings:?}");
        }
    }

    #[test]
    fn a_resolvers_fault_is_named_as_such() {
        for (why, count, expected) in [
            (UnknownReason::PublicResolver, 1, "public resolvers"),
            (UnknownReason::Rewritten, 4, "rewrites answers"),
            (UnknownReason::SelfTestMissed, 4, "127.0.0.0/8"),
            (UnknownReason::TimedOut, 4, "in time"),
            (UnknownReason::ServerFailure, 4, "fails for most"),
            (UnknownReason::Unreachable, 4, "can't be reached"),
        ] {
            let unknown =
                (0..count).map(|i| reading(&format!("bl{i}.example"), Listing::unknown(why)));
            let assessment = assess_survey(&survey(unknown.collect()));
            assert!(
                assessment.hints.iter().any(|hint| hint.contains(expected)),
                "{why:?}: {:?}",
                assessment.hints
            );
        }
        let mut readings: Vec<_> = (0..20)
            .map(|i| reading(&format!("bl{i}.example"), Listing::NotListed))
            .collect();
        readings.extend((0..5).map(|i| {
            reading(&format!("dead{i}.example"), Listing::unknown(UnknownReason::SelfTestMissed))
        }));
        assert_eq!(assess_survey(&survey(readings)).hints, Vec::<String>::new());
    }

    #[test]
    fn the_facts_survive_json() {
        let survey = survey(vec![
            listed("zen.spamhaus.org"),
            reading("a.example", Listing::NotListed),
            reading("b.example", Listing::unknown(UnknownReason::Rewritten)),
            reading("c.example", Listing::Dead { evidence: "gone".to_owned() }),
            reading("d.example", Listing::NeedsKey),
        ]);
        let json = serde_json::to_string(&survey).expect("the keys are strings");
        assert!(
            json.contains(concat!(
                r#""zone":"b.example","sense":"against","impact":"low","#,
                r#""state":"unknown","why":"rewritten""#
            )),
            "{json}"
        );
        assert_eq!(
            serde_json::from_str::<Survey>(&json).expect("what was written can be read"),
            survey
        );
    }
}
