//! The modules of each crate import one way only (ARCHITECTURE.md, "Floors").
//!
//! Rules:
//! - [`FLOORS`] is the only table. A crate joins with one entry, which lists all its modules, and a
//!   module whose own files have floors joins in the same way.
//! - A module imports from itself and from the modules listed before it. Anything else is an
//!   exception, listed with its reason.
//! - Tests inside a source file may import anything: reading stops at the first `#[cfg(test)]`, or
//!   at `#![cfg(test)]` where the whole file is for tests.

#![allow(clippy::disallowed_methods, reason = "a test of the sources reads the sources")]

use std::path::{Path, PathBuf};

/// The floors of one crate, or of one module in it.
struct Floors {
    /// The crate's folder below `crates/`.
    name: &'static str,
    /// The module whose files have floors; `None` for the crate's root.
    within: Option<&'static str>,
    /// All modules there, lowest first.
    order: &'static [&'static str],
    /// Imports that go upwards all the same: the importing module and the imported one.
    exceptions: &'static [(&'static str, &'static str)],
}

/// Every crate and module whose floors are clear.
const FLOORS: &[Floors] = &[
    Floors {
        name: "norelay-smtp",
        within: None,
        order: &[
            "words",
            "octets",
            "reply",
            "capability",
            "command",
            "text_reader",
            "client_command",
            "session",
            "receiver",
            "netstring",
        ],
        exceptions: &[],
    },
    Floors {
        name: "norelay-dns",
        within: None,
        order: &["dns_name", "unanswered", "blacklist", "posture", "lookup"],
        exceptions: &[],
    },
    Floors {
        name: "norelay-core",
        within: None,
        order: &[
            "path",
            "token",
            "cause",
            "catalogue",
            "event",
            "report",
            "seen",
            "check",
            "advice",
            "retest",
            "mta",
            "remedy",
            "diagnosis",
            "assess",
            "schedule",
            "pace",
            "asking",
            "reception",
            "replay",
            "explain",
        ],
        exceptions: &[],
    },
    Floors {
        name: "norelay-core",
        within: Some("check"),
        order: &[
            "wording",
            "reason",
            "outcome",
            "judgement",
            "arrival",
            "offered",
            "boilerplate",
            "message_rejection",
            "circumstances",
            "rules",
            "weigh",
            "summary",
            "verdict",
            "judge",
            "receiver",
            "observation",
            "adjacent",
            "dane",
            "path_findings",
            "offer_findings",
            "message_findings",
            "finding",
        ],
        exceptions: &[
            // The table of wordings names the reason that each wording gives.
            ("wording", "reason"),
        ],
    },
    Floors {
        name: "norelay-render",
        within: None,
        order: &[
            "excerpt",
            "transcript",
            "fix",
            "harmless_json",
            "json_lines",
            "json",
            "text",
            "row",
            "csv",
            "junit",
            "sarif",
            "markdown",
            "html",
            "nagios",
            "delisting",
            "survey",
            "survey_text",
        ],
        exceptions: &[],
    },
    Floors {
        name: "norelay-server",
        within: None,
        order: &["config", "store", "rules", "run", "http", "service"],
        exceptions: &[],
    },
];

impl Floors {
    fn sources(&self) -> PathBuf {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = crates.join(self.name).join("src");
        self.within.map_or(root.clone(), |module| root.join(module))
    }

    /// Returns what stands before the name of one of these modules in an import.
    fn prefix(&self) -> String {
        format!("{}::", self.within.unwrap_or("crate"))
    }

    fn place(&self, module: &str) -> Option<usize> {
        self.order.iter().position(|name| *name == module)
    }

    /// True if `module` may not import from `other`. Names that are no module of the crate's root
    /// have no floor.
    fn forbids(&self, module: &str, other: &str) -> bool {
        let is_above = self.place(other) > self.place(module);
        is_above && !self.exceptions.contains(&(module, other))
    }

