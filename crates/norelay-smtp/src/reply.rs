//! Replies (RFC 5321 section 4.2) and enhanced status codes (RFC 3463), read octet by octet.
//!
//! Rules:
//! - The code decides, never a number found in the text.
//! - A line that is no reply is a [`Violation`], never an acceptance and never a rejection.
//! - A line ends at LF, with or without CR. So a second reply that is hidden behind a bare LF is
//!   seen as a reply that no command asked for.
//! - Everything is bounded: octets a line, lines and octets a reply.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::octets::Octets;

/// Octets of a line. RFC 5321 section 4.5.3.1.5 allows 512. Real servers exceed that, but none by
/// this much.
const MAX_LINE: usize = 4096;
/// Lines of a reply. Real EHLO replies have about twenty lines, and help texts fifty.
const MAX_LINES: usize = 512;

/// Octets of a whole reply.
const MAX_REPLY: usize = 8 << 10;

/// A whole reply: its code and the text of each of its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The reply code, 200 to 599.
    pub code: u16,
    /// The text of each line, after the code and its separator.
    pub lines: Vec<Octets>,
}

/// What the first digit of a reply code says (RFC 5321 section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyClass {
    /// 2xx: the command is done.
    PositiveCompletion,
    /// 3xx: the server waits for more.
    PositiveIntermediate,
    /// 4xx: a temporary rejection.
    TransientNegative,
    /// 5xx: a permanent rejection.
    PermanentNegative,
}

impl Reply {
    /// Returns what the first digit of the code says.
    #[must_use]
    pub fn class(&self) -> ReplyClass {
        match self.code {
            ..300 => ReplyClass::PositiveCompletion,
            300..400 => ReplyClass::PositiveIntermediate,
            400..500 => ReplyClass::TransientNegative,
            500.. => ReplyClass::PermanentNegative,
        }
    }

    /// True if the reply is a 2xx.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.class() == ReplyClass::PositiveCompletion
    }

    /// True if the reply is a 4xx or a 5xx.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.code >= 400
    }

    /// Returns the enhanced status code that opens the first line, if the class of both codes is
    /// the same (RFC 2034 section 4).
    #[must_use]
    pub fn enhanced(&self) -> Option<EnhancedStatusCode> {
        let text = self.lines.first()?.as_bytes();
        let word = text.split(|octet| *octet == b' ').next()?;
        let code: EnhancedStatusCode = std::str::from_utf8(word).ok()?.parse().ok()?;
        (u16::from(code.class) == self.code / 100).then_some(code)
    }

    /// Returns the lines as one text to search for words, without the enhanced status codes.
    #[must_use]
    pub fn text(&self) -> String {
        let enhanced = self.enhanced().map(|code| format!("{code} "));
        let lines = self.lines.iter().map(|line| {
            let line = line.to_text();
            match &enhanced {
                Some(code) => line.strip_prefix(code.as_str()).unwrap_or(&line).to_owned(),
                None => line,
            }
        });
        lines.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        for (index, line) in self.lines.iter().enumerate() {
            let separator = if index == 0 { " " } else { " / " };
            write!(f, "{}{line}", if line.is_empty() { "" } else { separator })?;
        }
        Ok(())
    }
}

/// An enhanced status code such as 5.7.1 (RFC 3463 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnhancedStatusCode {
    /// 2, 4 or 5.
    pub class: u8,
    /// 0 to 999.
    pub subject: u16,
    /// 0 to 999.
    pub detail: u16,
}

impl fmt::Display for EnhancedStatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A text that is no enhanced status code.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAnEnhancedStatusCode;

impl std::str::FromStr for EnhancedStatusCode {
    type Err = NotAnEnhancedStatusCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('.').map(|part| match part.len() {
            1..=3 if part.bytes().all(|octet| octet.is_ascii_digit()) => part.parse().ok(),
            _ => None,
        });
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(class @ (2 | 4 | 5))), Some(Some(subject)), Some(Some(detail)), None) => {
                Ok(Self {
                    class: u8::try_from(class).map_err(|_| NotAnEnhancedStatusCode)?,
                    subject,
                    detail,
                })
            }
            _ => Err(NotAnEnhancedStatusCode),
        }
    }
}

