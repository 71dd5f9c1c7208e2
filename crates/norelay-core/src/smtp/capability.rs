//! What a server offers in its reply to EHLO (RFC 5321 section 4.1.1.1), kept word for word.

use crate::{octets::Octets, smtp::Reply};

/// The keyword lines of an EHLO reply; empty after HELO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// What stands on the first line: the server's name and its greeting.
    pub greeting: Octets,
    /// Each further line, as it came.
    pub lines: Vec<Octets>,
}

impl Capabilities {
    /// Reads the reply to EHLO.
    #[must_use]
    pub fn from_reply(reply: &Reply) -> Self {
        let mut lines = reply.lines.iter().cloned();
        Self { greeting: lines.next().unwrap_or_default(), lines: lines.collect() }
    }

    /// Whether a keyword is offered, in any case of letters.
    #[must_use]
    pub fn offers(&self, keyword: &str) -> bool {
        self.parameters(keyword).is_some()
    }

    /// The parameters of a keyword, where it is offered. `AUTH=LOGIN`, the form from before RFC 2554, counts as `AUTH LOGIN`.
    #[must_use]
    pub fn parameters(&self, keyword: &str) -> Option<Vec<String>> {
        self.lines.iter().find_map(|line| {
            let line = line.to_text();
            let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
            let first = words.next()?;
            first.eq_ignore_ascii_case(keyword).then(|| words.map(str::to_owned).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_found_in_any_case() {
        let lines = ["mx.example hello", "PIPELINING", "size 100", "AUTH=LOGIN PLAIN", "XCLIENT ADDR NAME"];
        let reply = Reply { code: 250, lines: lines.map(Octets::from).to_vec() };
        let offered = Capabilities::from_reply(&reply);
        assert!(offered.offers("pipelining"));
        assert!(!offered.offers("mx.example"));
        assert_eq!(offered.parameters("SIZE"), Some(vec!["100".to_owned()]));
        assert_eq!(offered.parameters("AUTH"), Some(vec!["LOGIN".to_owned(), "PLAIN".to_owned()]));
    }
}
