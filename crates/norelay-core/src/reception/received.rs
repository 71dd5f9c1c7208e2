//! The trace of a message: its `Received` fields (RFC 5321 section 4.4), as evidence of the way
//! that it took.

use crate::octets::Octets;

/// RFC 5321 section 6.3 lets a server take a hundred for a loop.
const MAX_FIELDS: usize = 100;
/// RFC 5322 section 2.1.1 allows a line 998 octets; an unfolded field that is longer is cut.
const MAX_FIELD: usize = 998;

/// The bodies of the `Received` fields of a text's header section, newest first as they stand,
/// unfolded and trimmed.
pub(super) fn fields(text: &[u8]) -> Vec<Octets> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    let mut is_received = false;
    for line in text
        .split(|octet| *octet == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    {
        if line.is_empty() {
            break;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if let Some(field) = fields.last_mut().filter(|_| is_received) {
                field.push(b' ');
                field.extend_from_slice(line.trim_ascii());
            }
            continue;
        }
        let body = body_of(line);
        is_received = body.is_some();
        if fields.len() >= MAX_FIELDS {
            break;
        }
        fields.extend(body.map(|body| body.trim_ascii().to_vec()));
    }
    fields
        .iter()
        .map(|field| Octets::from(&field[..field.len().min(MAX_FIELD)]))
        .collect()
}

/// What follows `Received:`; obsolete syntax allows space before the colon (RFC 5322 section 4.5).
fn body_of(line: &[u8]) -> Option<&[u8]> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    line[..colon]
        .trim_ascii_end()
        .eq_ignore_ascii_case(b"received")
        .then(|| &line[colon + 1..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_unfolded_and_in_order() {
        for (text, expected) in [
            (
                "Received: a\r\n\tby b;\r\n  date\r\nReceived: c\r\nSubject: x\r\n\r\nReceived: \
                 body\r\n",
                &["a by b; date", "c"][..],
            ),
            ("Subject: a\r\n b\r\nRECEIVED : from x\nReceived:\r\n\r\n", &["from x", ""]),
            ("X-Received: a\r\nReceived-SPF: b\r\n\r\n", &[]),
            ("\r\nReceived: a\r\n", &[]),
            (" folded\r\nReceived: a", &["a"]),
            ("", &[]),
        ] {
            let fields: Vec<_> = fields(text.as_bytes())
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(fields, expected, "{text:?}");
        }
    }

    #[test]
    fn the_chain_is_bounded() {
        let long = format!("Received: {}\r\n", "x".repeat(5000)).repeat(500);
        let fields = fields(long.as_bytes());
        assert_eq!(fields.len(), MAX_FIELDS);
        assert!(fields.iter().all(|field| field.len() == MAX_FIELD));
    }

    proptest! {
        #[test]
        fn no_text_panics(text: Vec<u8>) {
            prop_assert!(fields(&text).len() <= MAX_FIELDS);
        }
    }
}
