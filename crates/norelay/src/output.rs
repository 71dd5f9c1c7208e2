//! What a result looks like: formats, colours, and the one place that writes to standard output.

use std::io::Write;

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use norelay_core::{
    check::{Level, Verdict, finding, verdict},
    render::{json_lines, text},
};

use crate::{Complaint, folded_log::FoldedLog};

/// The format of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people, with styles where they are seen.
    Text,
    /// The event log, one JSON record a line.
    Jsonl,
    /// Any other.
    Other(norelay_render::Format),
}

/// Reads a format's name.
pub fn format_parser() -> impl TypedValueParser<Value = Format> {
    let names = norelay_render::Format::ALL
        .iter()
        .map(|format| format.name())
        .chain(["jsonl"]);
    PossibleValuesParser::new(names).map(|name| match name.parse() {
        Ok(norelay_render::Format::Text) => Format::Text,
        Ok(format) => Format::Other(format),
        Err(_) => Format::Jsonl,
    })
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

/// From the least to the worst.
const LEVELS: [Level; 4] = [Level::Info, Level::Notice, Level::Warning, Level::Error];

/// Reads one word of `--fail-on`: one that no finding has would never fail, and nobody would
/// notice.
pub fn parse_fail_on(text: &str) -> Result<String, String> {
    let is_level = LEVELS.iter().any(|level| level.word() == text);
    match is_level || finding::KINDS.iter().any(|kind| kind.tag == text) {
        true => Ok(text.to_owned()),
        false => {
            Err("no finding has this tag, and it is no level (info, notice, warning, error)"
                .to_owned())
        }
    }
}

/// What was presented: for the exit code.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether a finding was among those that the user wants to fail on.
    pub failing: bool,
}

/// Judges and prints; `fail_on` has tags of findings, and levels, which stand for themselves and
/// all worse ones.
pub fn present(
    format: Format,
    log: &FoldedLog,
    fail_on: &[String],
) -> Result<Presented, Complaint> {
    let report = log.report();
    let judgement = verdict::judge(report);
    print(&match format {
        Format::Text => text::render(report, &judgement, text::Style::Ansi),
        Format::Jsonl => json_lines::render(log.records()),
        Format::Other(format) => norelay_render::render(format, report, &judgement),
    })?;
    let worst_allowed = LEVELS
        .into_iter()
        .find(|level| fail_on.iter().any(|name| name == level.word()));
    let failing = finding::findings(report, &judgement).iter().any(|finding| {
        fail_on.contains(&finding.tag) || worst_allowed.is_some_and(|level| finding.level >= level)
    });
    Ok(Presented { verdict: judgement.verdict, failing })
}

/// The exit code of a command that presented this, worst of all its targets.
pub fn exit_code(format: Format, presented: Presented, stopped: bool) -> u8 {
    if format == Format::Other(norelay_render::Format::Nagios) {
        return norelay_render::nagios::exit_code(presented.verdict);
    }
    match presented.verdict {
        Verdict::OpenRelay => 1,
        // A run that the user stopped has told what it knows, and that is not the whole.
        _ if stopped || presented.failing => 2,
        verdict => verdict.exit_code(),
    }
}

/// Writes to standard output.
pub fn print(text: &str) -> Result<(), Complaint> {
    let mut output = anstream::stdout().lock();
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    match written {
        Ok(()) => Ok(()),
        // Whoever reads only the beginning (`| head`) is content with it.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            Err(Complaint { code: 5, sentence: format!("The result can't be written: {error}.") })
        }
    }
}
