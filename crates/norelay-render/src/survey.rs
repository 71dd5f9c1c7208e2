//! A run over blacklists as JSON and as a table.
//!
//! Rules:
//! - Keys and columns are promises within `norelay.blacklist/1`: none is taken away, left out or
//!   changes its meaning.
//! - No cell of the table can act as a formula in a spreadsheet.

use std::net::IpAddr;

use norelay_core::{
    check::Verdict,
    octets::{Octets, harmless},
};
use norelay_dns::blacklist::{
    Impact, ListEntry, ListReading, Listing, Sense, Standing, Survey, SurveyAssessment,
    UnknownReason,
};
use serde::Serialize;
use serde_json::Serializer;

use crate::{delisting::advice, harmless_json::Harmless};

/// The name and version of the promise.
pub const SCHEMA: &str = "norelay.blacklist/1";

#[derive(Serialize)]
struct SurveyDocument<'a> {
    schema: &'static str,
    target: &'a str,
    state: Standing,
    worst_impact: Option<Impact>,
    summary: &'a str,
    hints: &'a [String],
    relay_verdict: Option<Verdict>,
    resolvers: &'a [String],
    public_resolver: bool,
    elapsed_ms: u64,
    lists: Vec<SurveyRow<'a>>,
}

#[derive(Serialize)]
struct SurveyRow<'a> {
    zone: &'a str,
    operator: Option<&'a str>,
    sense: Sense,
    impact: Impact,
    state: &'static str,
    entries: &'a [ListEntry],
    reasons: &'a [Octets],
    why: Option<UnknownReason>,
    answers: &'a [IpAddr],
    evidence: Option<&'a str>,
    advice: Vec<String>,
    elapsed_ms: u64,
}

impl<'a> SurveyRow<'a> {
    fn of(reading: &'a ListReading, relay: Option<Verdict>) -> Self {
        let mut row = Self {
            zone: &reading.zone,
            operator: reading.operator.as_deref(),
            sense: reading.sense,
            impact: reading.impact,
            state: reading.listing.as_str(),
            entries: &[],
            reasons: &[],
            why: None,
            answers: &[],
            evidence: None,
            advice: advice(reading, relay),
            elapsed_ms: reading.elapsed_ms,
        };
        match &reading.listing {
            Listing::Listed { entries, reasons } => (row.entries, row.reasons) = (entries, reasons),
            Listing::Unknown { why, answers } => (row.why, row.answers) = (Some(*why), answers),
            Listing::Dead { evidence } => row.evidence = Some(evidence),
            Listing::NotListed | Listing::NeedsKey => {}
        }
        row
    }
}

/// The run as one document of JSON, set for reading, ending with a line end.
#[must_use]
pub fn json(survey: &Survey, assessment: &SurveyAssessment, relay: Option<Verdict>) -> String {
    let document = SurveyDocument {
        schema: SCHEMA,
        target: &survey.target,
        state: assessment.standing,
        worst_impact: assessment.worst,
        summary: &assessment.summary,
        hints: &assessment.hints,
        relay_verdict: relay,
        resolvers: &survey.resolvers,
        public_resolver: survey.public_resolver,
        elapsed_ms: survey.elapsed_ms,
        lists: survey
            .readings
            .iter()
            .map(|reading| SurveyRow::of(reading, relay))
            .collect(),
    };
    let mut octets = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut octets, Harmless::default());
    document
        .serialize(&mut serializer)
        .expect("the document's keys are strings");
    octets.push(b'\n');
    String::from_utf8(octets).expect("JSON is written as UTF-8")
}

/// The columns of the table.
pub const COLUMNS: [&str; 11] = [
    "target",
    "zone",
    "operator",
    "sense",
    "impact",
    "state",
    "answers",
    "meanings",
    "reasons",
    "why",
    "elapsed_ms",
];

/// The run as a table (RFC 4180), without the line of the columns.
#[must_use]
pub fn csv(survey: &Survey) -> String {
    survey
        .readings
        .iter()
        .map(|reading| line(&cells(survey, reading)))
        .collect()
}

/// One line of a table.
#[must_use]
pub fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<_> = cells.iter().map(|text| cell(text.as_ref())).collect();
    format!("{}\r\n", cells.join(","))
}

fn cells(survey: &Survey, reading: &ListReading) -> [String; 11] {
    let (mut answers, mut meanings, mut reasons, mut why) =
        (Vec::new(), Vec::new(), Vec::new(), "");
    match &reading.listing {
        Listing::Listed { entries, reasons: words } => {
            answers.extend(entries.iter().map(|entry| entry.answer.to_string()));
            meanings.extend(entries.iter().filter_map(|entry| entry.meaning.clone()));
            reasons.extend(words.iter().map(ToString::to_string));
        }
        Listing::Unknown { why: reason, answers: given } => {
            answers.extend(given.iter().map(ToString::to_string));
            why = reason.as_str();
        }
        Listing::Dead { evidence } => meanings.push(evidence.clone()),
        Listing::NotListed | Listing::NeedsKey => {}
    }
    let sense = match reading.sense {
        Sense::Against => "against",
        Sense::For => "for",
        Sense::Neutral => "neutral",
    };
    [
        survey.target.clone(),
        reading.zone.clone(),
        reading.operator.clone().unwrap_or_default(),
        sense.to_owned(),
        reading.impact.as_str().to_owned(),
        reading.listing.as_str().to_owned(),
        answers.join(" "),
        meanings.join("; "),
        reasons.join("; "),
        why.to_owned(),
        reading.elapsed_ms.to_string(),
    ]
}

