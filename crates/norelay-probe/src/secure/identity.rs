//! What a client shows of itself under TLS: a certificate and the proof that it is his.
//!
//! Rules:
//! - A private key is neither shown nor kept longer than the run.

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
        f.debug_struct("ClientIdentity").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

impl ClientIdentity {
    /// A new one for a name, signed by itself.
    ///
    /// # Errors
    /// The cryptographic library's words.
    pub fn self_signed(name: &str) -> io::Result<Self> {
        let made = crate::certificate::self_signed(name, &[]).map_err(io::Error::other)?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        Ok(Self { chain: vec![made.cert.into()], key: key.into() })
    }

    /// The one in two files in PEM: the certificate, followed by those of its authorities, and the key.
    ///
    /// # Errors
    /// Those of the operating system, and that a file has no such thing in it.
    pub fn read(certificate: &Path, key: &Path) -> io::Result<Self> {
        let wrong = |path: &Path, what: &str| io::Error::other(format!("{} has no {what} in PEM", path.display()));
        let (chain, key_pem) = (std::fs::read(certificate)?, std::fs::read(key)?);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
            .collect::<Result<_, _>>()
            .map_err(|_| wrong(certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| wrong(key, "private key"))?;
        match chain.is_empty() {
            true => Err(wrong(certificate, "certificate")),
            false => Ok(Self { chain, key }),
        }
    }

    pub(super) fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain.clone(), self.key.clone_key())
    }
}

/// A network whose handshakes show a certificate.
pub struct Identified<N> {
    network: Arc<N>,
    identity: Arc<ClientIdentity>,
}

impl<N: Network> Identified<N> {
    /// As the network, but with this identity.
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
