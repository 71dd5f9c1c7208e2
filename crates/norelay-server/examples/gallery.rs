//! Serves the pages over a store that holds given event logs, for looking at every state of a result in a browser.
//!
//! `gallery ADDRESS:PORT FOLDER LOG…`: a log is a file of JSON lines; `LOG:LINES` keeps the run going after so many
//! lines. Each log's page is printed as `NAME http://…/t/ID`.

use std::{error::Error, net::SocketAddr, path::Path, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use norelay_core::{
    check::judge,
    event::{Event, Record},
    report::Report,
    token::RunId,
};
use norelay_server::{
    AppState, Config, JobId, Request, Runs, State, Store,
    store::{NewJob, Origin, Pinned},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let listen: SocketAddr = arguments.next().ok_or("an address to listen at is missing")?.parse()?;
    let folder = arguments.next().ok_or("a folder for the database is missing")?;
    let store = Store::sqlite(Path::new(&folder)).await?;
    for log in arguments {
        let id = keep(&store, &log).await?;
        let name = Path::new(&log).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let state = if log.contains(':') { "-running" } else { "" };
        #[allow(clippy::print_stdout, reason = "it is what the program is for")]
        {
            println!("{name}{state} http://{listen}/t/{id}");
        }
    }
    let config = Config { listen, source: vec!["192.0.2.1".into(), "2001:db8::1".into()], ..Config::default() };
    let state = AppState { config: Arc::new(config), store: store.clone(), runs: Runs::new(store) };
    let service = norelay_server::router(state).into_make_service_with_connect_info::<SocketAddr>();
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, service).await?;
    Ok(())
}

async fn keep(store: &Store, log: &str) -> Result<JobId, Box<dyn Error + Send + Sync>> {
    let (file, lines) = match log.rsplit_once(':') {
        Some((file, lines)) => (file, lines.parse()?),
        None => (log, usize::MAX),
    };
    let text = std::fs::read_to_string(file)?;
    let records: Vec<Record> = text.lines().take(lines).map(serde_json::from_str).collect::<Result<_, _>>()?;
    let Some(Event::RunStarted(run)) = records.first().map(|record| record.event.clone()) else {
        return Err("a log begins with the start of its run".into());
    };
    let (id, now) = (JobId::random(), Timestamp::now());
    let new = NewJob {
        id,
        // Logs may share a name; the store does not let jobs share one.
        run: RunId(u64::from_be_bytes(id.0[..8].try_into()?)),
        request: Request { target: run.target, profile: run.profile, ..Request::default() },
        origin: Origin::Here,
        asker: "net:gallery".to_owned(),
        pinned: Pinned::default(),
        created: now,
        expires: now + SignedDuration::from_hours(24 * 30),
    };
    store.create_job(&new, None).await?;
    let claimed = store.claim("gallery", now, SignedDuration::from_hours(24)).await?;
    let (_, lease) = claimed.ok_or("the job could not be claimed")?;
    store.append(&lease, &records).await?;
    if lines == usize::MAX {
        store.finish(id, State::Finished, Some(judge(&Report::of(&records)).verdict), Timestamp::now()).await?;
    }
    Ok(id)
}
