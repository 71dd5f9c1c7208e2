//! The ways to read a text that was changed on its way: as it is, with its quoted-printable or
//! base64 undone (RFC 2045 section 6), and without the white space and the quotation marks that
//! wrapping puts in.
//!
//! Every view is looked through for a token only. A view that undoes what nobody had done is
//! harmless: no reading of a text makes a token that its sender could not make.

use data_encoding::{BASE64, Encoding, Specification};

/// A part that was encoded twice (a bounce in base64 that quotes a message in base64) is still
/// read.
const MAX_DEPTH: usize = 2;

/// Whether any view of the text satisfies the question.
pub(super) fn is_in_any(text: &[u8], is_it: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    is_in_any_to_depth(text, MAX_DEPTH, is_it)
}

fn is_in_any_to_depth(text: &[u8], depth: usize, is_it: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    if is_it(text) {
        return true;
    }
    let decoded = without_quoted_printable(text);
    is_it(&decoded)
        || is_it(&unwrapped(&decoded))
        || (depth > 0
            && base64_runs(text)
                .iter()
                .any(|run| is_in_any_to_depth(run, depth - 1, is_it)))
}

/// Undoes `=XX` and soft line breaks (RFC 2045 section 6.7); what is neither stays.
fn without_quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let (octet, used) = match (first, tail) {
            (b'=', [b'\r', b'\n', ..]) => (None, 3),
            (b'=', [b'\n', ..]) => (None, 2),
            (b'=', [high, low, ..]) => match (hexadecimal(*high), hexadecimal(*low)) {
                (Some(high), Some(low)) => (Some(high << 4 | low), 3),
                _ => (Some(b'='), 1),
            },
            _ => (Some(*first), 1),
        };
        decoded.extend(octet);
        rest = &rest[used..];
    }
    decoded
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Takes out white space, the `>` of quotations, and the zero octets of UTF-16.
fn unwrapped(text: &[u8]) -> Vec<u8> {
    text.iter()
        .copied()
        .filter(|octet| !matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | b'>' | b'\0'))
        .collect()
}

/// What each run of lines that could be base64 decodes to.
fn base64_runs(text: &[u8]) -> Vec<Vec<u8>> {
    let encoding = lenient();
    let (mut runs, mut run) = (Vec::new(), Vec::new());
    for line in text.split(|octet| *octet == b'\n').chain([&b""[..]]) {
        let line = line.trim_ascii();
        let symbols = line
            .iter()
            .rposition(|octet| *octet != b'=')
            .map_or(0, |last| last + 1);
        let is_encoded = symbols > 0 && line[..symbols].iter().all(|octet| is_base64(*octet));
        if is_encoded {
            run.extend_from_slice(&line[..symbols]);
        }
        if (!is_encoded || symbols < line.len()) && !run.is_empty() {
            // One symbol left over is not an octet; it can't be a part of anything.
            run.truncate(run.len() - usize::from(run.len() % 4 == 1));
            runs.extend(encoding.decode(&run));
            run.clear();
        }
    }
    runs
}

fn is_base64(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/')
}

/// Base64 without padding, whatever the bits after the last octet are.
fn lenient() -> Encoding {
    let mut specification: Specification = BASE64.specification();
    specification.padding = None;
    specification.check_trailing_bits = false;
    specification
        .encoding()
        .expect("base64 without padding is an encoding")
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64_MIME;
    use proptest::prelude::*;

    use super::*;

    const WANTED: &[u8] = b"nraeaqcaiba2345abcdefghijklmnopqrstu";

    fn is_seen(text: &[u8]) -> bool {
        is_in_any(text, &mut |view| {
            view.windows(WANTED.len())
                .any(|window| window.eq_ignore_ascii_case(WANTED))
        })
    }

    fn check(text: &str, expected: bool) {
        assert_eq!(is_seen(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn a_token_is_seen_through_what_mail_does_to_a_text() {
        let wanted = std::str::from_utf8(WANTED).expect("the token is ASCII");
        let (left, right) = wanted.split_at(17);
        for text in [
            format!("a {wanted} b"),
            wanted.to_uppercase(),
            format!("{left}=\r\n{right}"),
            format!("{left}=\n{right}"),
            wanted
                .replace('n', "=6E")
                .replace('k', "=6b")
                .replace('2', "=32"),
            format!("{left}\r\n  {right}"),
            format!("> {left}\r\n> {right}"),
            format!(
                "Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--x",
                BASE64_MIME.encode(format!("hello {wanted}").as_bytes())
            ),
            format!("x\n\n{}", BASE64.encode(wanted.as_bytes()).replace('\r', "")),
            format!("\r\n{}", BASE64_MIME.encode(BASE64_MIME.encode(wanted.as_bytes()).as_bytes())),
            wanted.chars().flat_map(|letter| ['\0', letter]).collect(),
        ] {
            check(&text, true);
        }
        for padding in 0..3 {
            check(
                &format!(
                    "\r\n{}\r\n\r\ntext",
                    BASE64.encode(format!("{}{wanted}", "x".repeat(padding)).as_bytes())
                ),
                true,
            );
        }
        for text in [
            left.to_owned(),
            format!("{left}x{right}"),
            BASE64.encode(left.as_bytes()),
            String::new(),
        ] {
            check(&text, false);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_or_grows(text: Vec<u8>) {
            is_in_any(&text, &mut |view| { assert!(view.len() <= text.len()); false });
        }
    }
}
