//! Receiving: the SMTP server that proves relaying by a message that comes back.
//!
//! The path of a message, from the connection to the evidence:
//! 1. [`Receiving::bind`] listens. `connection_limits` bounds the connections, in all and for each
//!    network. A client beyond a limit gets `421`, and the connection is closed.
//! 2. `connection` moves octets and time between the socket and core's
//!    [`Receiver`](norelay_core::smtp::Receiver), which knows SMTP and all its bounds. It also
//!    makes the TLS handshake that STARTTLS asks for, with a self-signed certificate
//!    (`self_signed`).
//! 3. RCPT asks core's [`Reception`], which accepts a recipient only for a genuine token.
//! 4. After the final dot the reception makes a [`Receipt`] of each token recipient. New receipts
//!    go to the spool, if there is one, and to the subscribers of the run. Only then the client
//!    gets its `250`. If a receipt can't be kept, the connection ends without a reply, so the
//!    client tries again (RFC 5321 section 4.5.4.1).
//!
//! Rules:
//! - The receiver never connects to anything, relays nothing and bounces nothing.
//! - The receiver stays up whatever clients send, within [`MAX_CONNECTIONS`] times the bounds of
//!   one connection.

mod connection;
mod connection_limits;
mod receipt_keeper;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use norelay_core::{event::Receipt, reception::Reception, token::RunId};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use self::{
    connection_limits::{ConnectionLimits, ConnectionSlot},
    receipt_keeper::ReceiptKeeper,
};
use crate::{mailbox::Mailbox, self_signed, spool::Spool};

/// Connections at once. Each holds at most some 200 kB (a text, a line, TLS), so all hold some
/// 20 MB.
pub const MAX_CONNECTIONS: usize = 100;
/// Connections at once from one IPv4 address or IPv6 /64: as many as Postfix opens to one
/// destination by default. A run has at most a few messages on their way.
pub const MAX_CONNECTIONS_OF_NETWORK: usize = 20;
/// How long a silent client is waited for while more than half of the connections are in use
/// (Postfix's `smtpd_timeout` under stress).
const PATIENCE_UNDER_STRESS: Duration = Duration::from_secs(10);
/// How long connections may take to end when the receiver stops.
const GRACE: Duration = Duration::from_secs(3);
/// The pause after a failed accept, such as when no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// Receipts that wait for one subscriber.
const MAX_AWAITED: usize = 256;

/// What a receiver works with.
#[derive(Debug)]
pub struct ReceiverConfig {
    /// Which recipients the receiver accepts.
    pub reception: Reception,
    /// The file that every receipt is kept in, if there is one.
    pub spool: Option<Spool>,
    /// The file that mail for postmaster is kept in. A mailbox is needed exactly if the reception
    /// accepts such mail.
    pub mailbox: Option<Mailbox>,
}

impl ReceiverConfig {
    /// Returns the settings of a receiver that keeps nothing in files.
    #[must_use]
    pub fn new(reception: Reception) -> Self {
        Self { reception, spool: None, mailbox: None }
    }
}

/// A receiver that runs until it is stopped or dropped.
pub struct Receiving {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    listeners: JoinSet<()>,
}

/// What all connections share.
struct Shared {
    reception: Arc<Reception>,
    keeper: ReceiptKeeper,
    limits: ConnectionLimits,
    tls: TlsAcceptor,
}

