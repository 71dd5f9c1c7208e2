//! What a result looks like, and the one place that writes to standard output.

use std::io::{ErrorKind, Write};

use clap::builder::TypedValueParser;
use norelay_core::{
    assess::assess,
    check::{Finding, Level, Verdict, observation::Kind},
};
use norelay_render::{Format, Options, json_lines, text};

use crate::{complaint::Complaint, folded_log::FoldedLog, option_values::one_of};

/// The format of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultFormat {
    /// A report. Text has styles, if the terminal shows them.
    Report(Format),
    /// The event log, one JSON record a line.
    Log,
}

impl ResultFormat {
    fn word(&self) -> String {
        match self {
            Self::Report(format) => format.name().to_owned(),
            Self::Log => "jsonl".to_owned(),
        }
    }
}

/// Reads a format's name.
pub fn result_format() -> impl TypedValueParser<Value = ResultFormat> {
    let reports = Format::ALL.iter().copied().map(ResultFormat::Report);
    one_of(reports.chain([ResultFormat::Log]), ResultFormat::word)
}

/// One word of `--fail-on`: which findings make the command fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// A finding as bad as this, or worse.
    Level(Level),
    /// A finding with this tag.
    Tag(&'static str),
}

impl FailOn {
    fn includes(self, finding: &Finding) -> bool {
        match self {
            Self::Level(level) => finding.level >= level,
            Self::Tag(tag) => finding.tag == tag,
        }
    }
}

/// Reads one word of `--fail-on`. A word that no finding has is an error: the command would never
/// fail for it, and nobody would notice.
pub fn parse_fail_on(text: &str) -> Result<FailOn, String> {
    for level in [Level::Info, Level::Notice, Level::Warning, Level::Error] {
        if level.word() == text {
            return Ok(FailOn::Level(level));
        }
    }
    match Kind::of(text) {
        Some(kind) => Ok(FailOn::Tag(kind.tag)),
        None => {
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
    /// True if some finding is among those that the user wants to fail on.
    pub failing: bool,
}

/// Assesses a run and prints its result.
pub fn present(
    format: ResultFormat,
    log: &FoldedLog,
    fail_on: &[FailOn],
) -> Result<Presented, Complaint> {
    let report = log.report();
    let assessment = assess(report);
    let options = Options { style: text::Style::Ansi };
    print(&match format {
        ResultFormat::Report(format) => {
            norelay_render::render(format, report, &assessment, &options)
        }
        ResultFormat::Log => json_lines::render(log.records()),
    })?;
    let failing = assessment
        .findings
        .iter()
        .any(|finding| fail_on.iter().any(|word| word.includes(finding)));
    Ok(Presented { verdict: assessment.judgement.verdict, failing })
}

/// The exit code of a command that presented this as the worst of all its targets.
pub fn exit_code(format: ResultFormat, presented: Presented, stopped: bool) -> u8 {
    // Monitors read the exit codes of their own plug-in interface.
    if format == ResultFormat::Report(Format::Nagios) {
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
        // A reader that closes early (`| head`) is content with the beginning.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Complaint::internal(format!("The result can't be written: {error}."))),
    }
}
