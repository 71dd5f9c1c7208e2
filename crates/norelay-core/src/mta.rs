//! Which software a server is, read from what it said on one path.
//!
//! Rules:
//! - The knowledge is a table (`mta/table.rs`): one line a clue, each shown by a sample in
//!   `tests/mtas.txt`, which names its source.
//! - Independent clues add up, and contradictions take away (`mta/weigh.rs`). One weak sign makes a
//!   software `possible` at most: a greeting can be changed in a minute, and scripts copy replies.
//! - What is only remembered, and was not found in a source or a transcript, never makes anything
//!   certain.
//! - A proxy that speaks SMTP itself hands on the words of the server behind it. Where the proxy's
//!   own words are sure, the proxy is named, and the words from behind are no contradiction.

mod pattern;
mod table;
mod weigh;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use self::table::{CLUES, HABITS, NAMES};
use self::{
    pattern::{is_in_order, keyword, matched},
    weigh::{Candidate, Hits},
};
use crate::{
    octets::{Octets, harmless},
    report::{Exchange, PathView},
    smtp::{Reply, Stage},
};

/// Enough to tell a server by, and little enough to be read in no time.
const MAX_LINES: usize = 2_000;
const MAX_LINE: usize = 512;
/// How to find out which program listens, where the table knows no command of the software.
const CHECK: &str =
    "`ss -ltnp` (on Windows `netstat -abn`) shows which program listens on the port";

norelay_smtp::words! {
    /// How sure an identification is.
    pub enum Confidence {
        /// Other software says the same.
        Possible = "possible",
        /// Little other software says the same.
        Likely = "likely",
        /// No other software is known to say the same.
        Certain = "certain",
    }
}

/// How much a clue says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// Much other software says the same, or it is easily written by hand.
    Weak,
    /// Little other software says the same.
    Typical,
    /// No other software is known to say the same.
    Own,
    /// The software's name, or words that nobody else would choose.
    Name,
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
    /// True if the software is a proxy that hands on the answers of a server behind it.
    pub is_front: bool,
    /// How an administrator finds out whether the server is this software.
    pub check: Option<&'static str>,
}

/// Returns how an administrator finds out whether a server is this software, as a clause.
#[must_use]
pub fn check_of(name: &str) -> &'static str {
    let known = NAMES.iter().find(|known| known.name == name);
    known.and_then(|known| known.check).unwrap_or(CHECK)
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
    pub weight: Weight,
    /// True if it was found in a source, a transcript or a maintained collection. False if it is
    /// only remembered.
    pub verified: bool,
    /// Where it shows.
    pub place: Place,
    /// The line with its code. `*` stands for anything, `{v}` for a version, `{n}` for digits,
    /// `{word}` for anything without blanks, `{hex}` for a long row of hexadecimal digits,
    /// `{stars}` for what an old Cisco firewall makes of a greeting.
    pub pattern: &'static str,
    /// The system or product that it tells as well.
    pub distribution: Option<&'static str>,
}

/// What a software always says at a place, in one of these ways. A reply there with the same code
/// and other words contradicts it.
#[derive(Debug)]
pub struct Habit {
    /// The name in [`NAMES`].
    pub mta: &'static str,
    /// Where it says so.
    pub place: Place,
    /// The lines, as the patterns of a [`Clue`]; all begin with the same code.
    pub patterns: &'static [&'static str],
}

/// A clue that a server shows, and by what.
#[derive(Clone, Debug)]
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

/// What the software of the server on a path seems to be. A path that is asked little may show
/// little: then another path to the same host tells, if the server introduces itself alike there.
#[must_use]
pub fn identify(path: PathView<'_>) -> Option<Mta> {
    let traits = Traits::of(path);
    traits.software().or_else(|| {
        path.report
            .paths()
            .filter(|other| other.destination().is_to_host_of(path.destination()))
            .map(Traits::of)
            .filter(|other| other.introduces_itself_as(&traits))
            .find_map(|other| other.software())
    })
}

/// What the server behind the proxy on a path seems to be, where it is a proxy that answers.
#[must_use]
pub fn behind(path: PathView<'_>) -> Option<Mta> {
    let traits = Traits::of(path);
    let all = traits.hits();
    let name = front(&all, &traits)?.name;
    let mut hits = all.clone();
    hits.remove(name);
    among(&hits, None)
}

/// The proxy that names itself, or shows by several words of its own: a greeting alone may be one
/// that somebody chose.
fn front<'a>(hits: &'a Hits<'a>, traits: &'a Traits) -> Option<Candidate<'a>> {
    let fronts = hits.keys().filter(|name| is_front(name));
    for name in fronts {
        let mut front = Candidate::new(name, hits, Some(traits));
        if front.greets_and_answers() && is_another_behind(name, hits) {
            front = front.with_server_behind();
        }
        if front.is_sure() {
            return Some(front);
        }
    }
    None
}

/// True if the other lines are surely of another software: then the proxy said its own lines in
/// that server's place.
fn is_another_behind(proxy: &'static str, hits: &Hits<'_>) -> bool {
    let mut others = hits.clone();
    others.remove(proxy);
    among(&others, None).is_some_and(|server| server.confidence >= Confidence::Likely)
}

/// The software that most speaks for.
fn among(hits: &Hits<'_>, traits: Option<&Traits>) -> Option<Mta> {
    let candidates: Vec<_> = hits
        .keys()
        .map(|name| Candidate::new(name, hits, traits))
        .collect();
    // Of two that are equally sure, the one that is built upon the other says more.
    let best = candidates
        .iter()
        .max_by_key(|one| (one.confidence(), kin_of(one.name) != one.name, one.points()))?;
    let confidence = best.confidence()?;
    let is_tied = candidates
        .iter()
        .filter(|other| kin_of(other.name) != kin_of(best.name) && !is_front(other.name))
        .any(|other| other.points() == best.points());
    if is_tied && confidence == Confidence::Possible {
        return None;
    }
    Some(best.describe(confidence))
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

impl Traits {
    /// What the software seems to be by these traits alone.
    fn software(&self) -> Option<Mta> {
        let hits = self.hits();
        match front(&hits, self) {
            Some(front) => Some(front.describe(front.confidence()?)),
            None => among(&hits, Some(self)),
        }
    }

    /// True if the greeting and the reply to EHLO are known and are the same as the other's.
    fn introduces_itself_as(&self, other: &Self) -> bool {
        [Place::Greeting, Place::Hello, Place::Order]
            .into_iter()
            .all(|place| {
                let lines = self.lines.get(&place);
                lines.is_some() && lines == other.lines.get(&place)
            })
    }

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

    /// Returns a line at the habit's place, with its code, that is not what the software says.
    fn unlike(&self, habit: &Habit) -> Option<&str> {
        let code = habit.patterns.first()?.get(..4)?;
        let lines = self.lines.get(&habit.place)?;
        lines
            .iter()
            .filter(|line| line.starts_with(code))
            .find(|line| {
                !habit
                    .patterns
                    .iter()
                    .any(|known| matched(known, line).is_some())
            })
            .map(String::as_str)
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
