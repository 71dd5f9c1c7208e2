//! What a new run asks again of an earlier run, by the earlier run's JSON report: the failed tests,
//! on the paths where they failed.
//!
//! Rules:
//! - A test failed if it was relayed or accepted, or had no answer about relaying. A denial stands
//!   and is not asked again.
//! - A server may offer an extension in the clear today and only under TLS tomorrow. So a failed
//!   test that needs one is asked under TLS, too.
//! - A submission port may reject everything from a client that has not authenticated. The plain
//!   test and its control are asked on another port of the host as well, because such rejections
//!   are read by comparison (`check/rules/submission_port.rs`).
//! - If the server accepted mail for another foreign domain and no test failed, the plain test is
//!   asked with its control.
//! - The controls of a path are asked again with its tests, because answers are read by comparison
//!   with controls.

use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    catalogue::{self, RelayTest, TestRole},
    check::{Observation, SUBMISSION_PORTS, Verdict, Weight, other_domain},
    event::{Event, Path},
    octets::Octets,
    smtp::Security,
};

/// What is to be asked again.
#[derive(Debug)]
pub struct Plan {
    /// The target, as the user typed it.
    pub target: String,
    /// When the earlier run began.
    pub started: Option<Timestamp>,
    /// What the earlier run was told.
    pub run: EarlierSettings,
    /// The paths, each with the tests that failed and its controls.
    pub paths: Vec<RepeatedPath>,
}

/// A path, and the tests that are asked again on it.
pub type RepeatedPath = (Path, Vec<&'static RelayTest>);

/// The settings of the earlier run that the new run should share.
#[derive(Debug, Deserialize)]
pub struct EarlierSettings {
    /// The probe domain.
    pub domain: String,
    /// True if the user gave the probe domain.
    pub domain_given: bool,
    /// The name that the earlier run said with EHLO.
    pub helo: String,
    /// The mail domain that the target hosts.
    pub local_domain: Option<String>,
    /// The user of the target who was named.
    #[serde(default)]
    pub local_user: Option<String>,
    /// Senders that the user said the server may trust.
    #[serde(default)]
    pub trusted_senders: Vec<String>,
    /// The profile.
    pub profile: catalogue::Profile,
}

/// Why there is nothing to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlan {
    /// The text is no report of norelay.
    NotOurs,
    /// The report has no failed test.
    NothingFailed,
}

#[derive(Deserialize)]
struct EarlierReport {
    schema: String,
    target: Option<String>,
    started: Option<Timestamp>,
    run: Option<EarlierSettings>,
    paths: Vec<EarlierPath>,
}

#[derive(Deserialize)]
struct EarlierPath {
    #[serde(flatten)]
    destination: Path,
    verdict: Verdict,
    tests: Vec<EarlierTest>,
    controls: Vec<EarlierTest>,
}

#[derive(Deserialize)]
struct EarlierTest {
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
        let document: EarlierReport = serde_json::from_str(report).map_err(|_| NoPlan::NotOurs)?;
        let (Some(target), Some(run), true) =
            (document.target, document.run, document.schema == crate::report::SCHEMA)
        else {
            return Err(NoPlan::NotOurs);
        };
        let mut paths: Vec<_> = document
            .paths
            .iter()
            .filter_map(EarlierPath::failed)
            .collect();
        follow_under_tls(&mut paths, &document.paths);
        compare_submission(&mut paths, &document.paths);
        match paths.is_empty() {
            true => Err(NoPlan::NothingFailed),
            false => Ok(Self { target, started: document.started, run, paths }),
        }
    }

    /// Returns how many tests are asked again, without the controls.
    #[must_use]
    pub fn tests(&self) -> usize {
        self.paths
            .iter()
            .flat_map(|(_, tests)| tests)
            .filter(|test| test.is_scored())
            .count()
    }

    /// Returns the event that records the retest in the new run's log.
    #[must_use]
    pub fn note(&self) -> Event {
        let started = self
            .started
            .map_or_else(|| "an earlier run".to_owned(), |at| format!("the run of {at}"));
        let counts =
            format!("{} on {}", counted(self.tests(), "test"), counted(self.paths.len(), "path"));
        Observation::Retested { run: Octets::from(started), counts: counts.into() }.event(None)
    }
}

