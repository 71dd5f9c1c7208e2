//! What the asking decides, as data: a server in virtual time, what it is asked, and when.
//!
//! Each scenario is a file below `scenarios/`: a server by rules (`server.rs`), a line of dashes,
//! and the trace that the run leaves: each connection with its tests, and what is recorded beside
//! the dialogues, with the seconds since the start. `UPDATE=1` writes the traces anew.

#![allow(clippy::disallowed_methods, reason = "a test reads its scenarios from files")]

mod server;
mod world;

use std::path::Path;

use norelay_core::check;

const RULE: &str = "\n--------\n";

fn check(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).expect("a scenario can be read");
    let (head, expected) = text.split_once(RULE).unwrap_or((text.trim_end(), ""));
    let (server, request) = server::read(head);
    let ran = world::run(&server, request, server.receiving);
    let judgement = check::judge(&ran.report);
    let verdict = judgement.verdict.word();
    let trace =
        format!("{}verdict: {verdict}, {} connections\n", ran.trace, ran.report.dialogues.len());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, format!("{head}{RULE}{trace}")).expect("a scenario can be written");
        return Ok(());
    }
    match trace == expected {
        true => Ok(()),
        false => Err(format!("{}:\n{trace}\ninstead of\n{expected}", file.display())),
    }
}

#[test]
fn scenarios_leave_their_traces() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/asking/scenarios");
    let entries = std::fs::read_dir(folder).expect("the scenarios can be listed");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= 10, "there are only {} scenarios", files.len());
    let wrong: Vec<_> = files.iter().filter_map(|file| check(file).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
