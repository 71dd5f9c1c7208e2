//! TLS as a client that judges nothing: any certificate is accepted, and its faults are noted.
//!
//! A relay is open or closed whatever its certificate says. The faults of a certificate are
//! findings of their own.
//!
//! Rules:
//! - Any certificate and any signature is accepted. The client says nothing secret, so an attacker
//!   on the line would learn nothing.
//! - The caller limits the time of a handshake. The library limits handshake messages to 64 kB.

mod certificate;
pub mod client_identity;
mod failure;
pub(crate) mod old;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use norelay_core::event::TlsFacts;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio_rustls::TlsConnector;

pub(crate) use self::certificate::roots;
use self::client_identity::ClientIdentity;
use crate::network::AnyStream;

/// Accepts every certificate and notes what the server showed.
#[derive(Debug)]
struct AcceptingVerifier {
    provider: Arc<CryptoProvider>,
    notes: Mutex<HandshakeNotes>,
}

/// What a server showed in the handshake.
#[derive(Debug, Default)]
struct HandshakeNotes {
    /// The certificates, the server's own first.
    chain: Vec<CertificateDer<'static>>,
    /// True if the handshake's signature could not be verified with the certificate's key.
    unsigned: bool,
}

impl AcceptingVerifier {
    fn note(&self, note: impl FnOnce(&mut HandshakeNotes)) {
        note(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Accepts a signature. Notes a signature that is wrong, or of a kind or key that the library
    /// no longer supports.
    fn signed<T>(&self, verified: Result<T, rustls::Error>) -> HandshakeSignatureValid {
        self.note(|notes| notes.unsigned |= verified.is_err());
        HandshakeSignatureValid::assertion()
    }
}

impl ServerCertVerifier for AcceptingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        self.note(|notes| {
            notes.chain = chain
                .map(|certificate| certificate.clone().into_owned())
                .collect()
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        Ok(self.signed(rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            algorithms,
        )))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        Ok(self.signed(rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            algorithms,
        )))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self
            .provider
            .signature_verification_algorithms
            .supported_schemes();
        // Old servers sign with SHA-1 alone. The library can't verify SHA-1, but the handshake goes
        // on.
        schemes.extend([SignatureScheme::RSA_PKCS1_SHA1, SignatureScheme::ECDSA_SHA1_Legacy]);
        schemes
    }
}

/// Makes the handshake.
///
/// # Errors
/// A clause that says why the handshake failed.
pub async fn handshake(
    stream: AnyStream,
    host: Option<&str>,
    address: IpAddr,
) -> Result<(AnyStream, TlsFacts), String> {
    handshake_as(stream, host, address, None).await
}

/// As [`handshake`], with a certificate of our own for a server that asks for one.
async fn handshake_as(
    stream: AnyStream,
    host: Option<&str>,
    address: IpAddr,
    identity: Option<&ClientIdentity>,
) -> Result<(AnyStream, TlsFacts), String> {
    let mut provider = aws_lc_rs::default_provider();
    // Big ClientHellos with ML-KEM key shares break some servers' STARTTLS.
    provider
        .kx_groups
        .retain(|group| !format!("{:?}", group.name()).contains("MLKEM"));
    let provider = Arc::new(provider);
    let verifier =
        Arc::new(AcceptingVerifier { provider: provider.clone(), notes: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone());
    let config = match identity.map(ClientIdentity::parts) {
        Some((chain, key)) => config
            .with_client_auth_cert(chain, key)
            .map_err(|error| error.to_string())?,
        None => config.with_no_client_auth(),
    };
    // Without a host name the server gets no SNI, and answers with its default certificate.
    let name = host.and_then(|host| ServerName::try_from(host.to_owned()).ok());
    let name = name.unwrap_or(ServerName::IpAddress(address.into()));
    let connected = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    let connected = connected.map_err(|error| failure::clause(&error))?;
    let facts = facts(connected.get_ref().1, &verifier, host);
    Ok((Box::new(connected), facts))
}

/// Returns what the handshake has shown about the server.
fn facts(
    connection: &rustls::ClientConnection,
    verifier: &AcceptingVerifier,
    host: Option<&str>,
) -> TlsFacts {
    let notes = verifier
        .notes
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let mut facts = certificate::examine(&notes.chain, host, Timestamp::now(), roots());
    if notes.unsigned {
        facts
            .troubles
            .push("the signature of the handshake can't be verified with it".to_owned());
    }
    if let Some(version) = connection.protocol_version() {
        facts.version = format!("{version:?}").replace('_', ".");
    }
    if let Some(suite) = connection.negotiated_cipher_suite() {
        facts.cipher = format!("{:?}", suite.suite());
    }
    facts
}

#[cfg(test)]
mod tests;
