//! A service without a network: names are what a test says, and tests are made by nobody.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::Request,
};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use norelay_core::{
    event::{Event, MailExchanger, Path, Record},
    path::PathId,
    token::TokenKey,
};
use norelay_probe::{
    identity::Identity,
    resolve::ResolveError,
    scan::{self, Traps},
    target::{Host, Target},
};
use norelay_server::{
    AppState, Runs, Settings, Store,
    rules::{
        budgets::{RequestClock, Requests},
        names::Names,
        permission::Permission,
    },
    run::{
        Parts,
        tester::{Assignment, Tester},
    },
};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::support::Folder;

/// The DNS of a test.
#[derive(Default)]
pub struct Book {
    addresses: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    reverse: Mutex<HashMap<IpAddr, String>>,
    texts: Mutex<HashMap<String, Vec<String>>>,
    asked: Mutex<Vec<String>>,
}

impl Book {
    /// A name has these addresses; said again, those at the next look-up.
    pub fn host(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses
            .iter()
            .map(|address| address.parse().expect("an address"))
            .collect();
        self.addresses
            .lock()
            .expect("nobody panicked")
            .entry(name.to_owned())
            .or_default()
            .push(addresses);
    }

    pub fn reverse(&self, address: &str, name: &str) {
        self.reverse
            .lock()
            .expect("nobody panicked")
            .insert(address.parse().expect("an address"), name.to_owned());
    }

    pub fn text(&self, name: &str, text: &str) {
        self.texts
            .lock()
            .expect("nobody panicked")
            .insert(name.to_owned(), vec!["v=spf1 -all".to_owned(), text.to_owned()]);
    }

    pub fn asked(&self) -> usize {
        self.asked.lock().expect("nobody panicked").len()
    }

    fn look_up(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.asked
            .lock()
            .expect("nobody panicked")
            .push(name.to_owned());
        let mut all = self.addresses.lock().expect("nobody panicked");
        let answers = all.get_mut(name)?;
        Some(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    }
}

impl Names for Book {
    fn exchangers<'a>(
        &'a self,
        target: &'a Target,
    ) -> BoxFuture<'a, Result<Vec<MailExchanger>, ResolveError>> {
        let (name, addresses) = match &target.host {
            Host::Address(address) => (None, Some(vec![*address])),
            Host::Name(name) | Host::MailDomain(name) => (Some(name.clone()), self.look_up(name)),
        };
        let found = match addresses {
            Some(addresses) => Ok(vec![MailExchanger { name, preference: None, addresses }]),
            None => Err(ResolveError::NotFound(name.unwrap_or_default())),
        };
        Box::pin(std::future::ready(found))
    }

    fn domain_served_by<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, Option<String>> {
        Box::pin(std::future::ready(None))
    }

    fn name_of(&self, address: IpAddr) -> BoxFuture<'_, Option<String>> {
        let name = self
            .reverse
            .lock()
            .expect("nobody panicked")
            .get(&address)
            .cloned();
        Box::pin(std::future::ready(name))
    }

    fn traps<'a>(
        &'a self,
        domain: &'a str,
        _exchangers: &'a [MailExchanger],
    ) -> BoxFuture<'a, Traps> {
        let traps = Traps { backup: Some(format!("backup.{domain}")), primary: None };
        Box::pin(std::future::ready(traps))
    }

    fn texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ResolveError>> {
        let texts = self
            .texts
            .lock()
            .expect("nobody panicked")
            .get(name)
            .cloned();
        Box::pin(std::future::ready(Ok(texts.unwrap_or_default())))
    }
}

/// A tester that writes down what it is asked, and ends when it may.
pub struct Clerk {
    pub assignments: Mutex<Vec<Vec<MailExchanger>>>,
    pub requests: Mutex<Vec<scan::Request>>,
    may_end: watch::Sender<bool>,
    /// How many tests have begun.
    begun: watch::Sender<usize>,
}

impl Clerk {
    /// Waits until so many tests have begun.
    pub async fn await_begun(&self, count: usize) {
        let mut begun = self.begun.subscribe();
        let waited = begun.wait_for(|begun| *begun >= count).await;
        waited.expect("the clerk lives as long as its site");
    }
}

