use std::{future::Future, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsAcceptor;

use super::*;

const HOST: &str = "mx.target.example";

/// A certificate that is to be made.
struct Made {
    names: Vec<String>,
    years: (i32, i32),
    subject: &'static [u8],
}

impl Made {
    fn of(names: &[&str], years: (i32, i32)) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self { names, years, subject: b"mx.target.example" }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new(self.names.clone()).expect("names of hosts");
        params.not_before = rcgen::date_time_ymd(self.years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(self.years.1, 1, 1);
        let subject = String::from_utf8(self.subject.to_vec()).expect("UTF-8");
        params.distinguished_name.push(DnType::CommonName, subject);
        params
    }
}

/// An authority of our own, and a store that knows it.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new(name: &str, years: (i32, i32)) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params
            .self_signed(&key)
            .expect("a certificate")
            .der()
            .clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn below(&self, name: &str, years: (i32, i32)) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a certificate")
            .der()
            .clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store
            .add(self.certificate.clone())
            .expect("a certificate of an authority");
        store
    }

    fn issue(&self, made: &Made) -> CertificateDer<'static> {
        let key = KeyPair::generate().expect("a key");
        made.params()
            .signed_by(&key, &self.issuer)
            .expect("a certificate")
            .der()
            .clone()
    }
}

fn itself(made: &Made) -> CertificateDer<'static> {
    let key = KeyPair::generate().expect("a key");
    made.params()
        .self_signed(&key)
        .expect("a certificate")
        .der()
        .clone()
}

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().expect("a time")
}

const VALID: (i32, i32) = (2026, 2027);

/// Rows: what is shown, for which host, what is wrong with it.
type Row<'a> = (&'a str, Vec<CertificateDer<'static>>, Option<&'a str>, &'a [&'a str]);

fn check(known: &Authority, rows: Vec<Row<'_>>) {
    for (name, chain, host, troubles) in rows {
        let facts = certificate::examine(&chain, host, now(), &known.store());
        assert_eq!(facts.troubles, troubles, "{name}");
        assert_eq!(usize::from(facts.chain), chain.len(), "{name}");
        assert!(facts.names.len() <= 16, "{name}");
    }
}

#[test]
fn troubles_of_the_certificate() {
    let known = Authority::new("Known", (2020, 2040));
    let many: Vec<String> = (0..40).map(|number| format!("h{number}.example")).collect();
    let many = Made { names: many, ..Made::of(&[], VALID) };
    let issued = |names: &[&str], years| vec![known.issue(&Made::of(names, years))];
    check(
        &known,
        vec![
            ("good", issued(&[HOST], VALID), Some(HOST), &[]),
            ("wildcard", issued(&["*.target.example"], VALID), Some(HOST), &[]),
            ("no name asked for", issued(&["other.example"], VALID), None, &[]),
            ("expired", issued(&[HOST], (2024, 2025)), Some(HOST), &["it expired on 2025-01-01"]),
            (
                "too early",
                issued(&[HOST], (2027, 2028)),
                Some(HOST),
                &["it is not valid before 2027-01-01"],
            ),
            (
                "no names",
                issued(&[], VALID),
                Some(HOST),
                &["it names no host (it has no subject alternative name)"],
            ),
            (
                "many names",
                vec![known.issue(&many)],
                Some(HOST),
                &["it is for h0.example, h1.example, h2.example and 37 more, not for \
                     mx.target.example"],
            ),
            (
                "nonsense",
                vec![CertificateDer::from(vec![0x30, 0x80, 0xff])],
                Some(HOST),
                &["it can't be read"],
            ),
            ("empty", vec![CertificateDer::from(Vec::new())], Some(HOST), &["it can't be read"]),
            ("none", Vec::new(), Some(HOST), &["there is none"]),
        ],
    );
}

