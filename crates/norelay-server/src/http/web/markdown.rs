//! Our own documents, from Markdown to HTML.
//!
//! Rules:
//! - Markup written in a document is shown, never passed on; links go to `https:`, `http:`,
//!   `mailto:` or our own pages.
//! - A fence of the language `smtp` becomes a transcript like those of the results.

use askama::filters::{Html, escape};
use pulldown_cmark::{
    CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html,
};

/// The document without its first heading, which is the page's title.
#[must_use]
pub fn render(document: &str) -> String {
    render_below(document, HeadingLevel::H2)
}

/// As [`render`], for a document whose title has a level below the page's: its sections get the
/// level below that.
#[must_use]
pub fn render_below(document: &str, sections: HeadingLevel) -> String {
    let body = match document.split_once('\n') {
        Some((first, rest)) if first.starts_with("# ") => rest,
        _ => document,
    };
    let mut events = Vec::new();
    let mut dialogue: Option<String> = None;
    let mut within_block = false;
    for event in Parser::new_ext(body, Options::ENABLE_TABLES) {
        match (event, &mut dialogue) {
            (Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))), _)
                if is_dialogue(&language) =>
            {
                dialogue = Some(String::new());
            }
            (Event::End(TagEnd::CodeBlock), Some(lines)) => {
                events.push(Event::Html(CowStr::from(talk(lines))));
                dialogue = None;
            }
            (Event::Text(text), Some(lines)) => lines.push_str(&text),
            (Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(role))), _)
                if purpose(&role).is_some() =>
            {
                let purpose = purpose(&role).unwrap_or_default();
                events.push(Event::Html(CowStr::from(caption(&purpose))));
                within_block = true;
                events.push(Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)));
            }
            (Event::End(TagEnd::CodeBlock), _) if within_block => {
                within_block = false;
                events.push(Event::End(TagEnd::CodeBlock));
                events.push(Event::Html(CowStr::from("</div>\n")));
            }
            (event, _) => events.push(safe(event, sections)),
        }
    }
    let mut page = String::new();
    html::push_html(&mut page, events.into_iter());
    page
}

fn is_dialogue(language: &str) -> bool {
    language.split_whitespace().next() == Some("smtp")
}

/// An event without markup of the document's own, dangerous links, or a second title.
fn safe(event: Event, sections: HeadingLevel) -> Event {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) if !is_harmless(&dest_url) => {
            drop(dest_url);
            Event::Start(Tag::Link { link_type, dest_url: CowStr::from("#"), title, id })
        }
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => {
            Event::Text(CowStr::from(""))
        }
        Event::Start(Tag::Heading { level, id, classes, attrs }) => {
            Event::Start(Tag::Heading { level: lowered(level, sections), id, classes, attrs })
        }
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(lowered(level, sections))),
        event => event,
    }
}

/// A heading's level where sections, which documents write as the second, have another.
fn lowered(level: HeadingLevel, sections: HeadingLevel) -> HeadingLevel {
    let below = (level as usize).saturating_sub(HeadingLevel::H2 as usize);
    HeadingLevel::try_from(sections as usize + below).unwrap_or(HeadingLevel::H6)
}

/// Returns the purpose of a remedy's block, in words.
fn purpose(role: &str) -> Option<String> {
    let word = |name: &str| {
        let (_, rest) = role.split_once(&format!("{name}="))?;
        match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().map(str::to_owned),
            None => rest.split(' ').next().map(str::to_owned),
        }
    };
    let what = match role.split(' ').next()? {
        "apply" => {
            let how = match word("mode")?.as_str() {
                "set" => "Set in".to_owned(),
                "append" => "Add at the end of".to_owned(),
                "remove" => "Take out of".to_owned(),
                "insert" => match word("before") {
                    Some(line) => format!("Insert before the line “{line}” in"),
                    None => format!("Insert after the line “{}” in", word("after")?),
                },
                _ => "Write as the whole of".to_owned(),
            };
            format!("{how} {}", word("file")?.replace(',', " or "))
        }
        "run" => "Run as root".to_owned(),
        "reload" => "Have the server read it".to_owned(),
        "check" => "Look at what it has read".to_owned(),
        _ => return None,
    };
    Some(match word("variant") {
        Some(variant) => format!("{what} ({variant}):"),
        None => format!("{what}:"),
    })
}

fn caption(purpose: &str) -> String {
    let Ok(purpose) = escape(purpose, Html);
    format!("<div class=\"block\"><p>{purpose}</p>\n")
}

fn is_harmless(address: &str) -> bool {
    ["https://", "http://", "mailto:"]
        .iter()
        .any(|scheme| address.starts_with(scheme))
        || address.starts_with('#')
        || (address.starts_with('/') && !address.starts_with("//"))
}

/// Lines of `C:` and `S:` as a list.
fn talk(lines: &str) -> String {
    let mut list = String::from("<ol class=\"talk\">\n");
    for line in lines.lines() {
        let (class, who, text) = match line.split_once(": ").or_else(|| line.split_once(':')) {
            Some((who @ ("C" | "S"), text)) => (who.to_ascii_lowercase(), who, text),
            _ => ("x".to_owned(), "", line),
        };
        let Ok(text) = escape(text, Html);
        let who = if who.is_empty() { String::new() } else { format!("<b>{who}:</b>") };
        list.push_str(&format!("<li class=\"{class}\">{who}<span>{text}</span></li>\n"));
    }
    list.push_str("</ol>\n");
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_document_can_act() {
        for (document, within, without) in [
            ("# T\n\n<script>alert(1)</script>", "&lt;script&gt;", "<script>"),
            ("a <img src=x onerror=alert(1)> b", "&lt;img", "<img"),
            ("[x](javascript:alert(1))", "href=\"#\"", "javascript:"),
            ("[x](//evil.example/)", "href=\"#\"", "evil"),
            ("[x](https://example.net/)", "https://example.net/", "href=\"#\""),
            ("![x](https://example.net/a.png)", "x", "<img"),
            (
                "```smtp refused\nC: RCPT TO:<a@b>\nS: 550 <b>no\n```",
                "<b>C:</b><span>RCPT TO:&",
                "<b>no",
            ),
            ("```sh\nls <x>\n```", "<pre><code", "<x>"),
            ("# T\n\n# Again", "<h2>Again</h2>", "<h1>"),
        ] {
            let page = render(document);
            assert!(page.contains(within), "{page}");
            assert!(!page.contains(without), "{page}");
        }
    }
}
