//! Receiving: the SMTP server that proves relaying by a message that comes back.
//!
//! The path of a message, from the connection to the evidence:
//! 1. [`Receiving::bind`] listens. `connection_limits` bounds the connections, in all and for each
//!    network. A client beyond a limit gets `421`, and the connection is closed.
//! 2. `connection` moves octets and time between the socket and core's
//!    [`Receiver`](norelay_core::smtp::Receiver), which knows SMTP and all its bounds, and makes
//!    the TLS handshake that STARTTLS asks for, with a certificate of its own making
//!    (`self_signed`).
//! 3. RCPT asks core's [`Reception`], which accepts a recipient only for a genuine token.
//! 4. After the final dot the reception makes a [`Receipt`] of each token recipient. What is new in
//!    it is kept — in the spool, if there is one, and with whoever awaits the run's receipts — and
//!    only then the sender gets its `250`. What can't be kept ends the connection without a reply,
//!    so the sender tries again (RFC 5321 section 4.5.4.1).
//!
//! Rules:
//! - It never connects to anything, sends nothing on, bounces nothing.
//! - Whatever comes, it stays up, within [`MAX_CONNECTIONS`] times the bounds of one connection.

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

/// Connections at once: each holds at most some 200 kB (a text, a line, TLS), so all of them some
/// 20 MB.
pub const MAX_CONNECTIONS: usize = 100;
/// Connections at once from one IPv4 address or IPv6 /64: twice what Postfix opens to one
/// destination of its own accord would be 40; a run has at most a few messages on their way.
pub const MAX_CONNECTIONS_OF_NETWORK: usize = 20;
/// While more than half of the connections are taken, a silent client is not waited for longer than
/// this (Postfix's `smtpd_timeout` under stress).
const PATIENCE_UNDER_STRESS: Duration = Duration::from_secs(10);
/// How long connections may take to end when the receiver stops.
const GRACE: Duration = Duration::from_secs(3);
/// After a failed accept (no file descriptors left), how long until the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// Receipts that wait for whoever awaits them.
const MAX_AWAITED: usize = 256;

/// What a receiver is given.
#[derive(Debug)]
pub struct ReceiverConfig {
    /// Whom it takes mail for.
    pub reception: Reception,
    /// The file that every receipt is kept in, if one.
    pub spool: Option<Spool>,
    /// The file that mail for postmaster is kept in; give one exactly if the reception takes such
    /// mail.
    pub mailbox: Option<Mailbox>,
}

impl ReceiverConfig {
    /// A receiver that keeps nothing in files.
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
    /// Listens on every address; port 0 is any free port. To be called within a tokio runtime.
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

    /// Where it listens.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The receipts of all runs, from now on. They are to be taken: a message whose receipt finds
    /// no room is refused.
    #[must_use]
    pub fn receipts(&self) -> mpsc::Receiver<Receipt> {
        self.shared.keeper.subscribe(None, MAX_AWAITED)
    }

    /// The receipts of one run, from now on, until the end that is given is dropped.
    #[must_use]
    pub fn receipts_of(&self, run: RunId) -> mpsc::Receiver<Receipt> {
        self.shared.keeper.subscribe(Some(run), MAX_AWAITED)
    }

    /// What settles receipts: so many of those that [`Receiving::receipts`] gave are kept for good,
    /// so that the spool may forget them. Only where one party takes the receipts of all runs.
    /// Blocks while it writes.
    pub fn settler(
        &self,
    ) -> impl Fn(usize) -> io::Result<()> + Clone + Send + Sync + 'static + use<> {
        let shared = self.shared.clone();
        move |receipts| shared.keeper.settle(receipts)
    }

    /// Stops: no new connections, and the open ones end after the text that is coming in, or after
    /// a few seconds.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.listeners.join_next().await.is_some() {}
    }
}

/// One listening socket, or a sentence.
fn listen(address: SocketAddr, all: &[SocketAddr]) -> io::Result<TcpListener> {
    let socket = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            // `[::]` takes IPv4 too, unless IPv4 is asked for by itself.
            socket.set_only_v6(
                all.iter()
                    .any(|other| other.is_ipv4() && other.port() == address.port()),
            )?;
        }
        // A restart is not to wait for the old connections' TIME_WAIT.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    socket().map_err(|error| io::Error::new(error.kind(), sentence(address, &error)))
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

/// Accepts until the receiver stops, then waits for the connections to end.
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
                        connections.spawn(connection::serve(client, shared.clone(), stopped.clone()));
                    }
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, all_ended).await;
}

/// A client that was let in.
#[derive(Debug)]
struct AdmittedClient {
    stream: TcpStream,
    peer: SocketAddr,
    patience: Duration,
    /// Gives the room back when the visit is over.
    _slot: ConnectionSlot,
}

/// Lets a client in, or tells it to come back.
fn admit(stream: TcpStream, peer: SocketAddr, shared: &Shared) -> Option<AdmittedClient> {
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

/// Says `421` as far as the socket takes it at once: whoever is too many is not waited for.
fn reject(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ =
            io::Write::write(&mut stream, b"421 4.7.0 Too many connections, come back later\r\n");
    }
}

/// What one party commands: an IPv4 address, or an IPv6 network of /64 (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}
