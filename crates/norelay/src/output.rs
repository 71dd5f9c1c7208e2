//! What a result looks like: formats, colours, and the one place that writes to standard output.

use std::io::Write;

use clap::ValueEnum;
use norelay_core::{
    check::verdict::{self, Judgement},
    event::Record,
    render,
    report::Report,
};

use crate::Complaint;

/// The formats of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document a target
    Json,
    /// The event log, one JSON record a line
    Jsonl,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Makes the choice hold for everything that is printed.
    pub fn choose(self) {
        match self {
            Self::Auto => {}
            Self::Always => anstream::ColorChoice::Always.write_global(),
            Self::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}

/// Renders a report.
pub fn render(format: Format, report: &Report, judgement: &Judgement, log: &[Record]) -> String {
    match format {
        Format::Text => render::text::render(report, judgement, render::text::Style::Ansi),
        Format::Json => render::json::render(report, judgement),
        Format::Jsonl => render::json_lines::render(log),
    }
}

/// Judges, prints, and gives the judgement.
pub fn present(format: Format, log: &[Record]) -> Result<Judgement, Complaint> {
    let report = Report::of(log);
    let judgement = verdict::judge(&report);
    print(&render(format, &report, &judgement, log))?;
    Ok(judgement)
}

/// Writes to standard output.
pub fn print(text: &str) -> Result<(), Complaint> {
    let mut output = anstream::stdout().lock();
    let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    match written {
        Ok(()) => Ok(()),
        // Whoever reads only the beginning (`| head`) is content with it.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Complaint { code: 5, sentence: format!("The result can't be written: {error}.") }),
    }
}
