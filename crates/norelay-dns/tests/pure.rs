//! Tables and readings do no I/O: only the look-ups name libraries that do.
//!
//! Cargo.toml lacks `norelay-core`, so that nothing in this crate can know relaying.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder that does I/O, and the words that only its files may use.
const LOOKUP: &str = "lookup";
const IO: &[&str] =
    &["tokio", "hickory", "reqwest", "rustls", "UdpSocket", "TcpStream", "std::fs", "Instant"];
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the code of a source, without its comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source can be read");
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn only_the_look_ups_do_io() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    assert!(found.len() > 12, "only {} files were read", found.len());
    found.retain(|path| *path != root.join("lib.rs") && !path.starts_with(root.join(LOOKUP)));
    let mut wrong = Vec::new();
    for path in found {
        let code = code(&path);
        for word in IO {
            if code.contains(word) {
                wrong.push(format!("{} names {word}", path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
