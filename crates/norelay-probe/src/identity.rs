//! Who norelay says it is: the name for EHLO and the probe domain.
//!
//! Rules:
//! - What the user gives always wins. Otherwise the machine's own name decides.
//! - The command and the service find both in the same way.

use crate::{resolve::Resolver, target};

/// The probe domain if none is given and the machine has none that accepts mail. The domain is
/// reserved for documentation (RFC 2606) and accepts no mail. Some servers reject such a sender for
/// that reason alone, and the report says what that costs.
pub const FALLBACK_DOMAIN: &str = "example.com";

/// Where Linux keeps the name of the machine.
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// Who norelay says it is, in every run of a command or a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The probe domain: the foreign domain of the tests' addresses.
    pub domain: String,
    /// True if the user gave the probe domain.
    pub domain_given: bool,
    /// The name for EHLO. Without a name, EHLO says our address as a literal.
    pub helo: Option<String>,
}

impl Identity {
    /// The identity with the given probe domain and EHLO name. The machine's own name stands in
    /// for each that is missing.
    pub async fn find(domain: Option<String>, helo: Option<String>, resolver: &Resolver) -> Self {
        let host = host_name();
        let domain_given = domain.is_some();
        let domain = match (domain, &host) {
            (Some(domain), _) => domain,
            (None, Some(host)) => domain_of(host, resolver)
                .await
                .unwrap_or_else(|| FALLBACK_DOMAIN.to_owned()),
            (None, None) => FALLBACK_DOMAIN.to_owned(),
        };
        Self { domain, domain_given, helo: helo.or(host) }
    }
}

/// The machine's host name. Returns nothing if the name is not fully qualified.
#[must_use]
pub fn host_name() -> Option<String> {
    let text = std::fs::read_to_string(HOST_NAME_FILE).ok()?;
    let name = target::host_name(text.trim()).ok()?;
    name.contains('.').then_some(name)
}

/// The mail domain of a host: the first of its candidates that accepts mail.
pub async fn domain_of(host: &str, resolver: &Resolver) -> Option<String> {
    for domain in candidates(host) {
        if resolver.accepts_mail(domain).await {
            return Some(domain.to_owned());
        }
    }
    None
}

/// The host itself, then each domain above the host, down to the one that its owner registered.
fn candidates(host: &str) -> Vec<&str> {
    let mut candidates = Vec::new();
    // A public suffix (such as "co.uk") belongs to nobody who runs this machine.
    let Some(registered) = psl::domain_str(host) else { return candidates };
    let mut domain = host;
    loop {
        candidates.push(domain);
        match domain.split_once('.') {
            Some((_, above)) if domain.len() > registered.len() => domain = above,
            _ => return candidates,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidates_end_at_the_registered_domain() {
        for (host, expected) in [
            ("example.org", &["example.org"][..]),
            ("mx.example.org", &["mx.example.org", "example.org"]),
            ("a.b.example.co.uk", &["a.b.example.co.uk", "b.example.co.uk", "example.co.uk"]),
            ("co.uk", &[]),
        ] {
            assert_eq!(candidates(host), expected, "{host}");
        }
    }
}
