//! A result's page in parts, rendered once for all who look at it.
//!
//! Rules:
//! - Each part has the id of the element that holds it; the live page replaces the parts that
//!   changed, and only those.
//! - Transcripts stand in the page up to [`INLINE`] octets, the failing tests' first; the others
//!   open from a page of their own.

use std::sync::Arc;

use askama::Template;
use norelay_core::{check::Verdict, diagnosis::Technique};

use super::view::{
    RunPhase, RunView,
    advice::{self, NextStep, ShownCause},
    card::{self, Card},
    findings::{self, Findings},
    particulars::{self, Particular},
    rows::{self, RowGroup, TestRow},
    ways::{self, PathRow},
};

/// So many octets of transcripts may stand in a page, so that the first paint stays small on any
/// line.
const INLINE: usize = 24 * 1024;

/// The id of the part that lists the tests.
const LIST: &str = "tests";

/// One part of a page.
#[derive(Clone, Debug)]
pub struct Part {
    /// The id of its element.
    pub id: String,
    /// The markup in the element.
    pub html: Arc<str>,
    /// The number of the event that last changed the part.
    pub since: i64,
    /// The part around this one, if there is one.
    pub within: Option<&'static str>,
    /// The numbers of the tests that are parts within this one, in their order.
    holds: Vec<u8>,
}

/// A result, rendered.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The number of the last event that is shown.
    pub seq: i64,
    /// How far the run is.
    pub phase: RunPhase,
    /// A sentence for screen readers.
    pub say: String,
    /// The parts.
    pub parts: Vec<Part>,
}

impl Rendered {
    /// Returns the markup of a part. Empty if there is no such part.
    #[must_use]
    pub fn part(&self, id: &str) -> &str {
        self.parts
            .iter()
            .find(|part| part.id == id)
            .map_or("", |part| &part.html)
    }

    /// The parts that changed after an event's number, those within a changed one left out.
    pub fn since(&self, seq: i64) -> impl Iterator<Item = &Part> {
        let changed = move |part: &Part| part.since > seq;
        let holder = move |id: &str| self.parts.iter().any(|part| part.id == id && changed(part));
        self.parts
            .iter()
            .filter(move |part| changed(part) && !part.within.is_some_and(holder))
    }
}

#[derive(Template)]
#[template(path = "part/verdict.html")]
struct VerdictPart {
    card: Card,
}

#[derive(Template)]
#[template(path = "part/advice.html")]
struct AdvicePart {
    open: bool,
    steps: Vec<NextStep>,
    causes: Vec<ShownCause>,
}

#[derive(Template)]
#[template(path = "part/paths.html")]
struct PathsPart<'a> {
    id: &'a str,
    ways: Vec<PathRow>,
    silent: Vec<PathRow>,
    over: bool,
}

#[derive(Template)]
#[template(path = "part/test.html")]
struct TestPart<'a> {
    id: &'a str,
    row: &'a TestRow,
    inline: bool,
    over: bool,
}

/// Tests as number and markup.
type Rows = Vec<(u8, String)>;

#[derive(Template)]
#[template(path = "part/tests.html")]
struct TestsPart {
    /// Heading, meaning, and rows.
    groups: Vec<(&'static str, &'static str, Rows)>,
    controls: Rows,
}

#[derive(Template)]
#[template(path = "part/beside.html")]
struct BesidePart<'a> {
    id: &'a str,
    found: Findings,
    techniques: Vec<Technique>,
}

#[derive(Template)]
#[template(path = "part/particulars.html")]
struct ParticularsPart {
    facts: Vec<Particular>,
}

/// Renders a result; parts that are as `before` keep the number of the event that changed them.
///
/// # Errors
/// A template failed, which is our own fault.
pub fn render(
    id: &str,
    seq: i64,
    seen: RunView,
    before: Option<&Rendered>,
) -> Result<Rendered, askama::Error> {
    let over = seen.phase == RunPhase::Over;
    let card = card::card(seen);
    let say = announcement(&card);
    let advice = AdvicePart {
        open: seen.judgement().verdict == Verdict::OpenRelay,
        steps: advice::steps(seen),
        causes: advice::causes(seen),
    };
    let mut made = vec![
        FreshPart::alone("verdict", VerdictPart { card }.render()?),
        FreshPart::alone("advice", advice.render()?),
        FreshPart::alone("paths", render_paths(id, seen, over)?),
    ];
    let list = render_tests(id, seen, &mut made)?;
    made.push(list);
    let found = if over { findings::of(seen) } else { Findings::default() };
    let techniques = if over { seen.assessment.techniques.clone() } else { Vec::new() };
    made.push(FreshPart::alone("beside", BesidePart { id, found, techniques }.render()?));
    let facts = particulars::particulars(seen);
    made.push(FreshPart::alone("particulars", ParticularsPart { facts }.render()?));
    let parts = made
        .into_iter()
        .map(|part| part.dated(seq, before))
        .collect();
    Ok(Rendered { seq, phase: seen.phase, say, parts })
}

