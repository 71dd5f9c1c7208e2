//! What is worth knowing beside the verdict, by topic: the server, blacklists, the DNS.

use std::collections::BTreeSet;

use norelay_core::{
    blacklist::target::is_private,
    check::{
        Finding, Level,
        finding::{Topic, topic},
        findings,
    },
};

use super::Seen;

/// More addresses than this are a farm, whose lists nobody reads.
const MAX_ADDRESSES: usize = 8;

/// How much it matters, in words, and the sentence.
pub type Line = (&'static str, String);

/// What is worth knowing.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// About the server, as the relay test saw it.
    pub relay: Vec<Line>,
    /// From blacklists: listings first, then a sentence for each that was looked up.
    pub listings: Vec<Line>,
    /// What lists could not tell.
    pub untold: Vec<Line>,
    /// What the DNS says about domain and addresses, and should be changed.
    pub flaws: Vec<Line>,
    /// What the DNS says that is in order, or merely good to know.
    pub order: Vec<Line>,
    /// Addresses that lists may have.
    pub addresses: Vec<String>,
}

/// Sorts the findings; a finding keeps its place among those of its topic.
#[must_use]
pub fn of(seen: Seen) -> Findings {
    let mut found = Findings { addresses: addresses(seen), ..Findings::default() };
    for finding in findings(seen.report, seen.judgement) {
        let place = match topic(&finding.tag) {
            Topic::Relay => &mut found.relay,
            Topic::Blacklists if finding.tag == "blacklist_unknown" => &mut found.untold,
            Topic::Blacklists => &mut found.listings,
            Topic::Posture if finding.level >= Level::Notice => &mut found.flaws,
            Topic::Posture => &mut found.order,
        };
        place.push(line(finding));
    }
    found
}

fn line(finding: Finding) -> Line {
    let word = match finding.level {
        Level::Error => "Must be changed",
        Level::Warning => "Should be changed",
        Level::Notice | Level::Info => "",
    };
    // The command has its own way to go on; on a page there is a button.
    (
        word,
        finding
            .text
            .replace(" norelay blacklist then shows the way off.", " The page of blacklists then shows the way off."),
    )
}

fn addresses(seen: Seen) -> Vec<String> {
    let all: BTreeSet<_> = seen.report.paths.iter().map(|path| path.way.address.to_canonical()).collect();
    let public = all.into_iter().filter(|address| !is_private(*address));
    public.take(MAX_ADDRESSES).map(|address| address.to_string()).collect()
}
