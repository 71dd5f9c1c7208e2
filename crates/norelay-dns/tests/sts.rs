//! MTA-STS policies fetched from a real HTTPS server and a real DNS server on loopback.

mod dns;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use dns::{Unbound, Zone};
use norelay_dns::{
    lookup::{dns_client::DnsClient, policies::Policies, records},
    posture::sts_policy::Fetched,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

const POLICY: &str =
    "version: STSv1\nmode: enforce\nmx: mx.a.example\nmx: *.b.example\nmax_age: 604800\n";

/// What the server says to any request, or nothing for ever.
#[derive(Clone)]
enum Says {
    Answer(String),
    Silence,
}

fn answer(status: &str, head: &str, body: &str) -> Says {
    let length = body.len();
    Says::Answer(format!(
        "HTTP/1.1 {status}\r\n{head}Content-Type: text/plain\r\nContent-Length: \
         {length}\r\n\r\n{body}"
    ))
}

/// An HTTPS server with a certificate for some names; gives the certificate, too.
async fn serve(names: &[&str], says: Says) -> (SocketAddr, CertificateDer<'static>) {
    let key = KeyPair::generate().expect("a key can be made");
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let certificate = CertificateParams::new(names)
        .expect("the names are right")
        .self_signed(&key)
        .expect("it is signed");
    let certificate = CertificateDer::from(certificate);
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the versions fit the provider")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("the key is the certificate's");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, says) = (acceptor.clone(), says.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.ok()?;
                let mut request = [0; 4096];
                let length = stream.read(&mut request).await.ok()?;
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let Says::Answer(text) = says else { return std::future::pending().await };
                // Whoever asks for another page, or tells who sent him, is no sender of mail.
                let is_right = request.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n");
                let text =
                    if is_right { text } else { "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned() };
                stream.write_all(text.as_bytes()).await.ok()?;
                stream.shutdown().await.ok()
            });
        }
    });
    (address, certificate)
}

fn zone() -> Unbound {
    Unbound::start(&[
        Zone::Holds(
            "a.example",
            &[
                "a.example. MX 10 mx.a.example.",
                "a.example. MX 20 one.b.example.",
                "a.example. MX 30 mx.other.example.",
                "_mta-sts.a.example. TXT \"v=STSv1; id=1\"",
                "mta-sts.a.example. A 127.0.0.1",
            ],
        ),
        Zone::NothingElse,
    ])
}

/// As senders of mail fetch policies, without an authority to trust.
fn usual_policies() -> Policies {
    Policies::trusting(Arc::new(RootCertStore::empty()))
}

fn policies(port: u16, trusted: CertificateDer<'static>) -> Policies {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).expect("the certificate can be read");
    Policies {
        port,
        roots: Arc::new(roots),
        may_ask: |address: IpAddr| address.is_loopback(),
        ..usual_policies()
    }
}

async fn fetch(names: &[&str], says: Says) -> Fetched {
    let server = zone();
    let dns = DnsClient::new(Some(server.address), Duration::from_secs(60))
        .expect("the test gives the resolver");
    let is_silent = matches!(says, Says::Silence);
    let (address, certificate) = serve(names, says).await;
    let mut policies = policies(address.port(), certificate);
    policies.patience = Duration::from_secs(if is_silent { 1 } else { 60 });
    policies.fetch(&dns, "a.example").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_fetched_as_senders_fetch_it() {
    let own = &["mta-sts.a.example"][..];
    let long = "mx: a.example\n".repeat(6_000);
    let wrong = |why: &str| Fetched::Wrong(why.to_owned());
    for (names, says, expected) in [
        (own, answer("200 OK", "", POLICY), Fetched::Text(POLICY.into())),
        (own, answer("404 Not Found", "", ""), wrong("mta-sts.a.example answers 404")),
        (
            own,
            answer(
                "301 Moved",
                "Location: https://mta-sts.a.example/.well-known/mta-sts.txt\r\n",
                "",
            ),
            wrong("mta-sts.a.example redirects (301), which senders don't follow"),
        ),
        (own, answer("200 OK", "", &long), wrong("it is longer than 64 KiB")),
        (
            own,
            Says::Silence,
            Fetched::Unknown("mta-sts.a.example gave no answer in time".to_owned()),
        ),
    ] {
        assert_eq!(fetch(names, says).await, expected);
    }
    let Fetched::Wrong(why) = fetch(&["a.example"], answer("200 OK", "", POLICY)).await else {
        panic!("the certificate is for another name")
    };
    assert!(
        why.starts_with(
            "the certificate of mta-sts.a.example is not valid (certificate not valid for name"
        ),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_nobody_is_not_trusted() {
    let server = zone();
    let dns = DnsClient::new(Some(server.address), Duration::from_secs(60))
        .expect("the test gives the resolver");
    let (address, _) = serve(&["mta-sts.a.example"], answer("200 OK", "", POLICY)).await;
    let usual = Policies { port: address.port(), may_ask: |_| true, ..usual_policies() };
    let Fetched::Wrong(why) = usual.fetch(&dns, "a.example").await else {
        panic!("it was trusted")
    };
    assert!(why.contains("UnknownIssuer"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_from_an_address_inside() {
    let server = zone();
    let dns = DnsClient::new(Some(server.address), Duration::from_secs(60))
        .expect("the test gives the resolver");
    let (address, certificate) = serve(&["mta-sts.a.example"], answer("200 OK", "", POLICY)).await;
    let careful =
        Policies { may_ask: usual_policies().may_ask, ..policies(address.port(), certificate) };
    let expected = "mta-sts.a.example leads to 127.0.0.1, which is no address on the Internet";
    assert_eq!(careful.fetch(&dns, "a.example").await, Fetched::Unknown(expected.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchanger_that_the_policy_leaves_out_is_named() {
    let server = zone();
    let dns = DnsClient::new(Some(server.address), Duration::from_secs(60))
        .expect("the test gives the resolver");
    let (address, certificate) = serve(&["mta-sts.a.example"], answer("200 OK", "", POLICY)).await;
    let notes =
        records::examine(&dns, &policies(address.port(), certificate), Some("a.example"), &[])
            .await;
    let notes: Vec<_> = notes
        .iter()
        .filter(|note| note.tag.starts_with("mta_sts"))
        .map(|note| format!("{} {:?}", note.tag, note.arguments))
        .collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].starts_with("mta_sts_mx_left_out") && notes[0].contains("mx.other.example"),
        "{notes:?}"
    );
}
