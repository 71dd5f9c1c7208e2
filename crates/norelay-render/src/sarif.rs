//! For code scanning: SARIF 2.1.0, one result for each test and each finding.
//!
//! A proof is an error, a suspicion a warning, an unanswered test an open question (`kind: open`),
//! a denial a pass. In SARIF's messages brackets make links and braces make placeholders, so both
//! are escaped (sections 3.11.5 and 3.11.6).

use norelay_core::{
    assess::Assessment,
    catalogue::RelayTest,
    check::{Finding, Judgement, Level, Weight},
    event::Path,
    octets::harmless,
    report::Report,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Options,
    row::{Row, of_path},
};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifLog {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [SarifRun; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifRun {
    tool: Tool,
    #[serde(skip_serializing_if = "Option::is_none")]
    automation_details: Option<Value>,
    invocations: [Value; 1],
    results: Vec<SarifResult>,
    column_kind: &'static str,
    properties: Value,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
struct Driver {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    short_description: SarifMessage,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<Value>,
}

#[derive(Serialize)]
struct SarifMessage {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: String,
    rule_index: usize,
    kind: &'static str,
    level: &'static str,
    message: SarifMessage,
    locations: Vec<Value>,
    partial_fingerprints: Value,
}

/// The report as SARIF.
#[must_use]
pub fn render(report: &Report, assessment: &Assessment, _: &Options) -> String {
    let judgement = &assessment.judgement;
    let mut rules = Vec::new();
    let mut results = Vec::new();
    for (path, judged) in report.paths().zip(&judgement.paths) {
        for row in of_path(path, judged).iter().filter(|row| !row.is_control()) {
            // SARIF wants each rule once, and results that point to it.
            let rule_index =
                rule_for(&mut rules, row.judged.test.id.as_str(), || test_rule(row.judged.test));
            results.push(test_result(row, rule_index));
        }
    }
    for found in &assessment.findings {
        let id = format!("finding/{}", found.tag);
        let rule_index = rule_for(&mut rules, &id, || finding_rule(&id, found));
        results.push(finding_result(report, found, id, rule_index));
    }
    let run = run(report, judgement, rules, results);
    let log = SarifLog { schema: SCHEMA, version: "2.1.0", runs: [run] };
    serde_json::to_string_pretty(&log).expect("the log's keys are strings") + "\n"
}

/// Returns the one run of the log: what was asked, and with which result.
fn run(
    report: &Report,
    judgement: &Judgement,
    rules: Vec<Rule>,
    results: Vec<SarifResult>,
) -> SarifRun {
    let asked = report.run.as_ref();
    let version = asked.map(|run| harmless(&run.version));
    let mut invocation = json!({
        "executionSuccessful": report.finished.is_some() && !report.stopped,
        "exitCode": judgement.verdict.exit_code(),
    });
    for (key, time) in [("startTimeUtc", report.started), ("endTimeUtc", report.finished)] {
        if let Some(time) = time {
            invocation[key] = json!(time);
        }
    }
    SarifRun {
        tool: Tool { driver: Driver { name: "norelay", version, rules } },
        automation_details: asked
            .map(|run| json!({"id": format!("norelay/{}", harmless(&run.target))})),
        invocations: [invocation],
        results,
        column_kind: "unicodeCodePoints",
        properties: json!({"verdict": judgement.verdict.word(), "summary": harmless(&judgement.summary)}),
    }
}

/// Returns the index of a rule, and adds the rule if it is new.
fn rule_for(rules: &mut Vec<Rule>, id: &str, rule: impl FnOnce() -> Rule) -> usize {
    rules
        .iter()
        .position(|rule| rule.id == id)
        .unwrap_or_else(|| {
            rules.push(rule());
            rules.len() - 1
        })
}

fn test_rule(test: &RelayTest) -> Rule {
    let document = test.document.trim();
    Rule {
        id: test.id.into(),
        short_description: message(test.title()),
        help: Some(json!({"text": message(document).text, "markdown": document})),
    }
}

fn finding_rule(id: &str, found: &Finding) -> Rule {
    Rule { id: id.to_owned(), short_description: message(&found.tag.replace('_', " ")), help: None }
}

fn test_result(row: &Row<'_>, rule_index: usize) -> SarifResult {
    let (kind, level) = match row.judged.weight {
        Weight::Proof => ("fail", "error"),
        Weight::Suspicion => ("fail", "warning"),
        Weight::Unknown => ("open", "none"),
        Weight::Denial | Weight::LocalDelivery => ("pass", "none"),
        Weight::NotOffered => ("notApplicable", "none"),
    };
    let id = row.judged.test.id;
    SarifResult {
        rule_id: id.into(),
        rule_index,
        kind,
        level,
        message: message(&format!("{} {}", row.destination, row.line())),
        locations: vec![location(row.destination)],
        partial_fingerprints: json!({"norelay/v1": format!("{}/{id}", row.destination)}),
    }
}

fn finding_result(report: &Report, found: &Finding, id: String, rule_index: usize) -> SarifResult {
    let level = match found.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info | Level::Notice => "note",
    };
    let destination = found
        .path
        .and_then(|id| Some(report.path(id)?.destination()));
    let place = destination.map(Path::to_string).unwrap_or_default();
    SarifResult {
        partial_fingerprints: json!({"norelay/v1": format!("{place}/{id}")}),
        rule_id: id,
        rule_index,
        kind: "fail",
        level,
        message: message(&found.text),
        locations: destination.map(location).into_iter().collect(),
    }
}

/// Returns the location of a result. A server is not a file, and the scheme of its URI says so. The
/// region is there because some readers drop a result without a region.
fn location(destination: &Path) -> Value {
    let authority = destination.endpoint();
    json!({
        "physicalLocation": {
            "artifactLocation": {"uri": format!("smtp://{authority}")},
            "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1},
        },
        "logicalLocations": [{"fullyQualifiedName": destination.to_string(), "kind": "resource"}],
    })
}

fn message(text: &str) -> SarifMessage {
    let mut escaped = String::with_capacity(text.len());
    for character in text
        .split('\n')
        .map(harmless)
        .collect::<Vec<_>>()
        .join("\n")
        .chars()
    {
        match character {
            '\\' | '[' | ']' => escaped.extend(['\\', character]),
            '{' | '}' => escaped.extend([character, character]),
            other => escaped.push(other),
        }
    }
    SarifMessage { text: escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_no_links_and_no_placeholders() {
        for (text, expected) in [
            ("[x](javascript:1)", "\\[x\\](javascript:1)"),
            ("{0} \\", "{{0}} \\\\"),
            ("a\nb\x1b", "a\nb\\\\x1b"),
        ] {
            assert_eq!(message(text).text, expected);
        }
    }
}
