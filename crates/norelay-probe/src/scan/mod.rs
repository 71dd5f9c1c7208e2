//! Scans a server: every path, every test, the proof, the wait for what comes back.
//!
//! Rules:
//! - The paths of one host are asked one after another, hosts side by side; within a path the
//!   scheduler of `norelay-core` says how many connections there may be.
//! - Nothing goes past RCPT unless a receiver can see what comes back.
//! - Stopping a run drops its connections and keeps its events.

mod backscatter;
mod control;
mod ending;
mod host;
mod introduction;
mod netstrings;
mod path;
mod proof;
mod scouting;
mod sharing;
mod smuggle;
mod words;
mod work;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use norelay_core::{
    catalogue::{Certificate, Credentials, Profile, RelayTest},
    event::{Event, MailExchanger, Path, Receipt, Record, Run},
    pace::Pace,
    path::PathId,
    report::{PathView, Report},
    smtp::Security,
    token::{RunId, TokenKey},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::Instant,
};

pub use self::introduction::{introduce, own_name};
use crate::{
    network::Network,
    record::{Recorder, Sink},
    secure::client_identity::ClientIdentity,
};

/// fail2ban's usual limit is five refusals in ten minutes.
const SLOW: (usize, Duration) = (3, Duration::from_secs(600));
/// More paths than this are not a server but a farm; a token names its path in one octet.
pub const MAX_PATHS: usize = 255;

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Request {
    /// The run's name.
    pub run: RunId,
    /// The run's own key.
    pub key: TokenKey,
    /// The target as it was typed.
    pub target: String,
    /// Whether an address was typed, which makes it the primary name of the target.
    pub address_typed: bool,
    /// The profile that the tests were chosen from.
    pub profile: Profile,
    /// The tests and controls.
    pub tests: Vec<&'static RelayTest>,
    /// The probe domain.
    pub domain: String,
    /// Whether the probe domain was given by the user.
    pub domain_given: bool,
    /// A second foreign domain, for a control.
    pub second_domain: Option<String>,
    /// A mail domain that the target hosts.
    pub local_domain: Option<String>,
    /// What a connection before the run has shown: the first one of its first path (see
    /// [`introduce`]).
    pub introduction: Vec<Record>,
    /// A user that exists there.
    pub local_user: String,
    /// The name that we say with EHLO; without one it is our address as a literal.
    pub helo: Option<String>,
    /// Where a receiver listens on port 25; an unspecified address stands for our own.
    pub receivers: Vec<IpAddr>,
    /// Domains of ours that name the target as a mail exchanger.
    pub traps: Traps,
    /// The ports and how they are protected.
    pub ports: Vec<(u16, Security)>,
    /// Which address families to test.
    pub family: Family,
    /// Whether every path gets every test; else those that behave like the first path get the plain
    /// tests alone.
    pub every_path: bool,
    /// How long a reply may take.
    pub reply_timeout: Duration,
    /// How long to wait for deferred answers and for messages to come back.
    pub wait: Duration,
    /// Connections at once, where the user chose it.
    pub concurrency: Option<usize>,
    /// Whether to stay under four refusals in ten minutes.
    pub slow: bool,
    /// How many messages may be sent for proof.
    pub max_messages: usize,
    /// A user whose mail must still go out, where one is given.
    pub credentials: Option<Credentials>,
    /// The address that the server should see us come from, where the user said it.
    pub seen_as_expected: Option<IpAddr>,
    /// A certificate to show under TLS, where the user has one.
    pub client_identity: Option<Arc<ClientIdentity>>,
}

/// Domains below the probe domain whose MX records name the receiver and the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Traps {
    /// With the receiver first.
    pub backup: Option<String>,
    /// With the target first.
    pub primary: Option<String>,
}

