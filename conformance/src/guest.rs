//! Another program in norelay's place: run in the tester's network, before a server of a scenario.
//!
//! Rules:
//! * it is told the scenario in its environment (`CONFORMANCE_SCENARIO`, `CONFORMANCE_VERDICT`,
//!   `CONFORMANCE_CAUSES`) and succeeds or fails by its exit code; what it says on standard error
//!   is the run's;
//! * a line `cure FILE` on its standard output has the remedies applied that the report in that
//!   file prints, as `cure` does for norelay; it is answered with a line that names them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use crate::cure;
use crate::data::Scenario;
use crate::failure::{Doing, Failure, Outcome};
use crate::process::Guarded;
use crate::stage::Stage;
use crate::world::TESTER;

/// Runs a program to its end; gives its complaint, where it has one.
pub fn host(
    stage: &Stage,
    program: &Path,
    title: &str,
    scenario: &Scenario,
) -> Outcome<Vec<String>> {
    let mut command = stage.at(TESTER);
    command.arg(program).env("CONFORMANCE_SCENARIO", title);
    command.env("CONFORMANCE_VERDICT", scenario.expect.verdict.text());
    command.env("CONFORMANCE_CAUSES", scenario.expect.causes.join(" "));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut guest = Guarded(child.doing(|| format!("start {}", program.display()))?);
    let (Some(lines), Some(mut answers)) = (guest.0.stdout.take(), guest.0.stdin.take()) else {
        return Err(Failure::new("talk to the guest", "it has no pipes"));
    };
    let mut applied = Vec::new();
    for line in BufReader::new(lines).lines() {
        let line = line.doing(|| "read what the guest says".into())?;
        let Some(report) = line.strip_prefix("cure ") else { continue };
        let keys = cure_by(stage, scenario, report, &mut applied)?;
        // One that has ended without waiting for its answer says why by its exit code.
        let _ = writeln!(answers, "cured {keys}");
    }
    let status = guest.0.wait().doing(|| "wait for the guest".into())?;
    Ok(if status.success() {
        Vec::new()
    } else {
        vec![format!("{} ended with {status}", program.display())]
    })
}

fn cure_by(
    stage: &Stage,
    scenario: &Scenario,
    report: &str,
    applied: &mut Vec<String>,
) -> Outcome<String> {
    let text = fs::read_to_string(report).doing(|| format!("read {report}"))?;
    let report = serde_json::from_str(&text).doing(|| "read the guest's report".into())?;
    let mut keys = Vec::new();
    for fix in cure::next(&cure::diagnosis(&report)?, applied) {
        fix.apply(stage.server()?)?;
        applied.push(fix.key.clone());
        keys.push(fix.key);
    }
    stage.await_server(scenario)?;
    Ok(keys.join(" "))
}
