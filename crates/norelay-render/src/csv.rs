//! One line for each test, for spreadsheets (RFC 4180).
//!
//! A spreadsheet evaluates a cell that begins like a formula. So an apostrophe, which marks a cell
//! as text, is put before `=`, `+`, `-` and `@` at the beginning of a cell, and after each
//! character that another reader may treat as a separator.

use ::csv::{QuoteStyle, Terminator, WriterBuilder};
use norelay_core::{assess::Assessment, check::Judgement, report::Report};

use crate::{
    Options,
    row::{Row, of_path},
};

const COLUMNS: [&str; 20] = [
    "target",
    "address",
    "port",
    "security",
    "path_verdict",
    "number",
    "id",
    "control",
    "outcome",
    "weight",
    "stage",
    "reason",
    "code",
    "enhanced",
    "reply",
    "why",
    "proof_from",
    "proof_arrived",
    "elapsed_ms",
    "verdict",
];

/// The report as CSV.
#[must_use]
pub fn render(report: &Report, assessment: &Assessment, _: &Options) -> String {
    let judgement = &assessment.judgement;
    let mut writer = WriterBuilder::new()
        .quote_style(QuoteStyle::Always)
        // RFC 4180 section 2: lines end with CRLF.
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    let mut write = |cells: &[String]| {
        writer
            .write_record(cells)
            .expect("rows of one length go into memory")
    };
    write(&COLUMNS.map(str::to_owned));
    for (path, judged) in report.paths().zip(&judgement.paths) {
        for row in of_path(path, judged) {
            write(&cells(report, judgement, &row));
        }
    }
    let octets = writer.into_inner().expect("memory takes everything");
    String::from_utf8(octets).expect("cells are UTF-8")
}

fn cells(report: &Report, judgement: &Judgement, row: &Row<'_>) -> [String; COLUMNS.len()] {
    let said = row.reply.as_ref();
    let verdict = judgement
        .path(row.path)
        .map(|path| path.verdict.word())
        .unwrap_or_default();
    let proof = row.proof.as_ref();
    [
        report
            .run
            .as_ref()
            .map(|run| run.target.clone())
            .unwrap_or_default(),
        row.destination.address.to_string(),
        row.destination.port.to_string(),
        row.destination.security.to_string(),
        verdict.to_owned(),
        row.judged.test.number.to_string(),
        row.judged.test.id.into(),
        if row.is_control() { "yes" } else { "no" }.to_owned(),
        row.judged.outcome.word().to_owned(),
        if row.is_control() { String::new() } else { row.judged.weight.to_string() },
        row.stage.clone(),
        row.reason.clone(),
        said.map(|said| said.code.to_string()).unwrap_or_default(),
        said.map(|said| said.enhanced.clone()).unwrap_or_default(),
        said.map(|said| said.text.clone()).unwrap_or_default(),
        row.why.clone(),
        proof
            .map(|(_, receipt, _)| receipt.peer.ip().to_canonical().to_string())
            .unwrap_or_default(),
        proof.map(|(at, ..)| at.to_string()).unwrap_or_default(),
        row.judged.elapsed_ms.to_string(),
        judgement.verdict.word().to_owned(),
    ]
    .map(|cell| cell_text(&cell))
}

/// Returns the text, harmless in a terminal and in a spreadsheet.
fn cell_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut at_start = true;
    for character in norelay_core::octets::harmless(text).chars() {
        if at_start && matches!(character, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') {
            shown.push('\'');
        }
        at_start = match character {
            ';' | ',' | '|' => true,
            ' ' | '"' | '\'' => at_start,
            _ => false,
        };
        shown.push(character);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text() {
        for (text, expected) in [
            ("2.1.5 Ok", "2.1.5 Ok"),
            ("a-b@c", "a-b@c"),
            ("=cmd|'/c calc'!A1", "'=cmd|'/c calc'!A1"),
            ("  @SUM(A1)", "  '@SUM(A1)"),
            ("x\";=1+1", "x\";'=1+1"),
            ("x, \"-1", "x, \"'-1"),
            ("\t=1", "\\x09=1"),
            ("＝1", "'＝1"),
        ] {
            assert_eq!(cell_text(text), expected);
        }
    }
}