/// Which address families to test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    fn has(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// What all parts of a run share.
struct Context<N> {
    request: Request,
    /// The tests that are not asked for want of something of our own, with the reasons.
    left_out: Option<String>,
    /// The tests that are asked at ports of their own, in other protocols than SMTP.
    other_protocols: Vec<&'static RelayTest>,
    /// The certificate that we made for ourselves, once some test shows it.
    own_identity: OnceLock<Option<Arc<ClientIdentity>>>,
    network: Arc<N>,
    recorder: Recorder,
    started: Instant,
    receiving: bool,
    arrived: Notify,
    /// The pace that is kept with each address of a server, where the user wants it slow.
    paces: Mutex<HashMap<IpAddr, Pace>>,
}

impl<N> Context<N> {
    /// When a dialogue with a server that can be refused so often may start.
    fn slow_start(&self, address: IpAddr, refusals: usize) -> Duration {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = paces
            .entry(address)
            .or_insert_with(|| Pace::new(SLOW.0, SLOW.1));
        pace.take(refusals, self.started.elapsed())
    }
}

/// A run that can begin: what is asked, over which network, and where the facts go.
pub struct Scan<N> {
    /// What is asked.
    pub request: Request,
    /// The world.
    pub network: Arc<N>,
    /// Where every fact goes.
    pub sink: Arc<dyn Sink>,
    /// The messages that a receiver sees; without it nothing is sent past RCPT.
    pub receipts: Option<mpsc::Receiver<Receipt>>,
    /// Becomes true when the run is to end.
    pub stop: watch::Receiver<bool>,
}

impl<N: Network> Scan<N> {
    /// Runs the tests against the exchangers and gives the facts.
    pub async fn run(self, exchangers: Vec<MailExchanger>) -> Report {
        let recorder = Recorder::new(self.sink.clone());
        begin(self, recorder, Plan::New(exchangers)).await
    }

