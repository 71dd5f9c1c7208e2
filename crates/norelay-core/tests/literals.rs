//! The catalogue's table is the only place where a test is named: code asks for a test by its role,
//! its group or another column (`catalogue::by_role`).

#![allow(clippy::disallowed_methods, reason = "a test of the sources reads the sources")]

use std::path::{Path, PathBuf};

use norelay_core::catalogue::TESTS;

/// The table, which must name them.
const TABLE: &str = "norelay-core/src/catalogue/table.rs";
/// Ids that are another thing's word as well: `backscatter` is the tag of a finding, too.
const OTHER_WORDS: &[&str] = &["backscatter"];

/// Adds the sources below a directory; not the tests that stand beside them.
fn add_sources(directory: &Path, sources: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_test {
            add_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            sources.push(path);
        }
    }
}

/// The sources of all crates.
fn sources() -> Vec<PathBuf> {
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

#[test]
fn no_code_names_a_test_by_its_id() {
    let sources = sources();
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    let mut wrong = Vec::new();
    for path in sources.iter().filter(|path| !path.ends_with(TABLE)) {
        let text = std::fs::read_to_string(path).expect("a source can be read");
        let code = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        for test in TESTS
            .iter()
            .filter(|test| !OTHER_WORDS.contains(&test.id.as_str()))
        {
            if code.contains(&format!("\"{}\"", test.id)) {
                wrong.push(format!("{}: {}", path.display(), test.id));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "give the row a role, and ask for that");
}
