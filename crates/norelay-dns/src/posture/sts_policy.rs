//! The MTA-STS policy that a domain publishes over HTTPS (RFC 8461 section 3.2), and whether its
//! mail exchangers fit it.
//!
//! Rules:
//! - A policy that sending servers would not follow is wrong here, with the reason.
//! - A policy that could not be fetched for another reason is unknown, never wrong.

use super::{DomainRecords, PostureNote, is_host};
use norelay_smtp::octets::Octets;

/// The longest `max_age` in seconds, about a year (RFC 8461 section 3.2).
const MAX_AGE: u64 = 31_557_600;
/// More lines than any honest policy has.
const MAX_LINES: usize = 1_000;

/// The result of fetching a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The text of the policy.
    Text(Octets),
    /// Sending servers can't get a policy, for this reason.
    Wrong(String),
    /// The policy could not be fetched, for this reason, and senders may still get one.
    Unknown(String),
}

/// What is of interest in a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StsPolicy {
    /// `enforce`, `testing` or `none`.
    pub mode: String,
    /// The hosts that may receive the domain's mail. The first label may be `*`.
    pub hosts: Vec<String>,
    /// How long sending servers keep the policy, in seconds.
    pub max_age: u64,
}

/// Reads a policy.
///
/// # Errors
/// One clause: the first thing that is wrong.
pub fn policy(text: &str) -> Result<StsPolicy, String> {
    let (mut version, mut mode, mut max_age, mut hosts) = (None, None, None, Vec::new());
    for line in text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .take(MAX_LINES)
    {
        let (key, value) = line
            .split_once(':')
            .ok_or_else(|| format!("\"{line}\" is no key with a value"))?;
        let value = value.trim();
        // RFC 8461 section 3.2: of a repeated key only the first counts. `mx` may be repeated.
        match key.trim() {
            "version" => drop(version.get_or_insert(value)),
            "mode" => drop(mode.get_or_insert(value)),
            "max_age" => drop(max_age.get_or_insert(value)),
            "mx" => hosts.push(value.trim_end_matches('.').to_ascii_lowercase()),
            _ => {}
        }
    }
    if version != Some("STSv1") {
        return Err("it does not say version: STSv1".to_owned());
    }
    let mode = mode.ok_or("there is no mode")?;
    if !["enforce", "testing", "none"].contains(&mode) {
        return Err(format!("\"mode: {mode}\" is not one of enforce, testing, none"));
    }
    let max_age = max_age.ok_or("there is no max_age")?;
    let max_age = max_age.parse().ok().filter(|seconds| *seconds <= MAX_AGE);
    let max_age = max_age.ok_or_else(|| format!("max_age is not from 0 to {MAX_AGE} seconds"))?;
    if hosts.is_empty() && mode != "none" {
        return Err("it names no mail exchanger (mx)".to_owned());
    }
    Ok(StsPolicy { mode: mode.to_owned(), hosts, max_age })
}

impl StsPolicy {
    /// True if mail may go to a host. `*` stands for exactly one label (RFC 8461 section 4.1).
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.hosts
            .iter()
            .any(|pattern| match pattern.strip_prefix("*.") {
                Some(rest) => host
                    .split_once('.')
                    .is_some_and(|(label, above)| !label.is_empty() && above == rest),
                None => *pattern == host,
            })
    }
}

/// Returns what is worth knowing about a domain whose record announces a policy.
pub(super) fn notes(domain: &DomainRecords) -> Vec<PostureNote> {
    let name = domain.name.as_str();
    let text = match &domain.sts_policy {
        Some(Fetched::Text(text)) => text.to_text(),
        Some(Fetched::Wrong(why)) => {
            return vec![PostureNote::new("mta_sts_policy_wrong", [name, why])];
        }
        Some(Fetched::Unknown(why)) => {
            return vec![PostureNote::new("mta_sts_policy_unknown", [name, why])];
        }
        None => {
            return vec![PostureNote::new("mta_sts_policy_unknown", [name, "it was not fetched"])];
        }
    };
    let policy = match policy(&text) {
        Ok(policy) => policy,
        Err(why) => return vec![PostureNote::new("mta_sts_policy_wrong", [name, &why])],
    };
    if policy.mode == "none" {
        return vec![PostureNote::new("mta_sts_not_enforced", [name, &policy.mode])];
    }
    let exchangers = domain.exchangers.as_deref().unwrap_or_default();
    let left_out = exchangers
        .iter()
        .filter(|exchanger| is_host(&exchanger.host) && !policy.covers(&exchanger.host));
    let mut notes: Vec<_> = left_out
        .map(|exchanger| {
            PostureNote::new("mta_sts_mx_left_out", [name, &exchanger.host, &policy.mode])
        })
        .collect();
    if policy.mode == "testing" {
        notes.push(PostureNote::new("mta_sts_not_enforced", [name, &policy.mode]));
    }
    if notes.is_empty() {
        notes.push(PostureNote::new(
            "mta_sts_found",
            [name, &(policy.max_age / 86_400).to_string()],
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn policies_are_read_strictly() {
        for (text, expected) in [
            ("version: STSv1\nmode: enforce\nmx: mx.a.example\nmax_age: 86400\n", Ok(())),
            (
                "version: STSv1\r\nmode: testing\r\nmx: *.a.example\r\nmax_age: 604800\r\nnew: \
                 thing\r\n\r\n",
                Ok(()),
            ),
            ("version: STSv1\nmode: none\nmax_age: 0", Ok(())),
            ("mode: enforce\nmx: mx.a.example\nmax_age: 1", Err("it does not say version: STSv1")),
            ("version: STSv2\nmode: none\nmax_age: 1", Err("it does not say version: STSv1")),
            ("version: STSv1\nmx: a.example\nmax_age: 1", Err("there is no mode")),
            (
                "version: STSv1\nmode: on\nmax_age: 1",
                Err("\"mode: on\" is not one of enforce, testing, none"),
            ),
            ("version: STSv1\nmode: none", Err("there is no max_age")),
            (
                "version: STSv1\nmode: none\nmax_age: 31557601",
                Err("max_age is not from 0 to 31557600 seconds"),
            ),
            ("version: STSv1\nmode: enforce\nmax_age: 1", Err("it names no mail exchanger (mx)")),
            ("<!DOCTYPE html>", Err("\"<!DOCTYPE html>\" is no key with a value")),
            ("", Err("it does not say version: STSv1")),
        ] {
            assert_eq!(policy(text).map(drop), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_star_is_one_label() {
        let policy =
            policy("version: STSv1\nmode: enforce\nmx: MX.a.example.\nmx: *.b.example\nmax_age: 1")
                .expect("right");
        for (host, is_covered) in [
            ("mx.a.example", true),
            ("Mx.A.Example", true),
            ("mx2.a.example", false),
            ("one.b.example", true),
            ("one.two.b.example", false),
            ("b.example", false),
            (".b.example", false),
        ] {
            assert_eq!(policy.covers(host), is_covered, "{host}");
        }
    }

    proptest! {
        #[test]
        fn no_policy_panics(
            text in "(version: STSv1\n)?(mode|mx|max_age|\\PC{0,5})?[: \n]\\PC{0,30}",
        ) {
            let _ = policy(&text).map(|policy| policy.covers(&text));
        }
    }
}