/// Adds the tests that need an extension to the twin paths after STARTTLS: the server may have
/// moved the extension there.
fn follow_under_tls(paths: &mut Vec<RepeatedPath>, known: &[EarlierPath]) {
    let in_the_clear = paths
        .iter()
        .filter(|(destination, _)| destination.security == Security::Plain);
    let offered: Vec<_> = in_the_clear
        .map(|(destination, tests)| {
            let tests = tests
                .iter()
                .copied()
                .filter(|test| test.is_scored() && test.requirement(Security::StartTls).is_some());
            (
                Path { security: Security::StartTls, ..destination.clone() },
                tests.collect::<Vec<_>>(),
            )
        })
        .filter(|(destination, tests)| {
            !tests.is_empty() && known.iter().any(|path| path.destination == *destination)
        })
        .collect();
    for (destination, tests) in offered {
        match paths.iter_mut().find(|(known, _)| *known == destination) {
            Some((_, asked)) => {
                let missing =
                    |test: &&RelayTest| !asked.iter().any(|other| other.number == test.number);
                let more: Vec<_> = tests.into_iter().filter(missing).collect();
                asked.extend(more);
            }
            None => paths.push((destination, tests)),
        }
    }
}

/// True if the path leads to a port for users who authenticate.
fn is_submission(destination: &Path) -> bool {
    SUBMISSION_PORTS.contains(&destination.port)
}

/// Adds the plain test and its control on another port, if only submission ports are asked.
fn compare_submission(paths: &mut Vec<RepeatedPath>, known: &[EarlierPath]) {
    let Some((first, _)) = paths.first().filter(|_| {
        paths
            .iter()
            .all(|(destination, _)| is_submission(destination))
    }) else {
        return;
    };
    let is_beside = |path: &&EarlierPath| {
        !is_submission(&path.destination)
            && path.accepts_postmaster()
            && (path.destination.address == first.address || path.destination.host == first.host)
    };
    let beside = known
        .iter()
        .find(is_beside)
        .map(|path| path.destination.clone());
    let tests = [TestRole::Plain, TestRole::Postmaster]
        .map(catalogue::by_role)
        .to_vec();
    paths.extend(beside.map(|destination| (destination, tests)));
}

/// Returns `1 test` or `3 tests`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

impl EarlierTest {
    /// True if the test was asked and the server did not deny relaying in it.
    fn has_failed(&self) -> bool {
        matches!(self.weight, Some(Weight::Proof | Weight::Suspicion | Weight::Unknown))
            && self.outcome != "not_run"
    }
}

impl EarlierPath {
    fn accepts_postmaster(&self) -> bool {
        self.accepted_controls()
            .any(|control| control.is(TestRole::Postmaster))
    }

    /// True if another foreign domain than ours was accepted, or a listed sender.
    fn accepts_other_domain(&self) -> bool {
        self.accepted_controls()
            .any(|control| other_domain::is_foreign(control) || control.is(TestRole::ListedSenders))
    }

