//! `norelay replay`: judges a stored event log by today's rules.

use std::path::PathBuf;

use crate::{
    complaint::Complaint,
    earlier_run,
    option_values::Color,
    output::{self, ResultFormat, result_format},
};

/// Which log, and how to show it.
#[derive(clap::Args)]
pub struct ReplayOptions {
    /// The event log that `norelay test --log FILE` or `--output jsonl` wrote
    file: PathBuf,
    /// The format of the result
    #[arg(long, short, default_value = "text", value_parser = result_format())]
    output: ResultFormat,
    /// When to use colours
    #[arg(long, value_enum, default_value_t)]
    color: Color,
}

/// Reads, judges, prints.
pub fn run(options: &ReplayOptions) -> Result<u8, Complaint> {
    options.color.choose();
    let log = earlier_run::read_log(&options.file)?;
    let presented = output::present(options.output, &log, &[])?;
    Ok(output::exit_code(options.output, presented, false))
}
