//! Where servers name the address of their client: replies to EHLO and HELO, refusals, and
//! `Received` fields.
//!
//! Rules:
//! - An address counts only where the words around it say that it is the client's: a server quotes
//!   other addresses, too.
//! - What we said ourselves is an echo. An address that stands in our HELO argument counts only
//!   where it is repeated.

use std::net::IpAddr;

use super::address::{Found, addresses};
use crate::smtp::Reply;

/// Words before an address without brackets in a reply to EHLO.
const GREETED: &[&str] = &["to", "from", "hello", "hi", "welcome", "aloha"];

/// Words before an address that make it the client's, longest first where one ends another.
const BEFORE: &[&str] = &[
    "accepted from",
    "access from",
    "banned sender",
    "client",
    "client address",
    "client host",
    "client ip",
    "commands from",
    "connect from",
    "connection from",
    "connections from",
    "email from",
    "emails from",
    "errors from",
    "from host",
    "from ip",
    "from mail server",
    "from your location",
    "ip",
    "ip address",
    "later from",
    "lookup failed",
    "lookup failed for",
    "mail from",
    "mails from",
    "message from",
    "messages from",
    "not permitted for",
    "possibly forged",
    "ptr record for",
    "recipients from",
    "rejected because",
    "relay from",
    "relaying from",
    "reverse dns for",
    "sending ip",
    "sending server",
    "sessions from",
    "source ip",
    "spam from",
    "system from",
    "the mail server",
    "traffic from",
    "your address",
    "your host",
    "your hostname",
    "your ip",
    "your mail server",
    "your reverse hostname",
    "your server",
];

/// Words after an address that make it the client's.
const AFTER: &[&str] = &[
    "blocked",
    "found in",
    "found on",
    "has been blocked",
    "has been temporarily",
    "has no ptr",
    "has no reverse",
    "is banned",
    "is blacklisted",
    "is blocked",
    "is blocklisted",
    "is currently not permitted to relay",
    "is in a black",
    "is in a block",
    "is in an rbl",
    "is listed",
    "is not allowed to",
    "is not authorised",
    "is not authorized",
    "is not permitted to relay",
    "is on",
    "listed at",
    "listed by",
    "listed in",
    "listed on",
];

/// What stands before an address in links to the explanation of a refusal.
const LINKS: &[&str] = &["?ip=", "&ip=", ";ip=", "/ip/", "i=ip&v=", "ip_address="];

/// The client's address in a reply to EHLO or HELO; `said` is our argument to it.
pub(super) fn in_hello(reply: &Reply, said: &str) -> Option<IpAddr> {
    let line = reply.lines.first()?.to_text();
    // RFC 5321 section 4.1.1.1: the first word is the server's own name, which can be an address.
    let (_, greeting) = line.trim_start().split_once([' ', '\t'])?;
    let named = addresses(greeting).into_iter().filter(|found| {
        let before = &greeting[..found.start];
        found.bracketed
            || before.ends_with('(')
            || GREETED.contains(&last_word(before).to_lowercase().as_str())
    });
    let mut named: Vec<Found> = named.collect();
    for echo in addresses(said) {
        // After a host name it is no echo of an argument that is an address alone.
        let is_echo = |found: &Found| {
            found.address == echo.address && !follows_name(&greeting[..found.start])
        };
        if let Some(place) = named.iter().position(is_echo) {
            named.remove(place);
        }
    }
    named.last().map(|found| found.address)
}

/// The client's address in a refusal.
pub(super) fn in_refusal(reply: &Reply) -> Option<IpAddr> {
    let text = without_paths(&reply.text().to_lowercase());
    addresses(&text)
        .iter()
        .find(|found| is_clients(&text, found))
        .map(|found| found.address)
}

/// The address that a `Received` field gives to the one who said HELO with `said` and got `answer`
/// to his message; nothing where the field neither names `said` nor has an id that `answer` has:
/// then it may be another's. A proxy that says HELO with its own name (nginx) shows by the id
/// alone.
pub(super) fn in_trace(field: &str, said: &str, answer: &str) -> Option<IpAddr> {
    let lower = field.to_ascii_lowercase();
    let clause = from_clause(lower.strip_prefix("from ")?);
    let said = said.to_ascii_lowercase();
    let is_ours = !said.is_empty() && has_word(clause, &said);
    if !is_ours && !id_in(&lower[4..]).is_some_and(|id| has_word(&answer.to_ascii_lowercase(), id))
    {
        return None;
    }
    let comments = comments(clause);
    if let Some(found) = comments.iter().find_map(|comment| peer_in(comment)) {
        return Some(found);
    }
    // `from [192.0.2.1] (HELO name)`: Exim, CommuniGate Pro, chasquid.
    let first = addresses(clause.split([' ', '(']).next()?).first()?.address;
    addresses(&said)
        .iter()
        .all(|echo| echo.address != first)
        .then_some(first)
}

/// Ids shorter than this are in many a text by chance.
const MIN_ID: usize = 6;

/// The id of a `Received` field (RFC 5321 section 4.4), comments not left aside: none has ` id ` in
/// it.
fn id_in(field: &str) -> Option<&str> {
    let (_, after) = field.split_once(" id ")?;
    let id = after
        .split([' ', ';', '(', '\t', '\r', '\n'])
        .next()?
        .trim_matches(['<', '>']);
    (id.len() >= MIN_ID).then_some(id)
}

/// What stands before ` by `, comments left aside.
fn from_clause(text: &str) -> &str {
    let mut depth = 0_u32;
    for (index, octet) in text.bytes().enumerate() {
        match octet {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 && text[index..].starts_with(" by ") => return &text[..index],
            b';' if depth == 0 => return &text[..index],
            _ => {}
        }
    }
    text
}

