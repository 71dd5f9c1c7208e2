//! A network that connects to permitted addresses alone, whatever a scan may come to think.

use std::{
    collections::HashSet,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
};

use norelay_core::event::{MailExchanger, TlsFacts};
use norelay_probe::network::{AnyStream, Network};

/// A network that leads to a few addresses only: whatever the scan may come to think, it connects
/// to no other.
#[derive(Debug)]
pub struct Fence<N> {
    network: N,
    allowed: HashSet<IpAddr>,
}

impl<N> Fence<N> {
    /// The network, with a fence around the exchangers' addresses.
    #[must_use]
    pub fn around(network: N, exchangers: &[MailExchanger]) -> Self {
        let allowed = exchangers
            .iter()
            .flat_map(|exchanger| exchanger.addresses.iter().copied())
            .collect();
        Self { network, allowed }
    }
}

impl<N: Network> Network for Fence<N> {
    async fn connect(&self, to: SocketAddr) -> io::Result<(AnyStream, SocketAddr)> {
        if !self.allowed.contains(&to.ip()) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "this address was not permitted for the test",
            ));
        }
        self.network.connect(to).await
    }

    fn secure(
        &self,
        stream: AnyStream,
        host: Option<&str>,
        address: IpAddr,
    ) -> impl Future<Output = Result<(AnyStream, TlsFacts), String>> + Send {
        self.network.secure(stream, host, address)
    }

    fn source(&self, to: SocketAddr) -> Option<IpAddr> {
        self.network.source(to)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use norelay_probe::network::Internet;

    use super::*;

    #[tokio::test]
    async fn a_fence_lets_through_what_was_permitted_alone() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let internet = Internet { source_address: None, connect_timeout: Duration::from_secs(60) };
        let exchanger = |address: &str| MailExchanger {
            name: None,
            preference: None,
            addresses: vec![address.parse().expect("an address")],
        };
        let open =
            Fence::around(internet.clone(), &[exchanger("192.0.2.7"), exchanger("127.0.0.1")]);
        assert!(open.connect(address).await.is_ok());
        for other in ["192.0.2.7", "::ffff:127.0.0.1", "127.0.0.2"] {
            let fence = Fence::around(internet.clone(), &[exchanger(other)]);
            let refused = fence
                .connect(address)
                .await
                .err()
                .expect("it is not permitted");
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{other}");
        }
    }
}
