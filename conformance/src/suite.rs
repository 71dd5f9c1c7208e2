//! The trials: one for each scenario.
//!
//! Rules:
//! * a scenario passes only if norelay is right without a receiver and with one, in this
//!   order, since a run without a receiver leaves no message behind;
//! * a server that relays is then closed with what norelay printed, and asked again;
//! * what fails is shown with the report and the servers' own logs.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Completion, Trial};

use crate::cure::{self, Row};
use crate::data::{self, Scenario};
use crate::failure::{Failure, Outcome};
use crate::guest;
use crate::layer::Store;
use crate::report::{left_open, user_mail};
use crate::stage::{Heard, Stage};
use crate::times;

/// What looks at the servers.
#[derive(Debug, Clone)]
pub enum Judge {
    /// The executable under test.
    Norelay(PathBuf),
    /// Another program in its place.
    Guest(PathBuf),
    /// The suite's own dialogue: are the scenarios what they claim to be?
    Witness,
}

/// The trials of all scenarios; those whose layers are missing can't be had.
pub fn trials(judge: &Judge, subject: Option<&str>) -> Outcome<Vec<Trial>> {
    let store = Arc::new(Store::open()?);
    let mut scenarios = data::scenarios()?;
    scenarios.sort_by_key(|(_, _, scenario)| Reverse(scenario.length()));
    let wanted = scenarios
        .into_iter()
        .filter(|(name, ..)| subject.is_none_or(|subject| subject == name));
    Ok(wanted
        .map(|(subject, name, scenario)| {
            let (judge, store) = (judge.clone(), Arc::clone(&store));
            let title = format!("{subject}::{name}");
            let slow = scenario.slow;
            let trial = Trial::ignorable_test(title.clone(), move || {
                if let Some(absent) = absent(&store, &subject, &scenario)? {
                    return Ok(Completion::ignored_with(absent));
                }
                let started = Instant::now();
                let done = perform(&judge, &store, &title, &subject, &scenario);
                times::note(&title, started.elapsed());
                done?;
                Ok(Completion::Completed)
            });
            trial.with_ignored_flag(slow)
        })
        .collect())
}

/// Names the server of a scenario that can't be had: a skip, and in CI a failure.
fn absent(store: &Store, subject: &str, scenario: &Scenario) -> Outcome<Option<String>> {
    let hub = scenario.hub.as_ref().map(|hub| hub.subject.as_str());
    for name in ["dns", subject].into_iter().chain(hub) {
        let subject = data::subject(name)?;
        if store.lower(&subject).is_none() {
            let skip = format!("{} can't be had here", subject.title);
            return match std::env::var_os("CI") {
                Some(_) => Err(Failure::new("skip a scenario in CI", skip)),
                None => Ok(Some(skip)),
            };
        }
    }
    Ok(None)
}

fn perform(
    judge: &Judge,
    store: &Arc<Store>,
    title: &str,
    subject: &str,
    scenario: &Scenario,
) -> Outcome<()> {
    let mut stage = Stage::set(store, subject, scenario)?;
    let complaints = match judge {
        Judge::Witness => stage.hear_witness(scenario)?,
        Judge::Guest(program) => guest::host(&stage, program, title, scenario)?,
        Judge::Norelay(executable) => {
            let mta = data::subject(subject)?.mta;
            // Where the server relays, the user is asked for after the remedy.
            let user = |stage: &Stage| {
                if scenario.expect.relays() { Ok(Vec::new()) } else { stage.as_alice(scenario) }
            };
            let heard = stage.hear(executable, scenario, false, &user(&stage)?)?;
            let mut complaints = heard.complaints(scenario, mta.as_deref());
            if scenario.fresh {
                complaints.extend(stage.limits_met(scenario));
                stage = Stage::set(store, subject, scenario)?;
            }
            let heard = stage.hear(executable, scenario, true, &user(&stage)?)?;
            complaints.extend(heard.complaints(scenario, mta.as_deref()));
            complaints.extend(stage.limits_met(scenario));
            if complaints.is_empty() && scenario.expect.relays() {
                complaints.extend(cure(&stage, executable, title, scenario, &heard)?);
            }
            complaints
        }
    };
    if complaints.is_empty() { Ok(()) } else { Err(stage.disagreement(title, &complaints)?) }
}

/// Stands in the table for a remedy that people take.
const BY_HAND: &str = "by hand";

/// Applies the remedies that a report prints, those of a cause one after another, until the
/// server is closed; gives what is wrong when there is none left.
fn cure(
    stage: &Stage,
    executable: &Path,
    title: &str,
    scenario: &Scenario,
    before: &Heard,
) -> Outcome<Vec<String>> {
    let diagnosis = cure::diagnosis(&before.report)?;
    let (mut applied, mut after) = (Vec::new(), None::<Heard>);
    while !after.as_ref().is_some_and(Heard::is_closed) {
        let fixes = cure::next(&diagnosis, &applied);
        if fixes.is_empty() {
            if scenario.by_hand.is_empty() || applied.iter().any(|key| key == BY_HAND) {
                break;
            }
            stage.server()?.run(&scenario.by_hand)?;
            applied.push(BY_HAND.to_owned());
        }
        for fix in fixes {
            fix.apply(stage.server()?)?;
            applied.push(fix.key);
        }
        after = Some(stage.hear_cured(executable, scenario)?);
    }
    let needed = &scenario.expect.remedies;
    let detour = (!needed.is_empty() && *needed != applied).then(|| {
        format!(
            "the remedies {applied:?} were applied before it was closed, and {needed:?} are enough"
        )
    });
    let report = after.as_ref().map(|heard| &heard.report);
    cure::note(Row {
        scenario: title.into(),
        causes: diagnosis
            .iter()
            .map(|found| found.cause.as_str())
            .collect::<Vec<_>>()
            .join(", "),
        remedies: applied.join(", "),
        before: before.verdict(),
        after: after
            .as_ref()
            .map_or_else(|| "no lines to apply".into(), Heard::verdict),
        user: report.map_or("", |report| user_mail(report, scenario.user)),
    });
    let Some(after) = after else {
        return Ok(vec!["the report prints no lines that could close it".into()]);
    };
    let open = left_open(&after.report, scenario.user)
        .into_iter()
        .chain(detour);
    let mut complaints = after.explained("after the remedy:", open.collect());
    if complaints.is_empty() {
        let again = stage.hear_again(executable, scenario, before)?;
        complaints = again.explained("asked again what failed:", left_open(&again.report, false));
    }
    Ok(complaints)
}

/// How long the witness waits for mail.
pub fn patience(argument: Option<&String>) -> Duration {
    Duration::from_secs(argument.and_then(|text| text.parse().ok()).unwrap_or(4))
}
