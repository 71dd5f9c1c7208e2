//! The whole service in one process: put together, started, and stopped without losing anything.
//!
//! Rules:
//! - A data folder is used by one process at a time.
//! - What the receiver answers `250` to is on the disk (the spool), and in the store as soon as the
//!   store is there; after a crash the spool is read again, and what is in the store already
//!   changes nothing.
//! - Stopping: no new requests, running tests back into the queue, the receiver last.

pub mod connect_back;
mod impatient;
mod listener;
mod receiver;

use std::{
    fmt,
    fs::{File, TryLockError},
    future::Future,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use norelay_probe::{
    defaults, identity::Identity, key_file, resolve::Resolver, surroundings::LookupSelection,
};
use tokio::task::JoinSet;

use crate::{
    config::{Misconfigured, Settings},
    http::{metrics, router, state::AppState},
    rules::{
        names::{Names, ServiceDns},
        permission::Permission,
    },
    run::{Parts, Runs, tester::Probe},
    store::Store,
};

/// How long open requests may take at the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// The service can't start: one sentence that says what to do.
#[derive(Debug)]
pub struct Unservable(pub String);

impl fmt::Display for Unservable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unservable {}

/// Where a service that runs can be reached.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// Pages and API.
    pub http: Option<SocketAddr>,
    /// The receiver.
    pub receiver: Vec<SocketAddr>,
    /// The connect-back service.
    pub connect_back: Vec<SocketAddr>,
}

/// Serves until `stop` is done. Calls `ready` with the addresses as soon as everything listens.
///
/// # Errors
/// The service can't start.
pub async fn serve(
    config: Settings,
    ready: impl FnOnce(&Addresses),
    stop: impl Future<Output = ()>,
) -> Result<(), Unservable> {
    metrics::begin();
    let config = Arc::new(config);
    let store = open_store(&config).await?;
    let _lock = lock(&config.data)?;
    let resolver = Resolver::new(config.test.resolver, defaults::LONGEST_LOOK_UP)
        .map_err(|error| Unservable(error.to_string()))?;
    let (domain, helo) = (config.test.domain.clone(), config.test.helo.clone());
    let identity = Identity::find(domain, helo, &resolver).await;
    let names: Arc<dyn Names> = Arc::new(ServiceDns(resolver));
    let key_path = config
        .receiver
        .key_file
        .clone()
        .unwrap_or_else(|| config.data.join("token.key"));
    let (key, _) =
        key_file::read_or_make(&key_path).map_err(|error| Unservable(error.to_string()))?;
    let network = config.network();
    let runs = Runs::of(Parts {
        config: config.clone(),
        store: store.clone(),
        permission: Permission::new(config.clone(), store.clone(), names.clone()),
        tester: Arc::new(Probe {
            network,
            resolver: config.test.resolver,
            wanted: wanted(&config)?,
        }),
        identity,
        key: key.clone(),
        worker: worker(&config),
    });
    let state = AppState::of(config.clone(), store.clone(), runs.clone());
    let mut tasks = JoinSet::new();
    // The receiver comes first: a job that goes on may already await messages.
    let receiving = receiver::begin(&config, &runs, key, &mut tasks).await?;
    let connect_back = connect_back::begin(&config, &runs, &mut tasks)
        .map_err(|error| Unservable(error.to_string()))?;
    let (http, handle) = listener::begin(&config, router(state), &mut tasks).await?;
    let working = runs.clone();
    tasks.spawn(async move { working.work().await });
    let receiver = receiving
        .as_ref()
        .map(|receiving| receiving.local_addrs().to_vec())
        .unwrap_or_default();
    let addresses = Addresses { http: Some(http), receiver, connect_back };
    tracing::info!(?addresses, public = config.public, "serving");
    ready(&addresses);
    stop.await;
    tracing::info!("stopping");
    handle.graceful_shutdown(Some(FAREWELL));
    runs.hand_over().await;
    // The receiver ends last: messages may come for as long as a test runs.
    if let Some(receiving) = receiving {
        receiving.stop().await;
    }
    let ending = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, ending).await.is_err() {
        tasks.shutdown().await;
    }
    store.close().await;
    Ok(())
}

/// The look-ups beside a test, as the settings want them.
fn wanted(config: &Settings) -> Result<LookupSelection, Unservable> {
    let blacklists = match config.test.blacklists {
        true => Some(
            config
                .blacklist_keys()
                .map_err(|Misconfigured(sentence)| Unservable(sentence))?,
        ),
        false => None,
    };
    Ok(LookupSelection { blacklists, posture: config.test.posture })
}

/// Opens the store that the settings name.
///
/// # Errors
/// The store can't be opened.
pub async fn open_store(config: &Settings) -> Result<Store, Unservable> {
    let opened = match &config.database {
        Some(url) => {
            std::fs::create_dir_all(&config.data).map_err(|error| {
                Unservable(format!(
                    "The data folder {} can't be made: {error}.",
                    config.data.display()
                ))
            })?;
            Store::postgres(url.expose()).await
        }
        None => Store::sqlite(&config.data).await,
    };
    opened.map_err(|error| Unservable(format!("The store can't be opened: {error}.")))
}

/// Locks the data folder. Two processes on one folder have the same name as workers, so each would
/// take the other's running tests for its own.
fn lock(folder: &Path) -> Result<File, Unservable> {
    let path = folder.join("lock");
    let wrong =
        |error: std::io::Error| Unservable(format!("{} can't be locked: {error}.", path.display()));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Unservable(format!(
            "Another norelay serve uses the data folder {}.",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(wrong(error)),
    }
}

/// The name of this process among those that share the database: the one with the same data folder
/// on the same machine is the same worker after a restart.
fn worker(config: &Settings) -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let folder = config
        .data
        .canonicalize()
        .unwrap_or_else(|_| config.data.clone());
    format!("{}:{}", machine.trim(), folder.display())
}
