//! Remedies, as a report prints them: read from its JSON, applied to a running server, and
//! what came of it.
//!
//! Rules:
//! * nothing here knows a server: files, lines and commands are the report's;
//! * what a mode does with lines is norelay's own reading (`Block::edit`), the same that
//!   people are told.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;

use norelay_core::remedy::{Block, Mode, Role};
use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Doing, Failure, Outcome};
use crate::node::Node;

/// What a report says of one cause.
#[derive(Debug, Deserialize)]
pub struct Diagnosis {
    /// The cause.
    pub cause: String,
    /// What helps, the most usual first.
    pub fixes: Vec<Fix>,
}

/// A remedy in steps.
#[derive(Debug, Clone, Deserialize)]
pub struct Fix {
    /// `postfix/mynetworks`.
    pub key: String,
    steps: Vec<Step>,
}

/// One step: lines for files, or commands.
#[derive(Debug, Clone, Deserialize)]
struct Step {
    purpose: String,
    packaging: Option<String>,
    files: Vec<String>,
    mode: Option<String>,
    before: Option<String>,
    after: Option<String>,
    lines: Vec<String>,
}

/// The diagnosis in a report.
pub fn diagnosis(report: &Value) -> Outcome<Vec<Diagnosis>> {
    Vec::deserialize(&report["diagnosis"]).doing(|| "read the diagnosis".into())
}

/// The remedies to apply in a round: of each cause the first that was not applied yet.
pub fn next(diagnosis: &[Diagnosis], applied: &[String]) -> Vec<Fix> {
    let mut keys = BTreeSet::new();
    let first = |found: &Diagnosis| {
        let mut untried = found
            .fixes
            .iter()
            .filter(|fix| fix.changes() && !applied.contains(&fix.key));
        untried.next().cloned()
    };
    diagnosis
        .iter()
        .filter_map(first)
        .filter(|fix| keys.insert(fix.key.clone()))
        .collect()
}

impl Fix {
    /// Whether it has lines that a machine can apply, and not only advice for people.
    fn changes(&self) -> bool {
        self.steps.iter().any(|step| step.purpose == "change")
    }

    /// Does what it says, in its order.
    pub fn apply(&self, node: &Node) -> Outcome<()> {
        self.steps
            .iter()
            .filter(|step| self.is_for_here(step))
            .try_for_each(|step| step.take(node))
    }

    /// Whether somebody who knows that this is Debian would take a step.
    fn is_for_here(&self, step: &Step) -> bool {
        let own = |other: &Step| other.packaging.as_deref() == Some("debian");
        let has_own = self
            .steps
            .iter()
            .any(|other| other.purpose == step.purpose && own(other));
        own(step) || (step.packaging.is_none() && !has_own)
    }
}

impl Step {
    fn take(&self, node: &Node) -> Outcome<()> {
        let said = match (self.mode.as_deref(), self.purpose.as_str()) {
            (Some(mode), _) => return self.edit(node, mode),
            // What is only looked at may find nothing, and yet the commands must be there.
            (None, "check") => node.run(&format!("{}\ntrue", self.lines.join("\n")))?,
            (None, _) => node.run(&format!("set -e\n{}", self.lines.join("\n")))?,
        };
        match said.contains(": not found") {
            true => Err(Failure::new("run a remedy's commands", said)),
            false => Ok(()),
        }
    }

    fn edit(&self, node: &Node, mode: &str) -> Outcome<()> {
        let mode = Mode::of(mode, self.before.as_deref(), self.after.as_deref());
        let mode = mode.map_err(|error| Failure::new("read a remedy's mode", error))?;
        let role = Role::Apply { files: self.files.iter().map(String::as_str).collect(), mode };
        let block =
            Block { role, variant: None, lines: self.lines.iter().map(String::as_str).collect() };
        let present = self
            .files
            .iter()
            .filter(|file| self.files.len() == 1 || node.path(file).is_file());
        for file in present {
            let path = node.path(file);
            let text = if path.is_file() {
                fs::read_to_string(&path).doing(|| format!("read {file}"))?
            } else {
                String::new()
            };
            let edited = block.edit(&text).unwrap_or_default();
            fs::write(&path, edited).doing(|| format!("write {file}"))?;
        }
        Ok(())
    }
}

/// A row of the table that the suite prints.
pub struct Row {
    /// `postfix::open-relay`.
    pub scenario: String,
    /// The causes that were named.
    pub causes: String,
    /// The keys of what was applied.
    pub remedies: String,
    /// The verdict before.
    pub before: String,
    /// The verdict after.
    pub after: String,
    /// What became of an authenticated user's mail.
    pub user: &'static str,
}

static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

/// Keeps a row for the table.
pub fn note(row: Row) {
    if let Ok(mut rows) = ROWS.lock() {
        rows.push(row);
    }
}

/// The table of all rows; nothing where there is none.
pub fn table() -> String {
    let Ok(mut rows) = ROWS.lock() else { return String::new() };
    if rows.is_empty() {
        return String::new();
    }
    rows.sort_by(|one, other| one.scenario.cmp(&other.scenario));
    let mut table = String::from(
        "\n| scenario | cause | remedy | before | after | authenticated mail \
         |\n|---|---|---|---|---|---|\n",
    );
    for Row { scenario, causes, remedies, before, after, user } in rows.iter() {
        table.push_str(&format!(
            "| {scenario} | {causes} | {remedies} | {before} | {after} | {user} |\n"
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_takes_the_next_remedy_of_each_cause() {
        let fix = |key: &str| {
            let steps = serde_json::json!([{ "purpose": if key == "advice" { "check" } else { "change" }, "packaging": null,
                "files": [], "mode": null, "before": null, "after": null, "lines": [] }]);
            Fix { key: key.into(), steps: serde_json::from_value(steps).expect("it is a step") }
        };
        let found = |cause: &str, keys: &[&str]| Diagnosis {
            cause: cause.into(),
            fixes: keys.iter().map(|key| fix(key)).collect(),
        };
        let diagnosis = [
            found("a", &["x", "y"]),
            found("b", &["x"]),
            found("c", &["z"]),
            found("d", &["advice"]),
        ];
        let mut applied = Vec::new();
        for expected in ["xz", "y", ""] {
            let round = next(&diagnosis, &applied);
            let keys: String = round.into_iter().map(|fix| fix.key).collect();
            assert_eq!(keys, expected);
            applied.extend(keys.chars().map(String::from));
        }
    }
}
