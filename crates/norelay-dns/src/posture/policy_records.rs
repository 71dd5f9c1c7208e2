//! The other records of a mail domain: DMARC (RFC 7489), MTA-STS (RFC 8461), TLS-RPT (RFC 8460).
//!
//! Rules:
//! - A record that a receiver would ignore is wrong here, with the reason.
//! - Unknown tags are allowed, as the RFCs say.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// What is of interest in a DMARC record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dmarc {
    /// `none`, `quarantine` or `reject`.
    pub policy: String,
    /// The policy for subdomains, if it differs.
    pub subdomain_policy: Option<String>,
    /// The percentage of the mail that the policy applies to.
    pub percent: u8,
    /// True if the domain wants reports.
    pub reports: bool,
}

/// True if a text is a DMARC record at all: its first tag is `v=DMARC1`.
#[must_use]
pub fn is_dmarc(text: &str) -> bool {
    first_tag(text) == Some(("v", "DMARC1"))
}

/// True if a text is an MTA-STS record.
#[must_use]
pub fn is_mta_sts(text: &str) -> bool {
    first_tag(text) == Some(("v", "STSv1"))
}

/// True if a text is a TLS-RPT record.
#[must_use]
pub fn is_tls_rpt(text: &str) -> bool {
    first_tag(text) == Some(("v", "TLSRPTv1"))
}

fn first_tag(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split(';').next()?.split_once('=')?;
    Some((name.trim(), value.trim()))
}

/// Reads the tags after the version, by name.
fn tags(text: &str) -> Result<BTreeMap<&str, &str>, String> {
    let mut tags = BTreeMap::new();
    let mut parts: Vec<_> = text.split(';').skip(1).map(str::trim).collect();
    // A semicolon at the end is allowed.
    if parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    for part in parts {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| format!("\"{part}\" is no tag"))?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty()
            || !name
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'))
        {
            return Err(format!("\"{part}\" is no tag"));
        }
        if tags.insert(name, value).is_some() {
            return Err(format!("\"{name}\" stands twice"));
        }
    }
    Ok(tags)
}

/// Reads a DMARC record.
///
/// # Errors
/// One clause: the first thing that is wrong.
pub fn dmarc(record: &str) -> Result<Dmarc, String> {
    let tags = tags(record)?;
    let policies = &["none", "quarantine", "reject"];
    let policy = one_of(&tags, "p", policies)?.ok_or("there is no policy (p=)")?;
    let subdomain_policy = one_of(&tags, "sp", policies)?;
    one_of(&tags, "np", policies)?;
    one_of(&tags, "adkim", &["r", "s"])?;
    one_of(&tags, "aspf", &["r", "s"])?;
    let percent = match tags.get("pct").map(|text| (text, text.parse::<u8>())) {
        Some((_, Ok(percent))) if percent <= 100 => percent,
        Some((text, _)) => return Err(format!("\"pct={text}\" is no percentage")),
        None => 100,
    };
    for name in ["rua", "ruf"] {
        report_addresses(name, tags.get(name).copied(), &["mailto:"])?;
    }
    let subdomain_policy = subdomain_policy.filter(|sub| *sub != policy);
    Ok(Dmarc { policy, subdomain_policy, percent, reports: tags.contains_key("rua") })
}

/// Reads the value of a tag that allows certain words only.
fn one_of(
    tags: &BTreeMap<&str, &str>,
    name: &str,
    values: &[&str],
) -> Result<Option<String>, String> {
    match tags.get(name) {
        Some(value) if values.iter().any(|known| known.eq_ignore_ascii_case(value)) => {
            Ok(Some(value.to_ascii_lowercase()))
        }
        Some(value) => Err(format!("\"{name}={value}\" is not one of {}", values.join(", "))),
        None => Ok(None),
    }
}

