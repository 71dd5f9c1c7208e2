//! Every format on the fixed set of reports (`norelay-core/tests/logs`), and what a hostile server
//! must not achieve in it.

use norelay_core::{
    assess,
    check::{Verdict, Weight},
    replay::read_log,
    report::Report,
};
use norelay_render::{Format, Options, render};

const LOGS: [(&str, &str); 8] = [
    ("closed", include_str!("../../norelay-core/tests/logs/closed.jsonl")),
    ("open", include_str!("../../norelay-core/tests/logs/open.jsonl")),
    ("multihop", include_str!("../../norelay-core/tests/logs/multihop.jsonl")),
    ("suspect", include_str!("../../norelay-core/tests/logs/suspect.jsonl")),
    ("inconclusive", include_str!("../../norelay-core/tests/logs/inconclusive.jsonl")),
    ("unreachable", include_str!("../../norelay-core/tests/logs/unreachable.jsonl")),
    ("hostile", include_str!("../../norelay-core/tests/logs/hostile.jsonl")),
    ("no-starttls", include_str!("../../norelay-core/tests/logs/no-starttls.jsonl")),
];

fn rendered(log: &str, format: Format) -> String {
    let report = Report::of(&read_log(log).records);
    render(format, &report, &assess::assess(&report), &Options::default())
}

fn hostile(format: Format) -> String {
    rendered(LOGS[6].1, format)
}

/// The text without what begins with a line that starts like `from` and goes on as long as
/// `goes_on`.
fn without(text: &str, from: &str, goes_on: impl Fn(&str) -> bool) -> String {
    let mut is_out = false;
    let kept = text.lines().filter(|line| {
        is_out = line.starts_with(from) || (is_out && goes_on(line));
        !is_out
    });
    kept.map(|line| format!("{line}\n")).collect()
}

