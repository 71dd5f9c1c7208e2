//! The JSON's promise, held against real output. Readers may meet new keys, so the published schema
//! allows them; here each key must stand in it, so that none comes unannounced.

use norelay_core::{assess, replay::read_log, report::Report};
use norelay_render::json;
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../../../schema/norelay.report.1.json");

const LOGS: [(&str, &str); 8] = [
    ("closed", include_str!("../../norelay-core/tests/logs/closed.jsonl")),
    ("open", include_str!("../../norelay-core/tests/logs/open.jsonl")),
    ("multihop", include_str!("../../norelay-core/tests/logs/multihop.jsonl")),
    ("suspect", include_str!("../../norelay-core/tests/logs/suspect.jsonl")),
    ("inconclusive", include_str!("../../norelay-core/tests/logs/inconclusive.jsonl")),
    ("unreachable", include_str!("../../norelay-core/tests/logs/unreachable.jsonl")),
    ("hostile", include_str!("../../norelay-core/tests/logs/hostile.jsonl")),
    ("no-starttls", include_str!("../../norelay-core/tests/logs/no-starttls.jsonl")),
];

/// Takes no keys but those listed.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(parts) => {
            if parts.contains_key("properties") {
                parts.insert("additionalProperties".to_owned(), json!(false));
            }
            parts.values_mut().for_each(strict);
        }
        Value::Array(parts) => parts.iter_mut().for_each(strict),
        _ => {}
    }
}

fn validator() -> jsonschema::Validator {
    let mut schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    strict(&mut schema);
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("the schema is a schema")
}

fn value(log: &str) -> Value {
    let report = Report::of(&read_log(log).records);
    json::value(&report, &assess::assess(&report))
}

#[test]
fn every_report_keeps_the_promise() {
    let validator = validator();
    let reports = LOGS.iter().map(|(name, log)| (*name, value(log)));
    for (name, report) in reports.chain([("empty", value(""))]) {
        let errors: Vec<_> = validator
            .iter_errors(&report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

#[test]
fn the_schema_refuses_what_is_no_report() {
    let validator = validator();
    let report = value(LOGS[2].1);
    assert!(validator.is_valid(&report));
    for (pointer, wrong) in [
        ("/verdict", json!("fine")),
        ("/started", json!("yesterday")),
        ("/paths/0/security", json!("ssl")),
        ("/paths/0/tests/0/outcome", json!("passed")),
        ("/paths/0/tests/0/transcript/0/0", json!("X")),
        ("/paths/0/tests/1/proof/hops", json!(null)),
        ("/findings/0/level", json!("fatal")),
        ("/paths/0/tests/0", json!({})),
    ] {
        let mut report = report.clone();
        *report
            .pointer_mut(pointer)
            .expect("the report has this part") = wrong;
        assert!(!validator.is_valid(&report), "{pointer}");
    }
}