fn render_paths(id: &str, seen: RunView, over: bool) -> Result<String, askama::Error> {
    let (ways, silent) = ways::ways(seen);
    PathsPart { id, ways, silent, over }.render()
}

/// A part that was rendered just now.
struct FreshPart {
    id: String,
    html: String,
    within: Option<&'static str>,
    holds: Vec<u8>,
}

impl FreshPart {
    /// A part that stands in no other and holds none.
    fn alone(id: &str, html: String) -> Self {
        Self { id: id.to_owned(), html, within: None, holds: Vec::new() }
    }

    /// The part with the number of the event that changed it.
    fn dated(self, seq: i64, before: Option<&Rendered>) -> Part {
        let old = before.and_then(|before| before.parts.iter().find(|part| part.id == self.id));
        let since = old
            .filter(|old| self.is_same(old))
            .map_or(seq, |old| old.since);
        let Self { id, html, within, holds } = self;
        Part { id, html: html.into(), since, within, holds }
    }

    /// True if the part says what it said before. The list of tests is the same while it holds the
    /// same tests: each of them is a part of its own.
    fn is_same(&self, old: &Part) -> bool {
        match self.id == LIST {
            true => self.holds == old.holds,
            false => *self.html == *old.html,
        }
    }
}

/// Renders each test as a part, and all of them as a list.
fn render_tests(
    id: &str,
    seen: RunView,
    made: &mut Vec<FreshPart>,
) -> Result<FreshPart, askama::Error> {
    let over = seen.phase == RunPhase::Over;
    let groups = match over {
        true => rows::groups(rows::tests(seen)),
        false => vec![RowGroup { title: "", means: "", rows: rows::tests(seen) }],
    };
    let mut budget = INLINE;
    let mut one = |row: &TestRow| -> Result<(u8, String), askama::Error> {
        let inline = over && spend(&mut budget, row);
        let html = TestPart { id, row, inline, over }.render()?;
        let number = row.test.number;
        made.push(FreshPart {
            within: Some(LIST),
            ..FreshPart::alone(&format!("r{number}"), html.clone())
        });
        Ok((number, html))
    };
    let mut shown = Vec::new();
    for group in groups.iter().filter(|group| !group.rows.is_empty()) {
        let rows = group
            .rows
            .iter()
            .map(&mut one)
            .collect::<Result<Vec<_>, _>>()?;
        shown.push((group.title, group.means, rows));
    }
    let controls = rows::controls(seen)
        .iter()
        .map(&mut one)
        .collect::<Result<Vec<_>, _>>()?;
    let tests = shown.iter().flat_map(|(_, _, rows)| rows).chain(&controls);
    let holds = tests.map(|(number, _)| *number).collect();
    let html = TestsPart { groups: shown, controls }.render()?;
    Ok(FreshPart { holds, ..FreshPart::alone(LIST, html) })
}

/// Returns true if a row's transcripts still fit into the page, and spends their size.
fn spend(budget: &mut usize, row: &TestRow) -> bool {
    /// What the markup of a line costs beside its text.
    const MARKUP: usize = 64;
    let lines = row
        .ways
        .iter()
        .flat_map(|way| &way.talks)
        .flat_map(|talk| &talk.lines);
    let cost: usize = lines.map(|line| line.text.len() + MARKUP).sum();
    let fits = cost <= *budget;
    if fits {
        *budget -= cost;
    }
    fits
}

/// What a screen reader says: the verdict, or how far the run is in quarters, so that it isn't a
/// torrent.
fn announcement(card: &Card) -> String {
    let Some(progress) = &card.progress else { return format!("{}. {}", card.word, card.sentence) };
    if let Some((words, until)) = progress.waiting {
        return format!("{words} {}.", super::view::time::clock(until));
    }
    match progress.done.saturating_mul(4).checked_div(progress.all) {
        None => card.word.to_owned(),
        Some(quarters @ 1..=3) => {
            format!("{} percent of the questions are answered.", quarters * 25)
        }
        Some(_) => format!("{}: {} questions.", card.word, progress.all),
    }
}
