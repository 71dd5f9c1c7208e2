//! What a user types as a target: a host name, a mail domain, a mail address, or an address, each
//! with or without a port.

use std::net::IpAddr;

use norelay_core::{catalogue::Profile, event::MailExchanger, smtp::Security};

/// The ports that mail comes to: MX (RFC 5321), submission over TLS (RFC 8314), and submission
/// (RFC 6409).
pub const MAIL_PORTS: [u16; 3] = [25, 465, 587];

/// A target as it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host, domain or address.
    pub host: Host,
    /// The port, where one was typed.
    pub port: Option<u16>,
}

/// What a target names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A host name or a mail domain, in ASCII, in lower case, without a final dot.
    Name(String),
    /// The domain of a mail address.
    MailDomain(String),
    /// An address.
    Address(IpAddr),
}

impl Target {
    /// Returns the mail domain that was typed: the domain of a mail address, or a name that has
    /// mail exchangers.
    #[must_use]
    pub fn domain(&self, exchangers: &[MailExchanger]) -> Option<&str> {
        match &self.host {
            Host::MailDomain(domain) => Some(domain),
            Host::Name(name)
                if exchangers
                    .iter()
                    .any(|exchanger| exchanger.preference.is_some()) =>
            {
                Some(name)
            }
            _ => None,
        }
    }

    /// Returns the ports to test and how each is protected: the port that was typed, else the
    /// chosen ports, else the ports of mail.
    #[must_use]
    pub fn ports_to_test(&self, chosen: &[u16], profile: Profile) -> Vec<(u16, Security)> {
        let ports = match (self.port, chosen.is_empty()) {
            (Some(port), _) => vec![port],
            (None, false) => chosen.to_vec(),
            // The classic seventeen tests were made for port 25 in the clear.
            (None, true) if profile == Profile::Classic => return vec![(25, Security::Plain)],
            (None, true) => MAIL_PORTS.to_vec(),
        };
        let ports = ports.into_iter().flat_map(|port| match port {
            // RFC 8314 section 3.3: on port 465, TLS begins with the connection.
            465 => vec![(port, Security::Tls)],
            _ => vec![(port, Security::Plain), (port, Security::StartTls)],
        });
        ports.collect()
    }
}

/// A text that can't be a target. The sentence says what to type instead.
#[derive(Debug, PartialEq, Eq)]
pub struct NotATarget(pub String);

impl std::fmt::Display for NotATarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotATarget {}

impl std::str::FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        let text = text.trim();
        if let Ok(address) = text.parse() {
            return Ok(Self { host: Host::Address(address), port: None });
        }
        if let Some((_, domain)) = text.rsplit_once('@') {
            return Ok(Self { host: Host::MailDomain(host_name(domain)?), port: None });
        }
        if let Some(bracketed) = text.strip_prefix('[') {
            return bracketed_target(text, bracketed);
        }
        match text.rsplit_once(':') {
            None => Ok(Self { host: Host::Name(host_name(text)?), port: None }),
            Some((host, port)) => {
                let port = Some(parse_port(text, port)?);
                let host = match host.parse() {
                    Ok(address) => Host::Address(address),
                    Err(_) => Host::Name(host_name(host)?),
                };
                Ok(Self { host, port })
            }
        }
    }
}

/// Reads `[192.0.2.7]`, `[2001:db8::7]:25` and the address literals of RFC 5321 section 4.1.3.
fn bracketed_target(text: &str, bracketed: &str) -> Result<Target, NotATarget> {
    let not_an_address = || {
        NotATarget(format!(
            "\"{}\" is not an address in brackets: type [2001:db8::7] or [2001:db8::7]:25.",
            shown(text)
        ))
    };
    let (address, rest) = bracketed.split_once(']').ok_or_else(not_an_address)?;
    let address = address
        .strip_prefix("IPv6:")
        .unwrap_or(address)
        .parse()
        .map_err(|_| not_an_address())?;
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(parse_port(text, port)?),
        None if rest.is_empty() => None,
        None => return Err(not_an_address()),
    };
    Ok(Target { host: Host::Address(address), port })
}

fn parse_port(text: &str, port: &str) -> Result<u16, NotATarget> {
    port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
        NotATarget(format!(
            "\"{}\" does not end with a port from 1 to 65535: type a host name, or HOST:PORT.",
            shown(text)
        ))
    })
}

/// Returns a host name in ASCII (RFC 1123 section 2.1, RFC 5890), in lower case, without a final
/// dot.
///
/// # Errors
/// A sentence that says what to type.
pub fn host_name(text: &str) -> Result<String, NotATarget> {
    let not_a_name = || {
        NotATarget(format!(
            "\"{}\" is not a host name, a mail domain or an address: type something like \
             mail.example.net or 192.0.2.7.",
            shown(text)
        ))
    };
    let ascii = idna::domain_to_ascii(text.trim_end_matches('.')).map_err(|_| not_a_name())?;
    // RFC 1123 section 2.1: a last label of digits alone would make the name look like an address.
    let all_digits = ascii
        .split('.')
        .next_back()
        .is_some_and(|label| label.bytes().all(|octet| octet.is_ascii_digit()));
    let fits = !ascii.is_empty()
        && ascii.len() <= 253
        && ascii.split('.').all(is_host_label)
        && !all_digits;
    if fits { Ok(ascii) } else { Err(not_a_name()) }
}

/// True if a text is one label of a host name. An underscore is accepted, since real hosts have it.
fn is_host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Returns a text that is harmless in a terminal, cut to what fits a sentence.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    norelay_core::octets::Octets::from(short).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str, port: Option<u16>) -> Option<Target> {
        Some(Target { host: Host::Name(name.to_owned()), port })
    }

    fn address(address: &str, port: Option<u16>) -> Option<Target> {
        Some(Target { host: Host::Address(address.parse().expect("the row has an address")), port })
    }

    #[test]
    fn targets_are_understood_or_refused_with_a_sentence() {
        for (text, expected) in [
            ("mail.example.net", name("mail.example.net", None)),
            ("  MAIL.Example.NET. ", name("mail.example.net", None)),
            ("mail.example.net:587", name("mail.example.net", Some(587))),
            ("bücher.example", name("xn--bcher-kva.example", None)),
            ("192.0.2.7", address("192.0.2.7", None)),
            ("192.0.2.7:2525", address("192.0.2.7", Some(2525))),
            ("[192.0.2.7]:25", address("192.0.2.7", Some(25))),
            ("2001:db8::7", address("2001:db8::7", None)),
            ("[2001:db8::7]", address("2001:db8::7", None)),
            ("[IPv6:2001:db8::7]:465", address("2001:db8::7", Some(465))),
            (
                "someone@example.net",
                Some(Target { host: Host::MailDomain("example.net".into()), port: None }),
            ),
            ("localhost", name("localhost", None)),
            ("", None),
            (".", None),
            ("a b", None),
            ("a..b", None),
            ("-a.example", None),
            ("192.0.2.7.8", None),
            ("3221225991", None),
            ("mail.example.net:0", None),
            ("mail.example.net:smtp", None),
            ("[2001:db8::7", None),
            ("[2001:db8::7]x", None),
            ("http://mail.example.net/", None),
            ("x\u{1b}[31m", None),
        ] {
            let target = text.parse::<Target>();
            if let Err(NotATarget(sentence)) = &target {
                assert!(sentence.ends_with('.') && !sentence.contains('\u{1b}'), "{sentence}");
            }
            assert_eq!(target.ok(), expected, "{text:?}");
        }
    }
}
