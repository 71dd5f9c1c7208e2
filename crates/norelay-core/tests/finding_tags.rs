//! Every tag that some code writes as a string has a row in the table of observations, and some
//! code makes an observation of every row. An observation without a row does not compile.
//!
//! Rules:
//! - The sources of all crates are read, without the unit tests at their ends.
//! - A tag is a string that stands where a fact is made or read ([`MAKERS`]): norelay-dns, which
//!   stands below the table, names its facts by tag. Tags in tables are held by the second test
//!   alone.

#![allow(clippy::disallowed_methods, reason = "a test of the sources reads the sources")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use norelay_core::check::observation::KINDS;

/// The table of observations.
const TABLE: &str = "norelay-core/src/check/observation.rs";
/// What stands before a tag where a fact is made or read.
const MAKERS: [&str; 7] = [
    "PostureNote::new(",
    "PostureNote::unknown(",
    "RETESTED: &str = ",
    "SUBSTITUTED: &str = ",
    "REVERSE_NAME: &str = ",
    "note.tag == ",
    "tag: ",
];

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
    assert!(made > 30, "only {made} tags were found");
}

/// Returns the name of a row's variant: `MxIsAlias` for `mx_is_alias`.
fn variant_of(tag: &str) -> String {
    let mut variant = String::new();
    for word in tag.split('_') {
        variant.push_str(&word[..1].to_ascii_uppercase());
        variant.push_str(&word[1..]);
    }
    variant
}

/// True if `code` names `Observation::VARIANT`, and not just a variant that begins like this one.
fn makes(code: &str, variant: &str) -> bool {
    code.split(&format!("Observation::{variant}"))
        .skip(1)
        .any(|behind| !behind.starts_with(|next: char| next.is_alphanumeric()))
}

#[test]
fn every_row_is_noted_and_has_words() {
    let mut known = BTreeSet::new();
    let sources = sources();
    for kind in KINDS {
        assert!(known.insert(kind.tag), "{} has two rows", kind.tag);
        assert!(!kind.words.is_empty(), "{} has no words", kind.tag);
        let (variant, quoted) = (variant_of(kind.tag), format!("\"{}\"", kind.tag));
        let is_noted = sources.iter().any(|(path, code)| {
            let is_below_the_table = path
                .components()
                .any(|part| part.as_os_str() == "norelay-dns");
            makes(code, &variant) || (is_below_the_table && code.contains(&quoted))
        });
        assert!(is_noted, "nothing notes {}", kind.tag);
    }
}
