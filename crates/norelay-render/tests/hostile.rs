//! Every kind of hostile text, wherever a server can put it, in every format: it is neutral there,
//! it is shown, and the log keeps its octets.

#[path = "../../norelay-core/tests/hostile/mod.rs"]
mod hostile;

use hostile::{KINDS, MARK, acts, records};
use norelay_core::{assess, replay::read_log, report::Report};
use norelay_render::{Format, json_lines, render, transcript};
use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

const LOGS: [(&str, &str); 3] = [
    ("multihop", include_str!("../../norelay-core/tests/logs/multihop.jsonl")),
    ("inconclusive", include_str!("../../norelay-core/tests/logs/inconclusive.jsonl")),
    ("unreachable", include_str!("../../norelay-core/tests/logs/unreachable.jsonl")),
];

#[test]
fn every_format_neutralises_and_shows_every_kind_of_text() {
    for (kind, text) in KINDS {
        for (log, lines) in LOGS {
            let report = Report::of(&records(lines, text));
            let assessment = assess::assess(&report);
            for format in Format::ALL {
                let (name, text) = (
                    format!("{kind} in {log} as {format}"),
                    render(*format, &report, &assessment, &norelay_render::Options::default()),
                );
                assert_eq!(text.chars().find(|character| acts(*character)), None, "{name}");
                assert!(text.contains(MARK), "{name} is not shown");
                check_structure(&name, *format, &text);
            }
        }
    }
}

fn check_structure(name: &str, format: Format, text: &str) {
    match format {
        Format::Json | Format::Sarif => {
            serde_json::from_str::<serde_json::Value>(text)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        Format::Junit => {
            quick_junit::Report::deserialize_from_str(text)
                .unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        }
        Format::Nagios => {
            assert_eq!((text.matches('|').count(), text.lines().count()), (1, 1), "{name}: {text}");
            let words = text.split('|').next().unwrap_or_default();
            assert!(!words.contains(['$', '`', '<', '>', '"', '\'', '&', ';']), "{name}: {text}");
        }
        Format::Csv => {
            let mut rows = csv::Reader::from_reader(text.as_bytes());
            for row in rows.records() {
                let row = row.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(row.len(), 20, "{name}: {row:?}");
                let formula = row.iter().find(|cell| {
                    cell.trim_start()
                        .starts_with(['=', '+', '-', '@', '\u{ff1d}'])
                });
                assert_eq!(formula, None, "{name}");
            }
        }
        Format::Text => {}
        Format::Html => check_page(name, text),
        Format::Markdown => check_markdown(name, text),
    }
}

/// The elements that a page has.
const TAGS: &[&str] = &[
    "a", "article", "b", "body", "br", "caption", "code", "dd", "details", "div", "dl", "dt", "em",
    "footer", "h1", "h2", "h3", "h4", "header", "html", "li", "main", "nav", "ol", "p", "pre",
    "section", "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "time", "tr",
    "ul",
];

/// A page has our elements alone.
fn check_page(name: &str, text: &str) {
    let (head, body) = text.split_once("</head>").expect("a page has a head");
    for piece in body.split('<').skip(1) {
        let element: String = piece
            .chars()
            .take_while(|character| !matches!(character, ' ' | '>' | '\n'))
            .collect();
        assert!(TAGS.contains(&element.trim_start_matches('/')), "{name}: <{piece}");
        let tag = piece.split_once('>').expect("a tag ends").0;
        assert!(
            !tag.contains(" on") && !tag.contains("javascript:") && !tag.contains(" style="),
            "{name}: <{tag}>"
        );
    }
    assert_eq!(head.matches("<title").count(), 1, "{name}");
    assert!(!head.contains("<script") && !head.contains("<b>"), "{name}");
}

/// Markdown calls nobody and leads nowhere.
fn check_markdown(name: &str, text: &str) {
    let mut in_code = false;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match &event {
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Html(_)
            | Event::InlineHtml(_)
            | Event::Start(Tag::Image { .. } | Tag::Strikethrough | Tag::BlockQuote(_)) => {
                panic!("{name}: {event:?}")
            }
            // The documentation's addresses are norelay's own.
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                assert!(
                    *link_type == LinkType::Autolink
                        && dest_url.starts_with("https://")
                        && !dest_url.contains("evil"),
                    "{name}: {dest_url}"
                );
            }
            // GitHub looks for names in the text, after all escapes are undone.
            Event::Text(text) if !in_code => {
                let calls = text
                    .match_indices('@')
                    .any(|(place, _)| text[place + 1..].starts_with(char::is_alphanumeric));
                assert!(!calls, "{name}: {text}");
                assert!(!text.contains("http://") && !text.contains("www.evil"), "{name}: {text}");
            }
            _ => {}
        }
    }
    assert!(!in_code, "{name}: every fence is closed");
}

#[test]
fn dialogues_are_shown_harmlessly() {
    for (kind, text) in KINDS {
        for (log, lines) in LOGS {
            let report = Report::of(&records(lines, text));
            for line in report.dialogues.values().flat_map(transcript::lines) {
                assert_eq!(
                    line.chars()
                        .find(|character| acts(*character) || *character == '\n'),
                    None,
                    "{kind} in {log}"
                );
            }
        }
    }
}

#[test]
fn the_log_keeps_every_octet() {
    for (kind, text) in KINDS {
        for (log, lines) in LOGS {
            let records = records(lines, text);
            let kept = json_lines::render(&records);
            assert_eq!(kept.chars().find(|character| acts(*character)), None, "{kind} in {log}");
            assert_eq!(kept.lines().count(), records.len(), "{kind} in {log}");
            assert_eq!(read_log(&kept).records, records, "{kind} in {log}");
        }
    }
}
