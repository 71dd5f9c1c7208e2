//! Fetches MTA-STS policies as sending servers do (RFC 8461 section 3.3).
//! [`crate::posture::sts_policy`] says what a policy means.
//!
//! Rules:
//! - The certificate must be valid for the host; no redirection is followed; no proxy is used.
//! - Time and size are bounded.
//! - Nothing is fetched from a private address. Otherwise a domain's owner could make us connect to
//!   a host in our own network.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use norelay_smtp::octets::Octets;
use reqwest::{Client, StatusCode, redirect};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use super::dns_client::DnsClient;
use crate::{dns_name::is_private, posture::sts_policy::Fetched};

/// The longest that fetching may take.
const TIMEOUT: Duration = Duration::from_secs(8);
/// RFC 8461 section 3.2 suggests this as the limit.
const MAX_SIZE: usize = 64 * 1024;

/// Where policies are fetched from, and which authorities are trusted.
#[derive(Clone, Debug)]
pub struct Policies {
    /// The port of HTTPS.
    pub port: u16,
    /// The authorities that may vouch for the host.
    pub roots: Arc<RootCertStore>,
    /// True if a policy may be fetched from an address.
    pub may_ask: fn(IpAddr) -> bool,
    /// The longest that fetching may take.
    pub patience: Duration,
}

/// True if an address is used on the Internet.
fn is_public(address: IpAddr) -> bool {
    !is_private(address.to_canonical())
}

impl Policies {
    /// Returns how senders of mail fetch policies, with these authorities to trust.
    #[must_use]
    pub fn trusting(roots: Arc<RootCertStore>) -> Self {
        Self { port: 443, roots, may_ask: is_public, patience: TIMEOUT }
    }

    /// Fetches the policy of a domain.
    pub async fn fetch(&self, dns: &DnsClient, domain: &str) -> Fetched {
        let host = format!("mta-sts.{domain}");
        let addresses = match dns.addresses(&host).await {
            Ok(addresses) => addresses,
            Err(failure) => {
                return Fetched::Unknown(format!("{host}: {}", failure.clause()));
            }
        };
        let Some(first) = addresses.first() else {
            return Fetched::Wrong(format!("{host} has no address"));
        };
        let usable: Vec<_> = addresses
            .iter()
            .filter(|address| (self.may_ask)(**address))
            .collect();
        if usable.is_empty() {
            return Fetched::Unknown(format!(
                "{host} leads to {first}, which is no address on the Internet"
            ));
        }
        let sockets: Vec<_> = usable
            .into_iter()
            .map(|address| SocketAddr::new(*address, self.port))
            .collect();
        match self.client(&host, &sockets) {
            Ok(client) => self.text(&client, &host).await,
            Err(error) => Fetched::Unknown(error),
        }
    }

    fn client(&self, host: &str, sockets: &[SocketAddr]) -> Result<Client, String> {
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        Client::builder()
            .tls_backend_preconfigured(config)
            .https_only(true)
            .no_proxy()
            // RFC 8461 section 3.3: a redirection must not be followed.
            .redirect(redirect::Policy::none())
            .timeout(self.patience)
            // The addresses that were checked above, so that no second look-up can give others.
            .resolve_to_addrs(host, sockets)
            .build()
            .map_err(|error| error.to_string())
    }

    async fn text(&self, client: &Client, host: &str) -> Fetched {
        let address = match self.port {
            443 => format!("https://{host}/.well-known/mta-sts.txt"),
            port => format!("https://{host}:{port}/.well-known/mta-sts.txt"),
        };
        let mut answer = match client.get(address).send().await {
            Ok(answer) => answer,
            Err(error) => return failed(&error, host),
        };
        match answer.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => {
                return Fetched::Wrong(format!(
                    "{host} redirects ({}), which senders don't follow",
                    status.as_u16()
                ));
            }
            status => return Fetched::Wrong(format!("{host} answers {}", status.as_u16())),
        }
        let mut text = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) if text.len() + chunk.len() <= MAX_SIZE => {
                    text.extend_from_slice(&chunk)
                }
                Ok(Some(_)) => {
                    return Fetched::Wrong(format!("it is longer than {} KiB", MAX_SIZE / 1024));
                }
                Ok(None) => return Fetched::Text(Octets::from(text)),
                Err(error) => return failed(&error, host),
            }
        }
    }
}

/// Returns why nothing was fetched. A wrong certificate is the domain's fault. A connection that
/// fails may be our own fault.
fn failed(error: &reqwest::Error, host: &str) -> Fetched {
    // The innermost cause says what happened. The outer ones only say that a request failed.
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(under) = cause {
        causes.push(under.to_string());
        cause = under.source();
    }
    let clause = causes.pop().unwrap_or_else(|| error.to_string());
    match clause.strip_prefix("invalid peer certificate: ") {
        Some(why) => Fetched::Wrong(format!("the certificate of {host} is not valid ({why})")),
        None if error.is_timeout() => Fetched::Unknown(format!("{host} gave no answer in time")),
        None => Fetched::Unknown(format!("{host}: {clause}")),
    }
}
