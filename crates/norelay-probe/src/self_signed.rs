//! Self-signed certificates, made when they are needed and stored nowhere: the receiver's, and one
//! to show as a client.
//!
//! Servers that relay mail verify no certificate by default (RFC 7435: opportunistic security). The
//! receiver needs a certificate so that a server that insists on encryption can deliver at all.

use std::{io, sync::Arc};

use norelay_core::{reception::Reception, smtp::Policy};
use rcgen::{CertificateParams, CertifiedKey, DnType, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::NoServerSessionStorage,
};
use tokio_rustls::TlsAcceptor;

/// A certificate is valid from the year before it is made until so many years after.
const YEARS_VALID: i16 = 5;

/// Returns what makes the handshakes of a receiver, with a certificate for its name and its
/// domains. A name that a certificate can't carry is left out.
///
/// # Errors
/// The cryptographic library's words.
pub(crate) fn acceptor(reception: &Reception) -> io::Result<TlsAcceptor> {
    let CertifiedKey { cert, signing_key } =
        certificate_for(reception.name(), reception.domains()).map_err(io::Error::other)?;
    let chain = vec![CertificateDer::from(cert)];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    // No client comes often enough for resumption to be worth the memory.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Makes a certificate for a name and some domains, with a new key.
pub(crate) fn certificate_for(
    name: &str,
    domains: &[String],
) -> Result<CertifiedKey<KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    let names = std::iter::once(name).chain(domains.iter().map(String::as_str));
    params.subject_alt_names = names
        .filter_map(|name| Some(rcgen::SanType::DnsName(name.try_into().ok()?)))
        .collect();
    params.distinguished_name.push(DnType::CommonName, name);
    let year = jiff::tz::Offset::UTC
        .to_datetime(jiff::Timestamp::now())
        .year();
    params.not_before = rcgen::date_time_ymd(i32::from(year - 1), 1, 1);
    params.not_after = rcgen::date_time_ymd(i32::from(year + YEARS_VALID), 1, 1);
    let signing_key = KeyPair::generate()?;
    let cert = params.self_signed(&signing_key)?;
    Ok(CertifiedKey { cert, signing_key })
}