    fn accepted_controls(&self) -> impl Iterator<Item = &'static RelayTest> {
        self.controls
            .iter()
            .filter(|control| control.outcome == "accepted")
            .filter_map(|control| catalogue::by_id(&control.id))
    }

    /// Returns the path with the tests that failed on it; `None` if no test failed or the server
    /// never spoke SMTP.
    fn failed(&self) -> Option<RepeatedPath> {
        let mut failed: Vec<_> = self
            .tests
            .iter()
            .filter(|test| test.has_failed())
            .filter_map(|test| catalogue::by_id(&test.id))
            .collect();
        // Only the control failed, and a control is never asked alone.
        if failed.is_empty() && self.accepts_other_domain() {
            failed.push(catalogue::by_role(TestRole::Plain));
        }
        let controls = self
            .controls
            .iter()
            .filter_map(|control| catalogue::by_id(&control.id));
        let controls = controls.filter(|control| !control.needs_credentials());
        (self.verdict != Verdict::Unreachable && !failed.is_empty())
            .then(|| (self.destination.clone(), failed.into_iter().chain(controls).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16, security: &str, tests: &str) -> String {
        format!(
            r#"{{"host": null, "address": "192.0.2.7", "port": {port}, "security": "{security}", "verdict": "open",
            "tests": [{tests}], "controls": [{{"id": "ctl-postmaster", "weight": null, "outcome": "accepted"}},
                                             {{"id": "ctl-authenticated", "weight": null, "outcome": "relayed"}}]}}"#
        )
    }

    fn report(paths: &[String]) -> String {
        format!(
            r#"{{"schema": "norelay.report/1", "target": "mx.example.net", "started": "2026-01-02T03:04:05Z", "more": 1,
            "run": {{"domain": "probe.example", "domain_given": true, "helo": "t.probe.example", "local_domain": null,
                     "profile": "classic"}}, "paths": [{}]}}"#,
            paths.join(", ")
        )
    }

    fn test(id: &str, weight: &str, outcome: &str) -> String {
        format!(r#"{{"id": "{id}", "weight": "{weight}", "outcome": "{outcome}"}}"#)
    }

    /// `25 plain: null-sender ctl-postmaster`, a path each.
    fn asked(paths: &[String]) -> Result<Vec<String>, NoPlan> {
        let plan = Plan::of(&report(paths))?;
        let line = |(destination, tests): &RepeatedPath| {
            let ids: Vec<_> = tests.iter().map(|test| test.id.as_str()).collect();
            format!("{} {}: {}", destination.port, destination.security, ids.join(" "))
        };
        Ok(plan.paths.iter().map(line).collect())
    }

    #[test]
    fn who_takes_mail_for_another_domain_is_asked_again() {
        let denied = path(25, "plain", &test("foreign-to-foreign", "denial", "refused"));
        for (control, expected) in [
            (
                "ctl-second-foreign",
                Ok(vec!["25 plain: foreign-to-foreign ctl-second-foreign".to_owned()]),
            ),
            ("ctl-postmaster", Err(NoPlan::NothingFailed)),
        ] {
            assert_eq!(asked(&[denied.replace("ctl-postmaster", control)]), expected, "{control}");
        }
    }

    #[test]
    fn what_failed_is_asked_again_with_the_controls() {
        let denied = test("foreign-to-foreign", "denial", "refused");
        let again = Ok(vec!["25 plain: null-sender ctl-postmaster".to_owned()]);
        let nothing = Err(NoPlan::NothingFailed);
        for (failed, expected) in [
            (test("null-sender", "proof", "relayed"), &again),
            (test("null-sender", "suspicion", "accepted"), &again),
            (test("null-sender", "unknown", "refused"), &again),
            (test("null-sender", "unknown", "interrupted"), &again),
            (test("null-sender", "unknown", "not_run"), &nothing),
            (test("null-sender", "not_offered", "not_run"), &nothing),
            (test("null-sender", "local_delivery", "accepted"), &nothing),
            (test("unheard-of", "proof", "relayed"), &nothing),
        ] {
            assert_eq!(
                asked(&[path(25, "plain", &format!("{denied}, {failed}"))]),
                *expected,
                "{failed}"
            );
        }
    }

    #[test]
    fn what_was_offered_in_the_clear_is_asked_under_tls_too() {
        let plain = path(25, "plain", &test("auth-plain-random", "proof", "relayed"));
        let twin = path(25, "starttls", &test("foreign-to-foreign", "denial", "refused"));
        let alone = "25 plain: auth-plain-random ctl-postmaster".to_owned();
        assert_eq!(asked(std::slice::from_ref(&plain)), Ok(vec![alone.clone()]));
        assert_eq!(
            asked(&[plain, twin]),
            Ok(vec![alone, "25 starttls: auth-plain-random".to_owned()])
        );
    }

    #[test]
    fn a_submission_port_is_compared_with_another() {
        let smtp = path(25, "plain", &test("foreign-to-foreign", "denial", "refused"));
        let submission = path(587, "plain", &test("foreign-to-foreign", "proof", "relayed"));
        let compared = [
            "587 plain: foreign-to-foreign ctl-postmaster",
            "25 plain: foreign-to-foreign ctl-postmaster",
        ];
        assert_eq!(asked(&[smtp, submission]), Ok(compared.map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_path_without_a_server_is_no_path() {
        let silent = path(25, "plain", &test("foreign-to-foreign", "unknown", "interrupted"));
        let silent = silent.replace(r#""verdict": "open""#, r#""verdict": "unreachable""#);
        assert_eq!(asked(&[silent]), Err(NoPlan::NothingFailed));
    }

    #[test]
    fn what_is_no_report_is_told_apart() {
        let ours = report(&[path(25, "plain", &test("null-sender", "proof", "relayed"))]);
        let other = ours.replace("norelay.report/1", "other/1");
        for text in ["", "{}", "[]", "null", "{\"schema\": \"norelay.report/1\"}", &other] {
            assert_eq!(Plan::of(text).err(), Some(NoPlan::NotOurs), "{text}");
        }
    }

    #[test]
    fn the_note_says_how_much_it_is() {
        let ours = report(&[path(25, "plain", &test("null-sender", "proof", "relayed"))]);
        let Event::Noted { arguments, .. } =
            Plan::of(&ours).expect("there is something to ask").note()
        else {
            panic!("it is a note")
        };
        let arguments: Vec<_> = arguments.iter().map(Octets::to_string).collect();
        assert_eq!(arguments, ["the run of 2026-01-02T03:04:05Z", "1 test on 1 path"]);
    }
}
