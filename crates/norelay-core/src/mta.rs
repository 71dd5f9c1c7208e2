//! Which software a server is, read from what it said on one path.
//!
//! Rules:
//! - The knowledge is a table (`mta/table.rs`): one line a clue, each shown by a sample in
//!   `tests/mtas.txt`.
//! - A greeting can be changed in a minute and the wording of replies hardly ever: clues of several
//!   places together are as good as a name in the greeting, and where they contradict it, it counts
//!   for less.
//! - What is only remembered, and was not found in a source or a transcript, never makes anything
//!   certain.
//! - A proxy that speaks SMTP itself hands on the words of the server behind it: where its own are
//!   sure, it is named, and theirs are no contradiction.

mod pattern;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use self::pattern::{is_in_order, keyword, matched};
pub use self::table::{CLUES, NAMES};
use crate::{
    octets::{Octets, harmless},
    report::{Exchange, PathView},
    smtp::{Reply, Stage},
};

/// Enough to tell a server by, and little enough to be read in no time.
const MAX_LINES: usize = 2_000;
const MAX_LINE: usize = 512;
const MAX_SHOWN: usize = 120;
const MAX_EVIDENCE: usize = 8;

/// How sure an identification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Others say the same.
    Possible,
    /// Few others do.
    Likely,
    /// None other is known to.
    Certain,
}

impl Confidence {
    /// The word that stands for it in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }

    fn lowered(self) -> Self {
        match self {
            Self::Certain => Self::Likely,
            _ => Self::Possible,
        }
    }
}

/// The software of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mta {
    /// Its name in the tables: `postfix`.
    pub name: &'static str,
    /// Its version, where it is told.
    pub version: Option<String>,
    /// The system or product that it came with, where that shows: `debian`, `mailcow`.
    pub distribution: Option<&'static str>,
    /// How sure that is.
    pub confidence: Confidence,
    /// What shows it, a clause each; harmless to show.
    pub evidence: Vec<String>,
}

impl Mta {
    /// What it is called: `Postfix`.
    #[must_use]
    pub fn title(&self) -> &'static str {
        title_of(self.name)
    }
}

impl std::fmt::Display for Mta {
    /// `Postfix 3.7.11 (debian), likely`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.title())?;
        if let Some(version) = &self.version {
            write!(f, " {}", harmless(version))?;
        }
        if let Some(distribution) = self.distribution {
            write!(f, " ({distribution})")?;
        }
        write!(f, ", {}", self.confidence.word())
    }
}

/// What the software of this name is called; the name itself where the table doesn't know it.
#[must_use]
pub fn title_of(name: &str) -> &str {
    NAMES
        .iter()
        .find(|known| known.name == name)
        .map_or(name, |known| known.title)
}

/// A name in the tables.
#[derive(Debug)]
pub struct Name {
    /// In lower case, without spaces.
    pub name: &'static str,
    /// As its makers write it.
    pub title: &'static str,
    /// The software that it is built upon, or whose wording it took over: no contradiction.
    pub kin: Option<&'static str>,
    /// Whether it stands before another server, whose answers it hands on.
    pub is_front: bool,
}

/// Where in a dialogue a clue shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A line of the greeting.
    Greeting,
    /// The first line of the answer to EHLO or HELO.
    Hello,
    /// A further line of the answer to EHLO.
    Offer,
    /// The order of the keywords in the answer to EHLO: those named come in this order, `!WORD`
    /// doesn't come, `WORD$` comes last, and `=` at the beginning allows none besides but STARTTLS
    /// and AUTH.
    Order,
    /// A line of an answer to MAIL.
    Mail,
    /// A line of an answer to RCPT.
    Rcpt,
    /// A line of an answer to DATA.
    Data,
    /// A line of an answer to the end of data.
    EndOfData,
    /// A line of any answer but the greeting and the accepted EHLO.
    Any,
}

/// One thing that shows what a server is.
#[derive(Debug)]
pub struct Clue {
    /// The name in [`NAMES`].
    pub mta: &'static str,
    /// How much it says by itself.
    pub weight: Confidence,
    /// Whether it was found in a source, a transcript or a maintained collection, and not only
    /// remembered.
    pub verified: bool,
    /// Where it shows.
    pub place: Place,
    /// The line with its code. `*` stands for anything, `{v}` for a version, `{n}` for digits,
    /// `{hex}` for a long row of hexadecimal digits, `{stars}` for what an old Cisco firewall makes
    /// of a greeting.
    pub pattern: &'static str,
    /// The system or product that it tells as well.
    pub distribution: Option<&'static str>,
}

/// A clue that a server shows, and by what.
#[derive(Debug)]
struct Hit<'a> {
    clue: &'static Clue,
    line: &'a str,
    version: Option<String>,
}

/// What a server showed on one path, each line once.
#[derive(Default)]
struct Traits {
    lines: BTreeMap<Place, BTreeSet<String>>,
    count: usize,
}

/// The clues that a server shows, by name.
type Hits<'a> = BTreeMap<&'static str, Vec<Hit<'a>>>;

