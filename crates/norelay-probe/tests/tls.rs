//! Real TLS with servers that misbehave at it: what STARTTLS comes to is said, and the plain path
//! is judged on its own, on connections of its own.

mod simulation;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use norelay_core::{
    assess::assess,
    catalogue,
    check::{Verdict, findings},
    smtp::Security,
};
use norelay_render::{Options, json, text};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use simulation::{Handshake, Server, Simulation, closed, request};
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

const HOST: &str = "mx.target.example";

/// What a server does once it has said 220 to STARTTLS.
type After = Arc<dyn Fn(DuplexStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

fn after<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(DuplexStream) -> F + Send + Sync + 'static,
) -> After {
    Arc::new(move |stream| Box::pin(serve(stream)))
}

/// A server that relays nothing, in the clear, and answers STARTTLS like this.
fn server(answer: &'static str, then: After) -> Server {
    Arc::new(move |_, stream| {
        let then = then.clone();
        Some(Box::pin(async move {
            let mut stream = BufReader::new(stream);
            let _ = stream.write_all(b"220 mx.target.example ESMTP\r\n").await;
            let mut line = String::new();
            while stream
                .read_line(&mut line)
                .await
                .is_ok_and(|length| length > 0)
            {
                let reply = match line.trim_end() {
                    "STARTTLS" => answer.to_owned(),
                    hello if hello.starts_with("EHLO") => {
                        "250-mx.target.example\r\n250 STARTTLS\r\n".to_owned()
                    }
                    other => closed(other),
                };
                if stream.write_all(reply.as_bytes()).await.is_err() {
                    return;
                }
                if line.starts_with("STARTTLS") && reply.starts_with("220") {
                    return then(stream.into_inner()).await;
                }
                line.clear();
            }
        }))
    })
}

/// A server that makes the handshake and relays nothing; its reply to EHLO is `hello`.
async fn serve_secured<S: AsyncRead + AsyncWrite + Unpin>(stream: TlsStream<S>, hello: &str) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream
        .read_line(&mut line)
        .await
        .is_ok_and(|length| length > 0)
    {
        let reply =
            if line.starts_with("EHLO") { hello.to_owned() } else { closed(line.trim_end()) };
        if stream.write_all(reply.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        line.clear();
    }
}

const HELLO: &str = "250-mx.target.example\r\n250 PIPELINING\r\n";

/// A server whose TLS is in order.
fn speaking(acceptor: TlsAcceptor, hello: &'static str) -> After {
    after(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve_secured(stream, hello).await;
            }
        }
    })
}

/// A server whose octets come one by one, after a pause each.
fn dripping(acceptor: TlsAcceptor, pause: Duration) -> After {
    after(move |stream| {
        let acceptor = acceptor.clone();
        let (ours, theirs) = tokio::io::duplex(1 << 12);
        async move {
            let (mut from, mut to) = tokio::io::split(stream);
            let (mut said, mut heard) = tokio::io::split(ours);
            let drip = async move {
                while let Ok(octet) = said.read_u8().await {
                    tokio::time::sleep(pause).await;
                    if to.write_u8(octet).await.is_err() {
                        return;
                    }
                }
            };
            let listen = async move {
                let _ = tokio::io::copy(&mut from, &mut heard).await;
                let _ = heard.shutdown().await;
            };
            let serve = async move {
                if let Ok(stream) = acceptor.accept(theirs).await {
                    serve_secured(stream, HELLO).await;
                }
            };
            tokio::join!(drip, listen, serve);
        }
    })
}

/// A server that makes the handshake, answers `answered` commands, then says `last` and ends the
/// connection, or garbles it.
fn ending(acceptor: TlsAcceptor, answered: usize, last: &'static str, garbles: bool) -> After {
    after(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            for _ in 0..answered {
                line.clear();
                let _ = stream.read_line(&mut line).await;
                let reply = if line.starts_with("EHLO") {
                    "250 mx.target.example\r\n".to_owned()
                } else {
                    closed(line.trim_end())
                };
                let _ = stream.write_all(reply.as_bytes()).await;
                let _ = stream.flush().await;
            }
            let _ = stream.read_line(&mut line).await;
            let _ = stream.write_all(last.as_bytes()).await;
            let _ = stream.flush().await;
            // No close_notify: whoever cuts the line could do the same.
            let (mut below, _) = stream.into_inner().into_inner();
            if garbles {
                let _ = below.write_all(&[0x17, 0x03, 0x03, 0x00, 0x20]).await;
                let _ = below.write_all(&[0xa5; 32]).await;
                let _ = below.read_to_end(&mut Vec::new()).await;
            }
        }
    })
}

