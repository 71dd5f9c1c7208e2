//! Where a test's receipts come from: a receiver in this process, or the spool of one that runs
//! elsewhere.
//!
//! Either way there is a master key, from which each run has its own.

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

enum ReceiptOrigin {
    Here(Receiving),
    Spool(PathBuf),
}

impl ReceiptSource {
    /// A receiver in this process, for these domains, that greets with this name; `master` makes
    /// the keys of its runs. To be called within a tokio runtime.
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

    /// The spool of a receiver that runs elsewhere, and the key file that it uses.
    ///
    /// # Errors
    /// One sentence: one of the files can't be read.
    pub fn spool(path: &Path, key_path: &Path) -> io::Result<Self> {
        let master = key_file::read(key_path)?;
        spool::probe(path)?;
        Ok(Self { master, origin: ReceiptOrigin::Spool(path.to_owned()) })
    }

    /// The key that a run's tokens are to be made with.
    #[must_use]
    pub fn key_of(&self, run: RunId) -> TokenKey {
        self.master.for_run(run)
    }

    /// The receipts of a run, until the end that is given is dropped. To be called within a tokio
    /// runtime, before the run sends anything.
    ///
    /// # Errors
    /// One sentence: the spool can't be read.
    pub fn receipts_of(&self, run: RunId) -> io::Result<mpsc::Receiver<Receipt>> {
        match &self.origin {
            ReceiptOrigin::Here(receiving) => Ok(receiving.receipts_of(run)),
            ReceiptOrigin::Spool(path) => spool::follow(path, run, self.key_of(run)),
        }
    }

    /// Where the receiver in this process listens; nothing for one that runs elsewhere.
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