/// Checks addresses separated by commas. DMARC's may end in `!10m` (RFC 7489 section 6.2).
fn report_addresses(name: &str, value: Option<&str>, schemes: &[&str]) -> Result<(), String> {
    for uri in value.into_iter().flat_map(|value| value.split(',')) {
        let uri = uri.trim();
        let has_scheme = schemes.iter().any(|scheme| {
            uri.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
                && uri.len() > scheme.len()
        });
        let is_mail = uri
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("mailto:"));
        if !has_scheme || (is_mail && !uri.contains('@')) || uri.contains(char::is_whitespace) {
            return Err(format!("\"{name}={uri}\" is no {} address", schemes.join(" or ")));
        }
    }
    Ok(())
}

/// Reads an MTA-STS record (RFC 8461 section 3.1).
///
/// # Errors
/// One clause: the first thing that is wrong.
pub fn mta_sts(record: &str) -> Result<(), String> {
    match tags(record)?.get("id") {
        Some(id)
            if (1..=32).contains(&id.len())
                && id.bytes().all(|octet| octet.is_ascii_alphanumeric()) =>
        {
            Ok(())
        }
        Some(id) => Err(format!("\"id={id}\" is not of 1 to 32 letters and digits")),
        None => Err("there is no id".to_owned()),
    }
}

/// Reads a TLS-RPT record (RFC 8460 section 3).
///
/// # Errors
/// One clause: the first thing that is wrong.
pub fn tls_rpt(record: &str) -> Result<(), String> {
    let tags = tags(record)?;
    let addresses = tags
        .get("rua")
        .ok_or("there is no address for reports (rua=)")?;
    report_addresses("rua", Some(addresses), &["mailto:", "https://"])
}

/// A TLSA record (RFC 6698 section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// The certificate usage.
    pub usage: u8,
    /// The selector.
    pub selector: u8,
    /// The matching type.
    pub matching: u8,
    /// The association data.
    pub data: Vec<u8>,
}

impl Tlsa {
    /// `USAGE SELECTOR SHA-256`, the digest in hexadecimal, or `-` where the data is another
    /// digest.
    #[must_use]
    pub fn comparable(&self) -> String {
        let digest = match self.matching {
            0 => HEXLOWER.encode(&Sha256::digest(&self.data)),
            1 => HEXLOWER.encode(&self.data),
            _ => "-".to_owned(),
        };
        format!("{} {} {digest}", self.usage, self.selector)
    }

