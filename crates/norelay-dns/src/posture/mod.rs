//! Posture: what the DNS says about a mail domain and its servers, apart from relaying.
//!
//! Rules:
//! - A note is a fact. Its level and its words stand in norelay-core, with all findings of a run.
//! - A record that could not be looked up is unknown, never missing.
//! - Nothing here changes a relay verdict.

pub mod policy_records;
pub mod spf;
pub mod sts_policy;

use std::net::IpAddr;

use norelay_smtp::octets::Octets;

use crate::{
    dns_name::is_private,
    unanswered::{Failure, Looked},
};
use policy_records::Tlsa;
use spf::{Qualifier, Records};

/// Texts of TXT records.
pub type Texts = Vec<Octets>;

/// What was looked up about a mail domain.
#[derive(Clone, Debug)]
pub struct DomainRecords {
    /// Its name.
    pub name: String,
    /// Its mail exchangers.
    pub exchangers: Looked<Vec<Exchanger>>,
    /// The texts of the domain and of the domains that its SPF record leads to.
    pub spf: Records,
    /// The texts at `_dmarc`.
    pub dmarc: Looked<Texts>,
    /// The texts at `_dmarc` of the registered domain, if that is another domain.
    pub dmarc_above: Option<Looked<Texts>>,
    /// The texts at `_mta-sts`.
    pub mta_sts: Looked<Texts>,
    /// The result of fetching the MTA-STS policy, if [`has_policy`] is true.
    pub sts_policy: Option<sts_policy::Fetched>,
    /// The texts at `_smtp._tls`.
    pub tls_rpt: Looked<Texts>,
}

/// A mail exchanger of a domain.
#[derive(Clone, Debug)]
pub struct Exchanger {
    /// Its name without the final dot; empty in a null MX (RFC 7505).
    pub host: String,
    /// The canonical name, if the exchanger's name is an alias.
    pub alias: Looked<Option<String>>,
    /// Its addresses.
    pub addresses: Looked<Vec<IpAddr>>,
    /// The TLSA records of its port 25.
    pub tlsa: Looked<Vec<Tlsa>>,
    /// What is known of the signatures of the TLSA records and of the MX records.
    pub signed: Signed,
}

/// What a resolver says about DNSSEC signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signed {
    /// The records are signed, and the signatures are valid.
    Secure,
    /// The resolver validates signatures, and the records have none.
    Insecure,
    /// The resolver doesn't validate signatures.
    #[default]
    Unknown,
}

impl Signed {
    fn word(self) -> &'static str {
        match self {
            Self::Secure => "secure",
            Self::Insecure => "insecure",
            Self::Unknown => "unknown",
        }
    }
}

/// What was looked up about a server's address.
#[derive(Clone, Debug)]
pub struct AddressNames {
    /// The address.
    pub address: IpAddr,
    /// The names of the address (PTR), each with the addresses of that name.
    pub names: Looked<Vec<(String, Looked<Vec<IpAddr>>)>>,
}

/// The tag of a host's usable TLSA records. Its particulars are the host, what is known of the
/// signatures (`secure`, `insecure`, `unknown`), and each record as [`Tlsa::comparable`] writes it.
pub const TLSA_RECORDS: &str = "tlsa_records";

/// One fact: its kind, and its particulars in the order that its wording needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostureNote {
    /// The kind.
    pub tag: &'static str,
    /// The particulars.
    pub arguments: Vec<Octets>,
}

impl PostureNote {
    fn new<const N: usize>(tag: &'static str, arguments: [&str; N]) -> Self {
        Self { tag, arguments: arguments.map(Octets::from).to_vec() }
    }

    fn unknown(what: &str, of: &str, failure: Failure) -> Self {
        Self::new("posture_unknown", [what, of, failure.clause()])
    }
}

/// Returns what is worth knowing about a domain.
#[must_use]
pub fn notes(domain: &DomainRecords) -> Vec<PostureNote> {
    let mut notes = exchanger_notes(domain);
    notes.extend(spf_notes(domain));
    notes.extend(dmarc_notes(domain));
    match has_policy(&domain.mta_sts) {
        true => notes.extend(sts_policy::notes(domain)),
        false => notes.extend(record_note(&STS, &domain.name, &domain.mta_sts)),
    }
    notes.extend(record_note(&RPT, &domain.name, &domain.tls_rpt));
    notes.extend(dane_notes(domain));
    notes
}

