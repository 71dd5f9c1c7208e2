//! Names: the mail exchangers of a target, the name of an address, the domain that a host serves
//! (RFC 5321 section 5.1).
//!
//! Rules:
//! - A run resolves its target once. The addresses are pinned, and nothing is looked up again.
//! - Everything is bounded: exchangers, addresses, time.
//! - Addresses that the resolver also gives for a made-up name are not the target's.

use std::{
    collections::BTreeSet,
    future::Future,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::RData,
};
use norelay_core::{asking::Traps, event::MailExchanger};
use tokio::time::timeout;

use crate::target::{Host, Target, host_name};

/// A domain with more exchangers than this is a trap or a mistake. The most preferred ones are
/// used.
const MAX_EXCHANGERS: usize = 16;
/// Addresses of one exchanger that are used.
const MAX_ADDRESSES: usize = 16;
/// TXT records of one name that are read.
const MAX_TEXTS: usize = 100;

/// Domains that a server may trust as senders, by what the DNS says of it.
const MAX_TRUSTED: usize = 8;
/// How long those domains are looked up: the run waits for them.
const TRUSTED_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a made-up name is looked up. A resolver that makes up addresses answers at once.
const MADE_UP_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a target has no server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolveError {
    /// The name doesn't exist, or has neither MX nor addresses.
    NotFound(String),
    /// The name has only the address that the resolver gives for names that don't exist.
    MadeUp {
        /// The name.
        name: String,
        /// The address.
        address: IpAddr,
    },
    /// The domain says that it accepts no mail (RFC 7505).
    NullMx(String),
    /// The look-up failed.
    Failed {
        /// The name.
        name: String,
        /// The resolver's words.
        error: String,
    },
    /// There is no resolver.
    NoResolver(String),
}

impl std::fmt::Display for ResolveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound(name) => write!(
                f,
                "{name} was not found: it has no MX, A or AAAA record. Check the spelling, or \
                 type an address."
            ),
            Self::MadeUp { name, address } => write!(
                f,
                "{name} was not found: this resolver has {address} for names that don't exist. \
                 Check the spelling, choose another resolver with --resolver, or type an address."
            ),
            Self::NullMx(name) => write!(
                f,
                "{name} takes no mail: its MX record is the null MX of RFC 7505. Type the name of \
                 a host to test it all the same."
            ),
            Self::Failed { name, error } => write!(
                f,
                "{name} could not be looked up ({error}). Try again, choose another resolver with \
                 --resolver, or type an address."
            ),
            Self::NoResolver(error) => {
                write!(
                    f,
                    "No DNS resolver could be set up ({error}). Choose one with --resolver ADDRESS."
                )
            }
        }
    }
}

impl std::error::Error for ResolveError {}

/// The DNS, seen through one resolver.
#[derive(Clone)]
pub struct Resolver {
    inner: TokioResolver,
}