#[test]
fn troubles_of_the_chain_and_several_at_once() {
    let known = Authority::new("Known", (2020, 2040));
    let between = known.below("Between", VALID);
    let expired = known.below("Expired", (2020, 2021));
    let unknown = Authority::new("Unknown", (2020, 2040));
    let good = Made::of(&[HOST], VALID);
    check(
        &known,
        vec![
            (
                "good with a chain",
                vec![between.issue(&good), between.certificate.clone()],
                Some(HOST),
                &[],
            ),
            ("by itself", vec![itself(&good)], Some(HOST), &["it is signed by itself"]),
            (
                "all at once",
                vec![itself(&Made::of(&["other.example"], (2024, 2025)))],
                Some(HOST),
                &[
                    "it expired on 2025-01-01",
                    "it is signed by itself",
                    "it is for other.example, not for mx.target.example",
                ],
            ),
            (
                "expired, unknown",
                vec![unknown.issue(&Made::of(&[HOST], (2024, 2025)))],
                Some(HOST),
                &[
                    "it expired on 2025-01-01",
                    "its issuer CN=Unknown is not known, and no certificate of an authority came \
                     with it",
                ],
            ),
            (
                "unknown with its authority",
                vec![unknown.issue(&good), unknown.certificate.clone()],
                Some(HOST),
                &["its issuer CN=Unknown leads to no known authority"],
            ),
            (
                "incomplete",
                vec![between.issue(&good)],
                Some(HOST),
                &["its issuer CN=Between is not known, and no certificate of an authority came \
                     with it"],
            ),
            (
                "expired between",
                vec![expired.issue(&good), expired.certificate.clone()],
                Some(HOST),
                &["a certificate of its chain has expired"],
            ),
        ],
    );
}

#[test]
fn what_it_says_is_kept_and_harmless() {
    let authority = Authority::new("Known", (2020, 2040));
    let made = Made {
        subject: b"mx\x1b[31m<b>\r\nSubject: x",
        ..Made::of(&[HOST, "192.0.2.7"], (2026, 2027))
    };
    let facts = certificate::examine(&[authority.issue(&made)], None, now(), &authority.store());
    let shown =
        |octets: &Option<norelay_core::octets::Octets>| octets.as_ref().map(ToString::to_string);
    assert_eq!(shown(&facts.subject).as_deref(), Some("CN=mx\\x1b[31m<b>\\x0d\\x0aSubject: x"));
    assert_eq!(shown(&facts.issuer).as_deref(), Some("CN=Known"));
    assert_eq!(
        facts
            .names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [HOST, "192.0.2.7"]
    );
    let times = [facts.not_before, facts.not_after].map(|time| time.map(|time| time.to_string()));
    assert_eq!(
        times,
        [Some("2026-01-01T00:00:00Z".to_owned()), Some("2027-01-01T00:00:00Z".to_owned())]
    );
    let long = Made { subject: &[b'x'; 5000], ..Made::of(&[HOST], (2026, 2027)) };
    let facts = certificate::examine(&[authority.issue(&long)], None, now(), &authority.store());
    assert_eq!(facts.subject.map(|subject| subject.len()), Some(253));
}

/// A TLS server with a certificate of its own making, and so many more of them.
fn acceptor(versions: &[&'static rustls::SupportedProtocolVersion], more: usize) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let made = Made::of(&[HOST], (2026, 2050));
    let own = made
        .params()
        .self_signed(&key)
        .expect("a certificate")
        .der()
        .clone();
    let chain: Vec<_> = std::iter::repeat_n(own, 1 + more).collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions with ciphers")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

/// What the handshake comes to with a server that does `serve`.
async fn meet<F: Future<Output = ()> + Send + 'static>(
    serve: impl FnOnce(DuplexStream) -> F,
) -> Result<TlsFacts, String> {
    let (ours, theirs) = tokio::io::duplex(1 << 12);
    let serving = tokio::spawn(serve(theirs));
    // Where the server stalls, the clock is virtual.
    let limit = Duration::from_secs(60);
    let met =
        tokio::time::timeout(limit, handshake(Box::new(ours), Some(HOST), [192, 0, 2, 7].into()))
            .await;
    serving.abort();
    met.map_err(|_| "it took too long".to_owned())?
        .map(|(_, facts)| facts)
}

async fn serve(stream: DuplexStream, acceptor: TlsAcceptor) {
    if let Ok(mut stream) = acceptor.accept(stream).await {
        let _ = stream.read_u8().await;
    }
}

/// What TLSA records are compared with (RFC 6698 section 2.1).
#[test]
fn digests_are_of_the_certificate_and_of_its_key() {
    use data_encoding::HEXLOWER;
    use rcgen::PublicKeyData;
    use sha2::{Digest, Sha256};
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![HOST.to_owned()]).expect("a host's name");
    let own = params
        .self_signed(&key)
        .expect("a certificate")
        .der()
        .clone();
    let key = HEXLOWER.encode(&Sha256::digest(key.subject_public_key_info()));
    let facts = certificate::examine(&vec![own.clone(); 6], None, now(), &RootCertStore::empty());
    assert_eq!(facts.digests, vec![[HEXLOWER.encode(&Sha256::digest(&own)), key]; 4]);
}

