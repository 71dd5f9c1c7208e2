//! Tokens: local parts that prove, when they come back, which test of which run brought a message
//! through.
//!
//! A token is `nr` and 34 letters of base32 (`a`-`z`, `2`-`7`), so that it survives case folding,
//! quoting, `%` and `!` (36 octets; a local part may have 64, RFC 5321 section 4.5.3.1.1). Its 21
//! octets are the run (8), the path (1), the test's number (1), the role (1), and the first 80 bits
//! of an HMAC-SHA-256 over those under the run's key.
//!
//! Rules:
//! - A token proves its own run, path, test and role, and nothing else.
//! - It is compared in constant time.

use std::fmt;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;

use crate::path::PathId;

const PREFIX: &str = "nr";
const CLAIM: usize = 11;
const PROOF: usize = 10;
/// Letters of base32 after the prefix: 21 octets in groups of five bits.
const LETTERS: usize = (CLAIM + PROOF) * 8 / 5 + 1;
/// The length of a token, in octets.
pub const LENGTH: usize = PREFIX.len() + LETTERS;

/// The name of a run: 64 random bits, shown as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The text isn't a run's name.
#[derive(Debug, PartialEq, Eq)]
pub struct NotARunId;

impl std::str::FromStr for RunId {
    type Err = NotARunId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let octets = HEXLOWER.decode(text.as_bytes()).map_err(|_| NotARunId)?;
        octets
            .try_into()
            .map(|octets| Self(u64::from_be_bytes(octets)))
            .map_err(|_| NotARunId)
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|NotARunId| serde::de::Error::custom("a run's name has 16 hexadecimal digits"))
    }
}

/// What a token stands for in the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRole {
    /// The forward-path: a message that comes to it was relayed.
    Recipient,
    /// The reverse-path: a message that comes to it is a bounce.
    Sender,
    /// The text of the message: it was seen by whoever holds the message, not by whoever saw the
    /// envelope alone.
    Message,
    /// A local part that no server has: for controls.
    Unknown,
    /// A forward-path within the text of a message: a message that comes to it was cut out of that
    /// one.
    Inner,
    /// The forward-path of a canary, which shows that the receiver works. The number of the test is
    /// that of the canary.
    Canary,
}

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token {
    /// The run.
    pub run: RunId,
    /// The path.
    pub path: PathId,
    /// The test's number in the catalogue.
    pub test: u8,
    /// What the token stands for.
    pub role: TokenRole,
}

impl Token {
    fn claim(&self) -> [u8; CLAIM] {
        let mut claim = [0; CLAIM];
        claim[..8].copy_from_slice(&self.run.0.to_be_bytes());
        claim[8] = self.path.number();
        claim[9] = self.test;
        claim[10] = match self.role {
            TokenRole::Recipient => 0,
            TokenRole::Sender => 1,
            TokenRole::Message => 2,
            TokenRole::Unknown => 3,
            TokenRole::Inner => 4,
            TokenRole::Canary => 5,
        };
        claim
    }

    fn from_claim(claim: [u8; CLAIM]) -> Option<Self> {
        let [run @ .., path, test, role] = claim;
        let role = match role {
            0 => TokenRole::Recipient,
            1 => TokenRole::Sender,
            2 => TokenRole::Message,
            3 => TokenRole::Unknown,
            4 => TokenRole::Inner,
            5 => TokenRole::Canary,
            _ => return None,
        };
        let run = RunId(u64::from_be_bytes(run));
        Some(Self { run, path: PathId::new(path), test, role })
    }
}

/// The secret that makes tokens: 256 random bits of the run or, for a receiver that serves many
/// runs, of the receiver.
#[derive(Clone)]
pub struct TokenKey([u8; 32]);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(********)")
    }
}

impl TokenKey {
    /// The key with these octets.
    #[must_use]
    pub fn new(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The key of one run, made from a receiver's: whoever has it can't make another run's tokens.
    #[must_use]
    pub fn for_run(&self, run: RunId) -> Self {
        let mut key = [0; 32];
        key.copy_from_slice(&self.hmac(&run.0.to_be_bytes()).finalize().into_bytes());
        Self(key)
    }

    /// The octets, for handing the key of one run to the one who runs it.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Makes a token; `self` is the run's key.
    #[must_use]
    pub fn mint(&self, token: Token) -> String {
        let claim = token.claim();
        let proof = self.hmac(&claim).finalize().into_bytes();
        let octets = [&claim[..], &proof[..PROOF]].concat();
        format!("{PREFIX}{}", BASE32_NOPAD.encode(&octets).to_ascii_lowercase())
    }

    /// Finds the first genuine token in a text, in any case of letters and with anything around it;
    /// `self` is the run's key.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Option<Token> {
        self.find_where(text, |_| true)
    }