impl Receiving {
    /// Listens on every address. Port 0 is any free port. Needs a tokio runtime.
    ///
    /// # Errors
    /// One sentence that says which address can't be listened on, why, and what to do.
    pub fn bind(addresses: &[SocketAddr], config: ReceiverConfig) -> io::Result<Self> {
        let sockets = addresses
            .iter()
            .map(|address| listen(*address, addresses))
            .collect::<io::Result<Vec<_>>>()?;
        let addresses = sockets
            .iter()
            .map(TcpListener::local_addr)
            .collect::<io::Result<Vec<_>>>()?;
        let shared = Arc::new(Shared {
            tls: self_signed::acceptor(&config.reception)?,
            reception: Arc::new(config.reception),
            keeper: ReceiptKeeper::new(config.spool, config.mailbox),
            limits: ConnectionLimits::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let mut listeners = JoinSet::new();
        for socket in sockets {
            listeners.spawn(accept_all(socket, shared.clone(), stopped.clone()));
        }
        Ok(Self { addresses, shared, stop, listeners })
    }

    /// Returns the addresses that the receiver listens on.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the receipts of all runs, from now on. The caller must read them: a message whose
    /// receipt is not read in time is not accepted.
    #[must_use]
    pub fn receipts(&self) -> mpsc::Receiver<Receipt> {
        self.shared.keeper.subscribe(None, MAX_AWAITED)
    }

    /// Returns the receipts of one run, from now on, until the caller drops the channel.
    #[must_use]
    pub fn receipts_of(&self, run: RunId) -> mpsc::Receiver<Receipt> {
        self.shared.keeper.subscribe(Some(run), MAX_AWAITED)
    }

    /// Returns a function that settles receipts: so many receipts of [`Receiving::receipts`] are
    /// kept for good, so the spool may forget them. Only for a caller that reads the receipts of
    /// all runs. The function blocks while it writes.
    pub fn settler(
        &self,
    ) -> impl Fn(usize) -> io::Result<()> + Clone + Send + Sync + 'static + use<> {
        let shared = self.shared.clone();
        move |receipts| shared.keeper.settle(receipts)
    }

    /// Stops the receiver. Open connections end after the text that is coming in, or after a few
    /// seconds.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.listeners.join_next().await.is_some() {}
    }
}

/// Returns a listening socket, or an error with a whole sentence.
fn listen(address: SocketAddr, all: &[SocketAddr]) -> io::Result<TcpListener> {
    listening_socket(address, all)
        .map_err(|error| io::Error::new(error.kind(), sentence(address, &error)))
}

fn listening_socket(address: SocketAddr, all: &[SocketAddr]) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` also accepts IPv4, which would clash with an IPv4 socket on the same port.
        socket.set_only_v6(
            all.iter()
                .any(|other| other.is_ipv4() && other.port() == address.port()),
        )?;
    }
    // Without this, a restart would fail until the old connections have left TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn sentence(address: SocketAddr, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there, perhaps this machine's mail server; choose another \
             address"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => error.to_string(),
    };
    format!("The receiver can't listen on {address}: {why}.")
}

/// Accepts connections until the receiver stops, then waits for the connections to end.
async fn accept_all(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(client) = admit(stream, peer, &shared) {
                        let (shared, stopped) = (shared.clone(), stopped.clone());
                        connections.spawn(connection::serve(client, shared, stopped));
                    }
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    // Clients that come now are refused at once instead of waiting in the backlog.
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, all_ended).await;
}

/// A client within the limits.
#[derive(Debug)]
struct AdmittedClient {
    stream: TcpStream,
    peer: SocketAddr,
    patience: Duration,
    /// Counts the connection until the client is gone.
    _slot: ConnectionSlot,
}

/// Admits a client, or rejects the connection if a limit is reached.
fn admit(stream: TcpStream, peer: SocketAddr, shared: &Shared) -> Option<AdmittedClient> {
    // On a dual-stack socket an IPv4 client comes as `::ffff:192.0.2.1`.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    match shared.limits.reserve(peer.ip()) {
        Some(slot) => {
            let is_stressed = shared.limits.in_use() > MAX_CONNECTIONS / 2;
            let patience = if is_stressed { PATIENCE_UNDER_STRESS } else { Duration::MAX };
            Some(AdmittedClient { stream, peer, patience, _slot: slot })
        }
        None => {
            reject(stream);
            None
        }
    }
}

/// Writes `421` as far as the socket's buffer has room, and never waits for such a client.
fn reject(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ =
            io::Write::write(&mut stream, b"421 4.7.0 Too many connections, come back later\r\n");
    }
}

/// Returns what a single client can have: an IPv4 address, or an IPv6 network of /64 (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}
