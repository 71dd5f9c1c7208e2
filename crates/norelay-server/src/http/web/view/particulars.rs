//! The particulars at the end of a result: who asked whom, from where, when, with what.

use norelay_core::{octets::harmless, report::Report};

use super::{RunPhase, RunView, count, path_name, time};

/// A label and what it stands for.
pub type Particular = (&'static str, String);

/// The particulars.
#[must_use]
pub fn particulars(seen: RunView) -> Vec<Particular> {
    let report = seen.report;
    let mut facts = Vec::new();
    if let Some(started) = report.started {
        facts.push(("Began", time::stamp(started)));
    }
    if let Some(finished) = report.finished {
        let took = report
            .started
            .map(|started| time::length(time::between(started, finished)))
            .unwrap_or_default();
        facts.push(("Ended", format!("{}, after {took}", time::stamp(finished))));
    }
    if report.stopped || (seen.phase == RunPhase::Over && report.finished.is_none()) {
        facts.push(("Stopped", "before its end; what was not asked is not known".to_owned()));
    }
    facts.extend(exchangers(report));
    facts.extend(sources(report));
    facts.extend(run_facts(seen));
    facts.extend(tls_facts(report));
    let connections = report.dialogues.len();
    if connections > 0 {
        facts.push(("Connections made", connections.to_string()));
    }
    facts
}

fn exchangers(report: &Report) -> Option<Particular> {
    let shown: Vec<_> = report
        .exchangers
        .iter()
        .map(|exchanger| {
            let name = exchanger.name.as_deref().map(harmless).unwrap_or_default();
            let preference = exchanger
                .preference
                .map(|number| format!(" (preference {number})"))
                .unwrap_or_default();
            let addresses: Vec<_> = exchanger
                .addresses
                .iter()
                .map(ToString::to_string)
                .collect();
            format!("{name}{preference} {}", addresses.join(", "))
                .trim()
                .to_owned()
        })
        .collect();
    (!shown.is_empty()).then(|| ("Addresses found", shown.join("; ")))
}

fn sources(report: &Report) -> Option<Particular> {
    let mut sources: Vec<_> = report
        .dialogues
        .values()
        .filter_map(|dialogue| dialogue.local.map(|local| local.ip().to_string()))
        .collect();
    sources.sort_unstable();
    sources.dedup();
    (!sources.is_empty()).then(|| ("Tested from", sources.join(", ")))
}

fn run_facts(seen: RunView) -> Vec<Particular> {
    let Some(run) = &seen.report.run else { return Vec::new() };
    let origin = match run.domain_given {
        true => run.domain.clone(),
        false => {
            format!(
                "{}, because none was given; servers that check senders may refuse it for that \
                 alone",
                run.domain
            )
        }
    };
    let receiver = match &seen.assessment.receiver {
        Some(check) => check.says.clone(),
        None => "none: nothing was sent past the recipient, and nothing can be proven".to_owned(),
    };
    let mut facts = vec![
        ("Said with EHLO", run.helo.clone()),
        ("Probe domain", origin),
        ("Receiver", receiver),
        ("Profile", run.profile.to_string()),
        ("Run", run.run.to_string()),
        ("Version", format!("norelay {}", run.version)),
    ];
    if let Some(domain) = &run.local_domain {
        facts.insert(2, ("Hosted domain", harmless(domain)));
    }
    facts
}

fn tls_facts(report: &Report) -> Vec<Particular> {
    let paths = report.paths().filter_map(|path| {
        let tls = path
            .dialogues()
            .find_map(|dialogue| dialogue.tls.as_ref())?;
        let subject = tls
            .subject
            .as_ref()
            .map(|subject| format!(", certificate of {subject}"))
            .unwrap_or_default();
        let troubles = match tls.troubles.len() {
            0 => String::new(),
            number => format!(
                " ({}: {})",
                count(number, "flaw", "flaws"),
                harmless(&tls.troubles.join(", "))
            ),
        };
        Some((
            "TLS",
            format!(
                "{}: {} {}{subject}{troubles}",
                path_name(path.destination()),
                tls.version,
                tls.cipher
            ),
        ))
    });
    paths.collect()
}