    /// As [`TokenKey::find`], among the tokens that say what is wanted: the others are not even
    /// verified.
    #[must_use]
    pub fn find_where(&self, text: &[u8], is_wanted: impl Fn(&Token) -> bool) -> Option<Token> {
        candidates(text)
            .filter(|(token, _)| is_wanted(token))
            .find_map(|(token, octets)| self.is_genuine(&octets).then_some(token))
    }

    /// As [`TokenKey::find`], where `self` is the key of a receiver that serves many runs.
    #[must_use]
    pub fn find_of_any_run(&self, text: &[u8]) -> Option<Token> {
        candidates(text).find_map(|(token, octets)| {
            self.for_run(token.run).is_genuine(&octets).then_some(token)
        })
    }

    fn is_genuine(&self, octets: &[u8; CLAIM + PROOF]) -> bool {
        self.hmac(&octets[..CLAIM])
            .verify_truncated_left(&octets[CLAIM..])
            .is_ok()
    }

    fn hmac(&self, message: &[u8]) -> Hmac<Sha256> {
        let mut hmac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        hmac.update(message);
        hmac
    }
}

/// What looks like a token: the places of the prefix that are followed by enough letters.
fn candidates(text: &[u8]) -> impl Iterator<Item = (Token, [u8; CLAIM + PROOF])> {
    text.windows(LENGTH).filter_map(|window| {
        let (prefix, letters) = window.split_at(PREFIX.len());
        if !prefix.eq_ignore_ascii_case(PREFIX.as_bytes()) {
            return None;
        }
        let octets: [u8; CLAIM + PROOF] = BASE32_NOPAD
            .decode(&letters.to_ascii_uppercase())
            .ok()?
            .try_into()
            .ok()?;
        let claim = octets.first_chunk::<CLAIM>().copied()?;
        Some((Token::from_claim(claim)?, octets))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: Token = Token {
        run: RunId(0x0123_4567_89ab_cdef),
        path: PathId::new(3),
        test: 17,
        role: TokenRole::Recipient,
    };

    fn key() -> TokenKey {
        TokenKey::new([7; 32])
    }

    #[test]
    fn tokens_fit_a_local_part_and_survive_mangling() {
        let token = key().mint(TOKEN);
        assert_eq!(token.len(), LENGTH);
        assert!(
            LENGTH <= 40
                && token
                    .bytes()
                    .all(|octet| matches!(octet, b'a'..=b'z' | b'2'..=b'7'))
        );
        for mangled in [
            token.clone(),
            token.to_uppercase(),
            format!("\"{token}%probe.example\"@mx.example"),
            format!("probe.example!{token}"),
            format!("nrnr{token}nr"),
            format!("bounces+{token}=probe.example"),
        ] {
            assert_eq!(key().find(mangled.as_bytes()), Some(TOKEN), "{mangled}");
        }
    }

    #[test]
    fn a_wanted_token_is_found_among_others() {
        let message = Token { role: TokenRole::Message, ..TOKEN };
        let text =
            format!("To: <{}@d>\r\nMessage-ID: <{}@d>", key().mint(TOKEN), key().mint(message));
        for (role, expected) in [
            (TokenRole::Recipient, Some(TOKEN)),
            (TokenRole::Message, Some(message)),
            (TokenRole::Sender, None),
        ] {
            assert_eq!(key().find_where(text.as_bytes(), |token| token.role == role), expected);
        }
    }

    #[test]
    fn forged_tokens_are_none() {
        let token = key().mint(TOKEN);
        for position in PREFIX.len()..LENGTH {
            let mut forged = token.clone().into_bytes();
            forged[position] = if forged[position] == b'a' { b'b' } else { b'a' };
            assert_eq!(key().find(&forged), None, "letter {position}");
        }
        assert_eq!(TokenKey::new([8; 32]).find(token.as_bytes()), None);
    }

    #[test]
    fn a_receivers_key_makes_the_keys_of_runs() {
        let token = key().for_run(TOKEN.run).mint(TOKEN);
        assert_eq!(key().find_of_any_run(token.as_bytes()), Some(TOKEN));
        assert_eq!(key().find(token.as_bytes()), None);
        assert_eq!(key().for_run(RunId(1)).find(token.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text: Vec<u8>) {
            prop_assert_eq!(key().find(&text), None);
        }
    }
}
