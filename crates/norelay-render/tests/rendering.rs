//! Every renderer on a fixed set of reports, each folded from an event log in
//! `norelay-core/tests/logs`.

use norelay_core::{
    assess::{Assessment, assess},
    event::Record,
    replay::read_log,
    report::Report,
};
use norelay_render::{Options, json, json_lines, text, transcript};

const LOGS: [(&str, &str, &str); 8] = [
    ("closed", include_str!("../../norelay-core/tests/logs/closed.jsonl"), "closed"),
    ("open", include_str!("../../norelay-core/tests/logs/open.jsonl"), "open"),
    ("multihop", include_str!("../../norelay-core/tests/logs/multihop.jsonl"), "open"),
    ("suspect", include_str!("../../norelay-core/tests/logs/suspect.jsonl"), "suspect"),
    (
        "inconclusive",
        include_str!("../../norelay-core/tests/logs/inconclusive.jsonl"),
        "inconclusive",
    ),
    ("unreachable", include_str!("../../norelay-core/tests/logs/unreachable.jsonl"), "unreachable"),
    ("hostile", include_str!("../../norelay-core/tests/logs/hostile.jsonl"), "suspect"),
    ("no-starttls", include_str!("../../norelay-core/tests/logs/no-starttls.jsonl"), "closed"),
];

fn records(log: &str) -> Vec<Record> {
    let log = read_log(log);
    assert_eq!(log.damaged, Vec::<usize>::new());
    log.records
}

fn assessed(log: &str) -> (Report, Assessment) {
    let report = Report::of(&records(log));
    let assessment = assess(&report);
    (report, assessment)
}

#[test]
fn logs_have_the_verdicts_that_they_stand_for() {
    for (name, log, verdict) in LOGS {
        let (report, assessment) = assessed(log);
        assert_eq!((assessment.judgement.verdict.word(), report.misfits), (verdict, 0), "{name}");
        let value = json::value(&report, &assessment);
        assert_eq!(value["verdict"], verdict, "{name}");
        assert_eq!(value["summary"], assessment.judgement.summary.as_str(), "{name}");
    }
}

#[test]
fn logs_are_read_back_as_they_were_written() {
    for (name, log, _) in LOGS {
        let records = records(log);
        let read = read_log(&json_lines::render(&records));
        assert!(read.damaged.is_empty() && read.records == records, "{name}");
    }
}

/// The documents of tests and remedies change without the renderers: they are left out of the
/// snapshots. What is left out begins with a line that starts like `from` (blanks aside) and ends
/// before one that is `to`.
fn without(text: &str, from: &str, to: impl Fn(&str) -> bool) -> String {
    let mut is_out = false;
    let kept = text.lines().filter(|line| {
        let begins = line.trim_start().starts_with(from);
        is_out = begins || (is_out && !to(line));
        !is_out
    });
    kept.map(|line| format!("{line}\n")).collect()
}

fn text_without_documents(text: &str) -> String {
    without(text, "FIX ", str::is_empty)
}

fn json_without_documents(json: &str) -> String {
    let json = without(json, "\"fixes\": ", |line| line.starts_with("    }"));
    let json = without(&json, "\"title\": ", |_| true);
    let json = without(&json, "\"remedy\": ", |_| true);
    without(&json, "\"remedies\": ", |line| line.trim_start().starts_with('}'))
}

#[test]
fn reports_look_as_they_did() {
    for (name, log, _) in LOGS {
        let (report, assessment) = assessed(log);
        insta::assert_snapshot!(
            format!("{name}.text"),
            text_without_documents(&text::render(
                &report,
                &assessment,
                &Options { style: text::Style::Plain }
            ))
        );
        // What a full report looks like, what is hard to tell, and what acts: the rest would say
        // nothing new.
        if matches!(name, "multihop" | "inconclusive" | "hostile") {
            insta::assert_snapshot!(
                format!("{name}.json"),
                json_without_documents(&json::render(&report, &assessment, &Options::default()))
            );
        }
    }
}

#[test]
fn dialogues_are_shown_and_explained() {
    for (name, log, dialogues) in
        [("multihop", LOGS[2].1, &[4, 5][..]), ("inconclusive", LOGS[4].1, &[8, 12])]
    {
        let (report, _) = assessed(log);
        let shown = dialogues
            .iter()
            .filter_map(|number| report.dialogues.get(number))
            .flat_map(|dialogue| {
                let plain = transcript::lines(dialogue);
                plain
                    .into_iter()
                    .chain([String::new()])
                    .chain(transcript::explained_lines(dialogue, Some("postfix")))
            });
        insta::assert_snapshot!(format!("{name}.transcript"), shown.collect::<Vec<_>>().join("\n"));
    }
}

#[test]
fn one_line_a_test_while_the_run_goes_on() {
    let (_, assessment) = assessed(LOGS[4].1);
    let tests = assessment
        .judgement
        .paths
        .iter()
        .flat_map(|path| path.tests.iter().chain(&path.controls));
    let lines: Vec<_> = tests.map(text::progress).collect();
    assert!(
        lines
            .iter()
            .all(|line| line.chars().count() <= 80 && !line.contains('\n'))
    );
    insta::assert_snapshot!("inconclusive.progress", lines.join("\n"));
}

#[test]
fn a_closed_server_gets_the_exact_sentence() {
    for (name, log, verdict) in LOGS {
        let (report, assessment) = assessed(log);
        let text = text::render(&report, &assessment, &Options { style: text::Style::Plain });
        let has_sentence = text
            .lines()
            .any(|line| line == "All tests performed, no relays accepted.");
        assert_eq!(has_sentence, verdict == "closed", "{name}");
    }
}

/// Terminals act on controls, and some of them on C1 controls and on bidirectional overrides.
fn can_act(character: char) -> bool {
    (character.is_control() && character != '\n')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn nothing_acts_in_a_terminal_and_lines_fit() {
    for (name, log, _) in LOGS {
        let (report, assessment) = assessed(log);
        let plain = text::render(&report, &assessment, &Options { style: text::Style::Plain });
        assert!(
            !plain.contains(can_act)
                && !json::render(&report, &assessment, &Options::default()).contains(can_act),
            "{name}"
        );
        // The heading names what was typed, and lines to copy are not broken.
        let is_to_copy = |line: &&str| {
            line.strip_prefix("           ")
                .is_some_and(|rest| !rest.starts_with(' '))
        };
        let longest = plain
            .lines()
            .skip(1)
            .filter(|line| !is_to_copy(line))
            .map(|line| line.chars().count())
            .max();
        assert!(longest.is_some_and(|longest| longest <= 80), "{name}: {longest:?}\n{plain}");
        // A style underlines what the words say already.
        let styled = text::render(&report, &assessment, &Options { style: text::Style::Ansi });
        let unstyled = styled
            .split('\u{1b}')
            .enumerate()
            .map(|(index, part)| match index {
                0 => part,
                _ => part.split_once('m').map_or(part, |(_, rest)| rest),
            });
        assert_eq!(unstyled.collect::<String>(), plain, "{name}");
    }
}
