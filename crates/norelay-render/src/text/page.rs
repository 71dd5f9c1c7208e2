//! A page of text being written: lines of eighty columns, harmless, with or without styles.

use norelay_core::{check::Verdict, octets::harmless};

/// The width of a page, in columns.
pub(super) const WIDTH: usize = 80;
/// A longer label leaves too little room for the text behind it.
const MAX_LABEL: usize = 44;
/// The indentation of a text below a label that is longer.
const WIDE_INDENT: usize = 9;

/// Whether styles are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Plain text.
    #[default]
    Plain,
    /// With ANSI styles (ECMA-48 "select graphic rendition").
    Ansi,
}

/// How a span of text stands out from its neighbors where styles are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Like all other text.
    Plain,
    /// Less than other text.
    Faint,
    /// More than other text.
    Bold,
    /// Good news, in green.
    Good,
    /// Unknown or uncertain, in yellow.
    Doubtful,
    /// Bad news, in bold red.
    Bad,
}

impl Ink {
    pub(super) fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::OpenRelay => Self::Bad,
            Verdict::Closed => Self::Good,
            Verdict::Suspect | Verdict::Inconclusive | Verdict::Unreachable => Self::Doubtful,
        }
    }

    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Faint => Some("2"),
            Self::Bold => Some("1"),
            Self::Good => Some("32"),
            Self::Doubtful => Some("33"),
            Self::Bad => Some("1;31"),
        }
    }
}

/// Text being written, one line after the other.
pub struct Page {
    style: Style,
    text: String,
}

impl Page {
    /// Returns an empty page.
    #[must_use]
    pub fn new(style: Style) -> Self {
        Self { style, text: String::new() }
    }

    /// Returns what was written.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// Writes a span within the current line, made harmless.
    pub fn put(&mut self, ink: Ink, text: &str) {
        let text = harmless(text);
        match ink
            .code()
            .filter(|_| self.style == Style::Ansi && !text.is_empty())
        {
            Some(code) => {
                self.text.push_str("\x1b[");
                self.text.push_str(code);
                self.text.push('m');
                self.text.push_str(&text);
                self.text.push_str("\x1b[0m");
            }
            None => self.text.push_str(&text),
        }
    }

    /// Ends the current line, without spaces at its end.
    pub fn end(&mut self) {
        let end = self.text.trim_end_matches(' ').len();
        self.text.truncate(end);
        self.text.push('\n');
    }

    /// Writes a span and ends the line.
    pub fn line(&mut self, ink: Ink, text: &str) {
        self.put(ink, text);
        self.end();
    }

    /// Writes a paragraph behind a label. The second line and all later lines are indented by the
    /// width of the label. A label that leaves too little room has lines of its own.
    pub fn paragraph(&mut self, label: &str, ink: Ink, text: &str) {
        let mut indent = label.chars().count();
        let mut before = label.to_owned();
        if indent > MAX_LABEL {
            let margin = " ".repeat(label.len() - label.trim_start().len());
            for line in wrap(&harmless(label.trim()), WIDTH.saturating_sub(margin.len())) {
                self.line(Ink::Plain, &format!("{margin}{line}"));
            }
            indent = WIDE_INDENT;
            before = " ".repeat(indent);
        }
        for line in wrap(&harmless(text), WIDTH.saturating_sub(indent)) {
            self.put(Ink::Plain, &before);
            self.line(ink, &line);
            before = " ".repeat(indent);
        }
    }
}

/// Breaks a text at its spaces; a word that is longer than a line is broken where the line ends.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(20);
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut rest: Vec<char> = word.chars().collect();
        let used = lines.last().map_or(0, |line| line.chars().count());
        if used > 0 && used + 1 + rest.len() > width {
            lines.push(String::new());
        }
        while !rest.is_empty() {
            let Some(line) = lines.last_mut() else { break };
            if !line.is_empty() {
                line.push(' ');
            }
            let room = width.saturating_sub(line.chars().count());
            line.extend(rest.drain(..room.min(rest.len())));
            if !rest.is_empty() {
                lines.push(String::new());
            }
        }
    }
    lines
}

/// The text, cut to a width with `…`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Returns the text, filled with spaces up to a width.
#[must_use]
pub fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_wrapped_at_spaces_and_long_words_anywhere() {
        for (text, width, expected) in [
            ("", 20, &[""][..]),
            ("one two three four five six", 20, &["one two three four", "five six"]),
            ("aaaaaaaaaaaaaaaaaaaaaaaaabc", 20, &["aaaaaaaaaaaaaaaaaaaa", "aaaaabc"]),
            ("x aaaaaaaaaaaaaaaaaaaaa y", 20, &["x", "aaaaaaaaaaaaaaaaaaaa", "a y"]),
        ] {
            assert_eq!(wrap(text, width), expected, "{text}");
        }
    }

    #[test]
    fn a_label_that_leaves_no_room_has_a_line_of_its_own() {
        for (label, expected) in [
            ("  1-17  ", "  1-17  the reason\n"),
            (
                &format!("  {}  ", "1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27"),
                "  1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27\n         the reason\n",
            ),
        ] {
            let mut page = Page::new(Style::Plain);
            page.paragraph(label, Ink::Plain, "the reason");
            assert_eq!(page.into_text(), expected);
        }
    }
}
