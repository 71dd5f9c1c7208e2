//! How sure a server's software is: the clues for a software are added up, and what contradicts
//! that software is taken away.
//!
//! Rules:
//! - A line counts once for a software, by the strongest clue that it shows.
//! - The usual replies of a transaction count once together: a script that copies one of them
//!   copies the others as well.
//! - A contradiction takes away more than a line of the software's own adds.
//! - Clues that were only remembered never make anything certain.

use std::collections::BTreeMap;

use super::{
    Clue, Confidence, HABITS, Hit, Mta, Place, Traits, Weight, is_front, kin_of, title_of,
};
use crate::octets::harmless;

/// Points that are enough to name a software with this confidence. One weak line names nothing,
/// one typical line is `possible`, one of its own `likely`, its name or three of its own `certain`.
const POSSIBLE: i32 = 2;
const LIKELY: i32 = 4;
const CERTAIN: i32 = 12;
/// The points that a contradiction takes away: a name with one of them is `likely`, with two
/// `possible`, and a single line of its own is worth nothing.
const CONTRADICTION: i32 = 5;
/// The points that another reply to DATA takes away: a filter before the server may answer DATA
/// itself, and hand all other commands on.
const OTHER_DATA: i32 = 2;
/// The points for a proxy if the commands that it answers itself and the others are answered by
/// two programs.
const SERVER_BEHIND: i32 = 3;
const MAX_EVIDENCE: usize = 8;
const MAX_SHOWN: usize = 120;

/// The clues that a server shows, by the software's name.
pub(super) type Hits<'a> = BTreeMap<&'static str, Vec<Hit<'a>>>;

/// One software that the server may be, with what speaks for and against it.
pub(super) struct Candidate<'a> {
    pub(super) name: &'static str,
    hits: &'a [Hit<'a>],
    contradictions: Vec<Contradiction<'a>>,
    bonus: i32,
}

/// One thing that speaks against a software.
enum Contradiction<'a> {
    /// The server says what only this other software says.
    Rival(&'a Hit<'a>),
    /// The server says something else where the software always says the same.
    Habit { place: Place, line: &'a str },
}

impl Contradiction<'_> {
    fn points(&self) -> i32 {
        match self {
            Self::Habit { place: Place::Data, .. } => OTHER_DATA,
            Self::Rival(_) | Self::Habit { .. } => CONTRADICTION,
        }
    }
}

impl<'a> Candidate<'a> {
    /// Returns the case for and against one software. `traits` is `None` behind a proxy: there
    /// the proxy answers some commands itself, so those replies contradict nothing.
    pub(super) fn new(
        name: &'static str,
        hits: &'a Hits<'a>,
        traits: Option<&'a Traits>,
    ) -> Candidate<'a> {
        let own = hits.get(name).map_or(&[][..], Vec::as_slice);
        let rivals = rivals(hits, name).flat_map(|theirs| foreign(own, theirs));
        let broken = traits.map(|traits| broken_habits(name, traits));
        let contradictions = rivals
            .map(Contradiction::Rival)
            .chain(broken.unwrap_or_default())
            .collect();
        Self { name, hits: own, contradictions, bonus: 0 }
    }

    /// The points for the software, less those against it. A software that the server names stays
    /// possible, whatever speaks against it.
    pub(super) fn points(&self) -> i32 {
        let points = points(self.hits.iter()) + self.bonus - self.points_against();
        let is_named = self.hits.iter().any(|hit| hit.clue.weight == Weight::Name);
        if is_named { points.max(POSSIBLE) } else { points }
    }

    fn points_against(&self) -> i32 {
        // What the server behind a proxy says is no contradiction.
        let against = self
            .contradictions
            .iter()
            .filter(|one| !is_front(self.name) || matches!(one, Contradiction::Habit { .. }));
        against
            .map(Contradiction::points)
            .fold(0, i32::saturating_add)
    }

    /// True if the server greets as the software does and says another of the software's lines,
    /// and nothing that the software never says.
    pub(super) fn greets_and_answers(&self) -> bool {
        let is_unlike = self
            .contradictions
            .iter()
            .any(|one| matches!(one, Contradiction::Habit { .. }));
        let is_greeting = |hit: &Hit<'_>| hit.clue.place == Place::Greeting;
        let greets = self.hits.iter().any(is_greeting);
        let answers = self.hits.iter().any(|hit| !is_greeting(hit));
        !is_unlike && greets && answers
    }

    /// Adds that another server, with other words, stands behind this proxy.
    pub(super) fn with_server_behind(mut self) -> Self {
        self.bonus = SERVER_BEHIND;
        self
    }

    /// Returns how sure it is that the server is this software. `None` if more speaks against it
    /// than for it.
    pub(super) fn confidence(&self) -> Option<Confidence> {
        let verified = self.hits.iter().filter(|hit| hit.clue.verified);
        match self.points() {
            ..POSSIBLE => None,
            _ if points(verified) + self.bonus - self.points_against() >= CERTAIN => {
                Some(Confidence::Certain)
            }
            LIKELY.. => Some(Confidence::Likely),
            _ => Some(Confidence::Possible),
        }
    }

    /// True if so many of this proxy's words are said by nothing else.
    pub(super) fn is_sure(&self) -> bool {
        self.points() >= LIKELY
    }

    pub(super) fn describe(&self, confidence: Confidence) -> Mta {
        let mut by_weight: Vec<&Hit<'_>> = self.hits.iter().collect();
        by_weight.sort_by_key(|hit| std::cmp::Reverse(hit.clue.weight));
        let mut evidence = Vec::new();
        for clause in by_weight.iter().map(|hit| hit.clause()) {
            // One line can show several things.
            if evidence.len() < MAX_EVIDENCE && !evidence.contains(&clause) {
                evidence.push(clause);
            }
        }
        let against = self.contradictions.iter().take(MAX_EVIDENCE);
        evidence.extend(against.map(|contradiction| self.objection(contradiction)));
        Mta {
            name: self.name,
            version: by_weight.iter().find_map(|hit| hit.version.clone()),
            distribution: by_weight.iter().find_map(|hit| hit.clue.distribution),
            confidence,
            evidence,
        }
    }

    fn objection(&self, contradiction: &Contradiction<'_>) -> String {
        match contradiction {
            Contradiction::Rival(hit) => {
                let but = if is_front(self.name) { "from behind it," } else { "but" };
                format!("{but} {}, as {} does", hit.clause(), title_of(hit.clue.mta))
            }
            Contradiction::Habit { place, line } => {
                format!("but {}, which {} never does", clause(*place, line), title_of(self.name))
            }
        }
    }
}

