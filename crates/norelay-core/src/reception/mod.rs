//! The reception: whom norelay's receiver takes mail for, and what a message that came is evidence
//! of.
//!
//! Rules:
//! - Only a genuine token opens the door: a recipient without one is refused, in whatever form it
//!   is written.
//! - Postmaster has no token in the address: whoever looks whether there is one is told so (RFC
//!   5321 section 4.5.1), and what is taken for it bears the token in the reverse-path, of the very
//!   test that writes to postmaster.
//! - The token may be mangled (`%`, `!`, quotes, another case of letters, a source route, inside a
//!   longer local part), but the path still has to name one of our domains, or no host name at all.
//!   Whoever learns a token can't make this host look like a relay for somebody else's domain with
//!   it.
//! - A message gives one receipt for each of its token recipients, and none before its text is
//!   whole.

mod copies;
mod received;
mod views;

use std::collections::BTreeMap;

pub use self::copies::Copies;
use crate::{
    catalogue::{self, TestRole},
    event::Receipt,
    octets::Octets,
    smtp::{ReceivedMessage, receiver::Policy},
    token::{RunId, Token, TokenKey, TokenRole},
};

/// A host name has at most 255 octets (RFC 5321 section 4.5.3.1.2); what a peer says beyond that is
/// no evidence.
const MAX_HELO: usize = 255;

const REFUSAL: &str = "550 5.7.1 This host takes relay-test messages only and relays nothing";
const NO_POSTMASTER: &str = "550 5.1.1 Nobody reads mail on this host; HELP tells what it is";

/// The key that tokens are verified with.
#[derive(Clone, Debug)]
pub enum ReceptionKey {
    /// The key of the only run that is served.
    Run(TokenKey),
    /// The master key, of which each run's key is made.
    AnyRun(TokenKey),
}

impl ReceptionKey {
    fn find(&self, text: &[u8]) -> Option<Token> {
        match self {
            Self::Run(key) => key.find(text),
            Self::AnyRun(key) => key.find_of_any_run(text),
        }
    }

    /// Whether any way to read the text shows the run's token of the text.
    fn is_message_of(&self, run: RunId, text: &[u8]) -> bool {
        let key = match self {
            Self::Run(key) => key.clone(),
            Self::AnyRun(key) => key.for_run(run),
        };
        let is_wanted = |token: &Token| token.run == run && token.role == TokenRole::Message;
        views::is_in_any(text, &mut |view| key.find_where(view, is_wanted).is_some())
    }
}

/// Whether the addresses of a receipt bear its token; `key` is the run's.
#[must_use]
pub fn is_genuine(key: &TokenKey, receipt: &Receipt) -> bool {
    let Receipt { token, reverse_path, forward_path, .. } = receipt;
    token_in(|text| key.find(text), reverse_path, forward_path) == Some(*token)
}

/// The token that two addresses bear, if it is one that mail can come for.
fn token_in(
    find: impl Fn(&[u8]) -> Option<Token>,
    reverse_path: &Octets,
    forward_path: &Octets,
) -> Option<Token> {
    if mailbox(forward_path).starts_with("postmaster@") {
        let is_asked = |token: &Token| {
            token.role == TokenRole::Sender
                && catalogue::by_role(TestRole::ForeignPostmaster).number == token.test
        };
        let token = find(reverse_path.as_bytes()).filter(is_asked)?;
        return Some(Token { role: TokenRole::Recipient, ..token });
    }
    let can_come = |token: &Token| {
        matches!(
            token.role,
            TokenRole::Recipient | TokenRole::Sender | TokenRole::Inner | TokenRole::Canary
        )
    };
    find(forward_path.as_bytes()).filter(can_come)
}

/// A path in lower case, without its brackets.
fn mailbox(path: &Octets) -> String {
    path.to_text()
        .to_ascii_lowercase()
        .trim_matches(['<', '>'])
        .to_owned()
}

/// What a receiver takes, and what it says of itself.
#[derive(Clone, Debug)]
pub struct Reception {
    name: String,
    introduction: String,
    domains: Vec<String>,
    contact: Option<String>,
    key: ReceptionKey,
    takes_postmaster: bool,
}

impl Reception {
    /// A reception for token addresses at these domains (ASCII, without a final dot), on a host of
    /// this name.
    #[must_use]
    pub fn new(name: &str, domains: &[String], key: ReceptionKey) -> Self {
        let domains: Vec<_> = domains
            .iter()
            .map(|domain| printable(&domain.to_ascii_lowercase()))
            .collect();
        let whose = match domains.as_slice() {
            [] => String::new(),
            [only] => format!(" for {only}"),
            [first, others @ ..] => format!(" for {first} and {} more", others.len()),
        };
        let introduction =
            format!("norelay receiver: takes relay-test messages{whose}, relays nothing");
        Self {
            name: printable(name),
            introduction,
            domains,
            contact: None,
            key,
            takes_postmaster: false,
        }
    }

    /// Whom HELP says to write to: an address elsewhere, or a page.
    #[must_use]
    pub fn with_contact(mut self, contact: &str) -> Self {
        self.contact = Some(printable(contact));
        self
    }

    /// Whether mail for postmaster and abuse is taken, because somebody keeps and reads it (RFC
    /// 5321 section 4.5.1, RFC 2142). It gives no receipt.
    #[must_use]
    pub fn with_postmaster(mut self, takes_postmaster: bool) -> Self {
        self.takes_postmaster = takes_postmaster;
        self
    }

