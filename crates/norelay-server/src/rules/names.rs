//! The questions that the service asks the DNS. Tests answer them without a network.

use std::net::IpAddr;

use futures_util::future::BoxFuture;
use norelay_core::event::MailExchanger;
use norelay_probe::{
    resolve::{ResolveError, Resolver},
    scan::Traps,
    target::Target,
};

/// The DNS, as far as the service needs it.
pub trait Names: Send + Sync + 'static {
    /// The mail exchangers that a target stands for, with their addresses.
    fn exchangers<'a>(
        &'a self,
        target: &'a Target,
    ) -> BoxFuture<'a, Result<Vec<MailExchanger>, ResolveError>>;

    /// A mail domain that a host serves.
    fn domain_served_by<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Option<String>>;

    /// The reverse name of an address, if the name leads back to the address.
    fn name_of(&self, address: IpAddr) -> BoxFuture<'_, Option<String>>;

    /// The domains below the probe domain that name the target as an exchanger, before or after our
    /// receiver.
    fn traps<'a>(
        &'a self,
        domain: &'a str,
        exchangers: &'a [MailExchanger],
    ) -> BoxFuture<'a, Traps>;

    /// The TXT records of a name.
    fn texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ResolveError>>;
}

/// The real DNS, through one resolver.
pub struct ServiceDns(pub Resolver);

impl Names for ServiceDns {
    fn exchangers<'a>(
        &'a self,
        target: &'a Target,
    ) -> BoxFuture<'a, Result<Vec<MailExchanger>, ResolveError>> {
        Box::pin(self.0.exchangers(target))
    }

    fn domain_served_by<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Option<String>> {
        Box::pin(self.0.domain_served_by(host))
    }

    fn name_of(&self, address: IpAddr) -> BoxFuture<'_, Option<String>> {
        Box::pin(self.0.name_of(address))
    }

    fn traps<'a>(
        &'a self,
        domain: &'a str,
        exchangers: &'a [MailExchanger],
    ) -> BoxFuture<'a, Traps> {
        Box::pin(self.0.traps(domain, exchangers))
    }

    fn texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ResolveError>> {
        Box::pin(self.0.texts(name))
    }
}
