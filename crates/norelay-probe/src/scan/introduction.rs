//! How a server introduces itself before a run. If the user names no mail domain that the server
//! hosts, the server's own name may lead to that domain.
//!
//! Rules:
//! - The connection for this is the first connection of the run's first path. It is recorded there,
//!   with its own times.
//! - If the hosted domain is known, nothing connects.

use std::sync::{Arc, Mutex, PoisonError};

use norelay_core::{
    asking::{PlannedDialogue, words},
    event::{Event, MailExchanger, Path, Record},
    octets::Octets,
    smtp::{Hello, Security, Transaction},
};
use tokio::sync::watch;

use super::{Request, host_name};
use crate::{
    drive::{Alone, drive},
    network::Network,
    record::Recorder,
    resolve::Resolver,
};

/// Finds a mail domain that the target hosts, by the name that the server gives itself, if the
/// request has none. The connection becomes part of the request.
pub async fn introduce<N: Network>(
    request: &mut Request,
    exchangers: &[MailExchanger],
    network: Arc<N>,
    resolver: &Resolver,
    mut stop: watch::Receiver<bool>,
) {
    if request.local_domain.is_some() {
        return;
    }
    let Some(destination) = exchangers
        .iter()
        .find_map(|exchanger| request.paths_to(exchanger).next())
    else {
        return;
    };
    let name = tokio::select! {
        name = own_name(request, destination, network) => name,
        _ = stop.wait_for(|stop| *stop) => None,
    };
    if let Some(name) = name {
        request.local_domain = resolver.domain_served_by(&name).await;
    }
}

/// Returns the name that the server gives itself in its greeting or in its reply to EHLO. This
/// opens one connection, whose records the request keeps.
pub async fn own_name<N: Network>(
    request: &mut Request,
    destination: Path,
    network: Arc<N>,
) -> Option<String> {
    let records: Arc<Mutex<Vec<Record>>> = Arc::default();
    let recording = records.clone();
    let recorder = Recorder::new(Arc::new(move |record: &Record| {
        recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(record.clone());
    }));
    let helo = request
        .helo
        .clone()
        .unwrap_or_else(|| request.domain.clone());
    let transaction = greeting(helo, destination.security);
    let planned =
        PlannedDialogue::alone(destination.clone(), transaction.clone(), request.reply_timeout);
    recorder.record(Event::PathAdded { path: planned.path, destination, tests: Vec::new() });
    drive(network, &recorder, &Alone, &planned, (transaction, Vec::new())).await;
    let name = recorder.look(|report| words::own_name(report, planned.path, host_name));
    // The run records the path itself, so the first record is dropped.
    request.introduction = records
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .split_off(1);
    name
}

/// Returns a dialogue that ends after EHLO.
fn greeting(helo: String, security: Security) -> Transaction {
    Transaction {
        preface: Octets::default(),
        hello: Hello::Ehlo(helo),
        security,
        steps: Vec::new(),
        message: None,
        pipelining: false,
        awaits_quit_reply: false,
        chunking: false,
        injects: false,
        ambiguous: false,
    }
}
