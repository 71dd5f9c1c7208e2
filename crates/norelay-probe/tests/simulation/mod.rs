//! A simulated network: connections are pipes in memory, time is virtual, servers are scripts.

#![allow(dead_code, reason = "each suite looks at other things")]

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use norelay_core::{
    asking::PlannedCanary,
    catalogue::{self, Profile},
    check::{self, Judgement},
    event::{MailExchanger, Receipt, Record, TlsFacts},
    report::Report,
    smtp::Security,
    token::{RunId, TokenKey},
};
pub use norelay_probe::scan::{Request, Traps};
use norelay_probe::{
    canary::{CanaryPost, HandedCanary, Handing},
    network::{AnyStream, Network},
    scan::{self, Family, Inbox},
    secure,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream, ReadBuf},
    sync::{mpsc, watch},
    time::Instant,
};

pub type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;
/// A server: what it does with its nth connection, counted from 0. `None` refuses the connection.
pub type Server = Arc<dyn Fn(usize, DuplexStream) -> Option<Serving> + Send + Sync>;

/// Octets that may be on their way at once, in each direction.
const WINDOW: usize = 1 << 16;

/// Where every connection goes to one server.
pub struct Simulation {
    server: Server,
    window: usize,
    handshake: Handshake,
    resets: bool,
    connections: AtomicUsize,
}

/// How a connection is secured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// In words, after which nothing is ciphered: a line each, "HANDSHAKE" and "DONE".
    InWords,
    /// By TLS itself.
    Real,
}

impl Simulation {
    pub fn of(server: Server) -> Self {
        Self {
            server,
            window: WINDOW,
            handshake: Handshake::InWords,
            resets: false,
            connections: AtomicUsize::new(0),
        }
    }

    pub fn through(self, window: usize) -> Self {
        Self { window, ..self }
    }

    /// Where the server closes a connection, it resets it.
    pub fn resetting(self) -> Self {
        Self { resets: true, ..self }
    }

    pub fn secured_by(self, handshake: Handshake) -> Self {
        Self { handshake, ..self }
    }
}

impl Network for Simulation {
    async fn connect(&self, _to: SocketAddr) -> io::Result<(AnyStream, SocketAddr)> {
        let (ours, theirs) = tokio::io::duplex(self.window);
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        match (self.server)(number, theirs) {
            None => Err(io::ErrorKind::ConnectionRefused.into()),
            Some(serving) => {
                tokio::spawn(serving);
                let stream: AnyStream =
                    if self.resets { Box::new(Resetting(ours)) } else { Box::new(ours) };
                Ok((stream, ([198, 51, 100, 9], 40_000).into()))
            }
        }
    }

    async fn secure(
        &self,
        stream: AnyStream,
        host: Option<&str>,
        address: IpAddr,
    ) -> Result<(AnyStream, TlsFacts), String> {
        if self.handshake == Handshake::Real {
            return secure::handshake(stream, host, address).await;
        }
        let mut stream = BufReader::new(stream);
        let mut answer = Vec::new();
        stream
            .write_all(b"HANDSHAKE\r\n")
            .await
            .map_err(|error| error.to_string())?;
        stream
            .read_until(b'\n', &mut answer)
            .await
            .map_err(|error| error.to_string())?;
        match answer.as_slice() {
            b"DONE\r\n" => Ok((Box::new(stream), TlsFacts::default())),
            _ => Err("this simulation has no TLS".to_owned()),
        }
    }

    fn source(&self, _to: SocketAddr) -> Option<IpAddr> {
        Some([198, 51, 100, 9].into())
    }
}

/// A connection whose end is a reset.
struct Resetting(DuplexStream);

impl AsyncRead for Resetting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.0).poll_read(context, buffer) {
            Poll::Ready(Ok(())) if buffer.filled().len() == before => {
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
            other => other,
        }
    }
}

impl AsyncWrite for Resetting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// What became of a run.
pub struct Ran {
    pub report: Report,
    pub records: Vec<Record>,
    pub judgement: Judgement,
    pub connections: usize,
    pub took: Duration,
}

pub fn key() -> TokenKey {
    TokenKey::new([7; 32])
}

pub fn request() -> Request {
    Request {
        run: RunId(1),
        key: key(),
        target: "mx.target.example".into(),
        address_typed: false,
        profile: Profile::Classic,
        tests: catalogue::select(Profile::Classic).collect(),
        domain: "probe.example".into(),
        domain_given: true,
        second_domain: Some("probe2.example".into()),
        local_domain: Some("target.example".into()),
        local_user: "postmaster".into(),
        named_user: None,
        trusted_senders: Vec::new(),
        found_senders: Vec::new(),
        receivers: Vec::new(),
        traps: Traps::default(),
        helo: Some("tester.probe.example".into()),
        ports: vec![(25, Security::Plain)],
        family: Family::Any,
        every_path: false,
        reply_timeout: Duration::from_secs(60),
        wait: Duration::from_secs(300),
        concurrency: None,
        slow: false,
        max_messages: 3,
        credentials: None,
        seen_as_expected: None,
        introduction: Vec::new(),
    }
}

