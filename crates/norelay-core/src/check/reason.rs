//! Why a server refused: read from the reply code, the enhanced status code and the known wording
//! of servers.
//!
//! Rules:
//! - The code decides, never a number in the text: only whole words are looked for in the text.
//! - The text is read without what the server repeats of ours (in angle brackets or quotation
//!   marks), and without addresses, host names and URLs. So a name such as `blocklist.example` has
//!   no meaning.
//! - If a text has several meanings, the meaning that shows least about relaying wins (see
//!   `wording.rs`).

use std::time::Duration;

use super::wording::{BLACKLISTS, PASSING, WORDINGS, Wording};
use crate::smtp::{Reply, Stage};

/// A greylist that asks for more time than this is not waited for so long.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

norelay_smtp::words! {
    /// Why a command was refused or deferred.
    pub enum Reason {
        /// Relaying is denied.
        RelayDenied = "relay_denied",
        /// The client must authenticate first.
        AuthRequired = "auth_required",
        /// The client must use TLS first.
        TlsRequired = "tls_required",
        /// Our address, network or name was rejected.
        Reputation = "reputation",
        /// The server greylists: the client must come back later.
        Greylisted = "greylisted",
        /// The sender or the sender's domain was rejected or not found.
        SenderDomain = "sender_domain",
        /// The recipient's domain was not found or accepts no mail.
        RecipientDomain = "recipient_domain",
        /// The server has no such user.
        UnknownUser = "unknown_user",
        /// The address or the command is malformed.
        Syntax = "syntax",
        /// The client asked too much or too fast, or made too many errors.
        RateLimited = "rate_limited",
        /// Another rule, which the reply names.
        Policy = "policy",
        /// The reply does not say why.
        Unclassified = "unclassified",
    }
}

impl Reason {
    /// Returns the reason that a negative reply gives; [`Reason::Unclassified`] for other replies.
    #[must_use]
    pub fn of(stage: Stage, reply: &Reply) -> Self {
        if !reply.is_negative() {
            return Self::Unclassified;
        }
        let text = Text::of(reply);
        if text.names_a_blacklist {
            return Self::Reputation;
        }
        let worded = WORDINGS
            .iter()
            .find(|wording| wording.fits(stage, reply, &text))
            .map(|wording| wording.reason);
        match worded {
            // A temporary code with words such as "try again later" may be about the moment and not
            // about relaying, so here only the codes count.
            Some(reason @ (Self::RelayDenied | Self::AuthRequired))
                if reply.code < 500 && text.has_any(PASSING) =>
            {
                by_code(stage, reply)
                    .filter(|by_code| *by_code != reason)
                    .unwrap_or(Self::Unclassified)
            }
            // RFC 4954 section 6: these codes are about authentication, whatever the text says,
            // unless the text names a check that comes before authentication.
            Some(reason)
                if !is_about_authentication(stage, reply.code)
                    || reason.comes_before(reply.code) =>
            {
                reason
            }
            _ => by_code(stage, reply).unwrap_or(Self::Unclassified),
        }
    }

    /// Returns the reason as a clause.
    #[must_use]
    pub fn clause(self) -> &'static str {
        match self {
            Self::RelayDenied => "relaying is denied",
            Self::AuthRequired => "authentication is required",
            Self::TlsRequired => "TLS is required",
            Self::Reputation => "our address is on a blacklist or otherwise disliked",
            Self::Greylisted => "greylisted",
            Self::SenderDomain => "the sender is not liked",
            Self::RecipientDomain => "the recipient's domain takes no mail",
            Self::UnknownUser => "no such user",
            Self::Syntax => "malformed address or command",
            Self::RateLimited => "too many attempts or errors",
            Self::Policy => "some other rule",
            Self::Unclassified => "the server does not say why",
        }
    }

    /// True if a server checks this before authentication, so that a reply with an authentication
    /// code (530, 534, 535, 538) and these words is about this.
    fn comes_before(self, authentication: u16) -> bool {
        use Reason::{
            Greylisted, RateLimited, RecipientDomain, Reputation, SenderDomain, TlsRequired,
            UnknownUser,
        };
        match self {
            TlsRequired => matches!(authentication, 530 | 538),
            Reputation | RateLimited | Greylisted | SenderDomain | RecipientDomain
            | UnknownUser => true,
            _ => false,
        }
    }
}

