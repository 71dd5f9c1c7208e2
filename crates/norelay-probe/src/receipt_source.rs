//! Where a test's receipts come from: a receiver in this process, or the spool of a receiver in
//! another process.
//!
//! Both have a master key, and each run's key is derived from the master key.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use norelay_core::{
    event::Receipt,
    reception::{Reception, ReceptionKey},
    token::{RunId, TokenKey},
};
use tokio::sync::mpsc;

use crate::{
    key_file,
    receive::{ReceiverConfig, Receiving},
    spool,
};

/// A source of receipts for any number of runs.
pub struct ReceiptSource {
    master: TokenKey,
    origin: ReceiptOrigin,
}

/// The receiver that writes the receipts.
enum ReceiptOrigin {
    /// A receiver in this process.
    Here(Receiving),
    /// The spool of a receiver in another process.
    Spool(PathBuf),
}

impl ReceiptSource {
    /// Starts a receiver in this process, for these domains, that greets with this name. `master`
    /// makes the keys of all runs. Needs a tokio runtime.
    ///
    /// # Errors
    /// As [`Receiving::bind`].
    pub fn here(
        addresses: &[SocketAddr],
        name: &str,
        domains: &[String],
        master: TokenKey,
    ) -> io::Result<Self> {
        let reception = Reception::new(name, domains, ReceptionKey::AnyRun(master.clone()));
        let receiving = Receiving::bind(addresses, ReceiverConfig::new(reception))?;
        Ok(Self { master, origin: ReceiptOrigin::Here(receiving) })
    }

    /// Uses the spool and the key file of a receiver in another process.
    ///
    /// # Errors
    /// One sentence: one of the files can't be read.
    pub fn spool(path: &Path, key_path: &Path) -> io::Result<Self> {
        let master = key_file::read(key_path)?;
        spool::probe(path)?;
        Ok(Self { master, origin: ReceiptOrigin::Spool(path.to_owned()) })
    }

    /// Returns the key for the tokens of a run.
    #[must_use]
    pub fn key_of(&self, run: RunId) -> TokenKey {
        self.master.for_run(run)
    }

    /// Returns the receipts of a run, until the caller drops the channel. Needs a tokio runtime,
    /// and must be called before the run sends anything.
    ///
    /// # Errors
    /// One sentence: the spool can't be read.
    pub fn receipts_of(&self, run: RunId) -> io::Result<mpsc::Receiver<Receipt>> {
        match &self.origin {
            ReceiptOrigin::Here(receiving) => Ok(receiving.receipts_of(run)),
            ReceiptOrigin::Spool(path) => spool::follow(path, run, self.key_of(run)),
        }
    }

    /// Returns where the receiver in this process listens, and nothing for another process.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        match &self.origin {
            ReceiptOrigin::Here(receiving) => receiving.local_addrs(),
            ReceiptOrigin::Spool(_) => &[],
        }
    }

    /// Stops a receiver in this process gracefully.
    pub async fn stop(self) {
        if let ReceiptOrigin::Here(receiving) = self.origin {
            receiving.stop().await;
        }
    }
}
