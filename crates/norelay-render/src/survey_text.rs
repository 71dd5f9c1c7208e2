//! A run over blacklists for a terminal of eighty columns: the sentence first, listings, then what
//! isn't known.

use std::collections::BTreeMap;

use norelay_core::{check::Verdict, octets::harmless};
use norelay_dns::blacklist::{
    Impact, ListReading, Listing, Standing, Survey, SurveyAssessment, UnknownReason,
};

use crate::{
    delisting::advice,
    text::{Ink, Page, Style, pad},
};

/// More dead lists than this are named without their evidence.
const FEW: usize = 6;
const ZONE: usize = 34;

/// Returns the run as text. `relay` is the verdict of the relay test, if there was one.
#[must_use]
pub fn render(
    survey: &Survey,
    assessment: &SurveyAssessment,
    relay: Option<Verdict>,
    style: Style,
) -> String {
    let mut page = Page::new(style);
    heading(&mut page, survey, assessment);
    listed(&mut page, survey, relay);
    vouched(&mut page, survey);
    unknown(&mut page, survey);
    zones(
        &mut page,
        "NEEDS A KEY (--key-file), not asked",
        &named(survey, |listing| *listing == Listing::NeedsKey),
    );
    zones(&mut page, "NOT LISTED", &named(survey, |listing| *listing == Listing::NotListed));
    dead(&mut page, survey);
    page.into_text()
}

/// Writes the summary first, because it is what most readers want.
fn heading(page: &mut Page, survey: &Survey, assessment: &SurveyAssessment) {
    let ink = match assessment.standing {
        Standing::Listed => Ink::Bad,
        Standing::Unknown => Ink::Doubtful,
        Standing::NotListed => Ink::Good,
    };
    page.paragraph("", ink, &assessment.summary);
    let seconds = survey.elapsed_ms / 1_000;
    let tenths = survey.elapsed_ms % 1_000 / 100;
    let asked = survey.resolvers.join(", ");
    page.paragraph("", Ink::Faint, &format!("{seconds}.{tenths} s, asked through {asked}"));
    for hint in &assessment.hints {
        page.paragraph("! ", Ink::Doubtful, hint);
    }
}

/// Writes the lists that have the server, the worst first.
fn listed(page: &mut Page, survey: &Survey, relay: Option<Verdict>) {
    let mut readings: Vec<_> = survey
        .readings
        .iter()
        .filter(|reading| reading.listing.is_against())
        .collect();
    readings.sort_by_key(|reading| std::cmp::Reverse(reading.impact));
    if readings.is_empty() {
        return;
    }
    title(page, "LISTED", None);
    let mut advised: Vec<String> = Vec::new();
    for reading in readings {
        row(page, reading, Ink::Bad);
        entries(page, reading);
        for sentence in advice(reading, relay) {
            // The same advice is said once, and not again for each list.
            if !advised.contains(&sentence) {
                page.paragraph("      -> ", Ink::Bold, &sentence);
                advised.push(sentence);
            }
        }
    }
}

fn vouched(page: &mut Page, survey: &Survey) {
    let readings: Vec<_> = survey
        .readings
        .iter()
        .filter(|reading| is_other_listing(reading))
        .collect();
    if !readings.is_empty() {
        title(page, "VOUCHED FOR, OR REMARKED ON", None);
    }
    for reading in readings {
        row(page, reading, Ink::Plain);
        entries(page, reading);
    }
}

fn is_other_listing(reading: &ListReading) -> bool {
    matches!(reading.listing, Listing::Listed { .. }) && !reading.listing.is_against()
}

fn row(page: &mut Page, reading: &ListReading, ink: Ink) {
    page.put(Ink::Plain, "  ");
    page.put(ink, &pad(&reading.zone, ZONE));
    let operator = reading.operator.as_deref().unwrap_or("a list of your own");
    page.line(Ink::Plain, &format!("  {}  {operator}", impact(reading.impact)));
}

fn impact(impact: Impact) -> String {
    pad(&format!("{} impact", impact.as_str()), "ignorable impact".len())
}

fn entries(page: &mut Page, reading: &ListReading) {
    let Listing::Listed { entries, reasons } = &reading.listing else { return };
    for entry in entries {
        let label = format!("      {}  ", entry.answer);
        page.paragraph(&label, Ink::Plain, entry.meaning.as_deref().unwrap_or("listed"));
    }
    for reason in reasons {
        page.paragraph("      ", Ink::Faint, &format!("\"{reason}\""));
    }
}

/// Writes the lists without an answer by reason, the lists with the most impact first.
fn unknown(page: &mut Page, survey: &Survey) {
    let mut by_reason: BTreeMap<UnknownReason, Vec<&ListReading>> = BTreeMap::new();
    for reading in &survey.readings {
        if let Listing::Unknown { why, .. } = &reading.listing {
            by_reason.entry(*why).or_default().push(reading);
        }
    }
    if by_reason.is_empty() {
        return;
    }
    title(page, "UNKNOWN: neither listed nor not", None);
    for (why, mut readings) in by_reason {
        readings.sort_by_key(|reading| std::cmp::Reverse(reading.impact));
        page.paragraph("  ", Ink::Doubtful, &format!("{}:", why.clause()));
        let names = readings
            .iter()
            .map(|reading| match reading.impact >= Impact::Medium {
                true => format!("{} ({} impact)", reading.zone, reading.impact.as_str()),
                false => reading.zone.clone(),
            });
        page.paragraph("      ", Ink::Plain, &names.collect::<Vec<_>>().join(", "));
    }
}

fn dead(page: &mut Page, survey: &Survey) {
    let dead = survey
        .readings
        .iter()
        .filter_map(|reading| match &reading.listing {
            Listing::Dead { evidence } => Some((&reading.zone, evidence)),
            _ => None,
        });
    let dead: Vec<_> = dead.collect();
    if dead.len() > FEW {
        let names: Vec<_> = dead.iter().map(|(zone, _)| zone.as_str()).collect();
        return zones(page, "DEAD, never asked", &names);
    }
    if !dead.is_empty() {
        title(page, "DEAD, never asked", None);
    }
    for (zone, evidence) in dead {
        page.paragraph(&format!("  {}  ", pad(&harmless(zone), ZONE)), Ink::Plain, evidence);
    }
}

fn named(survey: &Survey, is_wanted: impl Fn(&Listing) -> bool) -> Vec<&str> {
    survey
        .readings
        .iter()
        .filter(|reading| is_wanted(&reading.listing))
        .map(|reading| reading.zone.as_str())
        .collect()
}

fn zones(page: &mut Page, heading: &str, zones: &[&str]) {
    if !zones.is_empty() {
        title(page, heading, Some(zones.len()));
        page.paragraph("  ", Ink::Faint, &zones.join(", "));
    }
}

fn title(page: &mut Page, text: &str, count: Option<usize>) {
    page.end();
    page.put(Ink::Bold, text);
    if let Some(count) = count {
        page.put(Ink::Plain, &format!(" ({count})"));
    }
    page.end();
}
