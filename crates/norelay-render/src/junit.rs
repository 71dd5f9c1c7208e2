//! For continuous integration: JUnit's XML, a suite a path and a case a test, before them one case
//! for the verdict.
//!
//! A test passes only if relaying was denied, or a control explains the acceptance as local
//! delivery. A proof and a suspicion are failures. A test without an answer about relaying is an
//! error and never a skip, because skips count as passes. A test is skipped only if the server does
//! not offer what the test needs. Controls neither pass nor fail, so they are properties of their
//! suite. Characters that XML 1.0 cannot carry are escaped first.

use norelay_core::{
    assess::Assessment,
    check::{Judgement, Verdict, Weight},
    octets::harmless,
    report::Report,
};
use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use crate::{
    Options,
    excerpt::dialogues_of,
    row::{Row, of_path},
    transcript,
};

/// Returns the report as JUnit's XML.
#[must_use]
pub fn render(report: &Report, assessment: &Assessment, _: &Options) -> String {
    let judgement = &assessment.judgement;
    let target = report.run.as_ref().map_or("no target", |run| &run.target);
    let mut xml = quick_junit::Report::new("norelay");
    xml.add_test_suite(verdict_suite(report, judgement, &harmless(target)));
    for (path, judged) in report.paths().zip(&judgement.paths) {
        let mut suite = TestSuite::new(harmless(&path.destination().to_string()));
        for row in of_path(path, judged) {
            if row.is_control() {
                suite.add_property(Property::new(row.judged.test.id.as_str(), row.line()));
            } else {
                suite.add_test_case(case(report, &row));
            }
        }
        xml.add_test_suite(suite);
    }
    let text = xml.to_string().expect("harmless text is valid in XML");
    without_root_skips(&text)
}

/// Removes the first `skipped` attribute, which is the one at the root: the schema of Jenkins has
/// no such attribute there.
fn without_root_skips(xml: &str) -> String {
    let Some((before, after)) = xml.split_once(" skipped=\"") else { return xml.to_owned() };
    let after = after.split_once('"').map_or(after, |(_, after)| after);
    format!("{before}{after}")
}

/// Returns the suite with the one case for the verdict of the whole run.
fn verdict_suite(report: &Report, judgement: &Judgement, target: &str) -> TestSuite {
    let kind = match judgement.verdict {
        Verdict::Closed => None,
        Verdict::OpenRelay | Verdict::Suspect => Some(NonSuccessKind::Failure),
        Verdict::Inconclusive | Verdict::Unreachable => Some(NonSuccessKind::Error),
    };
    let summary = harmless(&judgement.summary);
    let mut case = TestCase::new("verdict", status(kind, judgement.verdict.word(), &summary));
    case.set_classname(target);
    case.set_system_out(summary);
    let mut suite = TestSuite::new(target);
    if let Some(run) = &report.run {
        suite.add_property(Property::new("norelay", harmless(&run.version)));
        suite.add_property(Property::new("profile", run.profile.to_string()));
    }
    if let Some(started) = report.started {
        suite.add_property(Property::new("started", started.to_string()));
    }
    suite.add_test_case(case);
    suite
}

fn status(kind: Option<NonSuccessKind>, class: &str, message: &str) -> TestCaseStatus {
    let Some(kind) = kind else { return TestCaseStatus::success() };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(class).set_message(message);
    status
}

/// Returns the case of one test, with the transcript of the dialogue that decided it.
fn case(report: &Report, row: &Row<'_>) -> TestCase {
    let name = format!("{} {}", row.judged.test.number, row.judged.test.id);
    if row.judged.weight == Weight::NotOffered {
        let mut status = TestCaseStatus::skipped();
        status.set_message(row.line());
        return TestCase::new(name, status);
    }
    let kind = match row.judged.weight {
        Weight::Denial | Weight::LocalDelivery | Weight::NotOffered => None,
        Weight::Proof | Weight::Suspicion => Some(NonSuccessKind::Failure),
        Weight::Unknown => Some(NonSuccessKind::Error),
    };
    let line = row.line();
    let mut case = TestCase::new(name, status(kind, row.weight(), &line));
    case.set_classname(harmless(&row.destination.to_string()));
    case.set_time(std::time::Duration::from_millis(row.judged.elapsed_ms));
    let transcript = dialogues_of(report, row.judged)
        .0
        .map(transcript::lines)
        .unwrap_or_default();
    case.set_system_out(if transcript.is_empty() { line } else { transcript.join("\n") });
    case
}
