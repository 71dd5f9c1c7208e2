//! Looks up what the DNS says about a mail domain and its servers. [`crate::posture`] says what the
//! records mean.
//!
//! Rules:
//! - Only the DNS is asked. The exception is the policy of MTA-STS, which is fetched if a record
//!   announces a policy.
//! - Everything is bounded: exchangers, records, names, time.

use std::net::IpAddr;

use hickory_resolver::proto::rr::{Name, RData, RecordType};
use norelay_smtp::octets::Octets;
use tokio::task::JoinSet;

use super::{dns_client::DnsClient, policies::Policies};
use crate::{
    dns_name::reversed,
    posture::{
        AddressNames, DomainRecords, Exchanger, PostureNote, Signed, Texts, has_policy, host_notes,
        is_host, notes, policy_records::Tlsa, spf, sts_policy,
    },
    unanswered::Looked,
};

/// A domain with more exchangers than this is a trap or a mistake.
const MAX_EXCHANGERS: usize = 16;
/// An address with more names than this is treated as if it had only these.
const MAX_NAMES: usize = 8;

/// Looks up a domain and addresses at once. Returns what is worth knowing about the domain, and
/// after that about each address in the order given.
pub async fn examine(
    dns: &DnsClient,
    policies: &Policies,
    domain: Option<&str>,
    addresses: &[IpAddr],
) -> Vec<PostureNote> {
    let mut hosts = JoinSet::new();
    for (index, address) in addresses.iter().copied().enumerate() {
        let dns = dns.clone();
        hosts.spawn(async move { (index, host(&dns, address).await) });
    }
    let mut found = Vec::new();
    if let Some(name) = domain {
        found.extend(notes(&self::domain(dns, policies, name).await));
    }
    let mut hosts = hosts.join_all().await;
    hosts.sort_by_key(|(index, _)| *index);
    for (_, host) in &hosts {
        found.extend(host_notes(host));
    }
    found
}

/// Looks up a domain.
pub async fn domain(dns: &DnsClient, policies: &Policies, name: &str) -> DomainRecords {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let (exchangers, spf, dmarc, dmarc_above, (mta_sts, sts_policy), tls_rpt) = tokio::join!(
        exchangers(dns, &name),
        spf_records(dns, &name),
        texts(dns, format!("_dmarc.{name}")),
        dmarc_above(dns, &name),
        mta_sts(dns, policies, &name),
        texts(dns, format!("_smtp._tls.{name}")),
    );
    DomainRecords { name, exchangers, spf, dmarc, dmarc_above, mta_sts, sts_policy, tls_rpt }
}

async fn texts(dns: &DnsClient, name: String) -> Looked<Texts> {
    Ok(dns
        .txt(&name)
        .await?
        .into_iter()
        .map(Octets::from)
        .collect())
}

async fn mta_sts(
    dns: &DnsClient,
    policies: &Policies,
    name: &str,
) -> (Looked<Texts>, Option<sts_policy::Fetched>) {
    let record = texts(dns, format!("_mta-sts.{name}")).await;
    let policy = match has_policy(&record) {
        true => Some(policies.fetch(dns, name).await),
        false => None,
    };
    (record, policy)
}

/// Returns the DMARC texts of the registered domain, if that is another domain. A domain without a
/// record of its own has that one's policy (RFC 7489 section 6.6.3).
async fn dmarc_above(dns: &DnsClient, name: &str) -> Option<Looked<Texts>> {
    let registered = psl::domain_str(name).filter(|registered| *registered != name)?;
    Some(texts(dns, format!("_dmarc.{registered}")).await)
}

async fn spf_records(dns: &DnsClient, name: &str) -> spf::Records {
    let mut records = spf::Records::new();
    while let Some(wanted) = spf::wanted(name, &records) {
        let found = texts(dns, wanted.clone()).await;
        records.insert(wanted, found);
    }
    records
}

