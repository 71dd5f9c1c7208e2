//! What a client shows of itself under TLS: a certificate, and the proof that the client has the
//! key.
//!
//! Rules:
//! - A private key is never shown, and never kept longer than the run.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use norelay_core::event::TlsFacts;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};

use crate::network::{AnyStream, Network};

/// A certificate with its chain, and its private key.
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}

impl ClientIdentity {
    /// Makes a new self-signed certificate for a name.
    ///
    /// # Errors
    /// The cryptographic library's words.
    pub fn self_signed(name: &str) -> io::Result<Self> {
        let made = crate::self_signed::certificate_for(name, &[]).map_err(io::Error::other)?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        Ok(Self { chain: vec![made.cert.into()], key: key.into() })
    }

    /// Reads an identity from two files in PEM. The first has the certificate, followed by those of
    /// its authorities. The second has the key.
    ///
    /// # Errors
    /// Those of the operating system, and a file without a certificate or key.
    pub fn read(certificate: &Path, key: &Path) -> io::Result<Self> {
        let (chain, key_pem) = (std::fs::read(certificate)?, std::fs::read(key)?);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
            .collect::<Result<_, _>>()
            .map_err(|_| lacks(certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| lacks(key, "private key"))?;
        match chain.is_empty() {
            true => Err(lacks(certificate, "certificate")),
            false => Ok(Self { chain, key }),
        }
    }

    pub(super) fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain.clone(), self.key.clone_key())
    }
}

/// The error about a file that has no such thing in it.
fn lacks(path: &Path, what: &str) -> io::Error {
    io::Error::other(format!("{} has no {what} in PEM", path.display()))
}

/// A network whose handshakes show a certificate.
pub struct Identified<N> {
    network: Arc<N>,
    identity: Arc<ClientIdentity>,
}

impl<N: Network> Identified<N> {
    /// Returns a network that shows this identity in its handshakes.
    pub fn new(network: Arc<N>, identity: Arc<ClientIdentity>) -> Self {
        Self { network, identity }
    }
}

impl<N: Network> Network for Identified<N> {
    async fn connect(&self, to: SocketAddr) -> io::Result<(AnyStream, SocketAddr)> {
        self.network.connect(to).await
    }

    async fn secure(
        &self,
        stream: AnyStream,
        host: Option<&str>,
        address: IpAddr,
    ) -> Result<(AnyStream, TlsFacts), String> {
        super::handshake_as(stream, host, address, Some(&self.identity)).await
    }

    fn source(&self, to: SocketAddr) -> Option<IpAddr> {
        self.network.source(to)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
    use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, server::WebPkiClientVerifier};
    use tokio_rustls::TlsAcceptor;

    use super::*;

    fn authority() -> (Issuer<'static, KeyPair>, CertificateDer<'static>) {
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = params
            .self_signed(&key)
            .expect("a certificate")
            .der()
            .clone();
        (Issuer::new(params, key), certificate)
    }

    /// What a server that asks for a certificate of the authority, and does without, gets to see of
    /// a client.
    async fn shown(
        root: &CertificateDer<'static>,
        identity: Option<&ClientIdentity>,
    ) -> Result<usize, String> {
        let mut roots = RootCertStore::empty();
        roots
            .add(root.clone())
            .expect("a certificate of an authority");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let (chain, key) = ClientIdentity::self_signed("mx.target.example")
            .expect("a certificate")
            .parts();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the usual versions")
            .with_client_cert_verifier(
                verifier
                    .allow_unauthenticated()
                    .build()
                    .expect("a verifier"),
            )
            .with_single_cert(chain, key)
            .expect("a key for the certificate");
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let accepting = TlsAcceptor::from(Arc::new(config)).accept(theirs);
        let asking =
            super::super::handshake_as(Box::new(ours), None, [192, 0, 2, 7].into(), identity);
        let (accepted, _) = tokio::join!(accepting, asking);
        let accepted = accepted.map_err(|error| error.to_string())?;
        Ok(accepted
            .get_ref()
            .1
            .peer_certificates()
            .map_or(0, <[_]>::len))
    }

    #[tokio::test]
    async fn a_server_that_asks_sees_the_certificate_that_is_shown() {
        let (issuer, root) = authority();
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["tester.probe.example".to_owned()]).expect("a name");
        let issued = params.signed_by(&key, &issuer).expect("a certificate");
        let directory =
            std::env::temp_dir().join(format!("norelay-identity-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a place for files");
        let (certificate, private) = (directory.join("certificate.pem"), directory.join("key.pem"));
        std::fs::write(&certificate, issued.pem()).expect("a file");
        std::fs::write(&private, key.serialize_pem()).expect("a file");
        let given =
            ClientIdentity::read(&certificate, &private).expect("a certificate and its key");
        let confused =
            ClientIdentity::read(&private, &certificate).expect_err("they have changed places");
        std::fs::remove_dir_all(&directory).expect("the files are ours");
        assert!(confused.to_string().ends_with("has no private key in PEM"), "{confused}");
        assert!(!format!("{given:?}").contains("PRIVATE"));
        let own = ClientIdentity::self_signed("tester.probe.example").expect("a certificate");
        assert_eq!(shown(&root, None).await, Ok(0));
        assert_eq!(shown(&root, Some(&given)).await, Ok(1));
        let refused = shown(&root, Some(&own))
            .await
            .expect_err("nobody vouches for it");
        assert!(refused.contains("certificate"), "{refused}");
    }
}
