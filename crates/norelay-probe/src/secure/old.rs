//! Finds out what a server speaks after a handshake with us has failed. A connection of its own
//! carries a ClientHello with old versions and cipher suites. Only the ServerHello is read, and no
//! command is ever sent under such protection.
//!
//! Rules:
//! - The finding may say "only" about versions: the server chooses the newest version that both
//!   sides have, and we offer all up to TLS 1.2. (With TLS 1.3 the first handshake would have
//!   succeeded.)
//! - An answer that isn't understood gives no finding.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
};

use norelay_core::event::TlsFacts;
use rustls::{crypto::aws_lc_rs, pki_types::ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::network::{AnyStream, Network};

/// A ServerHello is the first message of the first record; a record has at most 2^14 octets (RFC
/// 5246 section 6.2.1).
const MAX_ANSWER: usize = 5 + (1 << 14);
/// Cipher suites of all kinds, under their names at IANA: with ECDHE, DHE and RSA, and the obsolete
/// suites last.
const SUITES: &[(u16, &str)] = &[
    (0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
    (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    (0xc008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0032, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA"),
    (0x0038, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA"),
    (0x0013, "TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA"),
    (0x0041, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
    (0x0004, "TLS_RSA_WITH_RC4_128_MD5"),
    (0x00ff, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
];
/// X25519, P-256, P-384, P-521.
const GROUPS: &[u16] = &[0x001d, 0x0017, 0x0018, 0x0019];
/// ECDSA, RSA-PSS, RSA and DSA with SHA-2, then with SHA-1.
const SIGNATURES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0402, 0x0203, 0x0201,
    0x0202,
];

/// A network whose handshakes ask what the server speaks. Every handshake fails: with the answer,
/// or without an answer with the words of the first failure.
pub struct Inquiry<N> {
    network: Arc<N>,
    failure: String,
    found: OnceLock<String>,
}

impl<N: Network> Inquiry<N> {
    /// Returns an inquiry after a failure.
    pub fn new(network: Arc<N>, failure: &str) -> Self {
        Self { network, failure: failure.to_owned(), found: OnceLock::new() }
    }

    /// Returns an inquiry that has its answer already.
    pub fn answered(network: Arc<N>, answer: &str) -> Self {
        Self { network, failure: String::new(), found: OnceLock::from(answer.to_owned()) }
    }

    /// Returns what the server speaks, as a clause, if that is too old for us.
    pub fn found(&self) -> Option<String> {
        self.found.get().cloned()
    }
}

impl<N: Network> Network for Inquiry<N> {
    async fn connect(&self, to: SocketAddr) -> io::Result<(AnyStream, SocketAddr)> {
        self.network.connect(to).await
    }

    async fn secure(
        &self,
        mut stream: AnyStream,
        host: Option<&str>,
        _: IpAddr,
    ) -> Result<(AnyStream, TlsFacts), String> {
        if let Some(found) = self.found() {
            return Err(found);
        }
        let answer = ask(&mut stream, host).await.ok().flatten();
        Err(answer.map_or_else(
            || self.failure.clone(),
            |answer| self.found.get_or_init(|| answer).clone(),
        ))
    }

    fn source(&self, to: SocketAddr) -> Option<IpAddr> {
        self.network.source(to)
    }
}

/// Sends the ClientHello and reads the answer. Returns the clause about the answer, if there is
/// one.
async fn ask(stream: &mut AnyStream, host: Option<&str>) -> io::Result<Option<String>> {
    stream
        .write_all(&client_hello(host, rand::random()))
        .await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    loop {
        match read(&answer) {
            ServerAnswer::Unfinished if answer.len() < MAX_ANSWER => {
                if stream.read_buf(&mut answer).await? == 0 {
                    return Ok(None);
                }
            }
            ServerAnswer::Hello { version, suite } => return Ok(clause(version, suite)),
            ServerAnswer::Unfinished | ServerAnswer::Other => return Ok(None),
        }
    }
}

/// Returns a ClientHello for TLS 1.2 (RFC 5246 section 7.4.1.2).
fn client_hello(host: Option<&str>, random: [u8; 32]) -> Vec<u8> {
    let mut hello = vec![0x03, 0x03];
    hello.extend(random);
    hello.push(0);
    let suites: Vec<u16> = SUITES.iter().map(|(suite, _)| *suite).collect();
    hello.extend(counted(&numbers(&suites)));
    hello.extend([1, 0]);
    let mut extensions = Vec::new();
    // RFC 6066 section 3: the server name is a host name, never an address.
    if let Some(host) =
        host.filter(|host| matches!(ServerName::try_from(*host), Ok(ServerName::DnsName(_))))
    {
        let name = [&[0][..], &counted(host.as_bytes())].concat();
        extensions.extend(extension(0, &counted(&name)));
    }
    extensions.extend(extension(10, &counted(&numbers(GROUPS))));
    extensions.extend(extension(11, &[1, 0]));
    extensions.extend(extension(13, &counted(&numbers(SIGNATURES))));
    hello.extend(counted(&extensions));
    let message = [&[1, 0][..], &counted(&hello)].concat();
    [&[0x16, 0x03, 0x01][..], &counted(&message)].concat()
}

/// Returns octets with their number in front, in two octets.
fn counted(octets: &[u8]) -> Vec<u8> {
    let count = u16::try_from(octets.len()).expect("what we say is shorter than 64 kB");
    [&count.to_be_bytes()[..], octets].concat()
}

fn extension(kind: u16, octets: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &counted(octets)].concat()
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

/// What the first octets from the server are.
#[derive(Debug, PartialEq, Eq)]
enum ServerAnswer {
    /// The beginning of a ServerHello.
    Unfinished,
    /// A ServerHello with the version and the cipher suite that the server has chosen.
    Hello { version: u16, suite: u16 },
    /// Anything else, such as an alert.
    Other,
}

/// Reads a record that begins with a ServerHello: type, version, length; type, length, version, 32
/// random octets, a session id, a cipher suite (RFC 5246 sections 6.2.1 and 7.4.1.3).
fn read(answer: &[u8]) -> ServerAnswer {
    const BEGINNING: usize = 5 + 4 + 2 + 32;
    if !b"\x16\x03".starts_with(&answer[..answer.len().min(2)]) {
        return ServerAnswer::Other;
    }
    let Some(beginning) = answer.first_chunk::<{ BEGINNING + 1 }>() else {
        return ServerAnswer::Unfinished;
    };
    let version = u16::from_be_bytes([beginning[9], beginning[10]]);
    if beginning[5] != 2 || !(0x0300..=0x0303).contains(&version) {
        return ServerAnswer::Other;
    }
    let suite_at = BEGINNING + 1 + usize::from(beginning[BEGINNING]);
    match answer.get(suite_at..suite_at + 2) {
        Some(&[high, low]) => {
            ServerAnswer::Hello { version, suite: u16::from_be_bytes([high, low]) }
        }
        _ => ServerAnswer::Unfinished,
    }
}

/// Returns what the server's choice shows. Returns nothing if our TLS library could have used the
/// same, since then the failure has another cause.
fn clause(version: u16, suite: u16) -> Option<String> {
    let newest = match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        _ => {
            let ours = aws_lc_rs::default_provider().cipher_suites;
            let is_ours = ours.iter().any(|ours| u16::from(ours.suite()) == suite);
            let name = SUITES.iter().find(|(known, _)| *known == suite)?.1;
            return (!is_ours).then(|| old_suite(name));
        }
    };
    Some(format!(
        "the newest that the server speaks is {newest}, which is too old for this program's TLS \
         library"
    ))
}

fn old_suite(suite: &str) -> String {
    let what = match suite {
        suite if suite.starts_with("TLS_RSA_") => "key exchange by RSA, without forward secrecy",
        suite if suite.starts_with("TLS_DHE_") => "key exchange by DHE",
        _ => "a cipher of the old kind",
    };
    format!(
        "the server agrees only to {what} ({suite}), which this program's TLS library does not \
         speak"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn server_hello(minor: u8, session_id: u8, suite: u16) -> Vec<u8> {
        let length = 2 + 32 + 1 + session_id + 2 + 1;
        let mut hello =
            vec![0x16, 0x03, minor, 0x00, length + 4, 0x02, 0x00, 0x00, length, 0x03, minor];
        hello.extend([7; 32]);
        hello.push(session_id);
        hello.extend(vec![9; session_id.into()]);
        hello.extend(suite.to_be_bytes());
        hello.push(0);
        hello
    }

    #[test]
    fn a_choice_is_read_and_said() {
        for (minor, session_id, suite, expected) in [
            (0, 0, 0x0005, Some("the newest that the server speaks is SSL 3.0")),
            (1, 32, 0x002f, Some("the newest that the server speaks is TLS 1.0")),
            (2, 32, 0xc014, Some("the newest that the server speaks is TLS 1.1")),
            (
                3,
                0,
                0x002f,
                Some(
                    "only to key exchange by RSA, without forward secrecy \
                     (TLS_RSA_WITH_AES_128_CBC_SHA)",
                ),
            ),
            (
                3,
                32,
                0x009f,
                Some("only to key exchange by DHE (TLS_DHE_RSA_WITH_AES_256_GCM_SHA384)"),
            ),
            (
                3,
                32,
                0xc013,
                Some("only to a cipher of the old kind (TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA)"),
            ),
            (3, 32, 0xc02f, None),
        ] {
            let hello = server_hello(minor, session_id, suite);
            let ServerAnswer::Hello { version, suite } = read(&hello) else {
                panic!("a ServerHello: {hello:x?}")
            };
            let clause = clause(version, suite);
            let clause = clause.unwrap_or_default();
            assert!(clause.contains(expected.unwrap_or_default()), "{clause}");
            assert_eq!(clause.is_empty(), expected.is_none(), "{clause}");
            let needed = hello.len() - 1;
            assert!((0..needed).all(|length| read(&hello[..length]) == ServerAnswer::Unfinished));
        }
    }

    #[test]
    fn other_answers_say_nothing() {
        for answer in [&b"250 ok\r\n"[..], b"\x15\x03\x01\x00\x02\x02\x28", b"\x16\x02", b"\x80"] {
            assert_eq!(read(answer), ServerAnswer::Other, "{answer:x?}");
        }
        assert_eq!(
            read(&[&b"\x16\x03\x03\x00\x2a\x0b\x00\x00\x26\x03\x03"[..], &[0; 64]].concat()),
            ServerAnswer::Other
        );
    }

    #[test]
    fn what_we_say_is_well_formed() {
        for (host, has_name) in
            [(Some("mx.target.example"), true), (Some("192.0.2.7"), false), (None, false)]
        {
            let hello = client_hello(host, [7; 32]);
            assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
            assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
            let name = host.unwrap_or("mx.target.example").as_bytes();
            assert_eq!(
                hello.windows(name.len()).any(|window| window == name),
                has_name,
                "{host:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer: Vec<u8>) {
            let _ = (read(&answer), read(&[b"\x16\x03", &answer[..]].concat()));
        }
    }
}
