//! QMTP and QMQP: a message, its sender and its recipients in netstrings, and the server's answers
//! (<https://cr.yp.to/proto/qmtp.txt>, <https://cr.yp.to/proto/qmqp.txt>,
//! <https://cr.yp.to/proto/netstrings.txt>).
//!
//! Rules:
//! - A request carries one message for one recipient, so the server gives one answer.
//! - An answer has the meaning of a reply to the end of data: `K` becomes 250, `Z` 450, `D` 550.

use serde::{Deserialize, Serialize};

use crate::{
    octets::Octets,
    reply::{Reply, Violation},
};

/// An answer is a line for people. A netstring that is longer than this is no answer.
const MAX_ANSWER: usize = 10_000;

/// A protocol made of netstrings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Between servers, in the place of SMTP.
    Qmtp,
    /// Between a server and the hub that queues for it.
    Qmqp,
}

impl Protocol {
    /// Returns the port that the protocol has by default.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Qmtp => 209,
            Self::Qmqp => 628,
        }
    }

    /// Returns all octets that a client sends. `text` has CRLF line ends, which become LF. The
    /// addresses have no brackets.
    #[must_use]
    pub fn request(self, text: &[u8], sender: &[u8], recipient: &[u8]) -> Vec<u8> {
        let text: Vec<u8> = text
            .split(|octet| *octet == b'\r')
            .flatten()
            .copied()
            .collect();
        match self {
            // The first octet of a QMTP message says how its lines end: LF alone.
            Self::Qmtp => {
                let text = [b"\n", text.as_slice()].concat();
                [netstring(&text), netstring(sender), netstring(&netstring(recipient))].concat()
            }
            Self::Qmqp => {
                netstring(&[netstring(&text), netstring(sender), netstring(recipient)].concat())
            }
        }
    }
}

/// Returns octets as a netstring, such as `5:hello,`.
fn netstring(octets: &[u8]) -> Vec<u8> {
    [format!("{}:", octets.len()).as_bytes(), octets, b","].concat()
}

/// Reads the answer. Returns `None` while the answer is unfinished.
///
/// # Errors
/// The octets are no answer.
pub fn answer(octets: &[u8]) -> Option<Result<Reply, Violation>> {
    let digits = octets
        .iter()
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    let length = std::str::from_utf8(&octets[..digits])
        .ok()
        .and_then(|digits| digits.parse::<usize>().ok());
    match (octets.get(digits), length) {
        // MAX_ANSWER has five digits, so more digits can't become an answer.
        (None, _) if digits <= 5 => None,
        (Some(b':'), Some(length @ 1..=MAX_ANSWER)) => {
            let text = octets.get(digits + 1..digits + 1 + length)?;
            let code = match text[0] {
                b'K' => 250,
                b'Z' => 450,
                b'D' => 550,
                _ => return Some(Err(not_an_answer(octets))),
            };
            match octets.get(digits + 1 + length) {
                None => None,
                Some(b',') => Some(Ok(Reply { code, lines: vec![Octets::from(&text[1..])] })),
                Some(_) => Some(Err(not_an_answer(octets))),
            }
        }
        _ => Some(Err(not_an_answer(octets))),
    }
}

/// Returns the violation of a server that sent something else, with the first line of it.
fn not_an_answer(octets: &[u8]) -> Violation {
    let line = octets
        .split(|octet| matches!(octet, b'\r' | b'\n'))
        .next()
        .unwrap_or_default();
    Violation::NotAReply { line: line[..line.len().min(100)].into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_netstrings() {
        let text = b"Subject: x\r\n\r\nhello\r\n";
        let shown = |protocol: Protocol| {
            Octets::from(protocol.request(text, b"s@a.example", b"r@b.example")).to_string()
        };
        assert_eq!(
            shown(Protocol::Qmtp),
            "19:\\x0aSubject: x\\x0a\\x0ahello\\x0a,11:s@a.example,15:11:r@b.example,,"
        );
        assert_eq!(
            shown(Protocol::Qmqp),
            "52:18:Subject: x\\x0a\\x0ahello\\x0a,11:s@a.example,11:r@b.example,,"
        );
    }

    #[test]
    fn answers_are_replies() {
        let reply = |code, text: &str| Some(Ok(Reply { code, lines: vec![text.into()] }));
        for (octets, expected) in [
            ("4:Kok ,", reply(250, "ok ")),
            ("9:Zon fire!,and more", reply(450, "on fire!")),
            ("3:Dno,", reply(550, "no")),
            ("1:K,", reply(250, "")),
            ("", None),
            ("12", None),
            ("3:Kok", None),
            ("3:Ko", None),
        ] {
            assert_eq!(answer(octets.as_bytes()), expected, "{octets}");
        }
        for octets in [
            "220 mx.example ESMTP\r\n",
            "0:,",
            "3:Xok,",
            "3:Kok;",
            ":Kok,",
            "99999999:K",
            "999999",
            "-1:K,",
            "HTTP/1.1",
        ] {
            assert!(
                matches!(answer(octets.as_bytes()), Some(Err(Violation::NotAReply { .. }))),
                "{octets}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_panics(octets: Vec<u8>) {
            let _ = answer(&octets);
        }
    }
}
