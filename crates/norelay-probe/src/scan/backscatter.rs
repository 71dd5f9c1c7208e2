//! Whether a server that accepts a user whom nobody has sends a bounce: a message to such a user,
//! and the wait for it.
//!
//! Rules:
//! - Asked only where the run has the test, and a receiver that can see the bounce.
//! - The bounce can only come to ourselves: the sender is a token of ours.

use std::sync::{Arc, PoisonError};

use norelay_core::{
    catalogue::{RelayTest, TestRole},
    check::{Outcome, verdict},
    event::Path,
    path::PathId,
    proof::{Candidate, Proof, Wording},
    token::Role,
};

use super::{
    Context,
    path::PathScan,
    proof::{Delivered, Post},
};
use crate::network::Network;

/// Sends the message where such a recipient was accepted, and notes the bounce to wait for.
pub async fn provoke<N: Network>(context: &Arc<Context<N>>, delivered: &Delivered) {
    for (path, way, test) in accepted(context).into_iter().filter(|_| context.receiving) {
        let Some((sender, transaction)) =
            PathScan::new(context, path, way).accepted_transaction(test)
        else {
            continue;
        };
        let proof = Proof { path, candidates: vec![Candidate { path, test, sender, transaction }] };
        let taken = Delivered::default();
        Post::new(context, &taken)
            .send(&proof, Wording::Neutral)
            .await;
        let is_taken = !taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty();
        let bounce = is_taken.then_some((path, test.number, Role::Sender));
        delivered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(bounce);
    }
}

/// The first path of all that accepted such a recipient: one bounce tells.
fn accepted<N: Network>(context: &Context<N>) -> Option<(PathId, Path, &'static RelayTest)> {
    context.recorder.look(|report| {
        let judgement = verdict::judge(report);
        let mut paths = report.paths().zip(&judgement.paths);
        paths.find_map(|(path, judged)| {
            let judged = judged.of(TestRole::Backscatter)?;
            let is_accepted = matches!(judged.outcome, Outcome::Accepted { .. });
            is_accepted.then(|| (path.id, path.way().clone(), judged.test))
        })
    })
}
