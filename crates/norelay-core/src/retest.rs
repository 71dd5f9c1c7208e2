//! What of an earlier run is asked again: the tests that failed, on the paths that they failed on, by its JSON report.
//!
//! Rules:
//! - A test failed that was relayed or accepted, or that had no answer about relaying; a refusal stands as it was.
//! - The controls of such a path are asked again with it: without them an answer can't be read.

use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    catalogue::{self, RelayTest},
    check::{Verdict, Weight},
    event::{Event, Path},
    octets::Octets,
    report::RETESTED,
};

/// What is to be asked again.
#[derive(Debug)]
pub struct Plan {
    /// The target, as it was typed.
    pub target: String,
    /// When the earlier run began.
    pub started: Option<Timestamp>,
    /// The profile, the probe domain where one was given, the target's domain, the name that was said.
    pub run: Settings,
    /// The paths, each with the tests that failed and its controls.
    pub paths: Vec<(Path, Vec<&'static RelayTest>)>,
}

/// What the earlier run was told, as far as a new one should be told the same.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// The probe domain.
    pub domain: String,
    /// Whether the user gave it.
    pub domain_given: bool,
    /// The name that was said with EHLO.
    pub helo: String,
    /// The mail domain that the target hosts.
    pub local_domain: Option<String>,
    /// The profile.
    pub profile: catalogue::Profile,
}

/// Why a text can't be asked again, a sentence each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlan {
    /// It is no report of ours.
    NotOurs,
    /// It has no failed test.
    NothingFailed,
}

#[derive(Deserialize)]
struct Document {
    schema: String,
    target: Option<String>,
    started: Option<Timestamp>,
    run: Option<Settings>,
    paths: Vec<PathDocument>,
}

#[derive(Deserialize)]
struct PathDocument {
    #[serde(flatten)]
    way: Path,
    verdict: Verdict,
    tests: Vec<TestDocument>,
    controls: Vec<TestDocument>,
}

#[derive(Deserialize)]
struct TestDocument {
    id: String,
    weight: Option<Weight>,
    outcome: String,
}

impl Plan {
    /// Reads a report, `norelay.report/1`.
    ///
    /// # Errors
    /// Why there is nothing to ask.
    pub fn of(report: &str) -> Result<Self, NoPlan> {
        let document: Document = serde_json::from_str(report).map_err(|_| NoPlan::NotOurs)?;
        let (Some(target), Some(run), true) = (document.target, document.run, document.schema == crate::report::SCHEMA)
        else {
            return Err(NoPlan::NotOurs);
        };
        let paths: Vec<_> = document.paths.into_iter().filter_map(PathDocument::failed).collect();
        match paths.is_empty() {
            true => Err(NoPlan::NothingFailed),
            false => Ok(Self { target, started: document.started, run, paths }),
        }
    }

    /// How many tests that is, controls aside.
    #[must_use]
    pub fn tests(&self) -> usize {
        self.paths.iter().flat_map(|(_, tests)| tests).filter(|test| test.is_scored()).count()
    }