async fn exchangers(dns: &DnsClient, name: &str) -> Looked<Vec<Exchanger>> {
    let mut hosts: Vec<_> = dns
        .records(name, RecordType::MX)
        .await?
        .into_iter()
        .filter_map(|record| match record.data {
            RData::MX(mx) => Some((mx.preference, text(&mx.exchange))),
            _ => None,
        })
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts.truncate(MAX_EXCHANGERS);
    let mut tasks = JoinSet::new();
    for (index, (_, host)) in hosts.into_iter().enumerate() {
        let (dns, domain) = (dns.clone(), name.to_owned());
        tasks.spawn(async move { (index, exchanger(&dns, &domain, host).await) });
    }
    let mut found = tasks.join_all().await;
    found.sort_by_key(|(index, _)| *index);
    Ok(found.into_iter().map(|(_, exchanger)| exchanger).collect())
}

async fn exchanger(dns: &DnsClient, domain: &str, host: String) -> Exchanger {
    // There is nothing to ask about the root of a null MX (RFC 7505), or about an address in the
    // place of a name.
    if !is_host(&host) {
        return Exchanger {
            host,
            alias: Ok(None),
            addresses: Ok(Vec::new()),
            tlsa: Ok(Vec::new()),
            signed: Signed::Unknown,
        };
    }
    let (alias, addresses, tlsa) =
        tokio::join!(alias(dns, &host), dns.addresses(&host), tlsa(dns, &host));
    let signed = match tlsa.as_ref().is_ok_and(|records| !records.is_empty()) {
        true => signed(dns, domain, &host).await,
        false => Signed::Unknown,
    };
    Exchanger { host, alias, addresses, tlsa, signed }
}

/// Returns what is known of the signatures. TLSA records count only if the TLSA records and the MX
/// records are signed (RFC 7672 section 2.2).
async fn signed(dns: &DnsClient, domain: &str, host: &str) -> Signed {
    let tlsa = format!("_25._tcp.{host}");
    let (tlsa, mx) = tokio::join!(
        dns.is_authenticated(&tlsa, RecordType::TLSA),
        dns.is_authenticated(domain, RecordType::MX)
    );
    match (tlsa, mx) {
        (Ok(true), Ok(true)) => Signed::Secure,
        // The root is signed. Only a resolver that says so validates at all.
        (Ok(_), Ok(_)) if dns.is_authenticated(".", RecordType::NS).await == Ok(true) => {
            Signed::Insecure
        }
        _ => Signed::Unknown,
    }
}

async fn alias(dns: &DnsClient, host: &str) -> Looked<Option<String>> {
    let records = dns.records(host, RecordType::CNAME).await?;
    Ok(records.into_iter().find_map(|record| match record.data {
        RData::CNAME(alias) => Some(text(&alias)),
        _ => None,
    }))
}

/// Looks up the TLSA records for port 25 of an exchanger (RFC 7672 section 2.2.3).
async fn tlsa(dns: &DnsClient, host: &str) -> Looked<Vec<Tlsa>> {
    let records = dns
        .records(&format!("_25._tcp.{host}"), RecordType::TLSA)
        .await?;
    let tlsa = records.into_iter().filter_map(|record| match record.data {
        RData::TLSA(tlsa) => Some(Tlsa {
            usage: tlsa.cert_usage.into(),
            selector: tlsa.selector.into(),
            matching: tlsa.matching.into(),
            data: tlsa.cert_data,
        }),
        _ => None,
    });
    Ok(tlsa.collect())
}

/// Looks up the names of an address, and where they lead.
pub async fn host(dns: &DnsClient, address: IpAddr) -> AddressNames {
    let address = address.to_canonical();
    let zone = if address.is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" };
    let records = match dns
        .records(&format!("{}.{zone}", reversed(address)), RecordType::PTR)
        .await
    {
        Ok(records) => records,
        Err(failure) => return AddressNames { address, names: Err(failure) },
    };
    let pointed = records.into_iter().filter_map(|record| match record.data {
        RData::PTR(name) => Some(text(&name)),
        _ => None,
    });
    let mut names = Vec::new();
    for name in pointed.take(MAX_NAMES) {
        let forward = dns.addresses(&name).await;
        names.push((name, forward));
    }
    AddressNames { address, names: Ok(names) }
}

/// Returns a name in lower case, without its final dot. Octets that are no letters stay escaped
/// (RFC 1035 section 5.1).
fn text(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}
