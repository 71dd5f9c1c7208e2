//! What a server's certificate says, and its faults.
//!
//! Rules:
//! - Every fault is named, not only the first. The chain is verified for a time at which the
//!   certificate itself is valid, so that the certificate's age doesn't hide other faults.
//! - The content of a certificate is hostile: names are kept as octets, cut, and counted.

use std::{net::IpAddr, sync::OnceLock, time::Duration};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use norelay_core::{event::TlsFacts, octets::Octets};
use rustls::{
    CertificateError, RootCertStore,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use sha2::{Digest, Sha256};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate, X509Version},
    public_key::PublicKey,
    x509::X509Name,
};

/// Names of a certificate that are kept. Some certificates have hundreds.
const MAX_NAMES: usize = 16;
/// Octets of a name that are kept. A host name has at most 253 (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 253;
/// Certificates of a chain whose digests are kept: the server's own, and those of authorities.
const MAX_DIGESTS: usize = 4;
/// Shorter RSA keys give less than 112 bits of security (NIST SP 800-57 part 1 table 2).
const MIN_RSA_BITS: usize = 2048;

/// Returns the authorities that this machine or Mozilla's list trusts. The files are read once.
pub(crate) fn roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        // A container may have no certificates. A certificate that can't be read is left out.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

/// Reads the certificates that a server sent, its own first. `host` is the name that was asked for,
/// if there is one, and `now` is the time to compare the certificate's times with.
pub(super) fn examine(
    chain: &[CertificateDer<'_>],
    host: Option<&str>,
    now: Timestamp,
    roots: &RootCertStore,
) -> TlsFacts {
    let mut facts =
        TlsFacts { chain: u16::try_from(chain.len()).unwrap_or(u16::MAX), ..TlsFacts::default() };
    facts.digests = chain.iter().take(MAX_DIGESTS).filter_map(digests).collect();
    let Some(own) = chain.first() else {
        facts.troubles.push("there is none".to_owned());
        return facts;
    };
    let Ok((_, certificate)) = X509Certificate::from_der(own) else {
        facts.troubles.push("it can't be read".to_owned());
        return facts;
    };
    facts.subject = distinguished_name(certificate.subject());
    facts.issuer = distinguished_name(certificate.issuer());
    facts.not_before = time(certificate.validity().not_before.timestamp());
    facts.not_after = time(certificate.validity().not_after.timestamp());
    let (names, count) = names(&certificate);
    facts.names = names;
    facts.troubles.extend(age(&facts, now));
    facts
        .troubles
        .extend(trust(&certificate, &facts, chain, now, roots));
    facts
        .troubles
        .extend(host.and_then(|host| wrong_host(own, host, &facts.names, count)));
    facts.troubles.extend(weak_key(&certificate));
    facts.troubles.extend(weak_signature(&certificate));
    facts.troubles.extend(old_form(&certificate));
    facts
}

/// Returns the SHA-256 digests of a certificate and of its key.
fn digests(certificate: &CertificateDer<'_>) -> Option<[String; 2]> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some([digest(certificate), digest(parsed.public_key().raw)])
}

/// Returns the SHA-256 digest of octets in hexadecimal digits.
fn digest(octets: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(octets))
}

fn time(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

fn cut(octets: &[u8]) -> &[u8] {
    &octets[..octets.len().min(MAX_NAME)]
}

/// Returns a name such as `CN=mx.example.net, O=Example`. Values stand as they are.
fn distinguished_name(name: &X509Name<'_>) -> Option<Octets> {
    let mut text: Vec<u8> = Vec::new();
    for attribute in name.iter_attributes() {
        if !text.is_empty() {
            text.extend_from_slice(b", ");
        }
        let kind = x509_parser::objects::oid2abbrev(
            attribute.attr_type(),
            x509_parser::objects::oid_registry(),
        );
        text.extend_from_slice(
            kind.map_or_else(|_| attribute.attr_type().to_id_string(), str::to_owned)
                .as_bytes(),
        );
        text.push(b'=');
        text.extend_from_slice(attribute.as_slice());
    }
    (!text.is_empty()).then(|| Octets::from(cut(&text)))
}

/// Returns the host names and addresses of a certificate, and how many there are.
fn names(certificate: &X509Certificate<'_>) -> (Vec<Octets>, usize) {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    let names = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(Octets::from(cut(name.as_bytes()))),
        GeneralName::IPAddress(octets) => {
            address(octets).map(|address| Octets::from(address.to_string()))
        }
        _ => None,
    });
    let names: Vec<Octets> = names.collect();
    let count = names.len();
    (names.into_iter().take(MAX_NAMES).collect(), count)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

