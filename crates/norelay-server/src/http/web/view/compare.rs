//! What changed since the previous run of the same target.

use std::collections::BTreeMap;

use norelay_core::{check::Judgement, event::Path, report::Report};

use super::{mark, path_name};

/// More changes than these are said in one line.
const MOST: usize = 100;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The verdict or test that changed.
    pub what: String,
    /// True if a verdict changed, and not one test.
    pub is_verdict: bool,
    /// The result of the earlier run. Empty if that run had none.
    pub before: String,
    /// The result of this run. Empty if this run has none.
    pub now: String,
}

/// The differences between two runs, the verdict first, then paths, then tests; none if nothing
/// changed.
#[must_use]
pub fn changes(before: (&Report, &Judgement), now: (&Report, &Judgement)) -> Vec<Change> {
    let mut changes = Vec::new();
    push(
        &mut changes,
        ("Verdict".to_owned(), true),
        Some(mark::of_verdict(before.1.verdict).1),
        Some(mark::of_verdict(now.1.verdict).1),
    );
    let (old, new) = (by_path(before), by_path(now));
    let mut ways: Vec<&Path> = old.keys().chain(new.keys()).copied().collect();
    ways.sort_by_key(|way| path_name(way));
    ways.dedup();
    for way in ways {
        let (old, new) = (old.get(way), new.get(way));
        push(&mut changes, (path_name(way), true), old.map(|old| old.0), new.map(|new| new.0));
        if let (Some((_, old)), Some((_, new))) = (old, new) {
            for (number, words) in new {
                let title =
                    norelay_core::catalogue::by_number(*number).map_or("", |test| test.title());
                let what = format!("Test {number} ({title}) at {}", path_name(way));
                if let Some(before) = old.get(number) {
                    push(&mut changes, (what, false), Some(before), Some(words));
                }
            }
        }
    }
    let more = changes.len().saturating_sub(MOST);
    changes.truncate(MOST);
    if more > 0 {
        changes.push(Change {
            what: format!("{more} further changes"),
            is_verdict: false,
            before: String::new(),
            now: String::new(),
        });
    }
    changes
}

type Tests = BTreeMap<u8, &'static str>;

fn by_path<'a>(
    (report, judgement): (&'a Report, &'a Judgement),
) -> std::collections::HashMap<&'a Path, (&'static str, Tests)> {
    let paths = report.paths().zip(&judgement.paths);
    paths
        .map(|(path, judged)| {
            let tests = judged
                .tests
                .iter()
                .map(|judged| (judged.test.number, mark::of_test(judged).1))
                .collect();
            (path.destination(), (mark::of_verdict(judged.verdict).1, tests))
        })
        .collect()
}

fn push(
    changes: &mut Vec<Change>,
    (what, is_verdict): (String, bool),
    before: Option<&str>,
    now: Option<&str>,
) {
    if before != now {
        let word = |word: Option<&str>| word.unwrap_or("not tested").to_owned();
        changes.push(Change { what, is_verdict, before: word(before), now: word(now) });
    }
}
