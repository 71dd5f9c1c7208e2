//! One line for a monitoring system, as its plugins print it (Nagios, Icinga, Naemon and those that
//! speak like them).
//!
//! | verdict | state | exit code of the plugin |
//! | --- | --- | --- |
//! | `closed` | OK | 0 |
//! | `suspect` | WARNING | 1 |
//! | `open` | CRITICAL | 2 |
//! | `inconclusive`, `unreachable` | UNKNOWN | 3 |
//!
//! Only an open relay raises the highest alarm, and an inconclusive test is never OK. Monitoring
//! systems drop some characters of a plugin's output or hand them to a shell, so such characters
//! are replaced by look-alikes. A slash replaces `|`, which begins the performance data.

use norelay_core::{
    assess::Assessment,
    check::{Judgement, Verdict, Weight},
    octets::harmless,
    report::Report,
};

use crate::Options;

/// A plugin's first line may have about 4 kB; half of that is more than enough to read.
const MAX_WORDS: usize = 2000;

/// The plugin's exit code.
#[must_use]
pub fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Closed => 0,
        Verdict::Suspect => 1,
        Verdict::OpenRelay => 2,
        Verdict::Inconclusive | Verdict::Unreachable => 3,
    }
}

fn state(verdict: Verdict) -> &'static str {
    match exit_code(verdict) {
        0 => "OK",
        1 => "WARNING",
        2 => "CRITICAL",
        _ => "UNKNOWN",
    }
}

/// The line.
#[must_use]
pub fn render(report: &Report, assessment: &Assessment, _: &Options) -> String {
    let judgement = &assessment.judgement;
    let target = report.run.as_ref().map_or("no target", |run| &run.target);
    let verdict = judgement.verdict;
    let words = format!(
        "NORELAY {} - {}: {}: {}",
        state(verdict),
        target,
        verdict.word(),
        judgement.summary
    );
    let words: String = plain(&words).chars().take(MAX_WORDS).collect();
    format!("{words} | {}\n", performance(report, judgement))
}

fn plain(text: &str) -> String {
    let replaced = harmless(text);
    let replaced = replaced.chars().map(|character| match character {
        '|' => '/',
        '\'' | '`' => '’',
        '"' => '”',
        '<' => '‹',
        '>' => '›',
        '&' => '+',
        '$' => '＄',
        '~' => '∼',
        ';' => ',',
        other => other,
    });
    replaced.collect()
}

/// `label=value;warning;critical;minimum`
fn performance(report: &Report, judgement: &Judgement) -> String {
    let count = |weight| {
        let tests = judgement.paths.iter().flat_map(|path| &path.tests);
        tests.filter(|judged| judged.weight == weight).count()
    };
    let mut parts = vec![
        format!("relayed={};;0;0", count(Weight::Proof)),
        format!("accepted={};0;;0", count(Weight::Suspicion)),
        format!("unclear={};;;0", count(Weight::Unknown)),
        format!("denied={};;;0", count(Weight::Denial) + count(Weight::LocalDelivery)),
        format!("paths={};;;0", judgement.paths.len()),
    ];
    // A run that is not over has no time yet.
    if let (Some(started), Some(finished)) = (report.started, report.finished) {
        let ms = finished
            .as_millisecond()
            .saturating_sub(started.as_millisecond())
            .max(0);
        parts.push(format!("time={}.{:03}s;;;0", ms / 1000, ms % 1000));
    }
    parts.join(" ")
}