    /// Asks certain tests on certain paths again, and nothing else; `note` says in the log why.
    pub async fn again(self, paths: Vec<(Path, Vec<&'static RelayTest>)>, note: Event) -> Report {
        let recorder = Recorder::new(self.sink.clone());
        begin(self, recorder, Plan::Again(paths, Box::new(note))).await
    }

    /// Goes on with a run that was stopped: `report` is the fold of its log, whose paths, names and
    /// answers are kept.
    pub async fn resume(self, report: Report) -> Report {
        let recorder = Recorder::resuming(self.sink.clone(), report);
        begin(self, recorder, Plan::Resumed).await
    }
}

/// Which paths a run has, and what it asks on them.
enum Plan {
    /// Those of the exchangers, all that is requested.
    New(Vec<MailExchanger>),
    /// Those of the log, what isn't answered there.
    Resumed,
    /// These, and these tests.
    Again(Vec<(Path, Vec<&'static RelayTest>)>, Box<Event>),
}

impl Plan {
    /// The exchangers whose paths they are.
    fn exchangers(&self, recorder: &Recorder) -> Vec<MailExchanger> {
        match self {
            Self::New(exchangers) => exchangers.clone(),
            Self::Resumed => recorder.look(|report| report.exchangers.clone()),
            Self::Again(paths, _) => exchangers_of(paths),
        }
    }
}

/// The hosts of paths, with their addresses.
pub fn exchangers_of<T>(paths: &[(Path, T)]) -> Vec<MailExchanger> {
    let mut exchangers: Vec<MailExchanger> = Vec::new();
    for (way, _) in paths {
        match exchangers
            .iter_mut()
            .find(|exchanger| exchanger.name == way.host)
        {
            Some(known) if known.addresses.contains(&way.address) => {}
            Some(known) => known.addresses.push(way.address),
            None => {
                let (name, addresses) = (way.host.clone(), vec![way.address]);
                exchangers.push(MailExchanger { name, preference: None, addresses });
            }
        }
    }
    exchangers
}

/// Runs until all is asked and has come back, or `stop` becomes true.
async fn begin<N: Network>(scan: Scan<N>, recorder: Recorder, plan: Plan) -> Report {
    let Scan { mut request, network, receipts, mut stop, .. } = scan;
    let known = plan.exchangers(&recorder);
    request.receivers = words::receivers(&request, &known, network.as_ref());
    // What can't be asked for want of something of our own is no gap in what is known of the
    // server.
    let receiving = receipts.is_some();
    let left_out = words::left_out(&request).filter(|_| request.profile >= Profile::Thorough);
    let can_be_asked = |test: &&RelayTest| words::lacks(&request, test).is_none();
    let tests = request.tests.iter().copied().filter(can_be_asked);
    let (other_protocols, tests) = tests.partition(|test| test.protocol().is_some());
    request.tests = tests;
    let context = Arc::new(Context {
        request,
        left_out,
        other_protocols,
        own_identity: OnceLock::new(),
        network,
        recorder,
        started: Instant::now(),
        receiving,
        arrived: Notify::new(),
        paces: Mutex::default(),
    });
    let mut tasks = JoinSet::new();
    if let Some(receipts) = receipts {
        tasks.spawn(take_receipts(context.clone(), receipts));
    }
    let stopped = tokio::select! {
        () = run(&context, plan, known) => false,
        _ = stop.wait_for(|stop| *stop) => true,
    };
    tasks.shutdown().await;
    context.recorder.record(Event::RunFinished { stopped });
    context.recorder.look(Report::clone)
}

impl<N: Network> Context<N> {
    /// The certificate that is shown for a test.
    fn identity(&self, test: &RelayTest) -> Option<Arc<ClientIdentity>> {
        match test.certificate()? {
            Certificate::Given => self.request.client_identity.clone(),
            Certificate::SelfSigned => {
                let name = self.request.helo.as_deref().unwrap_or(&self.request.domain);
                let make = || ClientIdentity::self_signed(name).ok().map(Arc::new);
                self.own_identity.get_or_init(make).clone()
            }
        }
    }
}

async fn take_receipts<N: Network>(
    context: Arc<Context<N>>,
    mut receipts: mpsc::Receiver<Receipt>,
) {
    while let Some(receipt) = receipts.recv().await {
        if receipt.token.run == context.request.run {
            context.recorder.record(Event::Received(receipt));
            context.arrived.notify_waiters();
        }
    }
}

async fn run<N: Network>(context: &Arc<Context<N>>, plan: Plan, exchangers: Vec<MailExchanger>) {
    match plan {
        Plan::Again(paths, note) => ask_again(context, paths, *note, exchangers).await,
        Plan::New(_) => {
            scan_hosts(context, plan_of(context, exchangers.clone())).await;
            netstrings::scan_ports(context, &exchangers).await;
        }
        Plan::Resumed => {
            scan_hosts(context, plan_of_log(context)).await;
            netstrings::scan_ports(context, &exchangers).await;
        }
    }
    let delivered = netstrings::delivered(context);
    if context.receiving {
        proof::prove(context, &delivered).await;
    }
    smuggle::smuggle(context, &delivered).await;
    backscatter::provoke(context, &delivered).await;
    control::check_user(context, &delivered).await;
    proof::wait(context, &delivered).await;
}

async fn scan_hosts<N: Network>(context: &Arc<Context<N>>, hosts: Vec<Vec<(PathId, Path)>>) {
    let mut tasks = JoinSet::new();
    for host in hosts {
        let context = context.clone();
        tasks.spawn(async move { host::scan_host(&context, host).await });
    }
    while tasks.join_next().await.is_some() {}
}

/// Asks these tests on these paths, one path after another.
async fn ask_again<N: Network>(
    context: &Arc<Context<N>>,
    paths: Vec<(Path, Vec<&'static RelayTest>)>,
    note: Event,
    exchangers: Vec<MailExchanger>,
) {
    record_start(context, exchangers);
    context.recorder.record(note);
    let can_be_asked = |test: &&RelayTest| words::lacks(&context.request, test).is_none();
    let paths = PathId::all().zip(paths);
    let paths = paths
        .map(|(path, (way, tests))| (path, way, tests.into_iter().filter(can_be_asked).collect()));
    let paths: Vec<(PathId, Path, Vec<_>)> = paths.collect();
    for (path, way, tests) in &paths {
        context.recorder.record(Event::PathAdded {
            path: *path,
            way: way.clone(),
            tests: ids(tests),
        });
    }
    for (path, way, tests) in paths {
        path::scan_path(context, path, way, tests).await;
    }
}

/// Records that the run has begun, and against what.
fn record_start<N: Network>(context: &Context<N>, exchangers: Vec<MailExchanger>) {
    let request = &context.request;
    let helo = exchangers
        .iter()
        .flat_map(|exchanger| &exchanger.addresses)
        .find(|address| request.family.has(**address));
    context.recorder.record(Event::RunStarted(Run {
        run: request.run,
        target: request.target.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        profile: request.profile,
        domain: request.domain.clone(),
        domain_given: request.domain_given,
        helo: helo
            .map(|address| words::helo(context, SocketAddr::new(*address, 25)))
            .unwrap_or_default(),
        local_domain: request.local_domain.clone(),
        receiving: context.receiving,
        seen_as_expected: request.seen_as_expected,
        tests: [ids(&request.tests), ids(&context.other_protocols)].concat(),
    }));
    context.recorder.record(Event::Resolved { exchangers });
}

/// Records what will be done; gives the paths of each host.
fn plan_of<N: Network>(
    context: &Context<N>,
    exchangers: Vec<MailExchanger>,
) -> Vec<Vec<(PathId, Path)>> {
    // The run began with that connection, on the path that is the first of them.
    let introduction = &context.request.introduction;
    context
        .recorder
        .backdate(introduction.first().map(|record| record.at));
    record_start(context, exchangers.clone());
    if let Some(left_out) = &context.left_out {
        let arguments = vec![left_out.as_str().into()];
        context.recorder.record(Event::Noted {
            path: None,
            tag: "not_asked".to_owned(),
            arguments,
        });
    }
    let request = &context.request;
    let tests = ids(&host::first_tests(request));
    let mut path_ids = PathId::all().take(MAX_PATHS);
    let mut hosts = Vec::new();
    for exchanger in exchangers {
        let mut paths = Vec::new();
        for (way, index) in ways(request, &exchanger).zip(path_ids.by_ref()) {
            context.recorder.record(Event::PathAdded {
                path: index,
                way: way.clone(),
                tests: tests.clone(),
            });
            paths.push((index, way));
        }
        hosts.push(paths);
    }
    context.recorder.adopt(introduction);
    hosts
}

/// The ids of tests.
fn ids(tests: &[&'static RelayTest]) -> Vec<String> {
    tests.iter().map(|test| test.id.into()).collect()
}

/// The paths of a run that was stopped, by host.
fn plan_of_log<N: Network>(context: &Context<N>) -> Vec<Vec<(PathId, Path)>> {
    context.recorder.record(Event::Resumed);
    let mut hosts: Vec<Vec<(PathId, Path)>> = Vec::new();
    let is_smtp = |path: &PathView<'_>| !path.facts.tests.iter().any(|id| netstrings::is_for(*id));
    let paths = context.recorder.look(|report| {
        let paths = report.paths().filter(is_smtp);
        paths
            .map(|path| (path.id, path.way().clone()))
            .collect::<Vec<_>>()
    });
    for (index, way) in paths {
        match hosts.iter_mut().find(|paths| paths[0].1.host == way.host) {
            Some(paths) => paths.push((index, way)),
            None => hosts.push(vec![(index, way)]),
        }
    }
    hosts
}

fn ways<'a>(request: &'a Request, exchanger: &'a MailExchanger) -> impl Iterator<Item = Path> + 'a {
    let addresses = exchanger
        .addresses
        .iter()
        .filter(|address| request.family.has(**address));
    addresses.flat_map(|address| {
        request.ports.iter().map(|(port, security)| Path {
            host: exchanger.name.clone(),
            address: *address,
            port: *port,
            security: *security,
        })
    })
}
