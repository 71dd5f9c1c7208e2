//! The text of a message as it comes in after DATA (RFC 5321 sections 4.1.1.4 and 4.5.2).
//!
//! Rules:
//! - The text ends at exactly `CRLF . CRLF`. A bare LF or a bare CR next to the dot is text. A
//!   server that ends the message there can be made to read part of the text as commands (SMTP
//!   smuggling).
//! - The reader keeps a bounded number of octets and counts the rest.

/// Where in a line the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinePosition {
    /// After CRLF, or at the beginning.
    LineStart,
    /// After a dot that begins a line.
    Dot,
    /// After a dot that begins a line, and a CR.
    DotCr,
    /// After a CR.
    Cr,
    /// Anywhere else.
    Within,
}

/// Reads one text from octets that come in any portions, and removes the dot-stuffing.
#[derive(Debug)]
pub struct TextReader {
    position: LinePosition,
    limit: usize,
    kept: Vec<u8>,
    size: u64,
}

impl TextReader {
    /// Returns a reader that keeps the first `limit` octets.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { position: LinePosition::LineStart, limit, kept: Vec::new(), size: 0 }
    }

    /// Reads one octet. Returns true if the octet ended the text.
    pub fn take(&mut self, octet: u8) -> bool {
        self.position = match (self.position, octet) {
            (LinePosition::DotCr, b'\n') => return true,
            // RFC 5321 section 4.5.2: a dot that begins a line is dropped. Stuffed or final, the
            // dot is no part of the text.
            (LinePosition::LineStart, b'.') => LinePosition::Dot,
            (LinePosition::Dot, b'\r') => LinePosition::DotCr,
            (LinePosition::Cr, b'\n') => self.keep(octet, LinePosition::LineStart),
            // The CR was held back, because an LF would have made it the end of the text.
            (LinePosition::DotCr, _) => {
                self.keep(b'\r', LinePosition::Cr);
                self.keep(
                    octet,
                    if octet == b'\r' { LinePosition::Cr } else { LinePosition::Within },
                )
            }
            (_, b'\r') => self.keep(octet, LinePosition::Cr),
            _ => self.keep(octet, LinePosition::Within),
        };
        false
    }

    /// Counts one octet of the text, keeps it within the limit, and returns the next position.
    fn keep(&mut self, octet: u8, position: LinePosition) -> LinePosition {
        self.size += 1;
        if self.kept.len() < self.limit {
            self.kept.push(octet);
        }
        position
    }

    /// Returns how many octets the text has so far, kept or not.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the beginning of the text, up to the limit.
    #[must_use]
    pub fn into_kept(self) -> Vec<u8> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text, and what is left after its end; nothing where it doesn't end.
    fn read(input: &[u8]) -> Option<(Vec<u8>, &[u8])> {
        let mut reader = TextReader::new(1 << 20);
        let end = input.iter().position(|octet| reader.take(*octet))?;
        Some((reader.into_kept(), &input[end + 1..]))
    }

    #[test]
    fn the_text_ends_at_crlf_dot_crlf_and_nowhere_else() {
        for (input, expected) in [
            (&b"a\r\n.\r\nrest"[..], Some((&b"a\r\n"[..], &b"rest"[..]))),
            (b".\r\n", Some((b"", b""))),
            (b"a\r\n..\r\n.\r\n", Some((b"a\r\n.\r\n", b""))),
            (b"a\r\n..b\r\n.c\r\n.\r\n", Some((b"a\r\n.b\r\nc\r\n", b""))),
            (b"a.\r\n.\r\n", Some((b"a.\r\n", b""))),
            (b"a\n.\n", None),
            (b"a\n.\r\n", None),
            (b"a\r\n.\n", None),
            (b"a\r.\r", None),
            (b"a\r.\r\n", None),
            (b"a\n.\r\n\r\n.\r\n", Some((b"a\n.\r\n\r\n", b""))),
            (b"a\r\n.\rb\r\n.\r\n", Some((b"a\r\n\rb\r\n", b""))),
            (b"a\r\n.\r\r\n.\r\n", Some((b"a\r\n\r\r\n", b""))),
            (b"a\r\n.", None),
        ] {
            let read = read(input);
            assert_eq!(
                read.as_ref().map(|(text, rest)| (&text[..], *rest)),
                expected,
                "{:?}",
                input.escape_ascii()
            );
        }
    }

    proptest! {
        #[test]
        fn stuffed_text_comes_back_and_is_bounded(
            lines in proptest::collection::vec("[.\r\na]{0,6}", 0..6),
        ) {
            let mut text = String::new();
            for line in &lines {
                text += &format!("{}\r\n", line.replace("\r\n", ""));
            }
            let mut stuffed = String::new();
            for line in text.split_inclusive("\r\n") {
                stuffed += if line.starts_with('.') { "." } else { "" };
                stuffed += line;
            }
            let input = format!("{stuffed}.\r\nQUIT");
            let expected = (text.clone().into_bytes(), &b"QUIT"[..]);
            prop_assert_eq!(read(input.as_bytes()), Some(expected));
            let mut small = TextReader::new(3);
            input.bytes().take_while(|octet| !small.take(*octet)).count();
            prop_assert_eq!(small.size(), text.len() as u64);
            prop_assert_eq!(small.into_kept(), &text.as_bytes()[..text.len().min(3)]);
        }
    }
}
