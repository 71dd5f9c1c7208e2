//! What a scheduler says is done, here: the only place where its virtual time is the real one.

use std::{sync::Arc, time::Duration};

use norelay_core::schedule::{Action, Ending, Scheduler, Start};
use tokio::task::JoinSet;

use super::path::PathScan;
use crate::network::Network;

/// Does what a scheduler says until it is done, or it is enough: then what runs comes to its end. A
/// job ends with how long its longest dialogue took.
pub async fn work<N, F>(
    scan: &Arc<PathScan<N>>,
    scheduler: &mut Scheduler,
    mut start: impl FnMut(Start) -> F,
    is_enough: impl Fn() -> bool,
) where
    N: Network,
    F: Future<Output = (Ending, Duration)> + Send + 'static,
{
    let started = scan.context.started;
    let mut running = JoinSet::new();
    let mut announced = None;
    loop {
        if is_enough() {
            while let Some(Ok((job, (ending, took)))) = running.join_next().await {
                scheduler.finished(job, &ending, took, started.elapsed());
            }
            return;
        }
        match scheduler.next(started.elapsed()) {
            Action::Finish => return,
            Action::Start(job) => {
                let ending = start(job);
                running.spawn(async move { (job.job, ending.await) });
            }
            Action::Wait { until, why, .. } => {
                if let Some(until) = until.filter(|until| announced != Some(*until)) {
                    announced = Some(until);
                    scan.announce(until, why);
                }
                let wake = async {
                    match until {
                        Some(until) => tokio::time::sleep_until(started + until).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    Some(Ok((job, (ending, took)))) = running.join_next() => {
                        scheduler.finished(job, &ending, took, started.elapsed());
                    }
                    () = wake => {}
                }
            }
        }
    }
}
