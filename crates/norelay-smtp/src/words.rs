//! Enums whose values are words for users and scripts: each word stands in one place, next to its
//! variant, and options, JSON, CSV, pages and stored rows all read it from there.

use std::fmt;

/// A text that is none of an enum's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord;

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the word is not known")
    }
}

impl std::error::Error for UnknownWord {}

/// Declares an enum whose variants have a word each: `pub enum Name { Variant = "word", }`.
///
/// The enum gets `ALL`, `word()`, `Display`, `FromStr` and serde's traits, all with these words.
/// Values are ordered as the variants are. The crate that declares it must depend on serde.
#[macro_export]
macro_rules! words {
    ($(#[$attribute:meta])* pub enum $name:ident {
        $($(#[$note:meta])* $variant:ident = $word:literal,)+
    }) => {
        $(#[$attribute])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            ::serde::Serialize, ::serde::Deserialize,
        )]
        pub enum $name {
            $($(#[$note])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the word of a value, for users and scripts.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::words::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut all = Self::ALL.iter().copied();
                all.find(|value| value.word() == text).ok_or($crate::words::UnknownWord)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::Security;

    #[test]
    fn every_reader_and_writer_has_the_same_word() {
        for security in Security::ALL {
            let word = security.word();
            assert_eq!(security.to_string(), word);
            assert_eq!(word.parse(), Ok(*security));
            assert_eq!(format!("{security:>10}").trim_start(), word);
        }
        assert_eq!("ssl".parse::<Security>(), Err(super::UnknownWord));
    }
}