/// True for the codes of RFC 4954 section 6: authentication required, mechanism too weak,
/// credentials invalid, encryption required for the mechanism. After a whole text the same codes
/// may be about the message (proxsmtp: `530 Email Rejected`).
fn is_about_authentication(stage: Stage, code: u16) -> bool {
    matches!(code, 530 | 534 | 535 | 538) && stage != Stage::EndOfData
}

/// Returns the reason that the reply code and the enhanced status code give without the text.
fn by_code(stage: Stage, reply: &Reply) -> Option<Reason> {
    if is_about_authentication(stage, reply.code) {
        // RFC 4954 section 6: 538 asks for encryption, and under TLS the answer may be another.
        return Some(if reply.code == 538 { Reason::TlsRequired } else { Reason::AuthRequired });
    }
    let enhanced = reply
        .enhanced()
        .and_then(|code| by_enhanced_code(stage, code.subject, code.detail));
    let enhanced =
        enhanced.filter(|reason| *reason != Reason::Syntax || !matches!(reply.code, 502 | 503));
    enhanced.or(match (reply.code, stage) {
        (421, _) => Some(Reason::RateLimited),
        (523, _) => Some(Reason::TlsRequired),
        // 502 and 503 are about the command and its place in the dialogue, not about an address.
        (500 | 501 | 504 | 555, Stage::Mail | Stage::Rcpt) => Some(Reason::Syntax),
        (556, Stage::Rcpt) => Some(Reason::RecipientDomain),
        (556, Stage::Mail) => Some(Reason::SenderDomain),
        _ => None,
    })
}

/// Returns the reason of an enhanced status code `X.subject.detail`: RFC 3463 and the IANA registry
/// of enhanced status codes.
fn by_enhanced_code(stage: Stage, subject: u16, detail: u16) -> Option<Reason> {
    let about_sender = stage == Stage::Mail;
    let about_address = matches!(stage, Stage::Mail | Stage::Rcpt);
    match (subject, detail) {
        (1, 2 | 10) if about_sender => Some(Reason::SenderDomain),
        (1, 2 | 10) | (4, 4) => Some(Reason::RecipientDomain),
        (1, 1 | 6) => Some(Reason::UnknownUser),
        (1, 3) if about_address => Some(Reason::Syntax),
        (1, 7) if about_sender => Some(Reason::Syntax),
        (1, 7 | 8) | (7, 20..=24 | 26 | 27 | 29) => Some(Reason::SenderDomain),
        (4, 5) | (5, 3) | (7, 28) => Some(Reason::RateLimited),
        (5, 2 | 4) if about_address => Some(Reason::Syntax),
        (7, 10) => Some(Reason::TlsRequired),
        (7, 25) => Some(Reason::Reputation),
        (7, _) => Some(Reason::Policy),
        _ => None,
    }
}

impl Wording {
    /// True if the reply at this stage is in this wording.
    fn fits(&self, stage: Stage, reply: &Reply, text: &Text) -> bool {
        (self.codes.0..=self.codes.1).contains(&reply.code)
            && (self.stages.is_empty() || self.stages.contains(&stage))
            && match self.alone {
                true => says_nothing_but(self.phrases, reply),
                false => text.has_any(self.phrases),
            }
    }
}

/// True if the reply is one of these phrases, with or without an address in angle brackets.
fn says_nothing_but(phrases: &[&str], reply: &Reply) -> bool {
    match reply.lines.as_slice() {
        [line] => phrases
            .contains(&without_angles(&line.to_text().to_lowercase()).trim_end_matches([' ', ':'])),
        _ => false,
    }
}

/// The words of a reply, without what the reply repeats of ours.
struct Text {
    /// ` word word | word `: lower case, a bar between sentences, a space at either end.
    words: String,
    /// True if the operator of a blacklist is named, even in quotation marks: some servers put the
    /// whole text into quotation marks.
    names_a_blacklist: bool,
}

