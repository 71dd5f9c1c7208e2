//! A report is assessed in one place: outputs show an assessment and make no part of it.

#![allow(clippy::disallowed_methods, reason = "a test of the sources reads the sources")]

use std::path::{Path, PathBuf};

/// The crates that show results.
const CRATES: &[&str] = &["norelay-render", "norelay-server", "norelay"];
/// What makes a part of an assessment.
const PARTS: &[&str] = &[
    "check::judge",
    "finding::findings",
    "check::findings",
    "diagnosis::diagnose",
    "diagnosis::techniques",
    "diagnosis::seen_as",
    "advice::steps(report",
    "mta::identify",
    "seen::on_path",
];

fn add_sources(directory: &Path, sources: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            add_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}

#[test]
fn no_output_assesses_by_itself() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    for name in CRATES {
        add_sources(&crates.join(name).join("src"), &mut sources);
    }
    let mut faults = Vec::new();
    for source in &sources {
        let text = std::fs::read_to_string(source).expect("a source can be read");
        // Tests beside the code may call what they like.
        let code = text.split("#[cfg(test)]").next().unwrap_or(&text);
        for part in PARTS.iter().filter(|part| code.contains(**part)) {
            faults.push(format!("{} calls {part}", source.display()));
        }
    }
    assert!(sources.len() > 50, "the sources were read");
    assert_eq!(faults, Vec::<String>::new());
}