    /// The domains whose token addresses are taken, in lower case.
    #[must_use]
    pub fn domains(&self) -> &[String] {
        &self.domains
    }

    /// The receipts of a message: one for each of its token recipients.
    #[must_use]
    pub fn receipts(&self, message: &ReceivedMessage) -> Vec<Receipt> {
        let received = received::fields(&message.text);
        let mut is_ours = BTreeMap::new();
        let token_of = |path| self.token_of(&message.reverse_path, path);
        let tokens = message
            .forward_paths
            .iter()
            .filter_map(|path| Some((path, token_of(path)?)));
        let receipt = |(forward_path, token): (&Octets, Token)| Receipt {
            token,
            message_token: *is_ours
                .entry(token.run)
                .or_insert_with(|| self.key.is_message_of(token.run, &message.text)),
            peer: message.peer,
            helo: Octets::from(&message.helo.as_bytes()[..message.helo.len().min(MAX_HELO)]),
            tls: message.tls,
            reverse_path: message.reverse_path.clone(),
            forward_path: forward_path.clone(),
            received: received.clone(),
            size: message.size,
        };
        tokens.map(receipt).collect()
    }

    /// Whether a message is for postmaster or abuse, and is to be kept for them: ours is evidence,
    /// and for nobody to read.
    #[must_use]
    pub fn is_for_postmaster(&self, message: &ReceivedMessage) -> bool {
        let is_mail =
            |path| self.is_postmaster(path) && self.token_of(&message.reverse_path, path).is_none();
        self.takes_postmaster && message.forward_paths.iter().any(is_mail)
    }

    /// The token that mail from a reverse-path comes to a forward-path with, if it is one.
    fn token_of(&self, reverse_path: &Octets, forward_path: &Octets) -> Option<Token> {
        token_in(|text| self.key.find(text), reverse_path, forward_path)
    }

    /// Whether a path names one of our domains anywhere, or no host name at all (a bare token, or
    /// one at an address).
    fn names_us(&self, forward_path: &Octets) -> bool {
        let path = forward_path.to_text().to_ascii_lowercase();
        if self.domains.iter().any(|domain| names(&path, domain)) {
            return true;
        }
        let path = path.trim_matches(['<', '>', ' ', '"']);
        let (local_part, host) = path.rsplit_once('@').unwrap_or((path, ""));
        let is_address = host
            .chars()
            .all(|character| matches!(character, '0'..='9' | '.' | '#'))
            || is_literal(host);
        is_address && !local_part.contains(['@', '%', '!', ':'])
    }

    /// `<postmaster>`, and `postmaster` and `abuse` at our domains.
    fn is_postmaster(&self, forward_path: &Octets) -> bool {
        let path = mailbox(forward_path);
        match path.split_once('@') {
            None => path == "postmaster",
            Some(("postmaster" | "abuse", domain)) => {
                self.domains.iter().any(|ours| ours == domain)
            }
            Some(_) => false,
        }
    }
}

impl Policy for Reception {
    fn name(&self) -> &str {
        &self.name
    }

    fn introduction(&self) -> &str {
        &self.introduction
    }

    fn help(&self) -> Vec<String> {
        let mut lines = vec![
            "This is norelay's receiver: it takes the messages of relay tests, and nothing else."
                .to_owned(),
            format!("A recipient needs a valid test token, at: {}", self.domains.join(" ")),
            "It relays nothing, delivers nothing, and sends no bounces.".to_owned(),
        ];
        lines.extend(
            self.contact
                .iter()
                .map(|contact| format!("Contact: {contact}")),
        );
        lines
    }

    fn recipient(&self, forward_path: &Octets) -> Result<(), &'static str> {
        let is_ours = || {
            self.names_us(forward_path) && self.token_of(&Octets::default(), forward_path).is_some()
        };
        if self.is_postmaster(forward_path) || is_ours() { Ok(()) } else { Err(REFUSAL) }
    }

    fn text(&self, reverse_path: &Octets, forward_paths: &[Octets]) -> Result<(), &'static str> {
        let mut bear_tokens = forward_paths
            .iter()
            .filter_map(|path| self.token_of(reverse_path, path));
        if self.takes_postmaster || bear_tokens.next().is_some() {
            Ok(())
        } else {
            Err(NO_POSTMASTER)
        }
    }
}

/// Whether a text contains a domain as a whole, or a subdomain of it.
fn names(text: &str, domain: &str) -> bool {
    let is_of_name = |character: char| character.is_alphanumeric() || character == '-';
    text.match_indices(domain).any(|(start, found)| {
        let (before, after) = (&text[..start], &text[start + found.len()..]);
        let mut following = after.chars();
        let goes_on = match following.next() {
            Some('.') => following.next().is_some_and(is_of_name),
            Some(next) => is_of_name(next),
            None => false,
        };
        !domain.is_empty() && !before.ends_with(is_of_name) && !goes_on
    })
}

/// RFC 5321 section 4.1.3.
fn is_literal(host: &str) -> bool {
    host.starts_with('[') && host.ends_with(']')
}

/// What can stand in a reply: anything else becomes a question mark.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if matches!(character, ' '..='~') { character } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests;