    /// Returns everything that breaks the order.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let sources = sources_below(&self.sources());
        for (module, path) in &sources {
            if self.place(module).is_none() {
                faults.push(format!("{}: {module} has no place in the order", self.name));
            }
            let text = std::fs::read_to_string(path).expect("a source can be read");
            let is_at_root = is_at_root(&self.sources(), path);
            for import in imports_of(&self.prefix(), &text, is_at_root) {
                if self.forbids(module, &import) {
                    faults.push(format!("{} imports {import}", path.display()));
                }
            }
        }
        // A floor without a source is a module that was renamed or moved away.
        for floor in self.order {
            if !sources.iter().any(|(module, _)| module == floor) {
                faults.push(format!("{}: {floor} has no source", self.name));
            }
        }
        faults
    }
}

/// Returns each source file below a folder but for the file of the folder itself, with the module
/// right below the folder that the file belongs to.
fn sources_below(root: &Path) -> Vec<(String, PathBuf)> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the sources can be listed") {
            let path = entry.expect("the sources can be listed").path();
            let is_source = path.extension().is_some_and(|extension| extension == "rs");
            if path.is_dir() {
                folders.push(path);
            } else if is_source && !is_of_folder(root, &path) {
                sources.push((root_module_of(root, &path), path));
            }
        }
    }
    sources
}

/// True for the file that declares the folder's modules: `src/lib.rs`, `src/check/mod.rs`.
fn is_of_folder(root: &Path, path: &Path) -> bool {
    path == root.join("lib.rs") || path == root.join("mod.rs")
}

/// `src/smtp/reply.rs` and `src/smtp.rs` both belong to `smtp`.
fn root_module_of(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).expect("a source is below the root");
    let first = below.iter().next().and_then(|name| name.to_str());
    first.unwrap_or_default().trim_end_matches(".rs").to_owned()
}

/// True if `super` in this file is the root of these floors: in `src/reply.rs` and in
/// `src/session/mod.rs`.
fn is_at_root(root: &Path, path: &Path) -> bool {
    let depth = path
        .strip_prefix(root)
        .map_or(0, |below| below.iter().count());
    depth == 1 || (depth == 2 && path.ends_with("mod.rs"))
}

/// Returns the names that a source imports from the root of its floors.
fn imports_of(prefix: &str, text: &str, is_at_root: bool) -> Vec<String> {
    let code = text.split("[cfg(test)]").next().unwrap_or(text);
    let mut imports = imports_from(prefix, code);
    if is_at_root {
        imports.extend(imports_from("super::", code));
    }
    imports
}

fn imports_from(prefix: &str, code: &str) -> Vec<String> {
    let mut imports = Vec::new();
    for (position, _) in code.match_indices(prefix) {
        let rest = &code[position + prefix.len()..];
        match rest.strip_prefix('{') {
            None => imports.push(word(rest)),
            Some(group) => imports.extend(words_of_group(group)),
        }
    }
    imports
}

/// `use crate::{a::b, c::{d, e}}`: the words at depth one, `a` and `c`.
fn words_of_group(group: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut depth = 1;
    let mut at_start = true;
    for (index, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => at_start = true,
            c if at_start && depth == 1 && c.is_alphanumeric() => {
                words.push(word(&group[index..]));
                at_start = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    words
}

fn word(text: &str) -> String {
    let is_of_word = |character: &char| character.is_alphanumeric() || *character == '_';
    text.chars().take_while(is_of_word).collect()
}

#[test]
fn imports_run_one_way() {
    let faults: Vec<String> = FLOORS.iter().flat_map(Floors::faults).collect();
    assert_eq!(faults, Vec::<String>::new());
}

/// The checker itself sees what it has to see.
#[test]
fn an_import_from_above_is_seen() {
    let code = "use crate::{octets::Octets, text::{A, B}};\nuse super::command;\nsuper::super::x";
    assert_eq!(imports_of("crate::", code, true), ["octets", "text", "command", "super", "x"]);
    assert_eq!(imports_of("crate::", code, false), ["octets", "text"]);
    let code = "use crate::{check::{judge, weigh::Weigh}, smtp};\nuse crate::check::verdict;";
    assert_eq!(imports_of("check::", code, false), ["judge", "weigh", "verdict"]);
    let smtp = &FLOORS[0];
    assert!(smtp.forbids("reply", "session"));
    assert!(!smtp.forbids("session", "reply"));
    assert!(!smtp.forbids("reply", "reply"));
    assert!(!smtp.forbids("reply", "Reply"));
}
