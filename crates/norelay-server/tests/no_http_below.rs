//! The rules, the jobs, the store and the settings know no HTTP (ARCHITECTURE.md, "Invariants").
//!
//! `norelay-core/tests/imports.rs` holds the floors of the crate's modules; this file holds what a
//! floor below `http` may not name at all.

use std::path::{Path, PathBuf};

/// The folders below `http` and `service`.
const BELOW: [&str; 4] = ["config", "store", "rules", "run"];
/// What belongs to HTTP: its libraries, and types by which they could be named otherwise.
const HTTP: [&str; 6] = ["axum", "tower", "hyper", "StatusCode", "HeaderMap", "HeaderValue"];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Returns each source file of a folder, with its text.
fn read_all(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            all.extend(read_all(&path));
        } else {
            let text = std::fs::read_to_string(&path).expect("a source can be read");
            all.push((path, text));
        }
    }
    all
}

#[test]
fn nothing_below_http_names_http() {
    for folder in BELOW {
        let files = read_all(&sources().join(folder));
        assert!(files.len() > 2, "{folder} has {} files", files.len());
        for (path, text) in files {
            for name in HTTP {
                assert!(!text.contains(name), "{} names {name}", path.display());
            }
        }
    }
}

/// A type that is imported through the crate's root hides the floor that it comes from.
#[test]
fn nothing_is_imported_through_the_root() {
    for (path, text) in read_all(&sources()) {
        let is_root = path.ends_with("src/lib.rs");
        for (place, _) in text.match_indices("crate::") {
            let next = text[place + "crate::".len()..]
                .trim_start_matches(['{', '\n', ' '])
                .chars()
                .next();
            let is_module = next.is_none_or(char::is_lowercase);
            assert!(is_root || is_module, "{} imports through the root", path.display());
        }
    }
}
