//! Words: what the braces in a template stand for.
//!
//! `{word}` stands for what a run knows by that name, and `{filter:template}` for a template that
//! is written in another form.

use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::Credentials;
use crate::octets::Octets;

/// RFC 5321 section 4.5.3.1.3: a path has at most 256 octets.
const MAX_PATH: usize = 256;

/// The words for the names that a server gives itself, in order. How many there are turns out when
/// the server has greeted.
pub const OWN_NAMES: [&str; 5] =
    ["own_name", "second_own_name", "third_own_name", "fourth_own_name", "fifth_own_name"];

/// The words for the senders that the user says the server may trust, in order.
pub const TRUSTED_SENDERS: [&str; 4] =
    ["trusted_sender", "second_trusted_sender", "third_trusted_sender", "fourth_trusted_sender"];

/// What a run knows of the target and of itself. Domains and host names are in ASCII, without a
/// final dot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Words {
    /// The token that stands for the recipient.
    pub user: String,
    /// The token that stands for the sender.
    pub sender: String,
    /// The token that stands for a made-up user.
    pub unknown: String,
    /// The made-up user name of all logins of a run: a server that slows down after failed logins
    /// may take the same failure again for a mistake, and not for an attack.
    pub nobody: String,
    /// The made-up password of all logins of a run.
    pub password: String,
    /// The user name to log in with, where the test is asked for several.
    pub login: Option<String>,
    /// The token that stands for the recipient of a message within another.
    pub inner: String,
    /// The token of a text.
    pub text_token: String,
    /// The probe domain, whose mail norelay's receiver gets.
    pub domain: String,
    /// A second foreign domain that has nothing to do with the first.
    pub second_domain: Option<String>,
    /// The name that we say with EHLO.
    pub helo: String,
    /// The target's host name.
    pub host: Option<String>,
    /// The target's address as a literal, brackets included: `[192.0.2.7]`, `[IPv6:2001:db8::7]`
    /// (RFC 5321 section 4.1.3).
    pub literal: Option<String>,
    /// True if the user typed an address, which then is the primary name.
    pub address_typed: bool,
    /// A mail domain that the target hosts.
    pub local_domain: Option<String>,
    /// Other names that the server gives itself, which no other word stands for.
    pub own_names: Vec<String>,
    /// Senders that the user says the server may trust, each a domain or an address.
    pub trusted_senders: Vec<String>,
    /// The domains that the test asks one after another.
    pub listed: Vec<String>,
    /// The domain of them that a line is for.
    pub listed_domain: Option<String>,
    /// A user that exists there.
    pub local_user: String,
    /// Our own address, without brackets.
    pub own_address: Option<String>,
    /// The receiver's address, without brackets.
    pub receiver: Option<String>,
    /// A domain of ours with the receiver as its first mail exchanger and the target as the next.
    pub backup_trap: Option<String>,
    /// A domain of ours with the target as its first mail exchanger and the receiver as the next.
    pub primary_trap: Option<String>,
    /// The user whose mail must still go out, if one is given.
    #[serde(skip)]
    pub credentials: Option<Credentials>,
}

/// A template needs a word that the run does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingWord(pub String);

impl Words {
    /// Fills in a template; `\xNN` in it stands for an octet.
    ///
    /// # Errors
    /// The first word that isn't known.
    pub fn expand(&self, template: &str) -> Result<Octets, MissingWord> {
        self.expand_text(template)
            .map(|text| Octets::unescape(&text))
    }

    /// As [`Words::expand`], for text.
    ///
    /// # Errors
    /// The first word that isn't known.
    pub fn expand_text(&self, template: &str) -> Result<String, MissingWord> {
        let mut text = String::with_capacity(template.len() + 64);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, tail) = until_brace(after);
            text.push_str(before);
            let word = match inside.split_once(':') {
                Some((filter, template)) => filtered(filter, &self.expand_text(template)?),
                None => self.word(inside),
            };
            text.push_str(&word.ok_or_else(|| MissingWord(inside.to_owned()))?);
            rest = tail;
        }
        text.push_str(rest);
        Ok(text)
    }

    /// The mailbox of the user who authenticates.
    fn authenticated_user(&self) -> Option<String> {
        let user = &self.credentials.as_ref()?.user;
        match user.contains('@') {
            true => Some(user.clone()),
            false => self
                .local_domain
                .as_ref()
                .map(|domain| format!("{user}@{domain}")),
        }
    }

    fn own_name(&self, word: &str) -> Option<String> {
        let place = OWN_NAMES.iter().position(|name| *name == word)?;
        self.own_names.get(place).cloned()
    }

    /// The mailbox of a trusted sender. At a domain, the user is the token of the sender.
    fn trusted_sender(&self, word: &str) -> Option<String> {
        let place = TRUSTED_SENDERS.iter().position(|name| *name == word)?;
        let given = self.trusted_senders.get(place)?;
        match given.contains('@') {
            true => Some(given.clone()),
            false => Some(format!("{}@{given}", self.sender)),
        }
    }

    fn word(&self, word: &str) -> Option<String> {
        match word {
            "user" => Some(self.user.clone()),
            "sender" => Some(self.sender.clone()),
            "unknown" => Some(self.unknown.clone()),
            "nobody" => Some(self.nobody.clone()),
            "password" => Some(self.password.clone()),
            "login" => self.login.clone(),
            "inner" => Some(self.inner.clone()),
            "text_token" => Some(self.text_token.clone()),
            "domain" => Some(self.domain.clone()),
            "second_domain" => self.second_domain.clone(),
            "helo" => Some(self.helo.clone()),
            "host" => self.host.clone(),
            "literal" => self.literal.clone(),
            "primary" if self.address_typed => self.literal.clone(),
            "secondary" if !self.address_typed => self.literal.clone(),
            "primary" | "secondary" => self.host.clone(),
            "local_domain" => self.local_domain.clone(),
            "listed_domain" => self.listed_domain.clone(),
            "local_user" => Some(self.local_user.clone()),
            "own_address" => self.own_address.clone(),
            "receiver" => self.receiver.clone(),
            "backup_trap" => self.backup_trap.clone(),
            "primary_trap" => self.primary_trap.clone(),
            "authenticated_user" => self.authenticated_user(),
            _ => self.own_name(word).or_else(|| self.trusted_sender(word)),
        }
    }
}

