//! TLS as a client that judges nothing: any certificate is accepted, and what is wrong with it is noted.
//!
//! A relay is open or closed whatever its certificate says; the certificate's troubles are findings of their own.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use norelay_core::event::TlsFacts;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio_rustls::TlsConnector;

use crate::network::AnyStream;

/// Accepts every certificate and keeps what it saw.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        if let Ok(mut seen) = self.seen.lock() {
            *seen = chain.map(|certificate| certificate.clone().into_owned()).collect();
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Makes the handshake.
///
/// # Errors
/// A clause that says why it failed.
pub async fn handshake(
    stream: AnyStream,
    host: Option<&str>,
    address: IpAddr,
) -> Result<(AnyStream, TlsFacts), String> {
    let mut provider = aws_lc_rs::default_provider();
    // Big ClientHellos with ML-KEM key shares break some servers' STARTTLS.
    provider.kx_groups.retain(|group| !format!("{:?}", group.name()).contains("MLKEM"));
    let provider = Arc::new(provider);
    let recorder = Arc::new(Recorder { provider: provider.clone(), seen: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_no_client_auth();
    let name = host.and_then(|host| ServerName::try_from(host.to_owned()).ok());
    let name = name.unwrap_or(ServerName::IpAddress(address.into()));
    let connected =
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| error.to_string())?;
    let facts = facts(connected.get_ref().1);
    Ok((Box::new(connected), facts))
}

fn facts(connection: &rustls::ClientConnection) -> TlsFacts {
    let shown = |value: Option<String>| value.unwrap_or_default();
    TlsFacts {
        version: shown(connection.protocol_version().map(|version| format!("{version:?}"))),
        cipher: shown(connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()))),
        subject: None,
        troubles: Vec::new(),
    }
}