/// How a server broke the protocol. Nothing that the server says afterwards is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "violation", rename_all = "snake_case")]
pub enum Violation {
    /// A line that doesn't begin with a reply code from 200 to 599, followed by a space, a hyphen
    /// or the end of the line.
    NotAReply {
        /// The beginning of the line.
        line: Octets,
    },
    /// A line without an end.
    EndlessLine,
    /// A reply without a last line within the limits.
    EndlessReply,
    /// Lines of one reply with different codes.
    MixedCodes {
        /// The first line's code.
        first: u16,
        /// The code that differs.
        then: u16,
    },
    /// A reply to a command that had not been sent.
    Unsolicited {
        /// The reply.
        reply: Reply,
    },
    /// A code that has no meaning at this stage, such as 354 to RCPT.
    Misplaced {
        /// The reply.
        reply: Reply,
    },
    /// Octets in the clear after the reply to STARTTLS (RFC 3207 section 4.2; the CVE-2011-0411
    /// family).
    InjectedBeforeTls,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAReply { line } => write!(f, "it sent what is not an SMTP reply: \"{line}\""),
            Self::EndlessLine => f.write_str("it sent a line without an end"),
            Self::EndlessReply => f.write_str("it sent a reply without an end in sight"),
            Self::MixedCodes { first, then } => {
                write!(f, "it mixed the codes {first} and {then} in one reply")
            }
            Self::Unsolicited { reply } => {
                write!(f, "it sent a reply that nothing asked for: \"{reply}\"")
            }
            Self::Misplaced { reply } => write!(f, "its reply has no meaning here: \"{reply}\""),
            Self::InjectedBeforeTls => {
                f.write_str("it sent text in the clear after its answer to STARTTLS")
            }
        }
    }
}

/// Reads replies from octets that come in any portions.
#[derive(Debug, Default)]
pub struct ReplyReader {
    line: Vec<u8>,
    code: Option<u16>,
    lines: Vec<Octets>,
    octets: usize,
    broken: bool,
}

impl ReplyReader {
    /// Reads one octet. Returns the reply or the violation that the octet completes. After a
    /// violation, all octets are ignored.
    pub fn take(&mut self, octet: u8) -> Option<Result<Reply, Violation>> {
        if self.broken {
            return None;
        }
        if octet != b'\n' {
            self.line.push(octet);
            return (self.line.len() > MAX_LINE).then(|| self.violated(Violation::EndlessLine));
        }
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        self.take_line(&line)
    }

    /// Returns the octets of a line that has no end yet.
    #[must_use]
    pub fn unfinished(&self) -> &[u8] {
        &self.line
    }

    /// True if a reply has begun and not ended.
    #[must_use]
    pub fn is_midway(&self) -> bool {
        !self.line.is_empty() || self.code.is_some()
    }

    fn take_line(&mut self, line: &[u8]) -> Option<Result<Reply, Violation>> {
        let Some((code, is_last, text)) = parse_line(line) else {
            let line = Octets::from(&line[..line.len().min(80)]);
            return Some(self.violated(Violation::NotAReply { line }));
        };
        // RFC 5321 section 4.2.1: all lines of a reply have the same code.
        let first = *self.code.get_or_insert(code);
        if first != code {
            return Some(self.violated(Violation::MixedCodes { first, then: code }));
        }
        self.octets += line.len();
        if self.octets > MAX_REPLY {
            return Some(self.violated(Violation::EndlessReply));
        }
        self.lines.push(Octets::from(text));
        if is_last {
            (self.code, self.octets) = (None, 0);
            let lines = std::mem::take(&mut self.lines);
            return Some(Ok(Reply { code, lines }));
        }
        (self.lines.len() >= MAX_LINES).then(|| self.violated(Violation::EndlessReply))
    }

