//! The published schema of the JSON report, held against what norelay says of real servers.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

const SCHEMA: &str = include_str!("../../schema/norelay.report.1.json");
/// More breaches than this say nothing more.
const MAX_SHOWN: usize = 5;

/// Where a report breaks the schema.
pub fn complaints(report: &Value) -> Vec<String> {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    let validator = VALIDATOR.get_or_init(|| {
        let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
        jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .expect("the schema is a schema")
    });
    let breaches = validator.iter_errors(report).take(MAX_SHOWN);
    breaches
        .map(|breach| {
            format!("the report breaks its schema at {}: {breach}", breach.instance_path())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_report_is_complained_of() {
        assert!(!complaints(&Value::Null).is_empty());
        assert!(!complaints(&serde_json::json!({"verdict": "fine"})).is_empty());
    }
}
