//! Keeping receipts: in the spool, and with whoever awaits them.
//!
//! Rules:
//! - A receipt counts as kept only when every place that is to have it has it.
//! - What everybody has who awaits it is cut off the spool, where the spool is for a restart alone
//!   (`Receiving::settle`).
//! - What could not be kept is forgotten, so that the sender's next try is a first one.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use norelay_core::{event::Receipt, reception::Copies, smtp::ReceivedMessage, token::RunId};
use tokio::{sync::mpsc, time::timeout};

use crate::{mailbox::Mailbox, spool::Spool};

/// How long a receipt waits for the one who awaits it: longer than any pause of a run that goes on.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Where receipts go.
#[derive(Debug)]
pub(super) struct ReceiptKeeper {
    spool: Option<Spool>,
    mailbox: Option<Mailbox>,
    copies: Mutex<Copies>,
    subscribers: Mutex<Vec<Subscriber>>,
}

#[derive(Clone, Debug)]
struct Subscriber {
    /// The run whose receipts are wanted, or all.
    run: Option<RunId>,
    sender: mpsc::Sender<Receipt>,
}

impl ReceiptKeeper {
    pub(super) fn new(spool: Option<Spool>, mailbox: Option<Mailbox>) -> Self {
        Self { spool, mailbox, copies: Mutex::default(), subscribers: Mutex::default() }
    }

    /// The receipts of a run, or of all, from now on.
    pub(super) fn subscribe(&self, run: Option<RunId>, room: usize) -> mpsc::Receiver<Receipt> {
        let (sender, receiver) = mpsc::channel(room);
        let mut subscribers = self.subscribers();
        subscribers.retain(|subscriber| !subscriber.sender.is_closed());
        subscribers.push(Subscriber { run, sender });
        receiver
    }

    /// Keeps what is new in these receipts, and gives it. Blocks while it writes.
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

    /// So many receipts are kept by whoever took them: the spool needs them no more.
    pub(super) fn settle(&self, receipts: usize) -> io::Result<()> {
        self.spool
            .as_ref()
            .map_or(Ok(()), |spool| spool.settle(receipts))
    }

    /// Keeps a message for postmaster. Blocks while it writes.
    pub(super) fn keep_for_postmaster(&self, message: &ReceivedMessage) -> io::Result<()> {
        self.mailbox
            .as_ref()
            .map_or(Ok(()), |mailbox| mailbox.append(message))
    }

    /// Hands receipts to whoever awaits them.
    pub(super) async fn announce(&self, receipts: Vec<Receipt>) -> io::Result<()> {
        let mut announced = 0;
        let announcing = async {
            for receipt in &receipts {
                for sender in self.senders_for(receipt) {
                    // Whoever went away no longer awaits anything.
                    let _ = sender.send(receipt.clone()).await;
                }
                announced += 1;
            }
        };
        let in_time = timeout(ANNOUNCE_TIMEOUT, announcing).await;
        in_time.map_err(|_| {
            // The sender comes again with all of them; those that were not announced nobody will
            // settle.
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