/// Returns the text with an apostrophe before it if a spreadsheet would evaluate it as a formula.
fn cell(text: &str) -> String {
    let text = harmless(text);
    let acts = text.starts_with(['=', '+', '-', '@']);
    let text = if acts { format!("'{text}") } else { text };
    match text.contains([',', '"', ';', ' ']) || acts {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use norelay_dns::blacklist::{DnsAnswer, assess_survey, by_zone, read};

    use super::*;
    use crate::{survey_text, text::Style};

    fn reading(zone: &str, listing: Listing) -> ListReading {
        let list = by_zone(zone);
        ListReading {
            zone: zone.to_owned(),
            operator: list.map(|list| list.operator.to_owned()),
            sense: list.map_or(Sense::Against, |list| list.sense),
            impact: list.map_or(Impact::Medium, |list| list.impact),
            listing,
            elapsed_ms: 7,
        }
    }

    fn answers(zone: &str, address: [u8; 4], reasons: &[&str]) -> ListReading {
        let reasons: Vec<_> = reasons.iter().map(|&reason| Octets::from(reason)).collect();
        reading(zone, read(by_zone(zone), &DnsAnswer::Addresses(vec![address.into()]), &reasons))
    }

    /// One of everything, with hostile words.
    fn survey() -> Survey {
        let hostile = "=HYPERLINK(\"http://evil.example\") \u{1b}[31m\u{202e} and a very long \
                       line that goes on until it must be wrapped";
        let mut readings = vec![
            answers("all.s5h.net", [127, 0, 0, 2], &[hostile]),
            answers(
                "zen.spamhaus.org",
                [127, 0, 0, 4],
                &["https://www.spamhaus.org/query/ip/192.0.2.25"],
            ),
            answers("dnsbl-3.uceprotect.net", [127, 0, 0, 2], &[]),
            answers("list.dnswl.org", [127, 0, 5, 2], &[]),
            reading("b.barracudacentral.org", Listing::unknown(UnknownReason::SelfTestMissed)),
            reading("bl.example.net", Listing::unknown(UnknownReason::TimedOut)),
            reading("bl.blocklist.de", Listing::unknown(UnknownReason::TimedOut)),
            answers("psbl.surriel.com", [198, 51, 100, 7], &[]),
            reading("bl.spamcop.net", Listing::NotListed),
            reading("bl.mailspike.net", Listing::NotListed),
            reading("combined.mail.abusix.zone", Listing::NeedsKey),
        ];
        let evidence = |zone: &str| {
            by_zone(zone)
                .map(|list| list.evidence.to_string())
                .unwrap_or_default()
        };
        readings.push(reading("sorbs.net", Listing::Dead { evidence: evidence("sorbs.net") }));
        Survey {
            target: "192.0.2.25".to_owned(),
            resolvers: vec!["127.0.0.1:53".to_owned()],
            public_resolver: false,
            readings,
            elapsed_ms: 1_234,
        }
    }

    #[test]
    fn every_state_is_shown_as_text() {
        let survey = survey();
        let assessment = assess_survey(&survey);
        for (name, relay) in [
            ("untested", None),
            ("closed", Some(Verdict::Closed)),
            ("open", Some(Verdict::OpenRelay)),
        ] {
            let text = survey_text::render(&survey, &assessment, relay, Style::Plain);
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            assert!(!text.contains(['\u{1b}', '\u{202e}']));
            insta::assert_snapshot!(format!("blacklist_text_{name}"), text);
        }
    }

    #[test]
    fn every_state_is_shown_as_json() {
        let survey = survey();
        let json = json(&survey, &assess_survey(&survey), None);
        assert!(!json.contains(['\u{1b}', '\u{202e}']));
        insta::assert_snapshot!("blacklist_json", json);
    }

    #[test]
    fn every_state_is_a_line_of_the_table() {
        let table = format!("{}{}", line(&COLUMNS), csv(&survey()));
        insta::assert_snapshot!("blacklist_csv", table);
    }

    #[test]
    fn no_cell_acts() {
        for (text, shown) in [
            ("plain", "plain"),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("\t=1", "\\x09=1"),
            ("a\r\nb", "a\\x0d\\x0ab"),
        ] {
            assert_eq!(cell(text), shown, "{text:?}");
        }
    }
}
