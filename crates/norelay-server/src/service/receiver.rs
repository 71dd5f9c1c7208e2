//! The receiver within the service, and how its receipts come into the store.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::Path,
    time::Duration,
};

use norelay_core::{
    event::{Event, Receipt, Record},
    reception::{Reception, ReceptionKey},
    token::TokenKey,
};
use norelay_probe::{
    identity,
    receive::{ReceiverConfig, Receiving},
    spool::Spool,
};
use tokio::{sync::mpsc, task::JoinSet};

use super::Unservable;
use crate::{config::Settings, run::Runs, store::StoreError};

/// The spool's name in the data folder.
const SPOOL: &str = "receipts.jsonl";
/// The longest line of the spool that is read, in octets. A receipt is far shorter.
const MAX_LINE: u64 = 1 << 20;
/// The pause between two tries to store a receipt.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the receiver, if the settings want one.
pub(super) async fn begin(
    config: &Settings,
    runs: &Runs,
    key: TokenKey,
    tasks: &mut JoinSet<()>,
) -> Result<Option<Receiving>, Unservable> {
    let path = config.data.join(SPOOL);
    let wrong = |error: io::Error| Unservable(error.to_string());
    catch_up(&path, runs).await.map_err(|error| {
        Unservable(format!("The spool {} can't be read: {error}.", path.display()))
    })?;
    if config.receiver.listen.is_empty() {
        return Ok(None);
    }
    let domain = runs.identity().domain.clone();
    let name = config
        .receiver
        .name
        .clone()
        .or_else(identity::host_name)
        .unwrap_or_else(|| domain.clone());
    let mut reception = Reception::new(&name, &[domain], ReceptionKey::AnyRun(key));
    if let Some(contact) = config.url.as_ref().or(config.contact.as_ref()) {
        reception = reception.with_contact(contact);
    }
    let mut receive = ReceiverConfig::new(reception);
    receive.spool = Some(Spool::open(&path).map_err(wrong)?);
    let receiving = Receiving::bind(&config.receiver.listen, receive).map_err(wrong)?;
    let (receipts, settle) = (receiving.receipts(), receiving.settler());
    let runs = runs.clone();
    tasks.spawn(async move { store_all(receipts, runs, settle).await });
    Ok(Some(receiving))
}

/// Stores each receipt and removes the receipt from the spool. Waits while the store is away.
/// Meanwhile the channel fills, and then the receiver defers messages.
async fn store_all(
    mut receipts: mpsc::Receiver<Receipt>,
    runs: Runs,
    settle: impl Fn(usize) -> io::Result<()> + Clone + Send + Sync + 'static,
) {
    while let Some(receipt) = receipts.recv().await {
        while let Err(error) = runs.deliver(&receipt).await {
            if matches!(error, StoreError::NotFound) {
                tracing::info!(run = %receipt.token.run, "a message came for a test that isn't \
                    kept any more");
                break;
            }
            tracing::warn!(%error, "a receipt waits for the store");
            tokio::time::sleep(PAUSE).await;
        }
        // What stays in the spool is stored again at the next start, which changes nothing.
        let settle = settle.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || settle(1)).await {
            tracing::warn!(%error, "the spool can't be cut");
        }
    }
}

/// Stores the receipts in the spool, and removes the spool. A crash may have left receipts there.
async fn catch_up(path: &Path, runs: &Runs) -> io::Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    while lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? > 0 {
        if let Ok(Record { event: Event::Received(receipt), .. }) = serde_json::from_slice(&line) {
            match runs.deliver(&receipt).await {
                Ok(()) | Err(StoreError::NotFound) => {}
                // The receipt stays in the spool for the next start.
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
        line.clear();
    }
    fs::remove_file(path)
}
