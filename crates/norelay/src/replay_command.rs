//! `norelay replay`: judges a stored event log by today's rules.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use norelay_core::{event::Record, replay};

use crate::{
    Complaint,
    output::{self, Color, Format},
};

/// The longest log that is read: a run's bounds keep it far below.
const MAX_LOG: u64 = 256 << 20;

/// Which log, and how to show it.
#[derive(clap::Args)]
pub struct Arguments {
    /// The event log that `norelay test --log FILE` or `--output jsonl` wrote
    file: PathBuf,
    /// The format of the result
    #[arg(long, short, default_value = "text", value_parser = output::format_parser())]
    output: Format,
    /// When to use colours
    #[arg(long, value_enum, default_value_t)]
    color: Color,
}

/// Reads, judges, prints.
pub fn run(arguments: &Arguments) -> Result<u8, Complaint> {
    arguments.color.choose();
    let log = read(&arguments.file)?;
    let presented = output::present(arguments.output, &log, &[])?;
    Ok(output::exit_code(arguments.output, presented, false))
}

/// Reads an event log; damaged lines are named and left out.
pub fn read(path: &Path) -> Result<Vec<Record>, Complaint> {
    let shown = path.display();
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_LOG).read_to_string(&mut text))
        .map_err(|error| Complaint::usage(format!("{shown} can't be read: {error}.")))?;
    let log = replay::read_log(&text);
    if log.records.is_empty() {
        return Err(Complaint::usage(format!(
            "{shown} holds no event: give the log that norelay test --log wrote."
        )));
    }
    if let Some(first) = log.damaged.first() {
        let count = log.damaged.len();
        anstream::eprintln!(
            "norelay: {count} damaged lines of {shown} are left out, the first is line {first}."
        );
    }
    Ok(log.records)
}
