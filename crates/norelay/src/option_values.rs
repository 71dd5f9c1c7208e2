//! What the commands' options accept as values.
//!
//! Rules:
//! - An option that accepts a few words lists them in its help and rejects all others. No word
//!   stands for "anything else".
//! - The words of a type of another crate are written there, and nowhere else.

use std::net::{IpAddr, SocketAddr};

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Makes the choice hold for everything that is printed.
    pub fn choose(self) {
        match self {
            Self::Auto => {}
            Self::Always => anstream::ColorChoice::Always.write_global(),
            Self::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}

/// A parser that accepts the words of these values, and no others. The parser does for a type of
/// another crate what [`ValueEnum`] does for a type of this one.
pub fn one_of<T: Clone + Send + Sync + 'static>(
    values: impl IntoIterator<Item = T>,
    word: fn(&T) -> String,
) -> impl TypedValueParser<Value = T> {
    let values: Vec<T> = values.into_iter().collect();
    PossibleValuesParser::new(values.iter().map(word)).map(move |typed| {
        let value = values.iter().find(|value| word(value) == typed);
        value
            .expect("the parser has accepted the word of one of the values")
            .clone()
    })
}

/// Reads `192.0.2.53` or `[2001:db8::53]:5353`. The port is 53 if none is given.
pub fn parse_resolver(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    match text.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => Ok(SocketAddr::new(address, 53)),
        Err(_) => {
            Err("a resolver is an address such as 192.0.2.53 or [2001:db8::53]:5353".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read() {
        for (text, expected) in [
            ("192.0.2.53", Some("192.0.2.53:53")),
            ("[2001:db8::53]:5353", Some("[2001:db8::53]:5353")),
            ("2001:db8::53", Some("[2001:db8::53]:53")),
            ("ns.example", None),
        ] {
            let address = parse_resolver(text).ok().map(|address| address.to_string());
            assert_eq!(address.as_deref(), expected, "{text}");
        }
    }
}
