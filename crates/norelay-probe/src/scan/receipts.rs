//! Records the messages that come back to a run's receiver.

use std::sync::Arc;

use norelay_core::event::{Event, Receipt};
use tokio::sync::mpsc;

use super::run::LiveRun;
use crate::network::Network;

/// Records every receipt of the run until the receiver ends.
pub async fn record<N: Network>(run: Arc<LiveRun<N>>, mut receipts: mpsc::Receiver<Receipt>) {
    while let Some(receipt) = receipts.recv().await {
        if receipt.token.run == run.id {
            run.recorder.record(Event::Received(receipt));
            run.wake();
        }
    }
}