#[tokio::test]
async fn any_certificate_is_accepted() {
    for (version, shown) in
        [(&rustls::version::TLS12, "TLSv1.2"), (&rustls::version::TLS13, "TLSv1.3")]
    {
        let facts = meet(|stream| serve(stream, acceptor(&[version], 0)))
            .await
            .expect("any certificate will do");
        assert_eq!((facts.version.as_str(), facts.chain), (shown, 1));
        assert!(facts.cipher.contains("AES_256_GCM"), "{}", facts.cipher);
        assert_eq!(facts.troubles, ["it is signed by itself"]);
    }
}

/// Says something in the place of a handshake, and then nothing.
async fn say(mut stream: DuplexStream, octets: Vec<u8>, closes: bool) {
    let _ = stream.write_all(&octets).await;
    if !closes {
        let _ = stream.read_to_end(&mut Vec::new()).await;
        std::future::pending().await
    }
}

fn alert(code: u8) -> Vec<u8> {
    vec![0x15, 0x03, 0x03, 0x00, 0x02, 0x02, code]
}

/// A ServerHello of an old version, with TLS_RSA_WITH_AES_128_CBC_SHA.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![0x16, 0x03, minor, 0x00, 0x2a, 0x02, 0x00, 0x00, 0x26, 0x03, minor];
    hello.extend([7; 32]);
    hello.extend([0x00, 0x00, 0x2f, 0x00]);
    hello
}

#[tokio::test(start_paused = true)]
async fn failures_are_said_in_words() {
    for (name, octets, closes, expected) in [
        (
            "plain text",
            b"250 2.0.0 Ok, go on\r\n".to_vec(),
            false,
            "the server's answer is not TLS",
        ),
        ("garbage", vec![0xa5; 4096], false, "the server's answer is not TLS"),
        ("closed at once", Vec::new(), true, "closed the connection in the middle"),
        (
            "closed midway",
            vec![0x16, 0x03, 0x03, 0x00],
            true,
            "closed the connection in the middle",
        ),
        ("stalled", Vec::new(), false, "it took too long"),
        ("stalled midway", vec![0x16, 0x03, 0x03, 0x40], false, "it took too long"),
        ("alert 40", alert(40), true, "nothing that it has in common with us (alert 40)"),
        ("alert 70", alert(70), true, "neither TLS 1.2 nor TLS 1.3 (alert 70)"),
        ("alert 80", alert(80), true, "something is wrong inside the server (alert 80)"),
        ("alert 112", alert(112), true, "does not know the name"),
        ("TLS 1.0", old_hello(1), false, "only TLS 1.1 or older"),
        ("TLS 1.1", old_hello(2), false, "only TLS 1.1 or older"),
        ("a cipher that we didn't offer", old_hello(3), false, "broke the rules of TLS"),
    ] {
        let error = meet(|stream| say(stream, octets, closes))
            .await
            .expect_err("nothing was agreed");
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[tokio::test]
async fn long_chains_are_bounded() {
    for (more, expected) in [(50, Ok(51)), (1000, Err("longer than 64 kB"))] {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let met = meet(|stream| serve(stream, acceptor(&[version], more))).await;
            match (met, expected) {
                (Ok(facts), Ok(chain)) => assert_eq!(facts.chain, chain),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (met, expected) => panic!("{met:?}, expected {expected:?}"),
            }
        }
    }
}
