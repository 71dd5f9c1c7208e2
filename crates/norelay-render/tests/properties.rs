//! What holds for every log, whoever wrote it.

#[path = "../../norelay-core/tests/arbitrary/mod.rs"]
mod arbitrary;

use norelay_core::{
    assess,
    event::{Event, Record},
    octets::Octets,
    report::Report,
};
use norelay_render::{Format, render};
use proptest::{collection::vec, prelude::*, sample::select};

/// The elements that a page has.
const TAGS: &[&str] = &[
    "a", "article", "b", "body", "br", "caption", "code", "dd", "details", "div", "dl", "dt", "em",
    "footer", "h1", "h2", "h3", "h4", "header", "html", "li", "main", "nav", "ol", "p", "pre",
    "section", "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "time", "tr",
    "ul",
];

/// What is said where it does harm, if anything does.
const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "' onmouseover='x",
    "</code></pre><b>",
    "]]><x/>",
    "=cmd|'/c calc'!A1",
    "@SUM(1)",
    "+1",
    "\t-1",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "<http://evil.example>",
    "~~~ ``` ````",
    "> quote",
    "| a | b |",
    "# heading",
    "\u{1b}[31m\u{9b}2J",
    "\u{202e}\u{2028}\u{0}",
];

/// Any record, a word of which may be replaced by a hostile one.
fn hostile_record() -> impl Strategy<Value = Record> {
    let words = vec(select(HOSTILE), 1..4).prop_map(|words| words.concat());
    (arbitrary::record(), words).prop_map(|(mut record, words)| {
        match &mut record.event {
            Event::Replied { reply, .. } => reply.lines.push(Octets::from(words)),
            Event::Sent { line, .. } => *line = Octets::from(words),
            Event::RunStarted(run) => run.target = words,
            Event::PathAdded { destination, .. } => destination.host = Some(words),
            Event::Secured { tls, .. } => {
                tls.subject = Some(Octets::from(words.as_str()));
                tls.troubles.push(words);
            }
            Event::Noted { tag, arguments, .. } => {
                tag.push_str(&words);
                arguments.push(Octets::from(words));
            }
            Event::Received(receipt) => {
                receipt.helo = Octets::from(words.as_str());
                receipt.received.push(Octets::from(words));
            }
            _ => {}
        }
        record
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn no_log_panics_or_breaks_a_format(records in vec(arbitrary::record(), 0..60)) {
        let report = Report::of(&records);
        let assessment = assess::assess(&report);
        for format in Format::ALL {
            let text = render(*format, &report, &assessment, &norelay_render::Options::default());
            let acts = text.contains(|character: char| character.is_control() && !matches!(character, '\n' | '\r'));
            prop_assert!(text.ends_with('\n') && !acts, "{}", format);
        }
        let sarif = render(Format::Sarif, &report, &assessment, &norelay_render::Options::default());
        prop_assert!(serde_json::from_str::<serde_json::Value>(&sarif).is_ok());
        let junit = render(Format::Junit, &report, &assessment, &norelay_render::Options::default());
        prop_assert!(quick_junit::Report::deserialize_from_str(&junit).is_ok(), "{}", junit);
    }

    #[test]
    fn no_log_gets_a_formula_into_a_spreadsheet(records in vec(hostile_record(), 0..60)) {
        let report = Report::of(&records);
        let table = render(Format::Csv, &report, &assess::assess(&report), &norelay_render::Options::default());
        let mut rows = csv::Reader::from_reader(table.as_bytes());
        for row in rows.records() {
            let row = row.expect("what was written can be read");
            prop_assert_eq!(row.len(), 20);
            let formula = row.iter().find(|cell| cell.trim_start().starts_with(['=', '+', '-', '@']));
            prop_assert_eq!(formula, None);
        }
    }

    #[test]
    fn no_log_gets_markup_into_a_page(records in vec(hostile_record(), 0..60)) {
        let report = Report::of(&records);
        let page = render(Format::Html, &report, &assess::assess(&report), &norelay_render::Options::default());
        let body = page.split_once("</head>").expect("a page has a head").1;
        for markup in body.split('<').skip(1) {
            let name: String = markup.chars().take_while(|character| !matches!(character, ' ' | '>' | '\n')).collect();
            prop_assert!(TAGS.contains(&name.trim_start_matches('/')), "<{}", markup);
            let tag = markup.split_once('>').expect("a tag ends").0;
            prop_assert!(!tag.contains(" on") && !tag.contains("javascript:") && !tag.contains(" style="), "<{}>", tag);
        }
    }

    #[test]
    fn no_log_gets_markup_into_markdown(records in vec(hostile_record(), 0..60)) {
        use pulldown_cmark::{Event, LinkType, Options, Parser, Tag};
        let report = Report::of(&records);
        let text = render(Format::Markdown, &report, &assess::assess(&report), &norelay_render::Options::default());
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
            let is_ours = match &event {
                Event::Html(_) | Event::InlineHtml(_) => false,
                // The documentation's addresses are norelay's own.
                Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                    *link_type == LinkType::Autolink && dest_url.starts_with("https://")
                }
                Event::Start(Tag::Image { .. } | Tag::Strikethrough | Tag::BlockQuote(_)) => false,
                _ => true,
            };
            prop_assert!(is_ours, "{:?} in\n{}", event, text);
        }
    }
}