/// The outermost comments, without their parentheses.
fn comments(text: &str) -> Vec<&str> {
    let (mut depth, mut start) = (0_u32, 0);
    let mut comments = Vec::new();
    for (index, octet) in text.bytes().enumerate() {
        match octet {
            b'(' => {
                depth += 1;
                if depth == 1 {
                    start = index + 1;
                }
            }
            b')' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    comments.push(&text[start..index]);
                }
            }
            _ => {}
        }
    }
    comments
}

/// The peer's address in a comment: in brackets, or alone, be it after `ident@`; not what it said
/// with HELO.
fn peer_in(comment: &str) -> Option<IpAddr> {
    let found = addresses(comment);
    let mut peers = found.iter().filter(|found| {
        let (before, after) = (&comment[..found.start], &comment[found.end..]);
        let is_alone = after.is_empty() && (before.is_empty() || before.ends_with('@'));
        let before = before
            .trim_end_matches("ipv6:")
            .trim_end_matches(['[', '"', ' ']);
        let is_argument =
            before.ends_with("helo=") || before.ends_with("helo") || before.ends_with("ehlo");
        (found.bracketed || is_alone) && !is_argument
    });
    peers.next().map(|found| found.address)
}

/// Whether a text has a word, with nothing that could belong to it on either side.
fn has_word(text: &str, word: &str) -> bool {
    let is_of_word =
        |character: char| character.is_alphanumeric() || matches!(character, '-' | '_');
    text.match_indices(word).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + word.len()..]);
        let goes_on = after
            .strip_prefix('.')
            .unwrap_or(after)
            .starts_with(is_of_word);
        !before.ends_with(is_of_word) && !before.ends_with('.') && !goes_on
    })
}

fn last_word(text: &str) -> &str {
    text.trim_end()
        .rsplit([' ', '\t'])
        .next()
        .unwrap_or_default()
}

/// Whether a text ends with a host name, before a bracket.
fn follows_name(before: &str) -> bool {
    let word = last_word(
        before
            .trim_end_matches(['[', '('])
            .trim_end_matches("IPv6:"),
    );
    word.contains('.')
        && word.contains(|character: char| character.is_alphabetic())
        && addresses(word).is_empty()
}

/// Whether the words around an address in a refusal, in lower case, make it the client's.
fn is_clients(text: &str, found: &Found) -> bool {
    let (before, after) = (&text[..found.start], &text[found.end..]);
    if LINKS.iter().any(|link| before.ends_with(link)) {
        return true;
    }
    if before.ends_with(['@', '/']) || before.ends_with("@[") {
        return false;
    }
    is_postfix_client(before, after)
        || is_with_count(found, after)
        || {
            let before = words_before(before);
            BEFORE
                .iter()
                .any(|phrase| ends_with_phrase(&before, phrase))
        }
        || {
            let after = words_after(after);
            AFTER.iter().any(|phrase| after.starts_with(phrase))
        }
}

/// Postfix: `<name[192.0.2.1]>: Client host rejected`.
fn is_postfix_client(before: &str, after: &str) -> bool {
    let Some(name) = before
        .strip_suffix('[')
        .and_then(|before| before.rsplit('<').next())
    else {
        return false;
    };
    after.starts_with("]>") && !name.is_empty() && !name.contains([' ', '>', '['])
}

/// Google: `[192.0.2.1      15] Our system has detected …`.
fn is_with_count(found: &Found, after: &str) -> bool {
    let spaced = after.trim_start_matches(' ');
    let rest = spaced.trim_start_matches(|character: char| character.is_ascii_digit());
    found.bracketed && after.starts_with(' ') && rest.len() < spaced.len() && rest.starts_with(']')
}

/// The words before an address, single-spaced, without its brackets and without the host name that
/// goes with it.
fn words_before(before: &str) -> String {
    let before = before.trim_end_matches("ipv6:");
    let is_mark = |character: char| {
        !character.is_alphanumeric() && !matches!(character, '.' | '!' | '?' | ';')
    };
    let mut words: Vec<&str> = before
        .split_whitespace()
        .map(|word| word.trim_matches(is_mark))
        .collect();
    words.retain(|word| !word.is_empty());
    if words.last().is_some_and(|word| is_name(word)) {
        words.pop();
    }
    let last = words.len().saturating_sub(4);
    words[last..].join(" ")
}

/// A host name, or what stands for none.
fn is_name(word: &str) -> bool {
    *word == *"unknown" || word.trim_end_matches('.').contains('.')
}

/// The words after an address, without its bracket and port.
fn words_after(after: &str) -> String {
    let after = after.strip_prefix(']').unwrap_or(after);
    let port = after
        .strip_prefix(':')
        .map(|port| port.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    let after = port
        .unwrap_or(after)
        .trim_start_matches([']', ')', '>', '"', '\'', ',', ' ']);
    after
        .split_whitespace()
        .take(7)
        .collect::<Vec<_>>()
        .join(" ")
}

fn ends_with_phrase(words: &str, phrase: &str) -> bool {
    words
        .strip_suffix(phrase)
        .is_some_and(|before| before.is_empty() || before.ends_with(' '))
}

/// The text without `<…@…>`: mail addresses are echoes of ours, and may be at an address.
fn without_paths(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (inner, tail) = after.split_once('>').unwrap_or((after, ""));
        kept.push_str(before);
        if inner.contains('@') {
            kept.push(' ');
        } else {
            kept.push('<');
            kept.push_str(inner);
            kept.push('>');
        }
        rest = tail;
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests;