fn exchanger_notes(domain: &DomainRecords) -> Vec<PostureNote> {
    let name = domain.name.as_str();
    let exchangers = match &domain.exchangers {
        Ok(exchangers) => exchangers,
        Err(failure) => return vec![PostureNote::unknown("the MX records", name, *failure)],
    };
    match exchangers.as_slice() {
        [] => return vec![PostureNote::new("mx_missing", [name])],
        [only] if is_null(only) => return vec![PostureNote::new("mx_null", [name])],
        _ => {}
    }
    let mut notes = Vec::new();
    if exchangers.iter().any(is_null) {
        notes.push(PostureNote::new("mx_null_among_others", [name]));
    }
    notes.extend(
        exchangers
            .iter()
            .filter(|exchanger| !is_null(exchanger))
            .flat_map(|exchanger| sanity(name, exchanger)),
    );
    notes
}

/// True for the null MX of a domain that accepts no mail (RFC 7505).
fn is_null(exchanger: &Exchanger) -> bool {
    exchanger.host.is_empty()
}

/// RFC 5321 section 5.1, RFC 2181 section 10.3.
fn sanity(domain: &str, exchanger: &Exchanger) -> Vec<PostureNote> {
    let host = exchanger.host.as_str();
    if !is_host(host) {
        return vec![PostureNote::new("mx_is_address", [domain, host])];
    }
    let mut notes = Vec::new();
    match &exchanger.alias {
        Ok(Some(alias)) => notes.push(PostureNote::new("mx_is_alias", [domain, host, alias])),
        Ok(None) => {}
        Err(failure) => notes.push(PostureNote::unknown("an alias", host, *failure)),
    }
    match &exchanger.addresses {
        Ok(addresses) if addresses.is_empty() => {
            notes.push(PostureNote::new("mx_without_address", [domain, host]))
        }
        Ok(addresses) => notes.extend(
            addresses
                .iter()
                .filter(|address| is_of_no_use(**address))
                .map(|address| {
                    PostureNote::new("mx_private_address", [domain, host, &address.to_string()])
                }),
        ),
        Err(failure) => notes.push(PostureNote::unknown("the addresses", host, *failure)),
    }
    notes
}

/// True if the name of an exchanger can be the name of a host. The root of a null MX and an address
/// written as a name can't.
#[must_use]
pub fn is_host(name: &str) -> bool {
    name.rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().any(|octet| !octet.is_ascii_digit()))
}

/// True if no server on the Internet can send to an address.
fn is_of_no_use(address: IpAddr) -> bool {
    is_private(address.to_canonical())
}

fn spf_notes(domain: &DomainRecords) -> Vec<PostureNote> {
    let name = domain.name.as_str();
    let texts = match domain.spf.get(&name.to_ascii_lowercase()) {
        Some(Ok(texts)) => texts,
        Some(Err(failure)) => return vec![PostureNote::unknown("the SPF record", name, *failure)],
        None => return vec![PostureNote::unknown("the SPF record", name, Failure::Unfinished)],
    };
    let texts: Vec<_> = texts.iter().map(Octets::to_text).collect();
    let records: Vec<_> = texts.iter().filter(|text| spf::is_record(text)).collect();
    let almost = texts.iter().find(|text| begins_with(text, "v=spf1"));
    match (records.as_slice(), almost) {
        ([], Some(almost)) => {
            vec![PostureNote::new(
                "spf_invalid",
                [name, "it does not begin with \"v=spf1 \"", almost],
            )]
        }
        ([], None) => vec![PostureNote::new("spf_missing", [name])],
        ([record], _) => spf_record_notes(domain, record),
        (several, _) => vec![PostureNote::new("spf_several", [name, &several.len().to_string()])],
    }
}

