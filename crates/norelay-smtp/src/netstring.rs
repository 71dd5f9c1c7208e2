//! QMTP and QMQP: a message, its sender and its recipients in netstrings, and the server's answers
//! (<https://cr.yp.to/proto/qmtp.txt>, <https://cr.yp.to/proto/qmqp.txt>,
//! <https://cr.yp.to/proto/netstrings.txt>).
//!
//! Rules:
//! - There is one message for one recipient, so there is one answer.
//! - An answer has the meaning of a reply to the end of data: `K` is taken for 250, `Z` for 450,
//!   `D` for 550.

use serde::{Deserialize, Serialize};

use crate::{
    octets::Octets,
    reply::{Reply, Violation},
};

/// An answer is a line for people: a longer one is none.
const MAX_ANSWER: usize = 10_000;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Between servers, in the place of SMTP.
    Qmtp,
    /// Between a server and the hub that queues for it.
    Qmqp,
}

impl Protocol {
    /// Its port.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Qmtp => 209,
            Self::Qmqp => 628,
        }
    }

    /// All that a client sends: the text (with CRLF line ends, which become LF) and the addresses
    /// without brackets.
    #[must_use]
    pub fn request(self, text: &[u8], sender: &[u8], recipient: &[u8]) -> Vec<u8> {
        let text: Vec<u8> = text
            .split(|octet| *octet == b'\r')
            .flatten()
            .copied()
            .collect();
        match self {
            // A text begins with what its lines end with.
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

/// `5:hello,`
fn netstring(octets: &[u8]) -> Vec<u8> {
    [format!("{}:", octets.len()).as_bytes(), octets, b","].concat()
}

/// Reads the answer; `None` while it is unfinished.
///
/// # Errors
/// What came is no answer.
pub fn answer(octets: &[u8]) -> Option<Result<Reply, Violation>> {
    let digits = octets
        .iter()
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    let wrong = || {
        let line = octets
            .split(|octet| matches!(octet, b'\r' | b'\n'))
            .next()
            .unwrap_or_default();
        Some(Err(Violation::NotAReply { line: line[..line.len().min(100)].into() }))
    };
    let length = std::str::from_utf8(&octets[..digits])
        .ok()
        .and_then(|digits| digits.parse::<usize>().ok());
    match (octets.get(digits), length) {
        (None, _) if digits <= 5 => None,
        (Some(b':'), Some(length @ 1..=MAX_ANSWER)) => {
            let text = octets.get(digits + 1..digits + 1 + length)?;
            let code = match text[0] {
                b'K' => 250,
                b'Z' => 450,
                b'D' => 550,
                _ => return wrong(),
            };
            match octets.get(digits + 1 + length) {
                None => None,
                Some(b',') => Some(Ok(Reply { code, lines: vec![Octets::from(&text[1..])] })),
                Some(_) => wrong(),
            }
        }
        _ => wrong(),
    }
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
