//! Keeps receipts in the spool, and hands receipts to their subscribers.
//!
//! Rules:
//! - A receipt counts as kept only if the spool and all subscribers of its run have it.
//! - If the spool serves only for a restart, settled receipts are cut off the spool
//!   (`Receiving::settler`).
//! - A receipt that could not be kept is forgotten, so that the client's next try counts as new.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use norelay_core::{event::Receipt, reception::Copies, smtp::ReceivedMessage, token::RunId};
use tokio::{sync::mpsc, time::timeout};

use crate::{mailbox::Mailbox, spool::Spool};

/// How long a receipt waits for its subscribers: longer than a busy run needs to read one.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(30);

/// The places that receipts go to.
#[derive(Debug)]
pub(super) struct ReceiptKeeper {
    spool: Option<Spool>,
    mailbox: Option<Mailbox>,
    copies: Mutex<Copies>,
    subscribers: Mutex<Vec<Subscriber>>,
}

#[derive(Clone, Debug)]
struct Subscriber {
    /// The run whose receipts the subscriber gets. `None` means all runs.
    run: Option<RunId>,
    sender: mpsc::Sender<Receipt>,
}

impl ReceiptKeeper {
    pub(super) fn new(spool: Option<Spool>, mailbox: Option<Mailbox>) -> Self {
        Self { spool, mailbox, copies: Mutex::default(), subscribers: Mutex::default() }
    }

    /// Returns the receipts of a run, or of all runs, from now on. At most `capacity` receipts
    /// wait.
    pub(super) fn subscribe(&self, run: Option<RunId>, capacity: usize) -> mpsc::Receiver<Receipt> {
        let (sender, receiver) = mpsc::channel(capacity);
        let mut subscribers = self.subscribers();
        // Runs that have ended dropped their channels, and nothing else removes them.
        subscribers.retain(|subscriber| !subscriber.sender.is_closed());
        subscribers.push(Subscriber { run, sender });
        receiver
    }

    /// Keeps the new ones of these receipts, and returns them. Blocks while the spool is written.
    pub(super) fn keep(&self, receipts: Vec<Receipt>) -> io::Result<Vec<Receipt>> {
        let new: Vec<_> = {
            let mut copies = self.copies();
            receipts
                .into_iter()
                .filter(|receipt| copies.admit(receipt))
                .collect()
        };
        match self
            .spool
            .as_ref()
            .map_or(Ok(()), |spool| spool.append(&new))
        {
            Ok(()) => Ok(new),
            Err(error) => {
                self.retract(&new);
                Err(error)
            }
        }
    }

    /// Tells the spool that so many receipts are kept by their subscribers.
    pub(super) fn settle(&self, receipts: usize) -> io::Result<()> {
        self.spool
            .as_ref()
            .map_or(Ok(()), |spool| spool.settle(receipts))
    }

    /// Keeps a message for postmaster. Blocks while the mailbox is written.
    pub(super) fn keep_for_postmaster(&self, message: &ReceivedMessage) -> io::Result<()> {
        self.mailbox
            .as_ref()
            .map_or(Ok(()), |mailbox| mailbox.append(message))
    }

    /// Hands receipts to their subscribers.
    ///
    /// # Errors
    /// Some subscriber did not read its receipts in time.
    pub(super) async fn announce(&self, receipts: Vec<Receipt>) -> io::Result<()> {
        let mut announced = 0;
        let announcing = async {
            for receipt in &receipts {
                for sender in self.senders_for(receipt) {
                    // A subscriber that has dropped its channel awaits nothing any more.
                    let _ = sender.send(receipt.clone()).await;
                }
                announced += 1;
            }
        };
        let in_time = timeout(ANNOUNCE_TIMEOUT, announcing).await;
        in_time.map_err(|_| {
            // The client gets no reply, so it sends the message again. No subscriber settles the
            // receipts that were not announced, so they are settled here.
            self.retract(&receipts);
            drop(self.settle(receipts.len() - announced));
            io::Error::from(io::ErrorKind::TimedOut)
        })
    }

    fn senders_for(&self, receipt: &Receipt) -> Vec<mpsc::Sender<Receipt>> {
        let subscribers = self.subscribers();
        let wanting = subscribers
            .iter()
            .filter(|subscriber| subscriber.run.is_none_or(|run| run == receipt.token.run));
        wanting
            .map(|subscriber| subscriber.sender.clone())
            .collect()
    }

    /// Forgets receipts, so that the same message counts as new.
    fn retract(&self, receipts: &[Receipt]) {
        let mut copies = self.copies();
        receipts.iter().for_each(|receipt| copies.retract(receipt));
    }

    fn copies(&self) -> MutexGuard<'_, Copies> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribers(&self) -> MutexGuard<'_, Vec<Subscriber>> {
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