/// Runs the seventeen and the controls against a server, in virtual time.
pub async fn run(
    request: Request,
    server: Server,
    receipts: Option<mpsc::Receiver<Receipt>>,
) -> Ran {
    run_in(Simulation::of(server), request, receipts).await
}

/// As [`run`], in a network of one's own.
pub async fn run_in(
    network: Simulation,
    request: Request,
    receipts: Option<mpsc::Receiver<Receipt>>,
) -> Ran {
    run_from(None, network, request, receipts).await
}

/// As [`run_in`], going on with the run of a report, where there is one.
pub async fn run_from(
    report: Option<Report>,
    network: Simulation,
    request: Request,
    receipts: Option<mpsc::Receiver<Receipt>>,
) -> Ran {
    let exchangers = vec![MailExchanger {
        name: Some("mx.target.example".into()),
        preference: None,
        addresses: vec![[192, 0, 2, 7].into()],
    }];
    let network = Arc::new(network);
    let started = Instant::now();
    let (_stop, stopped) = watch::channel(false);
    let records = Arc::<Mutex<Vec<Record>>>::default();
    let recording = records.clone();
    let sink = Arc::new(move |record: &Record| {
        recording
            .lock()
            .expect("nothing panics")
            .push(record.clone())
    });
    let inbox = receipts.map(|receipts| inbox(&request, receipts));
    let (client_identity, stop) = (None, stopped);
    let scan = scan::Scan { request, client_identity, network: network.clone(), sink, inbox, stop };
    let report = match report {
        Some(report) => scan.resume(report).await,
        None => scan.run(exchangers).await,
    };
    let records = std::mem::take(&mut *records.lock().expect("nothing panics"));
    let judgement = check::judge(&report);
    let connections = network.connections.load(Ordering::Relaxed);
    Ran { report, records, judgement, connections, took: started.elapsed() }
}

/// A receiver that works: these messages, and every canary of the run.
pub fn inbox(request: &Request, mut receipts: mpsc::Receiver<Receipt>) -> Inbox {
    let (arrived, all) = mpsc::channel(64);
    let canaries = Arc::new(Canaries { key: request.key.clone(), arrived: arrived.clone() });
    tokio::spawn(async move {
        while let Some(receipt) = receipts.recv().await {
            if arrived.send(receipt).await.is_err() {
                return;
            }
        }
    });
    Inbox { receipts: all, canaries }
}

/// An exchanger of the probe domain that hands every canary to the receiver.
struct Canaries {
    key: TokenKey,
    arrived: mpsc::Sender<Receipt>,
}

impl CanaryPost for Canaries {
    fn hand_over(&self, canary: PlannedCanary) -> Handing<'_> {
        Box::pin(async move {
            let token = self.key.find(canary.recipient.as_bytes());
            let receipt = Receipt {
                token: token.expect("canaries go to token addresses"),
                message_token: false,
                peer: ([198, 51, 100, 9], 40_000).into(),
                helo: canary.helo.as_str().into(),
                tls: false,
                reverse_path: "<>".into(),
                forward_path: format!("<{}>", canary.recipient).into(),
                received: Vec::new(),
                size: 1,
            };
            // The run may be over.
            drop(self.arrived.send(receipt).await);
            HandedCanary::default()
        })
    }
}

/// The answer of a server that says nothing, and goes on.
pub const NOTHING: &str = "(nothing)";

/// A server that answers by rule: `answer(line)` gives whole replies with their CRLF; an empty one
/// hangs up.
pub fn answering(
    greeting: &'static str,
    answer: impl Fn(usize, &str) -> String + Send + Sync + 'static,
) -> Server {
    let answer = Arc::new(answer);
    Arc::new(move |number, stream| {
        let answer = answer.clone();
        Some(Box::pin(async move {
            let (reading, mut writing) = tokio::io::split(stream);
            let mut lines = BufReader::new(reading).lines();
            if writing.write_all(greeting.as_bytes()).await.is_err() {
                return;
            }
            let mut in_text = false;
            while let Ok(Some(line)) = lines.next_line().await {
                if in_text && line != "." {
                    continue;
                }
                let line = if in_text { "END-OF-DATA" } else { line.as_str() };
                let reply = answer(number, line);
                if reply == NOTHING {
                    continue;
                }
                in_text = reply.starts_with("354");
                if reply.is_empty()
                    || writing.write_all(reply.as_bytes()).await.is_err()
                    || line == "QUIT"
                {
                    return;
                }
            }
        }))
    })
}

/// The answers of a server in order that relays nothing.
pub fn closed(line: &str) -> String {
    let upper = line.to_ascii_uppercase();
    let reply = match upper.split([' ', ':']).next().unwrap_or_default() {
        "EHLO" => "250-mx.target.example\r\n250 PIPELINING",
        "HELO" | "MAIL" | "RSET" => "250 ok",
        "RCPT" if upper.contains("<POSTMASTER@TARGET.EXAMPLE>") => "250 ok",
        "RCPT" => "550 5.7.1 Relaying denied",
        "DATA" => "503 5.5.1 no recipients",
        "QUIT" => "221 bye",
        "STARTTLS" => "220 go ahead",
        "HANDSHAKE" => "DONE",
        _ => "502 5.5.1 what",
    };
    format!("{reply}\r\n")
}
