//! What a server offers in its reply to EHLO (RFC 5321 section 4.1.1.1), kept word for word.

use crate::{octets::Octets, reply::Reply};

/// The keyword lines of an EHLO reply. After HELO there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The first line: the server's name and greeting.
    pub greeting: Octets,
    /// Each line after the first, as the server sent it.
    pub lines: Vec<Octets>,
}

impl Capabilities {
    /// Reads the reply to EHLO.
    #[must_use]
    pub fn from_reply(reply: &Reply) -> Self {
        let mut lines = reply.lines.iter().cloned();
        Self { greeting: lines.next().unwrap_or_default(), lines: lines.collect() }
    }

    /// True if a keyword is offered with all parameters that follow it in `keyword`: `AUTH PLAIN`
    /// asks for a mechanism. Letters may have any case (RFC 5321 section 2.4).
    #[must_use]
    pub fn offers(&self, keyword: &str) -> bool {
        let mut wanted = keyword.split_whitespace();
        let offered: Vec<_> = wanted
            .next()
            .map(|keyword| self.offers_of(keyword).collect())
            .unwrap_or_default();
        let parameters: Vec<_> = offered.iter().flatten().collect();
        !offered.is_empty()
            && wanted.all(|wanted| {
                parameters
                    .iter()
                    .any(|word| word.eq_ignore_ascii_case(wanted))
            })
    }

    /// Returns the parameters of a keyword that is offered. `AUTH=LOGIN`, the form from before RFC
    /// 2554, counts as `AUTH LOGIN`.
    #[must_use]
    pub fn parameters(&self, keyword: &str) -> Option<Vec<String>> {
        self.offers_of(keyword).next()
    }

    /// Returns the parameters in each line of a keyword. Servers that also offer `AUTH=` do so in a
    /// second line.
    fn offers_of(&self, keyword: &str) -> impl Iterator<Item = Vec<String>> {
        self.lines.iter().filter_map(move |line| {
            let line = line.to_text();
            let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
            let first = words.next()?;
            first
                .eq_ignore_ascii_case(keyword)
                .then(|| words.map(str::to_owned).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_found_in_any_case() {
        let lines =
            ["mx.example hello", "PIPELINING", "size 100", "AUTH=LOGIN PLAIN", "XCLIENT ADDR NAME"];
        let reply = Reply { code: 250, lines: lines.map(Octets::from).to_vec() };
        let offered = Capabilities::from_reply(&reply);
        assert!(offered.offers("pipelining"));
        assert!(!offered.offers("mx.example"));
        assert_eq!(offered.parameters("SIZE"), Some(vec!["100".to_owned()]));
        for (keyword, is_offered) in [
            ("auth", true),
            ("AUTH PLAIN", true),
            ("auth login plain", true),
            ("AUTH CRAM-MD5", false),
            ("XCLIENT LOGIN", false),
            ("XCLIENT NAME", true),
            ("PIPELINING X", false),
            ("", false),
        ] {
            assert_eq!(offered.offers(keyword), is_offered, "{keyword}");
        }
        assert_eq!(offered.parameters("AUTH"), Some(vec!["LOGIN".to_owned(), "PLAIN".to_owned()]));
    }
}
