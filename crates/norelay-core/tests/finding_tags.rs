//! Every tag that some code notes has a row in the table of findings, and every row is noted.
//!
//! Rules:
//! - The sources of all crates are read, without the unit tests at their ends.
//! - A tag is a string that stands where a fact is made ([`MAKERS`]). Tags that come from constants
//!   and tables are held by the second test alone.

#![allow(clippy::disallowed_methods, reason = "a test of the sources reads the sources")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use norelay_core::check::finding::KINDS;

/// The table of findings.
const TABLE: &str = "norelay-core/src/check/finding.rs";
/// What stands before a tag where a fact is made.
const MAKERS: [&str; 5] =
    ["Fact::new(", "PostureNote::new(", "PostureNote::unknown(", "noted(", "tag: "];

fn add_sources(directory: &Path, sources: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(directory).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_test {
            add_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            let text = std::fs::read_to_string(&path).expect("a source can be read");
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            sources.push((path, code.to_owned()));
        }
    }
}

/// Returns the product code of all crates, file by file.
fn sources() -> Vec<(PathBuf, String)> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(crates).expect("the crates can be listed") {
        let directory = entry.expect("the crates can be listed").path().join("src");
        if directory.is_dir() {
            add_sources(&directory, &mut sources);
        }
    }
    sources
}

/// Returns the strings that stand right behind a maker.
fn tags_made_in(code: &str) -> BTreeSet<&str> {
    MAKERS
        .iter()
        .flat_map(|maker| code.split(maker).skip(1))
        .filter_map(|behind| behind.trim_start().strip_prefix('"')?.split('"').next())
        .collect()
}

#[test]
fn every_tag_that_is_noted_has_a_row() {
    let mut made = 0;
    for (path, code) in sources() {
        for tag in tags_made_in(&code) {
            // What is unknown about the DNS is named behind the maker, and has one tag.
            let is_tag = tag
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '_');
            let has_row = KINDS.iter().any(|kind| kind.tag == tag);
            assert!(has_row || !is_tag, "{}: {tag} has no row in {TABLE}", path.display());
            made += usize::from(has_row);
        }
    }
    assert!(made > 50, "only {made} tags were found");
}

#[test]
fn every_row_is_noted_and_has_words() {
    let mut known = BTreeSet::new();
    let sources = sources();
    for kind in KINDS {
        assert!(known.insert(kind.tag), "{} has two rows", kind.tag);
        assert!(!kind.text.is_empty(), "{} has no words", kind.tag);
        let quoted = format!("\"{}\"", kind.tag);
        let is_noted = sources
            .iter()
            .any(|(path, code)| !path.ends_with(TABLE) && code.contains(&quoted));
        let is_made_here = sources
            .iter()
            .any(|(path, code)| path.ends_with(TABLE) && code.matches(&quoted).count() > 1);
        assert!(is_noted || is_made_here, "nothing notes {}", kind.tag);
    }
}
