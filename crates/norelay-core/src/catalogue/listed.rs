//! Large mail providers: the domains that lists of trusted senders and of permitted recipient
//! domains contain.
//!
//! Rules:
//! - They are asked with RCPT only. No message ever goes to one, or from one, so nothing bounces to
//!   anybody. The local part is a token, which is no user of theirs.
//! - A provider's own server accepts its own domain. Such a server is known by its names.
//! - The order is that of use: the standard profile asks the first few alone.

/// A mail domain that many people use, and the domains of the servers that host it.
struct Provider {
    domain: &'static str,
    hosts: &'static [&'static str],
}

macro_rules! providers {
    ($($domain:literal $($host:literal)*;)*) => {
        /// The providers. The hosts are those that the MX records of the domain name, as of 2026.
        static PROVIDERS: &[Provider] =
            &[$(Provider { domain: $domain, hosts: &[$($host),*] }),*];
    };
}

providers! {
    "gmail.com" "google.com" "googlemail.com";
    "outlook.com" "microsoft.com" "hotmail.com" "office365.com";
    "yahoo.com" "yahoodns.net";
    "hotmail.com" "microsoft.com" "outlook.com" "office365.com";
    "icloud.com" "apple.com" "me.com";
    "gmx.net" "gmx.com" "web.de";
    "aol.com" "yahoodns.net" "yahoo.com";
    "mail.ru";
    "qq.com";
    "163.com" "netease.com";
    "yandex.ru" "yandex.net" "yandex.com";
    "proton.me" "protonmail.ch" "protonmail.com";
}

/// How many providers the standard profile asks.
pub const FEW: usize = 4;

/// Returns the domains of large providers, the most used first, without those that a server with
/// one of these names or hosted domains may host.
#[must_use]
pub fn domains_beside(names: &[&str]) -> Vec<&'static str> {
    let hosts = |provider: &&Provider| {
        let own = provider.hosts.iter().chain([&provider.domain]);
        !own.into_iter()
            .any(|domain| names.iter().any(|name| is_below(name, domain)))
    };
    PROVIDERS
        .iter()
        .filter(hosts)
        .map(|provider| provider.domain)
        .collect()
}

/// True if a name is a domain or stands below it.
fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain)
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_not_asked_about_itself() {
        for (name, missing) in [
            ("mx.victim.example", &[][..]),
            ("gmail-smtp-in.l.google.com", &["gmail.com"]),
            ("notgoogle.com", &[]),
            ("mx00.gmx.net", &["gmx.net"]),
            ("outlook-com.olc.protection.outlook.com", &["outlook.com", "hotmail.com"]),
        ] {
            let domains = domains_beside(&[name]);
            assert_eq!(domains.len() + missing.len(), PROVIDERS.len(), "{name}: {domains:?}");
            assert!(!missing.iter().any(|domain| domains.contains(domain)), "{name}");
        }
        assert_eq!(domains_beside(&["mx.yahoodns.net"])[..2], ["gmail.com", "outlook.com"]);
    }
}