    fn violated(&mut self, violation: Violation) -> Result<Reply, Violation> {
        *self = Self { broken: true, ..Self::default() };
        Err(violation)
    }
}

/// `Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF`
fn parse_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    let (is_last, text) = match rest.split_first() {
        None => (true, rest),
        Some((b' ', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return None,
    };
    (200..600).contains(&code).then_some((code, is_last, text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(input: &[u8]) -> Vec<Result<Reply, Violation>> {
        let mut reader = ReplyReader::default();
        input
            .iter()
            .filter_map(|octet| reader.take(*octet))
            .collect()
    }

    fn codes(input: &[u8]) -> Vec<Result<u16, ()>> {
        read(input)
            .into_iter()
            .map(|result| result.map(|reply| reply.code).map_err(|_| ()))
            .collect()
    }

    #[test]
    fn replies_are_read_by_the_grammar_alone() {
        for (input, expected) in [
            (&b"250 ok\r\n"[..], &[Ok(250)][..]),
            (b"250\r\n", &[Ok(250)]),
            (b"250-a\r\n250 b\r\n", &[Ok(250)]),
            (b"250 ok\n550 no\r\n", &[Ok(250), Ok(550)]),
            (b"250-a\r\n550 b\r\n", &[Err(())]),
            (b"250\tok\r\n", &[Err(())]),
            (b"25 ok\r\n", &[Err(())]),
            (b"2500 ok\r\n", &[Err(())]),
            (b"-250 ok\r\n", &[Err(())]),
            (b"150 ok\r\n", &[Err(())]),
            (b"999 ok\r\n", &[Err(())]),
            (b"\r\n", &[Err(())]),
            (b"HTTP/1.1 400 Bad Request\r\n250 ok\r\n", &[Err(())]),
            ("２５０ ok\r\n".as_bytes(), &[Err(())]),
            (b"250 o\0k\xff\r\n", &[Ok(250)]),
        ] {
            assert_eq!(codes(input), expected, "{:?}", Octets::from(input));
        }
    }

    #[test]
    fn endless_input_is_bounded() {
        assert_eq!(read(&vec![b'2'; 1 << 20]), [Err(Violation::EndlessLine)]);
        assert_eq!(read(&b"250-x\r\n".repeat(1 << 16)), [Err(Violation::EndlessReply)]);
        let line = [b"250-", &[b'x'; 1000][..], b"\r\n"].concat();
        assert_eq!(
            read(&[line.repeat(20), b"250 x\r\n".to_vec()].concat()),
            [Err(Violation::EndlessReply)]
        );
        // The bound is for each reply, not for all of them.
        assert_eq!(
            codes(&[line.repeat(7), b"250 x\r\n".to_vec()].concat().repeat(2)),
            [Ok(250), Ok(250)]
        );
    }

    #[test]
    fn enhanced_status_codes_belong_to_their_reply() {
        for (line, expected) in [
            ("454 4.7.1 <x>: Relay access denied", Some("4.7.1")),
            ("550 4.7.1 contradiction", None),
            ("550 relay not permitted 5.7.1", None),
            ("550 5.7.1", Some("5.7.1")),
            ("550 5.7.1000 x", None),
            ("550 5.7. x", None),
        ] {
            let reply = read(format!("{line}\r\n").as_bytes())
                .remove(0)
                .expect("the line is a reply");
            assert_eq!(
                reply.enhanced().map(|code| code.to_string()).as_deref(),
                expected,
                "{line}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_input_panics_or_grows(input: Vec<u8>) {
            let mut reader = ReplyReader::default();
            for octet in input.iter().cycle().take(10_000) {
                reader.take(*octet);
                prop_assert!(reader.line.len() <= MAX_LINE && reader.lines.len() <= MAX_LINES);
            }
        }
    }
}