/// Says something in the place of a handshake, once the other side has begun with it.
fn saying(octets: impl Into<Vec<u8>>, closes: bool) -> After {
    let octets: Arc<[u8]> = octets.into().into();
    after(move |mut stream| {
        let octets = octets.clone();
        async move {
            let _ = stream.read_u8().await;
            let _ = stream.write_all(&octets).await;
            if !closes {
                let _ = stream.read_to_end(&mut Vec::new()).await;
                std::future::pending::<()>().await;
            }
        }
    })
}

/// A certificate signed by itself, with its validity in years, and so many more of the same behind
/// it.
fn acceptor(names: &[&str], subject: &str, years: (i32, i32), more: usize) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names of hosts");
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    params.distinguished_name.push(DnType::CommonName, subject);
    let own = params
        .self_signed(&key)
        .expect("a certificate")
        .der()
        .clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions with ciphers")
        .with_no_client_auth()
        .with_single_cert(vec![own; 1 + more], key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

const LIVING: (i32, i32) = (2020, 2090);

fn good() -> TlsAcceptor {
    acceptor(&[HOST], HOST, LIVING, 0)
}

/// Name, answer to STARTTLS, what follows, the verdict of the path under TLS, words that the report
/// says, virtual seconds, connections.
type Row = (&'static str, &'static str, After, Verdict, &'static str, u64, usize);

const GO: &str = "220 go ahead\r\n";
/// Everything that must not reach a terminal or a page as it is.
const HOSTILE: &str =
    "mx\x1b[31m\x1b]8;;http://evil.example\x07\u{9b}1m<script>\"'\u{202e}%n%s\r\nBcc: a@b\0=cmd()";

fn certificates() -> Vec<Row> {
    use Verdict::Closed;
    let shown = |names: &[&str], subject: &str, years, more| {
        speaking(acceptor(names, subject, years, more), HELLO)
    };
    vec![
        ("self-signed", GO, shown(&[HOST], HOST, LIVING, 0), Closed, "signed by itself", 5, 20),
        (
            "expired",
            GO,
            shown(&[HOST], HOST, (2001, 2002), 0),
            Closed,
            "it expired on 2002-01-01",
            5,
            20,
        ),
        (
            "not yet valid",
            GO,
            shown(&[HOST], HOST, (2080, 2081), 0),
            Closed,
            "not valid before 2080-01-01",
            5,
            20,
        ),
        (
            "wrong host",
            GO,
            shown(&["other.example"], HOST, LIVING, 0),
            Closed,
            "it is for other.example, not for",
            5,
            20,
        ),
        ("hostile text", GO, shown(&[HOST], HOSTILE, LIVING, 0), Closed, "\\x1b[31m", 5, 20),
        (
            "a chain of 20 kB",
            GO,
            shown(&[HOST], HOST, LIVING, 50),
            Closed,
            "signed by itself",
            5,
            20,
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn handshakes() -> Vec<Row> {
    use Verdict::{Closed, Inconclusive};
    let long = || speaking(acceptor(&[HOST], HOST, LIVING, 1000), HELLO);
    vec![
        ("a chain of 400 kB", GO, long(), Inconclusive, "longer than 64 kB", 5, 30),
        ("stalled", GO, saying("", false), Inconclusive, "it took too long", 300, 30),
        (
            "stalled midway",
            GO,
            saying(&b"\x16\x03\x03\x40"[..], false),
            Inconclusive,
            "it took too long",
            300,
            30,
        ),
        (
            "dripping",
            GO,
            dripping(good(), Duration::from_secs(1)),
            Inconclusive,
            "it took too long",
            300,
            30,
        ),
        (
            "dripping but whole",
            GO,
            dripping(good(), Duration::from_millis(2)),
            Closed,
            "signed by itself",
            60,
            30,
        ),
        ("garbage", GO, saying(vec![0xa5; 4096], false), Inconclusive, "is not TLS", 5, 30),
        (
            "goes on in the clear",
            GO,
            saying("250 mx\r\n", false),
            Inconclusive,
            "is not TLS",
            5,
            30,
        ),
        (
            "closed",
            GO,
            saying("", true),
            Inconclusive,
            "closed the connection in the middle",
            5,
            30,
        ),
        (
            "an alert",
            GO,
            saying(&b"\x15\x03\x03\x00\x02\x02\x50"[..], true),
            Inconclusive,
            "alert 80",
            5,
            30,
        ),
        (
            "refused for now",
            "454 4.7.0 TLS not available\r\n",
            saying("", true),
            Inconclusive,
            "TLS not available",
            1500,
            60,
        ),
        (
            "refused",
            "502 5.5.1 not implemented\r\n",
            saying("", true),
            Inconclusive,
            "not implemented",
            20,
            60,
        ),
        (
            "refused in a way that has no sense",
            "354 go\r\n",
            saying("", true),
            Inconclusive,
            "no meaning here",
            20,
            60,
        ),
        (
            "answered with more than was asked",
            "220 go ahead\r\n250 mx\r\n250 ok\r\n250 ok\r\n",
            speaking(good(), HELLO),
            Inconclusive,
            "in the clear after its answer to STARTTLS",
            20,
            60,
        ),
    ]
}

fn dialogues() -> Vec<Row> {
    use Verdict::{Closed, Inconclusive};
    let hello = "250-mx.target.example\r\n250-STARTTLS\r\n250 PIPELINING\r\n";
    vec![
        ("STARTTLS offered again", GO, speaking(good(), hello), Closed, "signed by itself", 5, 30),
        ("cut before the answer", GO, ending(good(), 2, "", false), Inconclusive, "RCPT", 20, 60),
        (
            "cut within a refusal",
            GO,
            ending(good(), 2, "550 5.7.1 Relaying", false),
            Inconclusive,
            "RCPT",
            20,
            60,
        ),
        (
            "cut within an acceptance",
            GO,
            ending(good(), 2, "250", false),
            Inconclusive,
            "RCPT",
            20,
            60,
        ),
        (
            "cut after the refusal",
            GO,
            ending(good(), 2, "550 5.7.1 Relaying denied\r\n", false),
            Closed,
            "",
            20,
            60,
        ),
        ("garbled", GO, ending(good(), 2, "", true), Inconclusive, "RCPT", 20, 60),
        ("cut after EHLO", GO, ending(good(), 0, "", false), Inconclusive, "EHLO", 20, 60),
    ]
}

async fn check(rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for (name, answer, then, verdict, words, seconds, connections) in rows {
        let tests = ["foreign-to-foreign", "ctl-postmaster", "percent-host", "null-sender"];
        let tests = tests.iter().filter_map(|id| catalogue::by_id(id)).collect();
        let ports = vec![(25, Security::Plain), (25, Security::StartTls)];
        let asked = simulation::Request { tests, ports, ..request() };
        let network = Simulation::of(server(answer, then)).secured_by(Handshake::Real);
        let ran = simulation::run_in(network, asked, None).await;
        let [plain, secured] = ran.judgement.paths.as_slice() else { panic!("two paths") };
        let found = findings(&ran.report, &ran.judgement);
        let text = text::render(&ran.report, &assess(&ran.report), &Options::default());
        let json = json::render(&ran.report, &assess(&ran.report), &Options::default());
        assert!(
            !text
                .chars()
                .any(|character| character.is_control() && character != '\n'),
            "{name}: {text:?}"
        );
        let said = format!("{:?} {:?} {}", secured.why, found, json);
        let is_right =
            (plain.verdict, secured.verdict) == (Verdict::Closed, verdict) && said.contains(words);
        if !is_right || ran.took.as_secs() > seconds || ran.connections > connections {
            wrong.push(format!(
                "{name}: {:?} and {:?} in {} s with {} connections: {}",
                plain.verdict,
                secured.verdict,
                ran.took.as_secs(),
                ran.connections,
                secured.why.join("; ")
            ));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_no_matter_of_relaying() {
    check(certificates()).await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_fails_says_why_and_acquits_nobody() {
    check(handshakes()).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_off_under_tls_is_no_answer() {
    check(dialogues()).await;
}

/// A port for TLS from the first octet on that speaks in the clear is no path, and the other port
/// is judged on its own.
#[tokio::test(start_paused = true)]
async fn a_port_for_tls_that_speaks_in_the_clear_is_told_so() {
    let tests = ["foreign-to-foreign", "ctl-postmaster"]
        .iter()
        .filter_map(|id| catalogue::by_id(id))
        .collect();
    let ports = vec![(25, Security::Plain), (465, Security::Tls)];
    let network = Simulation::of(server(GO, saying("", true))).secured_by(Handshake::Real);
    let ran =
        simulation::run_in(network, simulation::Request { tests, ports, ..request() }, None).await;
    let [plain, secured] = ran.judgement.paths.as_slice() else { panic!("two paths") };
    assert_eq!(
        (plain.verdict, secured.verdict),
        (Verdict::Closed, Verdict::Unreachable),
        "{:?}",
        secured.why
    );
    assert!(secured.why.join(" ").contains("is not TLS"), "{:?}", secured.why);
    assert!(
        ran.took.as_secs() < 5 && ran.connections < 15,
        "{:?} with {}",
        ran.took,
        ran.connections
    );
}
