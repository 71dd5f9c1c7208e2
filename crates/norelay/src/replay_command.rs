//! `norelay replay`: judges a stored event log by today's rules.

use std::path::PathBuf;

use crate::{
    Complaint, earlier_run,
    output::{self, Color, Format},
};

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
    let log = earlier_run::read_log(&arguments.file)?;
    let presented = output::present(arguments.output, &log, &[])?;
    Ok(output::exit_code(arguments.output, presented, false))
}
