//! Serves the pages over a store that holds given event logs, for looking at every state of a
//! result in a browser.
//!
//! `gallery ADDRESS:PORT FOLDER LOG…`: a log is a file of JSON lines. `LOG:LINES` keeps the run
//! going after so many lines; `LOG@MS` adds the lines one by one, so many milliseconds apart, as if
//! the run were under way. Each log's page is printed as `NAME http://…/t/ID`, and `home http://…/`
//! last.

#[path = "../tests/support/doubles.rs"]
mod doubles;

use std::{error::Error, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use norelay_core::{
    check::judge,
    event::{Event, Record},
    report::Report,
    token::RunId,
};
use norelay_server::{
    AppState, JobId, JobState, Settings, Store, TestRequest,
    store::{Lease, NewJob, Origin, Pinned},
};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
#[allow(clippy::print_stdout, reason = "it is what the program is for")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let listen: SocketAddr = arguments
        .next()
        .ok_or("an address to listen at is missing")?
        .parse()?;
    let folder = arguments
        .next()
        .ok_or("a folder for the database is missing")?;
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let listen = listener.local_addr()?;
    let store = Store::sqlite(Path::new(&folder)).await?;
    for log in arguments {
        println!("{} http://{listen}/t/{}", name_of(&log), keep(&store, &log).await?);
    }
    println!("home http://{listen}/");
    let config = Settings {
        listen,
        source: vec!["192.0.2.1".into(), "2001:db8::1".into()],
        ..Settings::default()
    };
    let state = AppState::of(Arc::new(config), store.clone(), doubles::idle_runs(store));
    let service = norelay_server::router(state).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}

/// `closed`, `closed:90`, `closed@20`
fn name_of(log: &str) -> String {
    let name = log.rsplit('/').next().unwrap_or(log);
    name.replace(".jsonl", "")
}

/// A file and what is to be done with its lines.
enum Pace {
    All,
    Until(usize),
    Apart(Duration),
}

fn pace_of(log: &str) -> Result<(&str, Pace), Failure> {
    if let Some((file, lines)) = log.rsplit_once(':') {
        return Ok((file, Pace::Until(lines.parse()?)));
    }
    match log.rsplit_once('@') {
        Some((file, ms)) => Ok((file, Pace::Apart(Duration::from_millis(ms.parse()?)))),
        None => Ok((log, Pace::All)),
    }
}

async fn keep(store: &Store, log: &str) -> Result<JobId, Failure> {
    let (file, pace) = pace_of(log)?;
    let text = std::fs::read_to_string(file)?;
    let records: Vec<Record> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let Some(Event::RunStarted(run)) = records.first().map(|record| record.event.clone()) else {
        return Err("a log begins with the start of its run".into());
    };
    let (id, now) = (JobId::random(), Timestamp::now());
    let new = NewJob {
        id,
        // Logs may share a name; the store does not let jobs share one.
        run: RunId(u64::from_be_bytes(id.0[..8].try_into()?)),
        request: TestRequest { target: run.target, profile: run.profile, ..TestRequest::default() },
        origin: Origin::Here,
        asker: "net:gallery".to_owned(),
        pinned: Pinned::default(),
        created: now,
        expires: now + SignedDuration::from_hours(24 * 30),
    };
    store.create_job(&new, None).await?;
    let claimed = store
        .claim("gallery", now, SignedDuration::from_hours(24))
        .await?;
    let (_, lease) = claimed.ok_or("the job could not be claimed")?;
    match pace {
        Pace::All => finish(store, &lease, &records).await?,
        Pace::Until(lines) => drop(
            store
                .append(&lease, records.get(..lines).unwrap_or(&records))
                .await?,
        ),
        Pace::Apart(pause) => drop(tokio::spawn(play(store.clone(), lease, records, pause))),
    }
    Ok(id)
}

async fn finish(store: &Store, lease: &Lease, records: &[Record]) -> Result<(), Failure> {
    store.append(lease, records).await?;
    end(store, lease, records).await
}

async fn end(store: &Store, lease: &Lease, records: &[Record]) -> Result<(), Failure> {
    let verdict = judge(&Report::of(records)).verdict;
    store
        .finish(lease.job, JobState::Finished, Some(verdict), Timestamp::now())
        .await?;
    Ok(())
}

async fn play(
    store: Store,
    lease: Lease,
    records: Vec<Record>,
    pause: Duration,
) -> Result<(), Failure> {
    for record in &records {
        tokio::time::sleep(pause).await;
        store.append(&lease, std::slice::from_ref(record)).await?;
    }
    end(&store, &lease, &records).await
}
