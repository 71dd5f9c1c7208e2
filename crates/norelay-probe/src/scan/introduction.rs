//! How a server introduces itself, before a run: where the DNS doesn't say whose mail it takes, its own name may lead there.

use std::{sync::Arc, time::Duration};

use norelay_core::{
    event::{Event, Path, Record},
    octets::Octets,
    smtp::{Hello, Transaction},
};

use super::words;
use crate::{
    drive::{self, Dialogue},
    network::Network,
    record::Recorder,
};

/// The name that the server gives itself in its greeting or in its reply to EHLO, by one connection.
pub async fn own_name<N: Network>(network: Arc<N>, way: Path, helo: &str, reply_timeout: Duration) -> Option<String> {
    let recorder = Recorder::new(Arc::new(|_: &Record| {}));
    recorder.record(Event::PathAdded { path: 0, way: way.clone(), tests: Vec::new() });
    let transaction = Transaction {
        preface: Octets::default(),
        hello: Hello::Ehlo(helo.to_owned()),
        security: way.security,
        steps: Vec::new(),
        message: None,
        pipelining: false,
        farewell: false,
        chunking: false,
        injects: false,
        ambiguous: false,
    };
    let (tests, step_tests) = (Vec::new(), Vec::new());
    let dialogue = Dialogue {
        path: 0,
        way,
        tests,
        proof: false,
        attempt: 0,
        transaction,
        step_tests,
        reply_timeout,
        farewells: None,
    };
    drive::drive(network, &recorder, dialogue).await;
    recorder.look(|report| words::own_name(report, 0))
}