/// What the software of the server on a path seems to be.
#[must_use]
pub fn identify(path: PathView<'_>) -> Option<Mta> {
    let traits = Traits::of(path);
    let hits = traits.hits();
    match front(&hits) {
        Some(name) => Some(describe(name, confidence_of(&hits[name]), &hits[name], &hits)),
        None => among(&hits),
    }
}

/// What the server behind the proxy on a path seems to be, where it is a proxy that answers.
#[must_use]
pub fn behind(path: PathView<'_>) -> Option<Mta> {
    let traits = Traits::of(path);
    let mut hits = traits.hits();
    let name = front(&hits)?;
    hits.remove(name);
    among(&hits)
}

/// The proxy that names itself, or shows by two lines of its own: one may be a greeting that
/// somebody chose.
fn front(hits: &Hits<'_>) -> Option<&'static str> {
    let is_named = |hit: &Hit<'_>| hit.clue.verified && hit.clue.weight == Confidence::Certain;
    let is_shown = |hits: &[Hit<'_>]| hits.iter().any(is_named) || sound_lines(hits) >= 2;
    hits.iter()
        .find(|(name, hits)| is_front(name) && is_shown(hits))
        .map(|(name, _)| *name)
}

/// The software that most clues are for.
fn among(hits: &Hits<'_>) -> Option<Mta> {
    // Of two that are equally sure, the one that is built upon the other says more.
    let best = hits
        .iter()
        .max_by_key(|(name, hits)| (rank(hits).0, kin_of(name) != **name, rank(hits)))?;
    let (name, shown) = (*best.0, best.1);
    let confidence = confidence_of(shown);
    let is_tied = others(hits, name).any(|theirs| rank(theirs) == rank(shown));
    if is_tied && confidence == Confidence::Possible {
        return None;
    }
    let is_contradicted = others(hits, name).any(|theirs| contradiction(shown, theirs).is_some());
    Some(describe(
        name,
        if is_contradicted { confidence.lowered() } else { confidence },
        shown,
        hits,
    ))
}

/// The clues for software of other families; a line like a proxy's, alone, is none against another.
fn others<'a, 'b>(
    hits: &'b Hits<'a>,
    name: &'static str,
) -> impl Iterator<Item = &'b Vec<Hit<'a>>> {
    let others = hits
        .iter()
        .filter(move |&(other, _)| kin_of(other) != kin_of(name) && !is_front(other));
    others.map(|(_, theirs)| theirs)
}

/// The clues that a server shows on a path.
#[must_use]
pub fn clues(path: PathView<'_>) -> Vec<&'static Clue> {
    let traits = Traits::of(path);
    CLUES
        .iter()
        .filter(|clue| traits.hit(clue).is_some())
        .collect()
}

/// How sure the clues of one name are together.
fn confidence_of(hits: &[Hit<'_>]) -> Confidence {
    let strongest = hits
        .iter()
        .map(|hit| strength(hit.clue))
        .max()
        .unwrap_or(Confidence::Possible);
    if sound_lines(hits) >= 3 { Confidence::Certain } else { strongest }
}

/// How many lines of a server's are as good as sure to be this software's.
fn sound_lines(hits: &[Hit<'_>]) -> usize {
    let sound = hits
        .iter()
        .filter(|hit| hit.clue.verified && hit.clue.weight >= Confidence::Likely);
    sound
        .map(|hit| (hit.clue.place, hit.line))
        .collect::<BTreeSet<_>>()
        .len()
}

fn strength(clue: &Clue) -> Confidence {
    if clue.verified { clue.weight } else { clue.weight.min(Confidence::Likely) }
}

/// What the better identification has more of.
fn rank(hits: &[Hit<'_>]) -> (Confidence, usize, usize) {
    let strong = hits
        .iter()
        .filter(|hit| hit.clue.weight >= Confidence::Likely)
        .count();
    (confidence_of(hits), strong, hits.len())
}

/// The name that stands for a family of software with one wording.
fn kin_of(name: &'static str) -> &'static str {
    NAMES
        .iter()
        .find(|known| known.name == name)
        .and_then(|known| known.kin)
        .unwrap_or(name)
}

fn is_front(name: &str) -> bool {
    NAMES
        .iter()
        .any(|known| known.name == name && known.is_front)
}

/// Another software's strongest clue, where nothing of the first explains it.
fn contradiction<'a, 'b>(ours: &[Hit<'_>], theirs: &'b [Hit<'a>]) -> Option<&'b Hit<'a>> {
    theirs
        .iter()
        .filter(|hit| strength(hit.clue) >= Confidence::Likely)
        .find(|hit| !ours.iter().any(|our| our.line == hit.line))
}

fn describe(name: &'static str, confidence: Confidence, shown: &[Hit<'_>], hits: &Hits<'_>) -> Mta {
    let mut by_weight: Vec<&Hit<'_>> = shown.iter().collect();
    by_weight.sort_by_key(|hit| std::cmp::Reverse(strength(hit.clue)));
    let mut evidence = Vec::new();
    for clause in by_weight.iter().map(|hit| hit.clause()) {
        // One line can show several things.
        if evidence.len() < MAX_EVIDENCE && !evidence.contains(&clause) {
            evidence.push(clause);
        }
    }
    let but = if is_front(name) { "from behind it," } else { "but" };
    let rivals = others(hits, name).filter_map(|theirs| contradiction(shown, theirs));
    let against =
        rivals.map(|hit| format!("{but} {}, as {} does", hit.clause(), title_of(hit.clue.mta)));
    Mta {
        name,
        version: by_weight.iter().find_map(|hit| hit.version.clone()),
        distribution: by_weight.iter().find_map(|hit| hit.clue.distribution),
        confidence,
        evidence: evidence
            .into_iter()
            .chain(against.take(MAX_EVIDENCE))
            .collect(),
    }
}

impl Hit<'_> {
    fn clause(&self) -> String {
        let mut line: String = self.line.chars().take(MAX_SHOWN).collect();
        if line.len() < self.line.len() {
            line.push('…');
        }
        let line = harmless(&line);
        let memory = if self.clue.verified { "" } else { " (remembered, not verified)" };
        match self.clue.place {
            Place::Greeting => format!("it greets with \"{line}\"{memory}"),
            Place::Hello => format!("it answers EHLO with \"{line}\"{memory}"),
            Place::Offer => format!("it offers \"{line}\"{memory}"),
            Place::Order => format!("it offers {line}, in this order{memory}"),
            Place::Mail | Place::Rcpt | Place::Data | Place::EndOfData | Place::Any => {
                format!("it says \"{line}\"{memory}")
            }
        }
    }
}

impl Traits {
    fn of(path: PathView<'_>) -> Self {
        let mut traits = Self::default();
        for exchange in path.dialogues().flat_map(|dialogue| &dialogue.exchanges) {
            traits.take(exchange);
        }
        traits
    }

    fn hits(&self) -> Hits<'_> {
        let mut hits = Hits::new();
        for hit in CLUES.iter().filter_map(|clue| self.hit(clue)) {
            hits.entry(hit.clue.mta).or_default().push(hit);
        }
        hits
    }

    fn take(&mut self, exchange: &Exchange) {
        let Some(reply) = &exchange.reply else { return };
        let place = match exchange.stage {
            Stage::Greeting => return self.add_lines(Place::Greeting, reply),
            Stage::Ehlo | Stage::Helo if reply.is_positive() => return self.take_hello(reply),
            Stage::Mail => Place::Mail,
            Stage::Rcpt => Place::Rcpt,
            Stage::Data => Place::Data,
            Stage::EndOfData => Place::EndOfData,
            _ => Place::Any,
        };
        self.add_lines(place, reply);
        if place != Place::Any {
            self.add_lines(Place::Any, reply);
        }
    }

    fn take_hello(&mut self, reply: &Reply) {
        let mut lines = reply.lines.iter();
        self.add(Place::Hello, with_code(reply.code, lines.next()));
        let offers: Vec<String> = lines.map(|line| shortened(&line.to_text())).collect();
        let keywords: Vec<String> = offers.iter().filter_map(|offer| keyword(offer)).collect();
        for offer in offers {
            self.add(Place::Offer, offer);
        }
        if !keywords.is_empty() {
            self.add(Place::Order, keywords.join(" "));
        }
    }

    fn add_lines(&mut self, place: Place, reply: &Reply) {
        for line in &reply.lines {
            self.add(place, with_code(reply.code, Some(line)));
        }
    }

    fn add(&mut self, place: Place, line: String) {
        if self.count < MAX_LINES && self.lines.entry(place).or_default().insert(line) {
            self.count += 1;
        }
    }

    fn hit(&self, clue: &'static Clue) -> Option<Hit<'_>> {
        let lines = self.lines.get(&clue.place)?;
        if clue.place == Place::Order {
            let line = lines
                .iter()
                .find(|keywords| is_in_order(clue.pattern, keywords))?;
            return Some(Hit { clue, line, version: None });
        }
        lines.iter().find_map(|line| {
            let version = matched(clue.pattern, line)?;
            let version =
                version.map(|version| version.trim_end_matches(['.', '-', '_', '+']).to_owned());
            Some(Hit { clue, line, version })
        })
    }
}

fn with_code(code: u16, line: Option<&Octets>) -> String {
    let text = line.map(Octets::to_text).unwrap_or_default();
    shortened(&format!("{code} {text}"))
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_LINE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_what_it_knows() {
        for clue in CLUES {
            assert!(NAMES.iter().any(|known| known.name == clue.mta), "{}", clue.mta);
        }
        for known in NAMES {
            assert!(
                CLUES.iter().any(|clue| clue.mta == known.name),
                "nothing shows {}",
                known.name
            );
            assert!(
                known
                    .kin
                    .is_none_or(|kin| NAMES.iter().any(|other| other.name == kin)),
                "{}",
                known.name
            );
        }
    }
}
