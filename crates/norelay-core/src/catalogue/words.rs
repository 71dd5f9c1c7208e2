//! Words: what the braces in a template stand for.

use serde::{Deserialize, Serialize};

use crate::octets::Octets;

/// What a run knows of the target and of itself. Domains and host names are in ASCII, without a final dot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Words {
    /// The token that stands for the recipient.
    pub user: String,
    /// The token that stands for the sender.
    pub sender: String,
    /// The token that stands for a user whom nobody has.
    pub unknown: String,
    /// The probe domain, whose mail norelay's receiver gets.
    pub domain: String,
    /// A second foreign domain that has nothing to do with the first.
    pub second_domain: Option<String>,
    /// The name that we say with EHLO.
    pub helo: String,
    /// The target's host name.
    pub host: Option<String>,
    /// The target's address as a literal, brackets included: `[192.0.2.7]`, `[IPv6:2001:db8::7]` (RFC 5321 section 4.1.3).
    pub literal: Option<String>,
    /// Whether the user typed an address, which makes it the primary name.
    pub address_typed: bool,
    /// A mail domain that the target hosts.
    pub local_domain: Option<String>,
    /// A user that exists there.
    pub local_user: String,
    /// Our own address, without brackets.
    pub own_address: Option<String>,
    /// The receiver's address, without brackets.
    pub receiver: Option<String>,
}

/// A template needs a word that isn't known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingWord(pub String);

impl Words {
    /// Fills in a template; `\xNN` in it stands for an octet.
    ///
    /// # Errors
    /// The first word that isn't known.
    pub fn expand(&self, template: &str) -> Result<Octets, MissingWord> {
        self.expand_text(template).map(|text| Octets::unescape(&text))
    }

    /// As [`Words::expand`], for text.
    ///
    /// # Errors
    /// The first word that isn't known.
    pub fn expand_text(&self, template: &str) -> Result<String, MissingWord> {
        let mut text = String::with_capacity(template.len() + 64);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (word, tail) = after.split_once('}').unwrap_or((after, ""));
            text.push_str(before);
            text.push_str(&self.word(word).ok_or_else(|| MissingWord(word.to_owned()))?);
            rest = tail;
        }
        text.push_str(rest);
        Ok(text)
    }

    fn word(&self, word: &str) -> Option<String> {
        match word {
            "user" => Some(self.user.clone()),
            "sender" => Some(self.sender.clone()),
            "unknown" => Some(self.unknown.clone()),
            "domain" => Some(self.domain.clone()),
            "second_domain" => self.second_domain.clone(),
            "helo" => Some(self.helo.clone()),
            "host" => self.host.clone(),
            "literal" => self.literal.clone(),
            "primary" if self.address_typed => self.literal.clone(),
            "secondary" if !self.address_typed => self.literal.clone(),
            "primary" | "secondary" => self.host.clone(),
            "local_domain" => self.local_domain.clone(),
            "local_user" => Some(self.local_user.clone()),
            "own_address" => self.own_address.clone(),
            "receiver" => self.receiver.clone(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    fn words(address_typed: bool) -> Words {
        Words {
            user: "u".into(),
            sender: "s".into(),
            domain: "d.example".into(),
            host: Some("mx.example".into()),
            literal: Some("[192.0.2.7]".into()),
            address_typed,
            ..Words::default()
        }
    }

    /// The ancestor's own forms, with what was typed first (catalogue.md "Wire form of the original").
    #[test]
    fn name_and_address_swap_roles_where_an_address_was_typed() {
        for (number, name_typed, address_typed) in [
            (4, "<s@mx.example> <u@d.example>", "<s@[192.0.2.7]> <u@d.example>"),
            (5, "<s@[192.0.2.7]> <u@d.example>", "<s@mx.example> <u@d.example>"),
            (6, "<s@mx.example> <u%d.example@mx.example>", "<s@[192.0.2.7]> <u%d.example@[192.0.2.7]>"),
            (7, "<s@mx.example> <u%d.example@[192.0.2.7]>", "<s@[192.0.2.7]> <u%d.example@mx.example>"),
            (12, "<s@mx.example> <u@d.example@[192.0.2.7]>", "<s@[192.0.2.7]> <u@d.example@mx.example>"),
            (13, "<s@mx.example> <@mx.example:u@d.example>", "<s@[192.0.2.7]> <@[192.0.2.7]:u@d.example>"),
            (17, "<s@mx.example> <d.example!u@[192.0.2.7]>", "<s@[192.0.2.7]> <d.example!u@mx.example>"),
        ] {
            let test = catalogue::by_number(number).expect("the number is in the table");
            for (words, expected) in [(words(false), name_typed), (words(true), address_typed)] {
                let paths =
                    [test.reverse_path, test.forward_path].map(|path| words.expand_text(path).unwrap_or_default());
                assert_eq!(paths.join(" "), expected, "test {number}");
            }
        }
    }

    #[test]
    fn a_missing_word_is_named() {
        assert_eq!(words(false).expand("<x@{local_domain}>"), Err(MissingWord("local_domain".into())));
    }
}