impl Tester for Clerk {
    fn test(&self, assignment: Assignment) -> BoxFuture<'static, ()> {
        self.assignments
            .lock()
            .expect("nobody panicked")
            .push(assignment.exchangers.clone());
        record_paths(&assignment);
        self.requests
            .lock()
            .expect("nobody panicked")
            .push(assignment.request.clone());
        self.begun.send_modify(|begun| *begun += 1);
        let mut may_end = self.may_end.subscribe();
        Box::pin(async move {
            let mut stop = assignment.stop.clone();
            let stopped = tokio::select! {
                _ = may_end.wait_for(|may_end| *may_end) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            assignment
                .sink
                .record(&Record::new(Timestamp::now(), Event::RunFinished { stopped }));
        })
    }
}

/// The paths, as the probe would plan them.
fn record_paths(assignment: &Assignment) {
    let addresses = assignment.exchangers.iter().flat_map(|exchanger| {
        exchanger
            .addresses
            .iter()
            .map(|address| (exchanger.name.clone(), *address))
            .collect::<Vec<_>>()
    });
    let ways = addresses.flat_map(|(host, address)| {
        let ports = assignment.request.ports.iter();
        ports.map(move |(port, security)| Path {
            host: host.clone(),
            address,
            port: *port,
            security: *security,
        })
    });
    for (path, way) in PathId::all().zip(ways) {
        let event = Event::PathAdded { path, destination: way, tests: Vec::new() };
        assignment
            .sink
            .record(&Record::new(Timestamp::now(), event));
    }
}

/// The service.
pub struct Site {
    pub router: Router,
    pub state: AppState,
    pub book: Arc<Book>,
    pub clerk: Arc<Clerk>,
    _folder: Folder,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn id(&self) -> String {
        self.json()["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{self:?}"))
            .to_owned()
    }
}

/// Settings of a public service.
pub fn public() -> Settings {
    Settings {
        public: true,
        url: Some("https://norelay.example".to_owned()),
        contact: Some("abuse@norelay.example".to_owned()),
        ..Settings::default()
    }
}

impl Site {
    /// A service whose tests end at once.
    pub async fn new(config: Settings) -> Self {
        let folder = Folder::new("site");
        let store = Store::sqlite(folder.path())
            .await
            .expect("a fresh folder is usable");
        let config = Arc::new(config);
        let book: Arc<Book> = Arc::default();
        let clerk = Arc::new(Clerk {
            assignments: Mutex::default(),
            requests: Mutex::default(),
            may_end: watch::channel(true).0,
            begun: watch::channel(0).0,
        });
        let runs = Runs::of(Parts {
            config: config.clone(),
            store: store.clone(),
            permission: Permission::new(config.clone(), store.clone(), book.clone()),
            tester: clerk.clone(),
            identity: Identity {
                domain: "probe.example".to_owned(),
                domain_given: true,
                helo: None,
            },
            key: TokenKey::new([7; 32]),
            worker: "site".to_owned(),
        });
        let state = AppState::of(config, store, runs.clone());
        tokio::spawn(async move { runs.work().await });
        Self { router: norelay_server::router(state.clone()), state, book, clerk, _folder: folder }
    }

    /// As [`Site::new`], by a clock that stands still: no request is so late that another one is
    /// free.
    pub async fn in_one_moment(config: Settings) -> Self {
        let stopped = RequestClock::Stopped(Instant::now());
        let requests = Requests::new(&config.limits, stopped);
        let site = Self::new(config).await;
        let state = AppState { requests, ..site.state };
        Self { router: norelay_server::router(state.clone()), state, ..site }
    }

    /// Whether tests end.
    pub fn let_end(&self, may_end: bool) {
        self.clerk.may_end.send_replace(may_end);
    }

    pub async fn ask(
        &self,
        from: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let peer = SocketAddr::new(from.parse().expect("an address"), 40_000);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .extension(ConnectInfo(peer));
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "norelay.example");
        }
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("the router answers");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 16 << 20).await.expect("a body");
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    pub async fn post(&self, from: &str, path: &str, body: &serde_json::Value) -> Answer {
        self.ask(from, "POST", path, &[], &body.to_string()).await
    }

    /// Asks for a test.
    pub async fn test(&self, from: &str, target: &str) -> Answer {
        self.post(from, "/api/v1/tests", &serde_json::json!({"target": target}))
            .await
    }

    /// Waits until a test is over.
    pub async fn is_over(&self, id: &str) {
        let answer = self
            .ask("192.0.2.200", "GET", &format!("/api/v1/tests/{id}/events"), &[], "")
            .await;
        assert!(answer.body.contains("event: end"), "{answer:?}");
    }

    /// Asks for a test and waits until it is over.
    pub async fn whole_test(&self, from: &str, target: &str) -> Answer {
        let answer = self.test(from, target).await;
        if answer.status == 201 {
            self.is_over(&answer.id()).await;
        }
        answer
    }
}
