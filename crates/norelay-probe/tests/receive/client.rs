//! A raw SMTP client: it says exactly what it is told.

use std::{net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub struct Client<S> {
    stream: BufReader<S>,
}

impl Client<TcpStream> {
    /// Connects, and reads the greeting.
    pub async fn connect(server: SocketAddr) -> Self {
        let mut client = Self::connect_from(None, server).await;
        let greeting = client.reply().await;
        assert!(greeting.starts_with("220 mx.probe.example ESMTP norelay receiver"), "{greeting}");
        client
    }

    /// Connects, from an address of loopback; reads nothing.
    pub async fn connect_from(source: Option<SocketAddr>, server: SocketAddr) -> Self {
        let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.expect("there are sockets");
        if let Some(source) = source {
            socket.bind(source).expect("loopback has many addresses");
        }
        Self { stream: BufReader::new(socket.connect(server).await.expect("the receiver listens")) }
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.stream
            .get_ref()
            .local_addr()
            .expect("the socket is connected")
    }

    /// Makes the handshake, whatever the certificate.
    pub async fn secure(self) -> Client<TlsStream<TcpStream>> {
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anything))
            .with_no_client_auth();
        let name = ServerName::try_from("mx.probe.example").expect("the name is one");
        let connecting =
            TlsConnector::from(Arc::new(config)).connect(name, self.stream.into_inner());
        Client { stream: BufReader::new(connecting.await.expect("the handshake succeeds")) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub async fn send(&mut self, octets: &[u8]) {
        // Whoever is flooded may have hung up: what was said before that is still to be read.
        let _ = self.stream.write_all(octets).await;
        let _ = self.stream.flush().await;
    }

    /// One reply, whole; empty where the connection ended.
    pub async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            let length = self.stream.read_line(&mut reply).await.unwrap_or(0);
            if length == 0 || reply.as_bytes().get(start + 3) != Some(&b'-') {
                return reply;
            }
        }
    }

    pub async fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }

    pub async fn expect(&mut self, line: &str, start: &str) {
        let reply = self.say(line).await;
        assert!(reply.starts_with(start), "{line}: {reply}");
    }

    /// Everything until the end of the connection.
    pub async fn read_to_end(&mut self) -> String {
        let mut said = Vec::new();
        let _ = self.stream.read_to_end(&mut said).await;
        String::from_utf8_lossy(&said).into_owned()
    }

    /// A transaction until the 354.
    pub async fn begin(&mut self, reverse_path: &str, recipients: &[&str]) {
        self.expect("EHLO relay.example", "250").await;
        self.expect(&format!("MAIL FROM:{reverse_path}"), "250")
            .await;
        for recipient in recipients {
            self.expect(&format!("RCPT TO:<{recipient}>"), "250").await;
        }
        self.expect("DATA", "354").await;
    }

    /// A whole message that is accepted.
    pub async fn deliver(&mut self, reverse_path: &str, recipients: &[&str], text: &str) {
        self.begin(reverse_path, recipients).await;
        self.expect(&format!("{text}."), "250 2.0.0").await;
    }
}

#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