fn age(facts: &TlsFacts, now: Timestamp) -> Option<String> {
    let day = |time: Timestamp| time.strftime("%Y-%m-%d").to_string();
    match (facts.not_before, facts.not_after) {
        (_, Some(end)) if end < now => Some(format!("it expired on {}", day(end))),
        (Some(begin), _) if begin > now => Some(format!("it is not valid before {}", day(begin))),
        (Some(_), Some(_)) => None,
        _ => Some("its times can't be read".to_owned()),
    }
}

/// Returns what is wrong with the chain from the certificate to an authority.
fn trust(
    certificate: &X509Certificate<'_>,
    facts: &TlsFacts,
    chain: &[CertificateDer<'_>],
    now: Timestamp,
    roots: &RootCertStore,
) -> Option<String> {
    if certificate.subject().as_raw() == certificate.issuer().as_raw() {
        return Some("it is signed by itself".to_owned());
    }
    let issuer = facts
        .issuer
        .as_ref()
        .map(Octets::to_string)
        .unwrap_or_default();
    let own = chain
        .first()
        .and_then(|own| ParsedCertificate::try_from(own).ok())?;
    // The age of the certificate is a fault of its own (`age`) and must not hide this one.
    let then = now.clamp(
        facts.not_before.unwrap_or(now),
        facts.not_after.unwrap_or(now).max(facts.not_before?),
    );
    let then = UnixTime::since_unix_epoch(Duration::from_secs(
        u64::try_from(then.as_second()).unwrap_or(0),
    ));
    let algorithms = aws_lc_rs::default_provider()
        .signature_verification_algorithms
        .all;
    let verified =
        verify_server_cert_signed_by_trust_anchor(&own, roots, chain.get(1..)?, then, algorithms);
    let rustls::Error::InvalidCertificate(error) = verified.err()? else { return None };
    Some(match error {
        CertificateError::UnknownIssuer if chain.len() == 1 => {
            format!(
                "its issuer {issuer} is not known, and no certificate of an authority came with it"
            )
        }
        CertificateError::UnknownIssuer => {
            format!("its issuer {issuer} leads to no known authority")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "a certificate of its chain has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "a certificate of its chain is not valid yet".to_owned()
        }
        CertificateError::BadSignature => "a signature of its chain is wrong".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not meant for servers".to_owned()
        }
        other => format!("its chain can't be verified ({other})"),
    })
}

/// RFC 6125 section 6.4, as rustls applies it: only subject alternative names count.
fn wrong_host(
    own: &CertificateDer<'_>,
    host: &str,
    names: &[Octets],
    count: usize,
) -> Option<String> {
    if names.is_empty() {
        return Some("it names no host (it has no subject alternative name)".to_owned());
    }
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let parsed = ParsedCertificate::try_from(own).ok()?;
    verify_server_name(&parsed, &name).err()?;
    let shown: Vec<_> = names.iter().take(3).map(Octets::to_string).collect();
    let more = if count > shown.len() {
        format!(" and {} more", count - shown.len())
    } else {
        String::new()
    };
    Some(format!("it is for {}{more}, not for {host}", shown.join(", ")))
}

fn weak_key(certificate: &X509Certificate<'_>) -> Option<String> {
    match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) if key.key_size() < MIN_RSA_BITS => {
            Some(format!("its RSA key has {} bits only", key.key_size()))
        }
        PublicKey::EC(point) if point.key_size() < 224 => {
            Some(format!("its EC key has {} bits only", point.key_size()))
        }
        PublicKey::DSA(_) => Some("its key is of the outdated kind DSA".to_owned()),
        _ => None,
    }
}

/// RFC 6151 (MD5) and RFC 9155 (SHA-1); by what signs itself, nothing is proved anyhow.
fn weak_signature(certificate: &X509Certificate<'_>) -> Option<String> {
    let kind = x509_parser::objects::oid2sn(
        certificate.signature_algorithm.oid(),
        x509_parser::objects::oid_registry(),
    );
    let signs_itself = certificate.subject().as_raw() == certificate.issuer().as_raw();
    let kind = kind.ok().filter(|_| !signs_itself)?.to_ascii_lowercase();
    let hash = [("md2", "MD2"), ("md5", "MD5"), ("sha1", "SHA-1"), ("sha-1", "SHA-1")];
    hash.iter()
        .find(|(mark, _)| kind.contains(mark))
        .map(|(_, hash)| format!("it is signed with {hash}"))
}

fn old_form(certificate: &X509Certificate<'_>) -> Option<String> {
    let is_current = certificate.version() == X509Version::V3;
    (!is_current)
        .then(|| "it has the form of X.509 version 1, which many clients refuse".to_owned())
}