impl Resolver {
    /// Sets up the given resolver, or the machine's own.
    ///
    /// # Errors
    /// The machine's configuration can't be read.
    pub fn new(server: Option<SocketAddr>, patience: Duration) -> Result<Self, ResolveError> {
        let no_resolver = |error: NetError| ResolveError::NoResolver(error.to_string());
        let mut builder = match server {
            None => TokioResolver::builder_tokio().map_err(no_resolver)?,
            Some(server) => {
                let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
                for connection in &mut name_server.connections {
                    connection.port = server.port();
                }
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.timeout = patience;
        // A lost UDP packet is common, so each question is repeated once.
        options.attempts = 2;
        Ok(Self { inner: builder.build().map_err(no_resolver)? })
    }

    /// Returns the mail exchangers of a target, the most preferred first.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub async fn exchangers(&self, target: &Target) -> Result<Vec<MailExchanger>, ResolveError> {
        match &target.host {
            Host::Address(address) => {
                let name = self.name_of(*address).await;
                Ok(vec![MailExchanger { name, preference: None, addresses: vec![*address] }])
            }
            Host::MailDomain(domain) => {
                self.genuine(domain, self.exchangers_of_domain(domain))
                    .await
            }
            // A name with a port means a host, not a mail domain.
            Host::Name(name) if target.port.is_some() => self.genuine(name, self.host(name)).await,
            Host::Name(name) => self.genuine(name, self.exchangers_of_name(name)).await,
        }
    }

    /// Returns the exchangers without the addresses that this resolver makes up for names that
    /// don't exist. The resolvers of many providers lead to a page of the provider, which would be
    /// tested in the place of the target.
    async fn genuine(
        &self,
        name: &str,
        finding: impl Future<Output = Result<Vec<MailExchanger>, ResolveError>>,
    ) -> Result<Vec<MailExchanger>, ResolveError> {
        if name == "localhost" {
            return finding.await;
        }
        let made_up_name = made_up_name_beside(name);
        let answering_made_up = async {
            Ok(timeout(MADE_UP_TIMEOUT, self.addresses(&made_up_name))
                .await
                .ok()
                .and_then(Result::ok))
        };
        let (mut found, made_up) = tokio::try_join!(finding, answering_made_up)?;
        let made_up = made_up.unwrap_or_default();
        for exchanger in &mut found {
            exchanger
                .addresses
                .retain(|address| !made_up.contains(address));
        }
        match made_up.first() {
            Some(address) if found.iter().all(|exchanger| exchanger.addresses.is_empty()) => {
                Err(ResolveError::MadeUp { name: name.to_owned(), address: *address })
            }
            _ => Ok(found),
        }
    }

    /// Returns the exchangers of a name that may be a mail domain, a host, or both. A name below a
    /// registrable domain is also tested as a host, even if its MX records name other hosts.
    async fn exchangers_of_name(&self, name: &str) -> Result<Vec<MailExchanger>, ResolveError> {
        match self.exchangers_of_domain(name).await {
            Ok(mut exchangers) => {
                let is_listed = exchangers
                    .iter()
                    .any(|exchanger| exchanger.name.as_deref() == Some(name));
                let is_below =
                    psl::domain_str(name).is_some_and(|domain| domain.len() < name.len());
                if is_below && !is_listed {
                    exchangers.extend(self.host(name).await.into_iter().flatten());
                }
                Ok(exchangers)
            }
            Err(ResolveError::NullMx(_)) => self
                .host(name)
                .await
                .map_err(|_| ResolveError::NullMx(name.to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Returns the hosts of the MX records, or the domain itself if there are none (RFC 5321
    /// section 5.1).
    async fn exchangers_of_domain(&self, domain: &str) -> Result<Vec<MailExchanger>, ResolveError> {
        let mut hosts = self.mx(domain).await?;
        if hosts.is_empty() {
            return self.host(domain).await;
        }
        // RFC 7505 section 3: a null MX beside other MX records is an error, and is ignored.
        hosts.retain(|(_, host)| !host.is_empty());
        if hosts.is_empty() {
            return Err(ResolveError::NullMx(domain.to_owned()));
        }
        // A name in the DNS may have any octets. Only host names may reach commands and output.
        hosts.retain(|(_, host)| host_name(host).is_ok_and(|name| name == *host));
        hosts.sort();
        hosts.dedup();
        hosts.truncate(MAX_EXCHANGERS);
        let mut exchangers = Vec::new();
        for (preference, host) in hosts {
            let addresses = self.addresses(&host).await.unwrap_or_default();
            exchangers.push(MailExchanger {
                name: Some(host),
                preference: Some(preference),
                addresses,
            });
        }
        match exchangers
            .iter()
            .all(|exchanger| exchanger.addresses.is_empty())
        {
            true => Err(ResolveError::NotFound(format!("The mail exchanger of {domain}"))),
            false => Ok(exchangers),
        }
    }

    async fn host(&self, name: &str) -> Result<Vec<MailExchanger>, ResolveError> {
        let addresses = self.addresses(name).await?;
        match addresses.is_empty() {
            true => Err(ResolveError::NotFound(name.to_owned())),
            false => {
                Ok(vec![MailExchanger { name: Some(name.to_owned()), preference: None, addresses }])
            }
        }
    }

    /// Returns the MX records of a domain: preference and host, which is empty for the null MX. A
    /// domain without MX records is no error.
    ///
    /// # Errors
    /// The look-up failed.
    pub async fn mx(&self, domain: &str) -> Result<Vec<(u16, String)>, ResolveError> {
        match self.inner.mx_lookup(fqdn(domain)).await {
            Ok(lookup) => Ok(lookup
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::MX(mx) => Some((mx.preference, plain(&mx.exchange.to_ascii()))),
                    _ => None,
                })
                .collect()),
            Err(error) => none_or_failed(domain, &error).map(|()| Vec::new()),
        }
    }

    /// True if a domain has a mail exchanger, and not just the null MX (RFC 7505).
    pub async fn accepts_mail(&self, domain: &str) -> bool {
        let hosts = self.mx(domain).await.unwrap_or_default();
        hosts.iter().any(|(_, host)| !host.is_empty())
    }

    /// Returns the addresses of a host, IPv4 first.
    ///
    /// # Errors
    /// The look-up of one family failed, and the other family has no address.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if host == "localhost" {
            return Ok(vec![[127, 0, 0, 1].into(), [0u16, 0, 0, 0, 0, 0, 0, 1].into()]);
        }
        let (v4, v6) =
            tokio::join!(self.inner.ipv4_lookup(fqdn(host)), self.inner.ipv6_lookup(fqdn(host)));
        let (mut addresses, mut failure) = (BTreeSet::new(), None);
        for lookup in [v4, v6] {
            match lookup {
                Ok(lookup) => {
                    addresses.extend(lookup.answers().iter().filter_map(
                        |record| match &record.data {
                            RData::A(address) => Some(IpAddr::V4(address.0)),
                            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                            _ => None,
                        },
                    ))
                }
                Err(error) => failure = none_or_failed(host, &error).err().or(failure),
            }
        }
        match failure {
            Some(failure) if addresses.is_empty() => Err(failure),
            _ => Ok(addresses.into_iter().take(MAX_ADDRESSES).collect()),
        }
    }

    /// Returns the name in an address's PTR record, if that name has this address
    /// (forward-confirmed).
    pub async fn name_of(&self, address: IpAddr) -> Option<String> {
        let lookup = self.inner.reverse_lookup(address).await.ok()?;
        for record in lookup.answers().iter().take(4) {
            if let RData::PTR(name) = &record.data {
                let name = host_name(&name.0.to_ascii()).ok()?;
                if self.addresses(&name).await.ok()?.contains(&address) {
                    return Some(name);
                }
            }
        }
        None
    }

    /// Returns the TXT records of a name, each with its strings joined (RFC 7208 section 3.3).
    /// Octets that aren't UTF-8 are replaced. A name without TXT records is no error.
    ///
    /// # Errors
    /// The look-up failed.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, ResolveError> {
        match self.inner.txt_lookup(fqdn(name)).await {
            Ok(lookup) => Ok(lookup
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::TXT(text) => {
                        Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned())
                    }
                    _ => None,
                })
                .take(MAX_TEXTS)
                .collect()),
            Err(error) => none_or_failed(name, &error).map(|()| Vec::new()),
        }
    }

    /// Returns the domains `backup` and `primary` below the probe domain, if they are traps. The MX
    /// records of `backup` name the receiver first and the target after it. Those of `primary` name
    /// the target first.
    pub async fn traps(&self, domain: &str, exchangers: &[MailExchanger]) -> Traps {
        let targets: Vec<&str> = exchangers
            .iter()
            .filter_map(|exchanger| exchanger.name.as_deref())
            .collect();
        let trap = async |label: &str, target_first| {
            let name = format!("{label}.{domain}");
            let records = self.mx(&name).await.ok()?;
            trap(name, records, &targets, target_first)
        };
        let (backup, primary) = tokio::join!(trap("backup", false), trap("primary", true));
        Traps { backup, primary }
    }

    /// Returns domains whose senders a server may trust: those that the SPF record of the hosted
    /// domain includes (RFC 7208 section 5.2), and the one that the server's reverse name belongs
    /// to. The hosted domain's own is not among them.
    pub async fn trusted_domains(
        &self,
        local_domain: Option<&str>,
        address: Option<IpAddr>,
    ) -> Vec<String> {
        let records = async {
            match local_domain {
                Some(domain) => self.texts(domain).await.unwrap_or_default(),
                None => Vec::new(),
            }
        };
        let reverse_name = async { self.name_of(address?).await };
        let looking = async { tokio::join!(records, reverse_name) };
        let (records, reverse_name) = timeout(TRUSTED_TIMEOUT, looking).await.unwrap_or_default();
        trusted_domains(local_domain, &records, reverse_name.as_deref())
    }

    /// Returns the mail domain that a host most likely serves. That is the longest of the host's
    /// name and the domains above it that has the host as an exchanger.
    pub async fn domain_served_by(&self, host: &str) -> Option<String> {
        let registrable = psl::domain_str(host)?;
        let mut domain = host;
        loop {
            if self
                .mx(domain)
                .await
                .is_ok_and(|hosts| hosts.iter().any(|(_, exchanger)| exchanger == host))
            {
                return Some(domain.to_owned());
            }
            if domain.len() <= registrable.len() {
                return None;
            }
            domain = domain.split_once('.')?.1;
        }
    }
}

