//! Pages and API over TCP, in the clear or under TLS.
//!
//! Rules:
//! - A client that is slow in asking or listening is cut off (`impatient`).
//! - Connections are bounded, over all and for each user network; a trusted proxy brings those of
//!   many.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use axum_server::{
    Handle,
    accept::{Accept, DefaultAcceptor},
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use futures_util::future::BoxFuture;
use hyper_util::rt::TokioTimer;
use ipnet::IpNet;
use tokio::{net::TcpStream, task::JoinSet};
use tower_http::add_extension::AddExtension;

use super::{Unservable, impatient::Impatient};
use crate::{
    config::Settings,
    rules::{
        address,
        budgets::{HeldPlace, Places},
    },
};

/// How long the head of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest head of a request.
const MAX_HEAD: u32 = 32 * 1024;
/// The most requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 64;

/// Starts to serve. Returns the address, and the handle that stops the server.
pub(super) async fn begin(
    config: &Settings,
    router: Router,
    tasks: &mut JoinSet<()>,
) -> Result<(SocketAddr, Handle<SocketAddr>), Unservable> {
    let wrong = |error: io::Error| {
        Unservable(format!("Pages can't be served on {}: {error}.", config.listen))
    };
    let listener = std::net::TcpListener::bind(config.listen).map_err(wrong)?;
    listener.set_nonblocking(true).map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    let handle = Handle::new();
    let connections = OpenConnections::new(config);
    let tls = match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => {
            // The first provider that a process installs stays; it is the same for all of norelay.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            let loaded = RustlsConfig::from_pem_file(certificate, key).await;
            Some(loaded.map_err(|error| {
                Unservable(format!("The TLS certificate or its key can't be used: {error}."))
            })?)
        }
        _ => None,
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum_server::from_tcp(listener)
        .map_err(wrong)?
        .handle(handle.clone());
    match tls {
        None => {
            let mut server =
                server.acceptor(Guarded { connections, inner: DefaultAcceptor::new() });
            limit(server.http_builder());
            tasks.spawn(async move { report(server.serve(service).await) });
        }
        Some(tls) => {
            let mut server =
                server.acceptor(Guarded { connections, inner: RustlsAcceptor::new(tls) });
            limit(server.http_builder());
            tasks.spawn(async move { report(server.serve(service).await) });
        }
    }
    Ok((address, handle))
}

/// Logs why the server ended, if it ended by an error.
fn report(ended: io::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(%error, "pages are no longer served");
    }
}

fn limit(builder: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>) {
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD as usize);
    let mut http2 = builder.http2();
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD);
    http2
        .keep_alive_interval(Some(HEADER_TIMEOUT))
        .keep_alive_timeout(HEADER_TIMEOUT);
}

/// The bound on connections at once. A connection beyond the bound is closed without an answer.
#[derive(Clone)]
struct OpenConnections {
    places: Places,
    /// True if connections are counted by network: in public mode.
    counts: bool,
    proxies: Arc<[IpNet]>,
}

impl OpenConnections {
    fn new(config: &Settings) -> Self {
        let places = Places::new(config.limits.connections_per_network, config.limits.connections);
        Self { places, counts: config.public, proxies: config.trusted_proxies.clone().into() }
    }

    fn enter(&self, stream: &TcpStream) -> io::Result<HeldPlace> {
        let peer = stream.peer_addr()?.ip().to_canonical();
        let is_proxy = self.proxies.iter().any(|network| network.contains(&peer));
        let network = (self.counts && !is_proxy).then(|| address::user_network(peer));
        self.places
            .enter(network)
            .ok_or_else(|| io::Error::other("too many connections"))
    }
}

/// A connection's place.
#[derive(Clone)]
struct Held(#[expect(dead_code, reason = "it is held, not read")] Arc<HeldPlace>);

/// An acceptor that bounds connections.
#[derive(Clone)]
struct Guarded<A> {
    connections: OpenConnections,
    inner: A,
}

impl<A, S> Accept<TcpStream, S> for Guarded<A>
where
    A: Accept<TcpStream, S> + Clone + Send + Sync + 'static,
    A::Future: Send,
    A::Stream: Send,
    A::Service: Send,
    S: Send + 'static,
{
    type Stream = Impatient<A::Stream>;
    type Service = AddExtension<A::Service, Held>;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let (place, inner) = (self.connections.enter(&stream), self.inner.clone());
        Box::pin(async move {
            let place = place?;
            let (stream, service) = inner.accept(stream, service).await?;
            // The service lives as long as its connection, and so does what it carries.
            Ok((Impatient::new(stream), AddExtension::new(service, Held(Arc::new(place)))))
        })
    }
}
