//! The pages of a service that tests nothing: the jobs are made of logs.

#![allow(dead_code, reason = "each test binary uses its own part")]

#[path = "doubles.rs"]
mod doubles;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{Method, Request as HttpRequest, StatusCode, header},
};
use jiff::{SignedDuration, Timestamp};
use norelay_core::{
    check::judge,
    event::{Event, Record},
    report::Report,
    token::RunId,
};
use norelay_server::{
    AppState, JobId, JobState, Settings, Store, TestRequest,
    store::{NewJob, Origin, Pinned},
};
use tower::ServiceExt;

pub struct Site {
    router: Router,
    pub store: Store,
    folder: PathBuf,
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub body: String,
    pub octets: usize,
}

impl Site {
    pub async fn new(config: Settings) -> Self {
        let folder = std::env::temp_dir().join(format!("norelay-pages-{}", JobId::random()));
        std::fs::create_dir(&folder).expect("a new folder");
        let store = Store::sqlite(&folder).await.expect("a new database");
        let state =
            AppState::of(Arc::new(config), store.clone(), doubles::idle_runs(store.clone()));
        Self { router: norelay_server::router(state), store, folder }
    }

    pub async fn private() -> Self {
        Self::new(Settings::default()).await
    }

    /// Keeps a log of the core's tests as a job; with `lines`, a job that still runs.
    pub async fn keep(&self, log: &str, lines: Option<usize>) -> JobId {
        self.keep_with(log, lines, Vec::new()).await
    }

    /// The same, with more events at the end.
    pub async fn keep_with(&self, log: &str, lines: Option<usize>, more: Vec<Event>) -> JobId {
        let file = format!("{}/../norelay-core/tests/logs/{log}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(file).expect("the core's logs");
        let lines_wanted = lines.unwrap_or(usize::MAX);
        let mut records: Vec<Record> = text
            .lines()
            .take(lines_wanted)
            .map(|line| serde_json::from_str(line).expect("a record"))
            .collect();
        records.extend(
            more.into_iter()
                .map(|event| Record::new(Timestamp::now(), event)),
        );
        self.keep_records(&records, lines.is_none()).await
    }

    /// Keeps these records as a job, which is over or still runs.
    pub async fn keep_records(&self, records: &[Record], is_over: bool) -> JobId {
        let report = Report::of(records);
        let run = report.run.clone().expect("a log begins with its run");
        let id = JobId::random();
        let now = Timestamp::now();
        let new = NewJob {
            id,
            run: RunId(u64::from_be_bytes(id.0[..8].try_into().expect("eight octets"))),
            request: TestRequest {
                target: run.target,
                profile: run.profile,
                ..TestRequest::default()
            },
            origin: Origin::Here,
            asker: "net:test".to_owned(),
            pinned: Pinned::default(),
            created: now,
            expires: now + SignedDuration::from_hours(24),
        };
        self.store.create_job(&new, None).await.expect("a new job");
        let claimed = self
            .store
            .claim("test", now, SignedDuration::from_hours(1))
            .await
            .expect("the database");
        let (_, lease) = claimed.expect("the job just made");
        self.store.append(&lease, records).await.expect("the log");
        if is_over {
            let verdict = Some(judge(&report).verdict);
            self.store
                .finish(id, JobState::Finished, verdict, Timestamp::now())
                .await
                .expect("the end");
        }
        id
    }

    pub async fn ask(
        &self,
        method: Method,
        address: &str,
        headers: &[(&str, &str)],
        form: &str,
    ) -> Answer {
        let mut request = HttpRequest::builder().method(method.clone()).uri(address);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(header::HOST, "127.0.0.1:8025");
        }
        if method == Method::POST {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
        let request = request
            .extension(ConnectInfo(peer))
            .body(Body::from(form.to_owned()))
            .expect("a request");
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 4 << 20).await.expect("a body");
        let text = String::from_utf8_lossy(&body).into_owned();
        Answer { status: parts.status, headers: parts.headers, body: text, octets: body.len() }
    }

    pub async fn get(&self, address: &str) -> Answer {
        self.ask(Method::GET, address, &[], "").await
    }
}