/// Returns the registrable domains that an SPF record and a reverse name lead to, each once, but for
/// the hosted domain's own.
fn trusted_domains(
    local_domain: Option<&str>,
    records: &[String],
    reverse_name: Option<&str>,
) -> Vec<String> {
    let policy = records
        .iter()
        .find(|record| record.to_ascii_lowercase().starts_with("v=spf1 "));
    let terms = policy.map(String::as_str).unwrap_or_default();
    let included = terms.split_ascii_whitespace().filter_map(|term| {
        let term = term.trim_start_matches(['+', '?', '~', '-']);
        let (name, value) = term.split_once([':', '='])?;
        (name.eq_ignore_ascii_case("include") || name.eq_ignore_ascii_case("redirect"))
            .then_some(value)
    });
    let own = local_domain.and_then(psl::domain_str);
    let mut domains: Vec<String> = Vec::new();
    for name in included.chain(reverse_name) {
        // A macro (RFC 7208 section 7) is no name.
        let Ok(name) = host_name(name) else { continue };
        let Some(domain) = psl::domain_str(&name).filter(|domain| Some(*domain) != own) else {
            continue;
        };
        if domains.len() < MAX_TRUSTED && !domains.iter().any(|known| known == domain) {
            domains.push(domain.to_owned());
        }
    }
    domains
}

