//! What settings must be to work, and what is made of them once.

use std::path::Path;

use norelay_dns::blacklist::ListKeys;
use norelay_probe::{defaults, key_file, network::Internet, target};

use super::{Misconfigured, Secret, Settings};

impl Settings {
    /// The network that tests and letters go through.
    #[must_use]
    pub fn network(&self) -> Internet {
        Internet {
            source_address: self.test.source_address,
            connect_timeout: defaults::LONGEST_CONNECT,
        }
    }

    /// The keys of blacklists.
    ///
    /// # Errors
    /// Their file can't be read.
    pub fn blacklist_keys(&self) -> Result<ListKeys, Misconfigured> {
        let Some(file) = &self.test.blacklist_key_file else { return Ok(ListKeys::default()) };
        let wrong = |why: String| {
            Misconfigured(format!("The file {} can't be used: {why}.", file.display()))
        };
        let text = key_file::read_text(file).map_err(|error| Misconfigured(error.to_string()))?;
        ListKeys::parse(&text).map_err(|error| wrong(error.to_string()))
    }
}

/// The longest file with a secret, in octets.
const MAX_SECRET: u64 = 4_096;

/// Refuses what can't work, and reads what is named by a file.
pub(super) fn check(config: &mut Settings) -> Result<(), Misconfigured> {
    for name in [&mut config.test.domain, &mut config.test.helo, &mut config.receiver.name]
        .into_iter()
        .flatten()
    {
        *name = host(name)?;
    }
    config.test.second_domain = host(&config.test.second_domain)?;
    for name in &mut config.hosts {
        *name = host(name)?;
    }
    check_url(config)?;
    check_database(config)?;
    check_pairs(config)?;
    config.blacklist_keys()?;
    if config.public { check_public(config) } else { Ok(()) }
}

fn host(name: &str) -> Result<String, Misconfigured> {
    target::host_name(name).map_err(|error| Misconfigured(error.to_string()))
}

fn check_url(config: &mut Settings) -> Result<(), Misconfigured> {
    let Some(url) = &mut config.url else { return Ok(()) };
    // Links are made by adding a path that begins with a slash.
    while url.ends_with('/') {
        url.pop();
    }
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let is_origin = rest.is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b".-:[]".contains(&octet))
    });
    if is_origin {
        Ok(())
    } else {
        Err(Misconfigured(
            "url must be something like https://norelay.example, without a path.".to_owned(),
        ))
    }
}

fn check_database(config: &mut Settings) -> Result<(), Misconfigured> {
    if let Some(file) = &config.database_file {
        if config.database.is_some() {
            return Err(Misconfigured("Give either database or database-file.".to_owned()));
        }
        config.database = Some(secret(file)?);
    }
    let is_postgres = |url: &Secret| {
        ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.expose().starts_with(scheme))
    };
    match &config.database {
        Some(url) if !is_postgres(url) => Err(Misconfigured(
            "database must begin with postgres://; for SQLite leave it out.".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn secret(file: &Path) -> Result<Secret, Misconfigured> {
    let wrong =
        |why: String| Misconfigured(format!("The file {} can't be read: {why}.", file.display()));
    if std::fs::metadata(file)
        .map_err(|error| wrong(error.to_string()))?
        .len()
        > MAX_SECRET
    {
        return Err(wrong("it is too large for one secret".to_owned()));
    }
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    Ok(Secret::from(text.trim().to_owned()))
}

fn check_pairs(config: &Settings) -> Result<(), Misconfigured> {
    let wrong = |sentence: &str| Err(Misconfigured(sentence.to_owned()));
    if config.tls.certificate.is_some() != config.tls.key.is_some() {
        return wrong("tls.certificate and tls.key belong together.");
    }
    // Without its own domain, the receiver would wait for mail that never comes to it.
    if !config.receiver.listen.is_empty() && config.test.domain.is_none() {
        return wrong(
            "receiver.listen needs test.domain: the domain whose mail comes to the receiver.",
        );
    }
    if config.limits.running == 0
        || config.limits.connections == 0
        || config.limits.connections_per_network == 0
        || config.retention_days == 0
    {
        return wrong(
            "limits.running, limits.connections, limits.connections-per-network and \
             retention-days must be at least 1.",
        );
    }
    if config.test.public_ports.contains(&0) {
        return wrong("test.public-ports are from 1 to 65535.");
    }
    Ok(())
}

/// A tester that strangers use says who it is (RFC 9511 and the custom of scanners).
fn check_public(config: &Settings) -> Result<(), Misconfigured> {
    let missing = [
        (config.url.is_none(), "url: the address of the service as its users type it"),
        (config.contact.is_none(), "contact: the mail address for complaints"),
        (config.test.domain.is_none(), "test.domain: the domain that probe addresses are in"),
    ];
    match missing.iter().find(|(is_missing, _)| *is_missing) {
        Some((_, what)) => Err(Misconfigured(format!("Public mode needs {what}."))),
        None => Ok(()),
    }
}