    /// Why senders of mail can't use it (RFC 7672 section 3.1), if they can't.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let length = match self.matching {
            0 => None,
            1 => Some(32),
            2 => Some(64),
            other => return Some(format!("matching type {other} doesn't exist")),
        };
        match (self.usage, self.selector) {
            (0 | 1, _) => {
                Some(format!("certificate usage {} is not for mail: only 2 and 3 are", self.usage))
            }
            (usage @ 4.., _) => Some(format!("certificate usage {usage} doesn't exist")),
            (_, selector @ 2..) => Some(format!("selector {selector} doesn't exist")),
            _ if length.is_some_and(|length| length != self.data.len()) || self.data.is_empty() => {
                Some(format!(
                    "its data has {} octets, which doesn't fit matching type {}",
                    self.data.len(),
                    self.matching
                ))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dmarc_is_read_strictly() {
        let read = |policy: &str, percent, reports| {
            Ok(Dmarc { policy: policy.to_owned(), subdomain_policy: None, percent, reports })
        };
        for (record, expected) in [
            ("v=DMARC1; p=none", read("none", 100, false)),
            ("v=DMARC1;p=REJECT;", read("reject", 100, false)),
            (
                "v=DMARC1; p=quarantine; pct=20; rua=mailto:a@b.example!10m, mailto:c@d.example; \
                 x=y",
                read("quarantine", 20, true),
            ),
            ("v=DMARC1; p=reject; sp=reject", read("reject", 100, false)),
            ("v=DMARC1", Err("there is no policy (p=)")),
            ("v=DMARC1; p=block", Err("\"p=block\" is not one of none, quarantine, reject")),
            ("v=DMARC1; p=none; p=reject", Err("\"p\" stands twice")),
            ("v=DMARC1; p=none; pct=200", Err("\"pct=200\" is no percentage")),
            ("v=DMARC1; p=none; rua=a@b.example", Err("\"rua=a@b.example\" is no mailto: address")),
            (
                "v=DMARC1; p=none; rua=mailto:nobody",
                Err("\"rua=mailto:nobody\" is no mailto: address"),
            ),
            ("v=DMARC1; p=none; adkim=strict", Err("\"adkim=strict\" is not one of r, s")),
            ("v=DMARC1; p=none;; aspf=s", Err("\"\" is no tag")),
            ("v=DMARC1 p=none", Err("there is no policy (p=)")),
        ] {
            assert_eq!(dmarc(record), expected.map_err(str::to_owned), "{record}");
        }
        let sub = dmarc("v=DMARC1; p=reject; sp=none").expect("it is right");
        assert_eq!(sub.subdomain_policy.as_deref(), Some("none"));
    }

    #[test]
    fn versions_make_records() {
        for (text, is) in [
            ("v=DMARC1; p=none", [true, false, false]),
            (" v = DMARC1 ;p=none", [true, false, false]),
            ("v=dmarc1; p=none", [false; 3]),
            ("v=DMARC1 p=none", [false; 3]),
            ("v=STSv1; id=1", [false, true, false]),
            ("v=TLSRPTv1; rua=mailto:a@b.example", [false, false, true]),
            ("p=none; v=DMARC1", [false; 3]),
            ("", [false; 3]),
        ] {
            assert_eq!([is_dmarc(text), is_mta_sts(text), is_tls_rpt(text)], is, "{text}");
        }
    }

    #[test]
    fn mta_sts_and_tls_rpt_are_read_strictly() {
        for (record, expected) in [
            ("v=STSv1; id=20261124T000000;", Ok(())),
            ("v=STSv1;", Err("there is no id")),
            ("v=STSv1; id=a-b", Err("\"id=a-b\" is not of 1 to 32 letters and digits")),
            ("v=STSv1; id=", Err("\"id=\" is not of 1 to 32 letters and digits")),
        ] {
            assert_eq!(mta_sts(record), expected.map_err(str::to_owned), "{record}");
        }
        for (record, expected) in [
            ("v=TLSRPTv1; rua=mailto:a@b.example", Ok(())),
            ("v=TLSRPTv1;rua=https://b.example/report,mailto:a@b.example;", Ok(())),
            ("v=TLSRPTv1", Err("there is no address for reports (rua=)")),
            (
                "v=TLSRPTv1; rua=http://b.example/",
                Err("\"rua=http://b.example/\" is no mailto: or https:// address"),
            ),
        ] {
            assert_eq!(tls_rpt(record), expected.map_err(str::to_owned), "{record}");
        }
    }

    #[test]
    fn tlsa_records_that_mail_cannot_use_are_named() {
        for (usage, selector, matching, length, expected) in [
            (3, 1, 1, 32, None),
            (2, 0, 2, 64, None),
            (3, 0, 0, 900, None),
            (1, 1, 1, 32, Some("certificate usage 1 is not for mail")),
            (4, 1, 1, 32, Some("certificate usage 4 doesn't exist")),
            (3, 2, 1, 32, Some("selector 2 doesn't exist")),
            (3, 1, 3, 32, Some("matching type 3 doesn't exist")),
            (3, 1, 1, 64, Some("its data has 64 octets")),
            (3, 0, 0, 0, Some("its data has 0 octets")),
        ] {
            let fault = Tlsa { usage, selector, matching, data: vec![0; length] }.fault();
            let fits = match (&fault, expected) {
                (Some(fault), Some(expected)) => fault.starts_with(expected),
                (fault, expected) => fault.is_none() && expected.is_none(),
            };
            assert!(fits, "{usage} {selector} {matching} {length}: {fault:?}");
        }
    }

    proptest! {
        #[test]
        fn no_record_panics(text in "v=(DMARC1|STSv1|TLSRPTv1)(;? \
                                     ?(p|rua|pct|id|\\PC{0,5})[=:]?\\PC{0,12}){0,6}") {
            let _ = (dmarc(&text), mta_sts(&text), tls_rpt(&text));
        }
    }
}