/// Returns the domain if its MX records name the target and another host in the right order:
/// the target first if `target_first`, and the other host first otherwise.
fn trap(
    domain: String,
    mut records: Vec<(u16, String)>,
    targets: &[&str],
    target_first: bool,
) -> Option<String> {
    records.sort();
    let is_target = |(_, host): &(u16, String)| targets.contains(&host.as_str());
    let (first, rest) = records.split_first()?;
    let (ours, theirs) = (rest.iter().any(|record| !is_target(record)), rest.iter().any(is_target));
    let is_trap = match target_first {
        true => is_target(first) && ours,
        false => !is_target(first) && theirs,
    };
    is_trap.then_some(domain)
}

/// Returns a random name that does not exist, in the top-level domain of another name.
fn made_up_name_beside(name: &str) -> String {
    let top = name.rsplit('.').next().unwrap_or(name);
    format!("norelay-{:016x}.{top}", rand::random::<u64>())
}

/// Tells a name without such records, which is no error, from a failed look-up.
fn none_or_failed(name: &str, error: &NetError) -> Result<(), ResolveError> {
    match error.is_no_records_found() {
        true => Ok(()),
        false => Err(ResolveError::Failed { name: name.to_owned(), error: error.to_string() }),
    }
}

/// Returns a name with a final dot, so that the resolver never appends its search list.
fn fqdn(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

/// Returns a name in lower case, without a final dot.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_spf_record_and_a_reverse_name_lead_to_trusted_domains() {
        for (record, reverse_name, expected) in [
            (
                "v=spf1 mx include:_spf.google.com ?include:spf.mail.partner.example ~all",
                Some("host-7.isp.example"),
                &["google.com", "partner.example", "isp.example"][..],
            ),
            (
                "V=SPF1 include:_spf.target.example include:%{i}._spf.x.example redirect=spf.b.example",
                Some("mx.target.example"),
                &["b.example"],
            ),
            ("google-site-verification=include:a.example", None, &[]),
        ] {
            let records = [record.to_owned()];
            let found = trusted_domains(Some("target.example"), &records, reverse_name);
            assert_eq!(found, expected, "{record}");
        }
    }

    #[test]
    fn traps_name_the_target_and_another_host() {
        let target = ["mx.target.example"];
        for (records, backup, primary) in [
            (&[(10, "in.probe.example"), (20, "mx.target.example")][..], true, false),
            (&[(20, "in.probe.example"), (10, "mx.target.example")], false, true),
            (&[(10, "mx.target.example")], false, false),
            (&[(10, "in.probe.example")], false, false),
            (&[], false, false),
        ] {
            let records: Vec<_> = records
                .iter()
                .map(|(preference, host)| (*preference, (*host).to_owned()))
                .collect();
            let is_trap = |target_first| {
                trap("x".to_owned(), records.clone(), &target, target_first).is_some()
            };
            assert_eq!((is_trap(false), is_trap(true)), (backup, primary), "{records:?}");
        }
    }
}
