//! The network as a trait: connections and TLS. (`resolve` has the names.) [`Internet`] is the real
//! network, and tests have simulated ones.
//!
//! Time is tokio's, which tests can pause.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use norelay_core::event::TlsFacts;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
};

use crate::secure;

/// A connection, in the clear or under TLS.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A connection of any kind.
pub type AnyStream = Box<dyn ByteStream>;

/// What makes connections.
pub trait Network: Send + Sync + 'static {
    /// Connects. Returns the connection and our own address on it.
    ///
    /// # Errors
    /// Those of the operating system, and `TimedOut`.
    fn connect(
        &self,
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<(AnyStream, SocketAddr)>> + Send;

    /// Makes the TLS handshake as a client. Any certificate is accepted, and its faults are noted.
    ///
    /// # Errors
    /// A clause that says why the handshake failed.
    fn secure(
        &self,
        stream: AnyStream,
        host: Option<&str>,
        address: IpAddr,
    ) -> impl Future<Output = Result<(AnyStream, TlsFacts), String>> + Send;

    /// Returns our own address for connections to `to`, if it is known without a connection.
    fn source(&self, to: SocketAddr) -> Option<IpAddr>;
}

/// The real network.
#[derive(Clone, Debug)]
pub struct Internet {
    /// The address to connect from, where the user chose one.
    pub source_address: Option<IpAddr>,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
}

impl Network for Internet {
    async fn connect(&self, to: SocketAddr) -> io::Result<(AnyStream, SocketAddr)> {
        let socket = self.socket(to)?;
        let connected: TcpStream = tokio::time::timeout(self.connect_timeout, socket.connect(to))
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "connection timed out"))??;
        // Commands are short and each waits for its reply: Nagle's algorithm would only delay them.
        connected.set_nodelay(true)?;
        let local = connected.local_addr()?;
        Ok((Box::new(connected), local))
    }

    async fn secure(
        &self,
        stream: AnyStream,
        host: Option<&str>,
        address: IpAddr,
    ) -> Result<(AnyStream, TlsFacts), String> {
        secure::handshake(stream, host, address).await
    }

    fn source(&self, to: SocketAddr) -> Option<IpAddr> {
        if let Some(address) = self.source_address {
            return Some(address);
        }
        // Connecting a UDP socket sends nothing, but chooses the address by the routing table.
        let any: SocketAddr =
            if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = std::net::UdpSocket::bind(any).ok()?;
        socket.connect(to).ok()?;
        socket.local_addr().ok().map(|local| local.ip())
    }
}

impl Internet {
    fn socket(&self, to: SocketAddr) -> io::Result<TcpSocket> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if let Some(source) = self.source_address {
            if source.is_ipv4() != to.is_ipv4() {
                let error = format!("{source} can't be the source of a connection to {}", to.ip());
                return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, error));
            }
            // Port 0: the system chooses a free port for each connection.
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        Ok(TcpSocket::from_std_stream(socket.into()))
    }
}