impl Text {
    fn of(reply: &Reply) -> Self {
        let text = reply.text().to_lowercase();
        let names_a_blacklist = without_angles(&text)
            .split([' ', '"', '\''])
            .any(is_of_a_blacklist);
        let mut words = String::from(" ");
        for token in without_echoes(&text)
            .split_whitespace()
            .filter(|token| !is_name(token))
        {
            push_words(&mut words, token);
        }
        Self { words, names_a_blacklist }
    }

    fn has_any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.has(phrase))
    }

    /// True if the parts of a phrase follow one another within a sentence.
    fn has(&self, phrase: &str) -> bool {
        self.words.split('|').any(|sentence| {
            let mut rest = sentence;
            phrase
                .split(" * ")
                .all(|part| match rest.find(&format!(" {part} ")) {
                    Some(start) => {
                        rest = &rest[start + 1 + part.len()..];
                        true
                    }
                    None => false,
                })
        })
    }
}

/// Adds the words of a token, without possessive endings, and a bar where a sentence ends.
fn push_words(words: &mut String, token: &str) {
    for word in token.split(|character: char| !character.is_alphanumeric() && character != '\'') {
        let word = word.trim_matches('\'').trim_end_matches("'s");
        if !word.is_empty() {
            words.push_str(word);
            words.push(' ');
        }
    }
    if token.ends_with(['.', ';', '!', '?']) {
        words.push_str("| ");
    }
}

/// True if the token is an address, a host name, a URL or a number with dots in it.
fn is_name(token: &str) -> bool {
    let inner = token.trim_matches(|character: char| !character.is_alphanumeric());
    token.contains('@')
        || token.contains("://")
        || inner
            .split('.')
            .skip(1)
            .any(|label| label.starts_with(|first: char| first.is_alphanumeric()))
}

