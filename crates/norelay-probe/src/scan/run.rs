//! One run: the loop that spawns dialogues, sleeps and records, as the asking says.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use norelay_core::{
    asking::{
        Agenda, Asking, Do, Instead, Moment, Orderly, PlannedCanary, PlannedDialogue, exchangers_of,
    },
    event::{Event, Path, Record},
    path::Endpoint,
    report::Report,
    smtp::Reply,
    token::RunId,
};
use tokio::{
    sync::Notify,
    task::{JoinError, JoinSet},
    time::Instant,
};

use super::{Inbox, Scan, dialogue, receipts};
use crate::{
    canary::CanaryPost, drive::Oversight, network::Network, record::Recorder,
    secure::client_identity::ClientIdentity,
};

/// What all tasks of a run share.
pub struct LiveRun<N> {
    pub id: RunId,
    pub network: Arc<N>,
    pub recorder: Recorder,
    pub identities: Identities,
    asking: Mutex<Asking>,
    started: Instant,
    /// Something has happened that the asking may wait for.
    woken: Notify,
}

/// The certificates that a client can show.
pub struct Identities {
    /// The user's, where one was given.
    pub given: Option<Arc<ClientIdentity>>,
    /// The name in the certificate that we make for ourselves.
    pub name: String,
    /// The certificate that we have made for ourselves, once some test shows it.
    pub own: OnceLock<Option<Arc<ClientIdentity>>>,
}

/// Runs until everything is asked and has come back, or `stop` becomes true.
pub async fn begin<N: Network>(mut scan: Scan<N>, recorder: Recorder, agenda: Agenda) -> Report {
    let introduction = match agenda {
        Agenda::New(_) => std::mem::take(&mut scan.request.introduction),
        Agenda::Resumed | Agenda::Again(..) => Vec::new(),
    };
    let mut asking = recorder.look(|report| {
        let means = scan.means(addresses(&agenda, report).into_iter());
        Asking::new(scan.request.clone(), means, agenda, report)
    });
    let Scan { request, client_identity, network, inbox, mut stop, .. } = scan;
    let identities = Identities {
        given: client_identity,
        name: request.helo.unwrap_or(request.domain),
        own: OnceLock::new(),
    };
    record_opening(&recorder, asking.opening(), &introduction);
    let run = Arc::new(LiveRun {
        id: request.run,
        network,
        recorder,
        identities,
        asking: Mutex::new(asking),
        started: Instant::now(),
        woken: Notify::new(),
    });
    let (mut dialogues, mut receiving) = (JoinSet::new(), JoinSet::new());
    let canaries = inbox.map(|Inbox { receipts, canaries }| {
        receiving.spawn(receipts::record(run.clone(), receipts));
        canaries
    });
    let stopped = tokio::select! {
        () = go(&run, canaries.as_ref(), &mut dialogues) => false,
        _ = stop.wait_for(|stop| *stop) => true,
    };
    // A task that still runs on another thread could record something behind the run's last event.
    dialogues.shutdown().await;
    receiving.shutdown().await;
    run.recorder.record(Event::RunFinished { stopped });
    run.recorder.look(Report::clone)
}

/// The addresses of the target.
fn addresses(agenda: &Agenda, report: &Report) -> Vec<std::net::IpAddr> {
    let exchangers = match agenda {
        Agenda::New(exchangers) => exchangers.clone(),
        Agenda::Resumed => {
            let paths: Vec<(Path, ())> = report
                .paths()
                .map(|path| (path.destination().clone(), ()))
                .collect();
            [report.exchangers.clone(), exchangers_of(&paths)].concat()
        }
        Agenda::Again(paths, _) => exchangers_of(paths),
    };
    exchangers
        .into_iter()
        .flat_map(|exchanger| exchanger.addresses)
        .collect()
}

/// Records what the run will do. The run began with its introduction, where it has one: that
/// connection is the first one of the first path.
fn record_opening(recorder: &Recorder, events: Vec<Event>, introduction: &[Record]) {
    recorder.backdate(introduction.first().map(|record| record.at));
    for event in events {
        recorder.record(event);
    }
    recorder.adopt(introduction);
}

/// Does what the asking says until nothing is left; each connection is a task of `dialogues`.
async fn go<N: Network>(
    run: &Arc<LiveRun<N>>,
    canaries: Option<&Arc<dyn CanaryPost>>,
    dialogues: &mut JoinSet<()>,
) {
    loop {
        match run.next() {
            Do::Record(event) => run.recorder.record(*event),
            Do::Open(connection) => drop(dialogues.spawn(open(run.clone(), connection))),
            Do::Knock(endpoint) => drop(dialogues.spawn(knock(run.clone(), endpoint))),
            Do::SendCanary(canary) => {
                if let Some(canaries) = canaries {
                    dialogues.spawn(send_canary(run.clone(), canaries.clone(), canary));
                }
            }
            Do::Wait(until) => {
                tokio::select! {
                    Some(ended) = dialogues.join_next() => propagate(ended),
                    () = run.woken.notified() => {}
                    () = sleep_until(run.started, until) => {}
                }
            }
            Do::Done => return,
        }
    }
}

async fn open<N: Network>(run: Arc<LiveRun<N>>, connection: Box<PlannedDialogue>) {
    let found = dialogue::have(&run, &connection).await;
    run.asking().ended(connection.dialogue, found);
}

async fn knock<N: Network>(run: Arc<LiveRun<N>>, endpoint: Endpoint) {
    let accepts = run.network.connect(endpoint.into()).await.is_ok();
    run.asking().knocked(accepts);
}

async fn send_canary<N: Network>(
    run: Arc<LiveRun<N>>,
    canaries: Arc<dyn CanaryPost>,
    canary: Box<PlannedCanary>,
) {
    let number = canary.number;
    let handed = canaries.hand_over(*canary).await;
    run.recorder.record(handed.event(number));
}

/// A dialogue that panics is a bug of ours, and must not look like a server that never answers.
fn propagate(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

async fn sleep_until(started: Instant, until: Option<Duration>) {
    match until {
        Some(until) => tokio::time::sleep_until(started + until).await,
        None => std::future::pending().await,
    }
}

impl<N: Network> LiveRun<N> {
    fn next(&self) -> Do {
        let now = Moment { elapsed: self.started.elapsed(), at: Timestamp::now() };
        self.ask(|asking, report| asking.next(report, now))
    }

    /// Asks the asking by what was recorded until now.
    fn ask<T>(&self, ask: impl FnOnce(&mut Asking, &Report) -> T) -> T {
        let mut asking = self.asking();
        self.recorder.look(|report| ask(&mut asking, report))
    }

    fn asking(&self) -> MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the loop look again at what was recorded.
    pub fn wake(&self) {
        self.woken.notify_one();
    }
}

impl<N: Network> Oversight for LiveRun<N> {
    fn greeting_limit(&self, dialogue: u32) -> Option<Duration> {
        self.asking().greeting_limit(dialogue)
    }

    fn greeted(&self, dialogue: u32, greeting: &Reply) -> Option<Instead> {
        self.ask(|asking, report| asking.greeted(report, dialogue, greeting))
    }

    fn introduced(&self, dialogue: u32) {
        self.asking().introduced(dialogue);
        self.wake();
    }

    fn orderly(&self, dialogue: u32) -> Orderly {
        self.asking().orderly(dialogue)
    }

    fn leaving(&self, dialogue: u32) {
        self.asking().leaving(dialogue);
        self.wake();
    }

    fn closing(&self, dialogue: u32) -> Option<Instead> {
        self.ask(|asking, report| asking.closing(report, dialogue))
    }
}