/// The clues for software of other families. What a proxy says is none against the server behind.
fn rivals<'a>(hits: &'a Hits<'a>, name: &'static str) -> impl Iterator<Item = &'a Vec<Hit<'a>>> {
    hits.iter()
        .filter(move |&(other, _)| kin_of(other) != kin_of(name) && !is_front(other))
        .map(|(_, theirs)| theirs)
}

/// Another software's own lines that nothing of this software explains, each once.
fn foreign<'a>(ours: &[Hit<'_>], theirs: &'a [Hit<'a>]) -> Vec<&'a Hit<'a>> {
    let mut found: Vec<&Hit<'_>> = Vec::new();
    let own = theirs
        .iter()
        .filter(|hit| hit.clue.verified && hit.clue.weight >= Weight::Own);
    for hit in own {
        if !ours
            .iter()
            .chain(found.iter().copied())
            .any(|known| known.line == hit.line)
        {
            found.push(hit);
        }
    }
    found
}

/// The replies of a server that a software never gives, at most one for each place.
fn broken_habits<'a>(name: &'static str, traits: &'a Traits) -> Vec<Contradiction<'a>> {
    let mut broken: Vec<Contradiction<'a>> = Vec::new();
    for habit in HABITS.iter().filter(|habit| habit.mta == name) {
        let Some(line) = traits.unlike(habit) else { continue };
        broken.push(Contradiction::Habit { place: habit.place, line });
    }
    broken
}

/// The points of some clues: each line once, and a transaction's usual replies once together.
fn points<'a>(hits: impl Iterator<Item = &'a Hit<'a>>) -> i32 {
    let mut lines: BTreeMap<Option<&str>, i32> = BTreeMap::new();
    for hit in hits {
        let line = (!is_routine(hit.clue)).then_some(hit.line);
        let most = lines.entry(line).or_default();
        *most = (*most).max(worth(hit.clue));
    }
    lines.values().sum()
}

/// True if the clue is a reply that any transaction may have.
fn is_routine(clue: &Clue) -> bool {
    let in_transaction =
        matches!(clue.place, Place::Mail | Place::Rcpt | Place::Data | Place::EndOfData);
    in_transaction && clue.weight <= Weight::Typical
}

fn worth(clue: &Clue) -> i32 {
    let weight = if clue.verified { clue.weight } else { clue.weight.min(Weight::Typical) };
    match weight {
        Weight::Weak => 1,
        Weight::Typical => 3,
        Weight::Own => LIKELY,
        Weight::Name => CERTAIN,
    }
}

impl Hit<'_> {
    fn clause(&self) -> String {
        let memory = if self.clue.verified { "" } else { " (remembered, not verified)" };
        format!("{}{memory}", clause(self.clue.place, self.line))
    }
}

/// What a server said at a place, as a clause.
fn clause(place: Place, line: &str) -> String {
    let mut shown: String = line.chars().take(MAX_SHOWN).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    let line = harmless(&shown);
    match place {
        Place::Greeting => format!("it greets with \"{line}\""),
        Place::Hello => format!("it answers EHLO with \"{line}\""),
        Place::Offer => format!("it offers \"{line}\""),
        Place::Order => format!("it offers {line}, in this order"),
        Place::Mail | Place::Rcpt | Place::Data | Place::EndOfData | Place::Any => {
            format!("it says \"{line}\"")
        }
    }
}
