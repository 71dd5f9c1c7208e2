//! Octets from or for the network, shown and stored without loss and without harm.
//!
//! Rules:
//! - Nothing is lost: `Octets::unescape(octets.to_string())` gives the same octets back.
//! - Nothing that is shown can act: controls, bidirectional overrides and invisible characters are
//!   written as `\xNN`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A string of octets. As text (and in JSON), printable UTF-8 stands for itself, `\\` for a
/// backslash, and `\xNN` for every other octet.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Octets(Vec<u8>);

impl Octets {
    /// Returns the octets themselves.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns how many octets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are no octets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads what `to_string` wrote. A backslash that begins no escape stands for itself.
    #[must_use]
    pub fn unescape(text: &str) -> Self {
        let mut octets = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            let (octet, used) = match (first, tail) {
                (b'\\', [b'\\', ..]) => (b'\\', 2),
                (b'\\', [b'x', high, low, ..]) => match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => (high << 4 | low, 4),
                    _ => (b'\\', 1),
                },
                _ => (first, 1),
            };
            octets.push(octet);
            rest = &rest[used..];
        }
        Self(octets)
    }

    /// Returns the octets as text, with everything replaced that isn't UTF-8. The text is for
    /// searching words in it, and never shown.
    #[must_use]
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// Returns a text with harmful characters written as in [`Octets`], and backslashes left alone. The
/// text isn't octets from the network but may quote some, already escaped or not
/// (`harmless(&harmless(x)) == harmless(x)`).
#[must_use]
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmless(character) {
            shown.push(character);
        } else {
            let octets = Octets::from(character.encode_utf8(&mut [0; 4]).as_bytes());
            shown.push_str(&octets.to_string());
        }
    }
    shown
}

/// Returns the value of a hexadecimal digit.
fn digit(ascii: u8) -> Option<u8> {
    char::from(ascii)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// True if a character can be shown as itself in a terminal, a page and a log.
///
/// Harmful are C0 and C1 controls, the characters that reorder or hide text (Unicode's
/// bidirectional controls, zero-width characters, line and paragraph separators, tags, and the byte
/// order mark), and noncharacters, which XML and HTML don't allow.
#[must_use]
pub fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
        // The last two code points of every plane are noncharacters.
        && u32::from(character) & 0xfffe != 0xfffe
}

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => f.write_str("\\\\")?,
                    harmless if is_harmless(harmless) => fmt::Write::write_char(f, harmless)?,
                    harmful => escape(f, harmful.encode_utf8(&mut [0; 4]).as_bytes())?,
                }
            }
            escape(f, chunk.invalid())?;
        }
        Ok(())
    }
}

fn escape(f: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    octets
        .iter()
        .try_for_each(|octet| write!(f, "\\x{octet:02x}"))
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl From<&str> for Octets {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for Octets {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }
}

impl From<Vec<u8>> for Octets {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets)
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::unescape(&text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn harmful_octets_are_escaped() {
        for (octets, shown) in [
            (&b"250 ok"[..], "250 ok"),
            (b"\x1b[31m", "\\x1b[31m"),
            (b"a\\b", "a\\\\b"),
            (b"\xc0\x00", "\\xc0\\x00"),
            ("\u{9b}31m".as_bytes(), "\\xc2\\x9b31m"),
            ("\u{202e}gnp".as_bytes(), "\\xe2\\x80\\xaegnp"),
            ("\u{ffff}".as_bytes(), "\\xef\\xbf\\xbf"),
            ("Grüße".as_bytes(), "Grüße"),
            (b"a\r\nb", "a\\x0d\\x0ab"),
        ] {
            assert_eq!(Octets::from(octets).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(octets: Vec<u8>) {
            let octets = Octets::from(octets);
            prop_assert_eq!(Octets::unescape(&octets.to_string()), octets);
        }

        #[test]
        fn what_is_harmless_stays_as_it_is(octets: Vec<u8>, text: String) {
            let shown = Octets::from(octets).to_string();
            prop_assert_eq!(&harmless(&shown), &shown);
            prop_assert!(harmless(&text).chars().all(is_harmless));
        }
    }
}
