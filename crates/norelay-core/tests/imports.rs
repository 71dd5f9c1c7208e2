//! The modules of the core import one way only (ARCHITECTURE.md, "Invariants").

#![allow(clippy::disallowed_methods, reason = "a test of the sources reads the sources")]

use std::path::Path;

/// Each module of the core, lowest first: it may import from itself and from those before it.
const ORDER: &[&str] = &[
    "octets",
    "path",
    "smtp",
    "token",
    "catalogue",
    "event",
    "reason",
    "report",
    "seen",
    "check",
    "advice",
    "retest",
    "mta",
    "remedy",
    "diagnosis",
    "batch",
    "proof",
    "schedule",
    "pace",
    "reception",
    "replay",
    "blacklist",
    "posture",
    "explain",
    "render",
];
/// `report` folds what `check` judges, and `check` reads replies for their reason before there is a
/// report.
const EXCEPTIONS: &[(&str, &str)] = &[("render", "replay")];

fn place(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

fn imports_of(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let mut imports = Vec::new();
    for (position, _) in code.match_indices("crate::") {
        let rest = &code[position + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => imports.push(word(rest)),
            // `use crate::{a::b, c::{d, e}}`: the words at depth one.
            Some(group) => {
                let mut depth = 1;
                let mut at_start = true;
                for (index, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => at_start = true,
                        c if at_start && depth == 1 && c.is_alphanumeric() => {
                            imports.push(word(&group[index..]));
                            at_start = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    imports
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

fn check(directory: &Path, module: Option<&str>, wrong: &mut Vec<String>, read: &mut usize) {
    for entry in std::fs::read_dir(directory).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        let of = module.unwrap_or(&name);
        if path.is_dir() {
            check(&path, Some(of), wrong, read);
        } else if path.extension().is_some_and(|extension| extension == "rs") && of != "lib" {
            *read += 1;
            let Some(own) = place(of) else {
                wrong.push(format!("{of} has no place in the order"));
                continue;
            };
            let text = std::fs::read_to_string(&path).expect("a source can be read");
            for import in imports_of(&text) {
                let is_exception = EXCEPTIONS.contains(&(of, import.as_str()));
                if !is_exception && place(&import).is_some_and(|other| other > own) {
                    wrong.push(format!("{} imports {import}", path.display()));
                }
            }
        }
    }
}

#[test]
fn imports_run_one_way() {
    let (mut wrong, mut read) = (Vec::new(), 0);
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), None, &mut wrong, &mut read);
    assert!(read > 15, "only {read} files were read");
    assert_eq!(wrong, Vec::<String>::new());
}
