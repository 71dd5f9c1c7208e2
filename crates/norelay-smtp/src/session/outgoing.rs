//! What a session sends, in the octets of the wire, and what its events show of it.

use crate::octets::Octets;

/// What stands in an event in the place of a secret.
pub const BLACKED_OUT: &str = "********";

/// Returns what an event shows of a line with a secret. `AUTH PLAIN dXNlcg==` becomes
/// `AUTH PLAIN ********`: the mechanism is no secret.
pub(super) fn black_out(line: &Octets) -> Octets {
    let text = line.to_text();
    let mut words = text.split_whitespace();
    match (words.next(), words.next()) {
        (Some(verb), Some(mechanism)) if verb.eq_ignore_ascii_case("AUTH") => {
            format!("{verb} {mechanism} {BLACKED_OUT}").into()
        }
        _ => BLACKED_OUT.into(),
    }
}

/// Returns a message as it travels after DATA: with a second dot where a line begins with one, and
/// with the final dot (RFC 5321 section 4.5.2).
pub(super) fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    // The final dot needs a line of its own, even if the message's last line has no end.
    if !stuffed.is_empty() && !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

/// Returns a message as its own one and last chunk, without dot-stuffing (RFC 3030 section 2).
pub(super) fn last_chunk(message: &Octets) -> Vec<u8> {
    [format!("BDAT {} LAST\r\n", message.len()).as_bytes(), message.as_bytes()].concat()
}