/// Splits the text at the brace that closes the template in which the text begins.
fn until_brace(text: &str) -> (&str, &str) {
    let mut depth = 1_u32;
    for (index, octet) in text.bytes().enumerate() {
        match octet {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&text[..index], &text[index + 1..]);
        }
    }
    (text, "")
}

/// Returns the text in the form of a filter; `None` if the text has no such form, or the filter is
/// not known.
fn filtered(filter: &str, text: &str) -> Option<String> {
    match filter {
        "upper" => Some(text.to_ascii_uppercase()),
        // RFC 4954 section 4: what an exchange says is in base64.
        "base64" => Some(BASE64.encode(Octets::unescape(text).as_bytes())),
        // Exchange's encapsulated addresses write `+` and two hexadecimal digits for what isn't a
        // letter or a digit.
        "imcea" => Some(text.replace('.', "+2E")),
        // U+3002: UTS 46 maps this character to a full stop.
        "ideographic" => Some(text.replace('.', "\u{3002}")),
        "v4" => text
            .parse::<Ipv4Addr>()
            .ok()
            .map(|address| address.to_string()),
        "v6" => text
            .parse::<Ipv6Addr>()
            .ok()
            .map(|address| address.to_string()),
        "decimal" => text
            .parse::<Ipv4Addr>()
            .ok()
            .map(|address| u32::from(address).to_string()),
        // As many octets as a path may have, so that cutting off the rest leaves exactly this.
        "fill" => Some(format!("{}{text}", "a".repeat(MAX_PATH.saturating_sub(text.len())))),
        _ => None,
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

    /// The ancestor's own forms, with what was typed first (catalogue.md "Wire form of the
    /// original").
    #[test]
    fn name_and_address_swap_roles_where_an_address_was_typed() {
        for (number, name_typed, address_typed) in [
            (4, "<s@mx.example> <u@d.example>", "<s@[192.0.2.7]> <u@d.example>"),
            (5, "<s@[192.0.2.7]> <u@d.example>", "<s@mx.example> <u@d.example>"),
            (
                6,
                "<s@mx.example> <u%d.example@mx.example>",
                "<s@[192.0.2.7]> <u%d.example@[192.0.2.7]>",
            ),
            (
                7,
                "<s@mx.example> <u%d.example@[192.0.2.7]>",
                "<s@[192.0.2.7]> <u%d.example@mx.example>",
            ),
            (
                12,
                "<s@mx.example> <u@d.example@[192.0.2.7]>",
                "<s@[192.0.2.7]> <u@d.example@mx.example>",
            ),
            (
                13,
                "<s@mx.example> <@mx.example:u@d.example>",
                "<s@[192.0.2.7]> <@[192.0.2.7]:u@d.example>",
            ),
            (
                17,
                "<s@mx.example> <d.example!u@[192.0.2.7]>",
                "<s@[192.0.2.7]> <d.example!u@mx.example>",
            ),
        ] {
            let test = catalogue::by_number(number).expect("the number is in the table");
            for (words, expected) in [(words(false), name_typed), (words(true), address_typed)] {
                let paths = [test.reverse_path, test.forward_path]
                    .map(|path| words.expand_text(path).unwrap_or_default());
                assert_eq!(paths.join(" "), expected, "test {number}");
            }
        }
    }

    #[test]
    fn filters_write_words_in_another_way() {
        let words = Words { receiver: Some("192.0.2.25".into()), ..words(false) };
        for (template, expected) in [
            ("{upper:{domain}}", Some("D.EXAMPLE")),
            ("{imcea:{domain}}@{host}", Some("d+2Eexample@mx.example")),
            ("{base64:\\x00{user}\\x00{sender}}", Some("AHUAcw==")),
            ("{base64:}", Some("")),
            ("{ideographic:{domain}}", Some("d\u{3002}example")),
            ("#{decimal:{receiver}}", Some("#3221226009")),
            ("[{v4:{receiver}}]", Some("[192.0.2.25]")),
            ("[IPv6:{v6:{receiver}}]", None),
            ("{decimal:{domain}}", None),
            ("{lower:{domain}}", None),
            ("{upper:{local_domain}}", None),
            ("{domain", Some("d.example")),
        ] {
            assert_eq!(words.expand_text(template).ok().as_deref(), expected, "{template}");
        }
        assert_eq!(
            words
                .expand("{fill:{user}@{domain}}")
                .map(|octets| octets.len()),
            Ok(256)
        );
    }

    #[test]
    fn a_missing_word_is_named() {
        assert_eq!(
            words(false).expand("<x@{local_domain}>"),
            Err(MissingWord("local_domain".into()))
        );
    }
}
