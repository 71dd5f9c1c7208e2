//! What is worth knowing beside the verdict, by topic: the server, blacklists, the DNS.

use std::collections::BTreeSet;

use norelay_core::{
    check::{Finding, Level, Topic},
    path::PathId,
};
use norelay_dns::dns_name::is_private;

use super::{RunView, in_settings, name_of};

/// More addresses than this are a farm, whose lists nobody reads.
const MAX_ADDRESSES: usize = 8;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingLine {
    /// How much the finding matters, in words. Empty if little.
    pub word: &'static str,
    /// The sentence.
    pub text: String,
    /// Where, if the run has several paths.
    pub place: String,
}

/// The findings of a run, by topic.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// About the server, as the relay test saw it.
    pub relay: Vec<FindingLine>,
    /// From blacklists: listings first, then a sentence for each that was looked up.
    pub listings: Vec<FindingLine>,
    /// The lists without an answer.
    pub untold: Vec<FindingLine>,
    /// Records in the DNS that should be changed.
    pub flaws: Vec<FindingLine>,
    /// Records in the DNS that are in order, or merely good to know.
    pub order: Vec<FindingLine>,
    /// Addresses that lists may have.
    pub addresses: Vec<String>,
}

/// Sorts the findings; a finding keeps its place among those of its topic.
#[must_use]
pub fn of(seen: RunView) -> Findings {
    let mut found = Findings { addresses: addresses(seen), ..Findings::default() };
    for (finding, paths) in once_each(&seen.assessment.findings) {
        let place = match finding.topic() {
            // The page already shows this with the path.
            Topic::Path => continue,
            Topic::Relay => &mut found.relay,
            Topic::Untold => &mut found.untold,
            Topic::Listings => &mut found.listings,
            Topic::Posture if finding.level >= Level::Notice => &mut found.flaws,
            Topic::Posture => &mut found.order,
        };
        place.push(line(seen, finding, &paths));
    }
    found
}

/// Findings that read alike on several paths are one, with the paths.
fn once_each(findings: &[Finding]) -> Vec<(&Finding, Vec<PathId>)> {
    let mut each: Vec<(&Finding, Vec<PathId>)> = Vec::new();
    for finding in findings {
        let path = finding.path;
        match each
            .iter_mut()
            .find(|(known, _)| known.tag == finding.tag && known.text == finding.text)
        {
            Some((_, paths)) => paths.extend(path),
            None => each.push((finding, path.into_iter().collect())),
        }
    }
    each
}

fn line(seen: RunView, finding: &Finding, paths: &[PathId]) -> FindingLine {
    let word = match finding.level {
        Level::Error => "Must be changed",
        Level::Warning => "Should be changed",
        Level::Notice | Level::Info => "",
    };
    let place = match paths {
        _ if seen.report.paths().len() < 2 => String::new(),
        [] => String::new(),
        [path] => name_of(seen.report, *path),
        _ => format!("on {} paths", paths.len()),
    };
    // Other findings quote servers, whose words stay as they are.
    let names_options = ["probe_domain_fallback", "client_address_translated", "blacklist_listed"];
    let text = match names_options.contains(&finding.tag.as_str()) {
        true => in_settings(&finding.text),
        false => finding.text.clone(),
    };
    FindingLine { word, text, place }
}

fn addresses(seen: RunView) -> Vec<String> {
    let all: BTreeSet<_> = seen
        .report
        .paths()
        .map(|path| path.destination().address.to_canonical())
        .collect();
    let public = all.into_iter().filter(|address| !is_private(*address));
    public
        .take(MAX_ADDRESSES)
        .map(|address| address.to_string())
        .collect()
}
