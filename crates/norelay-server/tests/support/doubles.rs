//! Doubles for a service without a network: no DNS, and a tester that tests nothing.
//!
//! The tests and the gallery (`examples/gallery.rs`) include this file: nothing of it is in the
//! library.

use std::{net::IpAddr, sync::Arc};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use norelay_core::{
    event::{Event, MailExchanger, Record},
    token::TokenKey,
};
use norelay_probe::{
    identity::{FALLBACK_DOMAIN, Identity},
    resolve::ResolveError,
    scan::Traps,
    target::Target,
};
use norelay_server::{
    Runs, Settings, Store,
    rules::{names::Names, permission::Permission},
    run::{
        Parts,
        tester::{Assignment, Tester},
    },
};

/// The service over a store, without a network: it keeps and shows, and tests nothing.
pub fn idle_runs(store: Store) -> Runs {
    let config = Arc::new(Settings::default());
    let permission = Permission::new(config.clone(), store.clone(), Arc::new(NoNames));
    let identity = Identity { domain: FALLBACK_DOMAIN.to_owned(), domain_given: false, helo: None };
    Runs::of(Parts {
        config,
        store,
        permission,
        tester: Arc::new(Nobody),
        identity,
        key: TokenKey::new([7; 32]),
        worker: "none".to_owned(),
    })
}

/// A tester that tests nothing: every run ends as it begins.
#[derive(Clone, Copy, Debug)]
struct Nobody;

impl Tester for Nobody {
    fn test(&self, assignment: Assignment) -> BoxFuture<'static, ()> {
        assignment
            .sink
            .record(&Record::new(Timestamp::now(), Event::RunFinished { stopped: false }));
        Box::pin(std::future::ready(()))
    }
}

/// No DNS: nothing is found.
#[derive(Clone, Copy, Debug)]
struct NoNames;

impl Names for NoNames {
    fn exchangers<'a>(
        &'a self,
        target: &'a Target,
    ) -> BoxFuture<'a, Result<Vec<MailExchanger>, ResolveError>> {
        Box::pin(std::future::ready(Err(ResolveError::NotFound(format!("{:?}", target.host)))))
    }

    fn domain_served_by<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, Option<String>> {
        Box::pin(std::future::ready(None))
    }

    fn name_of(&self, _address: IpAddr) -> BoxFuture<'_, Option<String>> {
        Box::pin(std::future::ready(None))
    }

    fn traps<'a>(
        &'a self,
        _domain: &'a str,
        _exchangers: &'a [MailExchanger],
    ) -> BoxFuture<'a, Traps> {
        Box::pin(std::future::ready(Traps::default()))
    }

    fn texts<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ResolveError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}