fn begins_with(text: &str, start: &str) -> bool {
    text.trim_start()
        .get(..start.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

fn spf_record_notes(domain: &DomainRecords, record: &str) -> Vec<PostureNote> {
    let name = domain.name.as_str();
    let spf = match spf::parse(record) {
        Ok(spf) => spf,
        Err(why) => return vec![PostureNote::new("spf_invalid", [name, &why, record])],
    };
    let mut notes = Vec::new();
    let tree = spf::tree(name, &domain.spf);
    if tree.lookups > spf::MAX_LOOKUPS {
        notes.push(PostureNote::new("spf_too_many_lookups", [name, &tree.lookups.to_string()]));
    }
    notes.extend(
        tree.faults
            .iter()
            .map(|fault| PostureNote::new("spf_broken_below", [name, fault])),
    );
    let unknown = domain
        .spf
        .iter()
        .filter_map(|(below, texts)| texts.as_ref().err().map(|failure| (below, failure)));
    notes.extend(
        unknown.map(|(below, failure)| PostureNote::unknown("the SPF record", below, *failure)),
    );
    match (spf.all, &spf.redirect) {
        (Some(Qualifier::Pass), _) => notes.push(PostureNote::new("spf_allows_all", [name])),
        (Some(Qualifier::Neutral), _) | (None, None) => {
            notes.push(PostureNote::new("spf_decides_nothing", [name]))
        }
        _ => {}
    }
    if spf.uses_ptr {
        notes.push(PostureNote::new("spf_uses_ptr", [name]));
    }
    if notes.is_empty() {
        notes.push(PostureNote::new("spf_found", [name, record]));
    }
    notes
}

fn is_dmarc(text: &Octets) -> bool {
    policy_records::is_dmarc(&text.to_text())
}

fn dmarc_notes(domain: &DomainRecords) -> Vec<PostureNote> {
    let name = domain.name.as_str();
    let own = match &domain.dmarc {
        Ok(texts) => texts,
        Err(failure) => return vec![PostureNote::unknown("the DMARC record", name, *failure)],
    };
    let is_own = own
        .iter()
        .any(|text| is_dmarc(text) || begins_with(&text.to_text(), "v=dmarc"));
    let texts = match (&domain.dmarc_above, is_own) {
        (Some(Ok(above)), false) => above,
        (Some(Err(failure)), false) => {
            return vec![PostureNote::unknown("the DMARC record above", name, *failure)];
        }
        _ => own,
    };
    let records: Vec<_> = texts
        .iter()
        .filter(|text| is_dmarc(text))
        .map(Octets::to_text)
        .collect();
    let almost = texts
        .iter()
        .map(Octets::to_text)
        .find(|text| begins_with(text, "v=dmarc"));
    match (records.as_slice(), almost) {
        ([], Some(almost)) => vec![PostureNote::new(
            "dmarc_invalid",
            [name, "it does not begin with \"v=DMARC1;\"", &almost],
        )],
        ([], None) => vec![PostureNote::new("dmarc_missing", [name])],
        ([record], _) => dmarc_record_notes(name, record, !is_own),
        (several, _) => vec![PostureNote::new("dmarc_several", [name, &several.len().to_string()])],
    }
}

fn dmarc_record_notes(name: &str, record: &str, is_above: bool) -> Vec<PostureNote> {
    let dmarc = match policy_records::dmarc(record) {
        Ok(dmarc) => dmarc,
        Err(why) => return vec![PostureNote::new("dmarc_invalid", [name, &why, record])],
    };
    // What is said above holds here by its policy for subdomains.
    let policy = dmarc
        .subdomain_policy
        .as_ref()
        .filter(|_| is_above)
        .unwrap_or(&dmarc.policy);
    let mut notes = Vec::new();
    if policy == "none" {
        notes.push(PostureNote::new("dmarc_none", [name]));
    } else if dmarc.percent < 100 {
        notes.push(PostureNote::new("dmarc_partial", [name, &dmarc.percent.to_string()]));
    }
    if !dmarc.reports {
        notes.push(PostureNote::new("dmarc_without_reports", [name]));
    }
    if notes.is_empty() {
        notes.push(PostureNote::new("dmarc_found", [name, policy]));
    }
    notes
}

/// A kind of record of which there may be one or none.
struct Single {
    what: &'static str,
    start: &'static str,
    is_record: fn(&str) -> bool,
    read: fn(&str) -> Result<(), String>,
    missing: &'static str,
    invalid: &'static str,
    found: &'static str,
}

const STS: Single = Single {
    what: "the MTA-STS record",
    start: "v=STSv1",
    is_record: policy_records::is_mta_sts,
    read: policy_records::mta_sts,
    missing: "mta_sts_missing",
    invalid: "mta_sts_invalid",
    found: "mta_sts_found",
};

const RPT: Single = Single {
    what: "the TLS-RPT record",
    start: "v=TLSRPTv1",
    is_record: policy_records::is_tls_rpt,
    read: policy_records::tls_rpt,
    missing: "tls_rpt_missing",
    invalid: "tls_rpt_invalid",
    found: "tls_rpt_found",
};

/// True if the texts at `_mta-sts` say that there is a policy to be fetched.
#[must_use]
pub fn has_policy(texts: &Looked<Texts>) -> bool {
    let texts = texts
        .as_deref()
        .unwrap_or_default()
        .iter()
        .map(Octets::to_text);
    let records: Vec<_> = texts
        .filter(|text| policy_records::is_mta_sts(text))
        .collect();
    matches!(records.as_slice(), [record] if policy_records::mta_sts(record).is_ok())
}

fn record_note(kind: &Single, name: &str, texts: &Looked<Texts>) -> Option<PostureNote> {
    let texts: Vec<_> = match texts {
        Ok(texts) => texts.iter().map(Octets::to_text).collect(),
        Err(failure) => return Some(PostureNote::unknown(kind.what, name, *failure)),
    };
    let records: Vec<_> = texts.iter().filter(|text| (kind.is_record)(text)).collect();
    let almost = texts.iter().find(|text| begins_with(text, kind.start));
    let start = format!("it does not begin with \"{};\"", kind.start);
    Some(match (records.as_slice(), almost) {
        ([], Some(almost)) => PostureNote::new(kind.invalid, [name, &start, almost]),
        ([], None) => PostureNote::new(kind.missing, [name]),
        ([record], _) => match (kind.read)(record) {
            Ok(()) => PostureNote::new(kind.found, [name]),
            Err(why) => PostureNote::new(kind.invalid, [name, &why, record]),
        },
        (several, _) => PostureNote::new(
            kind.invalid,
            [name, "there are several records, so senders ignore them", several[0]],
        ),
    })
}

fn dane_notes(domain: &DomainRecords) -> Vec<PostureNote> {
    let exchangers = domain.exchangers.as_deref().unwrap_or_default();
    let exchangers = exchangers
        .iter()
        .filter(|exchanger| is_host(&exchanger.host));
    let (mut notes, mut count) = (Vec::new(), 0);
    for exchanger in exchangers {
        count += 1;
        let records = match &exchanger.tlsa {
            Ok(records) => records,
            Err(failure) => {
                notes.push(PostureNote::unknown("the TLSA records", &exchanger.host, *failure));
                continue;
            }
        };
        let faults: Vec<_> = records.iter().filter_map(Tlsa::fault).collect();
        notes.extend(
            faults
                .iter()
                .map(|fault| PostureNote::new("dane_invalid", [&exchanger.host, fault])),
        );
        let usable = records
            .iter()
            .filter(|record| record.fault().is_none())
            .map(Tlsa::comparable);
        let known = [exchanger.host.clone(), exchanger.signed.word().to_owned()];
        if records.len() > faults.len() {
            let arguments = known.into_iter().chain(usable).map(Octets::from).collect();
            // The records can be compared only when the server has shown its certificates.
            notes.push(PostureNote { tag: TLSA_RECORDS, arguments });
        }
    }
    if notes.is_empty() && count > 0 {
        notes.push(PostureNote::new("dane_missing", [&domain.name]));
    }
    notes
}

/// True if the addresses of a name were found and one of them is `address`.
fn leads_to(forward: &Looked<Vec<IpAddr>>, address: IpAddr) -> bool {
    let addresses = forward.as_deref().unwrap_or_default();
    addresses
        .iter()
        .any(|found| found.to_canonical() == address.to_canonical())
}

/// Returns what is worth knowing about a server's address: whether a reverse name leads back to it.
#[must_use]
pub fn host_notes(host: &AddressNames) -> Vec<PostureNote> {
    let address = host.address.to_string();
    let names = match &host.names {
        Ok(names) => names,
        Err(failure) => return vec![PostureNote::unknown("the reverse name", &address, *failure)],
    };
    if let Some((name, _)) = names
        .iter()
        .find(|(_, forward)| leads_to(forward, host.address))
    {
        return vec![PostureNote::new("reverse_name_confirmed", [&address, name])];
    }
    match names.as_slice() {
        [] => vec![PostureNote::new("reverse_name_missing", [&address])],
        [(name, Err(failure)), ..] => vec![PostureNote::unknown("the addresses", name, *failure)],
        [(name, Ok(forward)), ..] => {
            let forward: Vec<_> = forward.iter().map(ToString::to_string).collect();
            let forward =
                if forward.is_empty() { "no address".to_owned() } else { forward.join(", ") };
            vec![PostureNote::new("reverse_name_unconfirmed", [&address, name, &forward])]
        }
    }
}

#[cfg(test)]
mod tests;