/// The catalogue's documents are others' to change: their words are left out of the snapshots.
fn without_documents(format: Format, text: &str) -> String {
    match format {
        Format::Markdown => without(text, "### Fix", |line| !line.starts_with("#")),
        Format::Html => {
            let text = without(text, "<h3>Fix", |line| line != "</section>");
            // What shows the software is in the order of the clues' table.
            let lines = text.lines().filter(|line| !line.starts_with("<li>it "));
            let lines = lines.map(|line| {
                if line.starts_with("<p>") { "<p>(title or sentence)</p>" } else { line }
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        Format::Json => {
            let mut report: serde_json::Value = serde_json::from_str(text).expect("it is JSON");
            for cause in report["diagnosis"].as_array_mut().into_iter().flatten() {
                let cause = cause.as_object_mut().expect("a cause is an object");
                cause.retain(|key, _| !["fixes", "remedies"].contains(&key.as_str()));
            }
            serde_json::to_string_pretty(&report).expect("its keys are strings")
        }
        Format::Sarif => {
            let mut log: serde_json::Value = serde_json::from_str(text).expect("it is JSON");
            for rule in log["runs"][0]["tool"]["driver"]["rules"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                let rule = rule.as_object_mut().expect("a rule is an object");
                rule.remove("help");
                rule.remove("shortDescription");
            }
            serde_json::to_string_pretty(&log).expect("its keys are strings")
        }
        _ => text.to_owned(),
    }
}

#[test]
fn formats_look_as_they_did() {
    for (name, log) in LOGS {
        for format in Format::ALL {
            // Text is core's, which has its own snapshots of all; each verdict and the hostile one
            // have every format.
            let is_long =
                matches!(format, Format::Html | Format::Sarif | Format::Junit | Format::Json);
            if *format != Format::Text
                && (!is_long || !matches!(name, "unreachable" | "no-starttls"))
            {
                let text = without_documents(*format, &rendered(log, *format));
                insta::assert_snapshot!(format!("{name}.{}", format.name()), text);
            }
        }
    }
}

#[test]
fn every_format_ends_with_a_line_end_and_acts_in_no_terminal() {
    let empty = Report::default();
    let empty = |format| render(format, &empty, &assess::assess(&empty), &Options::default());
    for format in Format::ALL {
        for text in LOGS
            .iter()
            .map(|(_, log)| rendered(log, *format))
            .chain([empty(*format)])
        {
            assert!(text.ends_with('\n'), "{format}");
            let acts = text
                .chars()
                .find(|character| character.is_control() && !matches!(character, '\n' | '\r'));
            assert_eq!(acts, None, "{format}");
        }
    }
}

#[test]
fn a_hostile_server_gets_no_markup_into_a_page() {
    let page = hostile(Format::Html);
    for markup in [
        "<script",
        "<img",
        "</code></pre><s",
        "onerror=alert(2)>",
        "<b>",
        "\" onmouseover",
        "' `x`",
    ] {
        assert!(!page.contains(markup), "{markup}");
    }
    assert!(page.contains("&#60;script&#62;alert(1)"), "the words themselves are shown");
}

#[test]
fn a_hostile_server_gets_no_formula_into_a_spreadsheet() {
    let table = hostile(Format::Csv);
    let mut reader = csv::ReaderBuilder::new().from_reader(table.as_bytes());
    let mut cells = 0;
    for record in reader.records() {
        for cell in record.expect("what was written can be read").iter() {
            assert!(!cell.trim_start().starts_with(['=', '+', '-', '@', '\t']), "{cell}");
            cells += 1;
        }
    }
    assert_eq!(cells, 8 * 20);
    assert!(table.contains("\"'=cmd|'/c calc'!A1\""));
}

#[test]
fn a_hostile_server_adds_no_performance_data() {
    let line = hostile(Format::Nagios);
    assert_eq!((line.matches('|').count(), line.lines().count()), (1, 1), "{line}");
    assert!(
        !line
            .split_once('|')
            .expect("there is one")
            .0
            .contains(['$', '`', '<', '"', '\''])
    );
}

#[test]
fn a_hostile_server_gets_no_markup_into_markdown() {
    let text = hostile(Format::Markdown);
    let mut fence: Option<&str> = None;
    let mut outside = String::new();
    for line in text.lines() {
        let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
        match fence {
            Some(open) if line.trim_end() == open => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => outside.push_str(&format!("{line}\n")),
        }
    }
    assert_eq!(fence, None, "every fence is closed");
    for markup in ["<script", "[x](", "@everyone", "<b>", "http://"] {
        assert!(!outside.contains(markup), "{markup}\n{outside}");
    }
    assert!(outside.contains("&lt;script&gt;"));
}

#[test]
fn only_a_denial_passes_in_continuous_integration() {
    for (name, log) in LOGS {
        let report = Report::of(&read_log(log).records);
        let assessment = assess::assess(&report);
        let tests = || {
            assessment
                .judgement
                .paths
                .iter()
                .flat_map(|path| &path.tests)
        };
        let weighing = |weights: &[Weight]| {
            tests()
                .filter(|judged| weights.contains(&judged.weight))
                .count()
        };
        let denied = weighing(&[Weight::Denial, Weight::LocalDelivery]);
        let not_offered = weighing(&[Weight::NotOffered]);

        let xml = render(Format::Junit, &report, &assessment, &Options::default());
        let failures = xml.matches("<failure").count() + xml.matches("<error").count();
        let is_closed = assessment.judgement.verdict == Verdict::Closed;
        assert_eq!(
            failures,
            tests().count() - denied - not_offered + usize::from(!is_closed),
            "{name}"
        );
        assert_eq!(xml.matches("<skipped").count(), not_offered, "{name}");

        let sarif: serde_json::Value =
            serde_json::from_str(&render(Format::Sarif, &report, &assessment, &Options::default()))
                .expect("it is JSON");
        let results = sarif["runs"][0]["results"]
            .as_array()
            .expect("there are results");
        let passes = results
            .iter()
            .filter(|result| result["kind"] == "pass")
            .count();
        assert_eq!(passes, denied, "{name}");
    }
}

#[test]
fn a_page_needs_nothing_from_outside() {
    for (name, log) in LOGS {
        let page = rendered(log, Format::Html);
        for reference in ["src=", "url(", "@import", "<link", "<script", "style=\""] {
            let shown = page.replace("img src=x", "");
            assert!(!shown.contains(reference), "{name}: {reference}");
        }
        assert!(page.contains(&norelay_render::html::style_hash()));
    }
}
