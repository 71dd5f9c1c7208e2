//! The world, as a trait: connections and TLS here, names in `resolve`. The real one is
//! [`Internet`]; tests have others.
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

/// Any stream.
pub type AnyStream = Box<dyn ByteStream>;

/// Where connections come from.
pub trait Network: Send + Sync + 'static {
    /// Connects; says our own address, too.
    ///
    /// # Errors
    /// Those of the operating system, and `TimedOut`.
    fn connect(
        &self,
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<(AnyStream, SocketAddr)>> + Send;

    /// Makes the TLS handshake as a client; any certificate is accepted, and what is wrong with it
    /// is noted.
    ///
    /// # Errors
    /// A clause that says why the handshake failed.
    fn secure(
        &self,
        stream: AnyStream,
        host: Option<&str>,
        address: IpAddr,
    ) -> impl Future<Output = Result<(AnyStream, TlsFacts), String>> + Send;

    /// The address that connections to `to` come from, where it can be told without a connection.
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
        let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "connection timed out");
        let connected: TcpStream = tokio::time::timeout(self.connect_timeout, socket.connect(to))
            .await
            .map_err(|_| timed_out())??;
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
        // Connecting a UDP socket sends nothing: it asks the routing table.
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
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        Ok(TcpSocket::from_std_stream(socket.into()))
    }
}