/// True if the token is the domain of a blacklist's operator, or a name or URL below it.
fn is_of_a_blacklist(token: &str) -> bool {
    // A contact address may be at any domain.
    if token.contains('@') {
        return false;
    }
    let host = token.split("://").last().unwrap_or(token);
    let host = host.trim_start_matches(|character: char| !character.is_alphanumeric());
    let end = host
        .find(|character: char| !character.is_alphanumeric() && !matches!(character, '.' | '-'));
    let host = host[..end.unwrap_or(host.len())].trim_end_matches('.');
    BLACKLISTS.iter().any(|domain| {
        host.strip_suffix(domain)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// True if two replies have the same code and the same words, apart from what they repeat of ours.
pub(super) fn is_same(one: &Reply, two: &Reply) -> bool {
    one.code == two.code && own_words(one) == own_words(two)
}

/// Returns the text of a reply in lower case, without what the reply repeats of ours.
fn own_words(reply: &Reply) -> String {
    without_echoes(&reply.text().to_lowercase())
}

/// True if the reply speaks of the recipient and not of the client.
pub(super) fn is_about_recipient(reply: &Reply) -> bool {
    reply.enhanced().is_some_and(|code| code.subject == 1)
        || Text::of(reply).has_any(&["recipient", "recipients", "mailbox", "destination"])
}

/// Cuts out `<…>` and `"…"` anywhere, and `'…'` if it stands as a word of its own. After an opening
/// without an end, all the rest is cut off, because the rest may be an echo.
fn without_echoes(text: &str) -> String {
    let text = without_angles(text);
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find(['"', '\'']) {
        let (before, opening) = rest.split_at(start);
        kept.push_str(before);
        let (mark, after) = opening.split_at(1);
        let end = match mark {
            "\"" => Some(after.split_once('"').map_or("", |(_, rest)| rest)),
            _ => after_apostrophe(&kept, after),
        };
        kept.push_str(if end.is_some() { " " } else { "'" });
        rest = end.unwrap_or(after);
    }
    kept.push_str(rest);
    kept
}

/// Cuts out `<…>` anywhere.
fn without_angles(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inner)) = rest.split_once('<') {
        kept.push_str(before);
        kept.push(' ');
        rest = after_angle(inner);
    }
    kept.push_str(rest);
    kept
}

/// Returns what follows the `>` that closes an angle bracket. A `>` within quotation marks closes
/// nothing.
fn after_angle(inner: &str) -> &str {
    let mut is_quoted = false;
    for (index, octet) in inner.bytes().enumerate() {
        match octet {
            b'"' => is_quoted = !is_quoted,
            b'>' if !is_quoted => return &inner[index + 1..],
            _ => {}
        }
    }
    inner.split_once('>').map_or("", |(_, rest)| rest)
}

/// Returns what follows a quotation in single quotes; `None` for the apostrophe of `isn't`.
fn after_apostrophe<'a>(before: &str, after: &'a str) -> Option<&'a str> {
    if before.ends_with(char::is_alphanumeric) {
        return None;
    }
    let ends = after
        .match_indices('\'')
        .map(|(index, _)| &after[index + 1..]);
    ends.into_iter()
        .find(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// Returns the time after which a temporary rejection wants the client back: `in 300 seconds`, `for
/// 5 minutes`, `1 hour and 30 minutes`, `00:05:00` (milter-greylist). At most a day; `None` for any
/// other reply, and if the reply names no time.
#[must_use]
pub fn retry_after(reply: &Reply) -> Option<Duration> {
    if !(400..500).contains(&reply.code) {
        return None;
    }
    let text = without_echoes(&reply.text().to_lowercase());
    let tokens: Vec<&str> = text
        .split(|character: char| {
            !character.is_alphanumeric() && character != ':' && character != '.'
        })
        .map(|token| token.trim_matches([':', '.']))
        .filter(|token| !token.is_empty())
        .collect();
    let clock = tokens.iter().find_map(|token| clock_time(token));
    let time =
        clock.or_else(|| (0..tokens.len()).find_map(|start| spoken_time(&tokens[start..])))?;
    Some(time.min(MAX_RETRY_AFTER))
}

/// Reads `HH:MM:SS`.
fn clock_time(token: &str) -> Option<Duration> {
    let parts: Option<Vec<u64>> = token.split(':').map(small_number).collect();
    match parts?.as_slice() {
        [hours, minutes @ 0..60, seconds @ 0..60] => {
            Some(Duration::from_secs(hours * 3600 + minutes * 60 + seconds))
        }
        _ => None,
    }
}

/// Reads one or more of `5 minutes`, `5min`, `an hour`, joined by nothing or by `and`.
fn spoken_time(tokens: &[&str]) -> Option<Duration> {
    let (mut total, mut rest) = (None, tokens);
    while let Some((seconds, used)) = one_time(rest) {
        total = Some(total.unwrap_or(0) + seconds);
        rest = &rest[used..];
        if rest.first() == Some(&"and") && one_time(&rest[1..]).is_some() {
            rest = &rest[1..];
        }
    }
    total.map(Duration::from_secs)
}

/// Returns the seconds of one such time, and of how many tokens it consists.
fn one_time(tokens: &[&str]) -> Option<(u64, usize)> {
    let first = tokens.first()?;
    let digits = first.len()
        - first
            .trim_start_matches(|digit: char| digit.is_ascii_digit())
            .len();
    let (number, unit) = first.split_at(digits);
    if digits > 0 && !unit.is_empty() {
        return Some((small_number(number)? * seconds_of(unit)?, 1));
    }
    let number = match *first {
        "a" | "an" | "one" => 1,
        digits => small_number(digits)?,
    };
    Some((number * seconds_of(tokens.get(1)?)?, 2))
}

/// Up to six digits: nothing can overflow.
fn small_number(digits: &str) -> Option<u64> {
    let fits =
        (1..=6).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    fits.then(|| digits.parse().ok()).flatten()
}

fn seconds_of(unit: &str) -> Option<u64> {
    match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some(3600),
        "day" | "days" => Some(24 * 3600),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::octets::Octets;

    fn reply(line: &str) -> Reply {
        let code = line[..3].parse().expect("the line begins with a code");
        Reply {
            code,
            lines: line[3..]
                .trim_start_matches([' ', '-'])
                .split(" / ")
                .map(Octets::from)
                .collect(),
        }
    }

    /// Real replies of servers, a table in a file: `stage | reason | reply`.
    #[test]
    fn servers_mean_what_they_say() {
        let mut server = "";
        let mut checked = 0;
        let mut wrong = Vec::new();
        for line in include_str!("../../tests/replies.txt")
            .lines()
            .filter(|line| !line.is_empty())
        {
            if let Some(name) = line.strip_prefix('#') {
                server = name.trim();
                continue;
            }
            let cells: Vec<&str> = line.splitn(3, '|').map(str::trim).collect();
            let [stage, reason, text] = cells[..] else { panic!("three cells: {line}") };
            let stage: Stage =
                serde_json::from_value(stage.into()).expect("the first cell is a stage");
            let expected: Reason =
                serde_json::from_value(reason.into()).expect("the second cell is a reason");
            let got = Reason::of(stage, &reply(text));
            if got != expected {
                wrong.push(format!("{server}: {text}\n    is {got:?}, should be {expected:?}"));
            }
            checked += 1;
        }
        assert!(
            wrong.is_empty(),
            "{} of {checked} replies misread:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        assert!(checked >= 150, "{checked}");
    }

    #[test]
    fn echoes_are_cut_out() {
        for (text, kept) in [
            ("<a@relay.example>: no", " : no"),
            ("<\"a>b\"@c>... no", " ... no"),
            ("isn't 'relay denied' here", "isn't   here"),
            ("domain 'x.y' isn't 'z'", "domain   isn't  "),
            ("said \"relay denied", "said  "),
            ("<relay denied", " "),
            ("unbalanced '<'", "unbalanced ' "),
            ("<<a@b>> x", " > x"),
        ] {
            assert_eq!(without_echoes(text), kept, "{text}");
        }
    }

    #[test]
    fn times_are_read_and_bounded() {
        for (line, seconds) in [
            ("450 4.2.0 <x>: Recipient address rejected: Greylisted for 5 minutes", Some(300)),
            (
                "450 4.2.0 <x>: Recipient address rejected: Greylisted for 300 seconds (see \
                 http://postgrey.example/)",
                Some(300),
            ),
            (
                "450 4.2.0 Greylisted, see \
                 http://postgrey.schweikert.ch/help/5minutes.example.html",
                None,
            ),
            (
                "450 4.2.0 <300 seconds@x>: Greylisted, see \
                 http://postgrey.schweikert.ch/help/probe.example.html",
                None,
            ),
            ("451 4.7.1 Greylisting in action, please come back in 00:05:00", Some(300)),
            ("451 4.7.1 Greylisting in action, please come back in 01:30:00", Some(5400)),
            ("451 Greylisted, please try again in 180 seconds", Some(180)),
            ("451 try again in 1 hour and 5 minutes.", Some(3900)),
            ("451 try again in an hour", Some(3600)),
            ("451 retry in 60s", Some(60)),
            ("451 retry in 10min", Some(600)),
            ("451 try again in 3 days", Some(86_400)),
            ("451 try again in 999999 days", Some(86_400)),
            ("451 try again in 99999999999999999999 seconds", None),
            ("451 retry timeout exceeded", None),
            ("451 come back in a few minutes", None),
            ("451 host 192.0.2.1 port 25", None),
            ("450 4.7.1 at 12:30", None),
            ("550 try again in 5 minutes", None),
        ] {
            assert_eq!(retry_after(&reply(line)), seconds.map(Duration::from_secs), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(code in 200_u16..600, text: Vec<u8>) {
            let reply = Reply { code, lines: vec![Octets::from(text)] };
            let _ = (Reason::of(Stage::Rcpt, &reply), retry_after(&reply));
        }

        #[test]
        fn what_a_server_repeats_says_nothing(echo in "[a-z .:]{0,40}") {
            for phrase in ["relay access denied", "blocked using", "greylisted", "user unknown", "5.7.1", ""] {
                let name = phrase.replace(' ', "-");
                let text = format!("550 <{echo}{phrase}>: \"{phrase}\" '{phrase}' \
                                    {name}@x.example x.{name}.example");
                let reply = reply(&text);
                prop_assert_eq!(Reason::of(Stage::Rcpt, &reply), Reason::Unclassified);
            }
        }
    }
}