    /// The event that says so in the new run's log.
    #[must_use]
    pub fn note(&self) -> Event {
        let started = self.started.map_or_else(|| "an earlier run".to_owned(), |at| format!("the run of {at}"));
        let counts = format!("{} on {}", counted(self.tests(), "test"), counted(self.paths.len(), "path"));
        let arguments = [started, counts].map(|text| Octets::from(text.as_str())).to_vec();
        Event::Noted { path: None, tag: RETESTED.to_owned(), arguments }
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

impl PathDocument {
    /// The path with what failed on it; nothing where nothing did, or nothing spoke SMTP.
    fn failed(self) -> Option<(Path, Vec<&'static RelayTest>)> {
        let failed = |test: &&TestDocument| {
            matches!(test.weight, Some(Weight::Proof | Weight::Suspicion | Weight::Unknown))
                && test.outcome != "not_run"
        };
        let failed: Vec<_> = self.tests.iter().filter(failed).filter_map(|test| catalogue::by_id(&test.id)).collect();
        let controls = self.controls.iter().filter_map(|control| catalogue::by_id(&control.id));
        let controls = controls.filter(|control| !control.needs_credentials());
        (self.verdict != Verdict::Unreachable && !failed.is_empty())
            .then(|| (self.way, failed.into_iter().chain(controls).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(tests: &str) -> String {
        format!(
            r#"{{"schema": "norelay.report/1", "target": "mx.example.net", "started": "2026-01-02T03:04:05Z", "more": 1,
            "run": {{"domain": "probe.example", "domain_given": true, "helo": "t.probe.example", "local_domain": null,
                     "profile": "classic"}},
            "paths": [{{"host": null, "address": "192.0.2.7", "port": 25, "security": "plain", "verdict": "open", "tests": [{tests}],
                       "controls": [{{"id": "ctl-postmaster", "weight": null, "outcome": "accepted"}},
                                    {{"id": "ctl-authenticated", "weight": null, "outcome": "relayed"}}]}}]}}"#
        )
    }

    fn test(id: &str, weight: &str, outcome: &str) -> String {
        format!(r#"{{"id": "{id}", "weight": "{weight}", "outcome": "{outcome}"}}"#)
    }

    #[test]
    fn what_failed_is_asked_again_with_the_controls() {
        let denied = test("foreign-to-foreign", "denial", "refused");
        for (failed, expected) in [
            (test("null-sender", "proof", "relayed"), Ok("null-sender ctl-postmaster")),
            (test("null-sender", "suspicion", "accepted"), Ok("null-sender ctl-postmaster")),
            (test("null-sender", "unknown", "refused"), Ok("null-sender ctl-postmaster")),
            (test("null-sender", "unknown", "interrupted"), Ok("null-sender ctl-postmaster")),
            (test("null-sender", "unknown", "not_run"), Err(NoPlan::NothingFailed)),
            (test("null-sender", "not_offered", "not_run"), Err(NoPlan::NothingFailed)),
            (test("null-sender", "local_delivery", "accepted"), Err(NoPlan::NothingFailed)),
            (test("unheard-of", "proof", "relayed"), Err(NoPlan::NothingFailed)),
        ] {
            let plan = Plan::of(&report(&format!("{denied}, {failed}")));
            let ids =
                plan.as_ref().map(|plan| plan.paths[0].1.iter().map(|test| test.id).collect::<Vec<_>>().join(" "));
            assert_eq!(ids.as_deref().map_err(|no| **no), expected, "{failed}");
        }
    }

    #[test]
    fn a_path_without_a_server_is_no_path() {
        let silent = report(&test("foreign-to-foreign", "unknown", "interrupted"));
        let silent = silent.replace(r#""verdict": "open""#, r#""verdict": "unreachable""#);
        assert_eq!(Plan::of(&silent).err(), Some(NoPlan::NothingFailed));
    }

    #[test]
    fn what_is_no_report_is_told_apart() {
        let other = report(&test("null-sender", "proof", "relayed")).replace("norelay.report/1", "other/1");
        for text in ["", "{}", "[]", "null", "{\"schema\": \"norelay.report/1\"}", &other] {
            assert_eq!(Plan::of(text).err(), Some(NoPlan::NotOurs), "{text}");
        }
    }

    #[test]
    fn the_note_says_how_much_it_is() {
        let plan = Plan::of(&report(&test("null-sender", "proof", "relayed"))).expect("there is something to ask");
        let Event::Noted { arguments, .. } = plan.note() else { panic!("it is a note") };
        let arguments: Vec<_> = arguments.iter().map(Octets::to_string).collect();
        assert_eq!(arguments, ["the run of 2026-01-02T03:04:05Z", "1 test on 1 path"]);
    }
}
