//! The positive control: after AUTH, a user's mail must still go out.
//!
//! Rules:
//! - A password goes over TLS or not at all.
//! - One path is asked: the one that users use, or the next best.

use std::sync::Arc;

use norelay_core::{
    catalogue::{self, Credentials, Mechanism, RelayTest, TestRole},
    check::Outcome,
    event::{Event, Path},
    path::PathId,
    proof::{Candidate, Proof, Wording},
    smtp::{Security, Stage},
};

use super::{
    Context, ids,
    path::PathScan,
    proof::{Delivered, Post},
};
use crate::network::Network;

/// Lets a user authenticate and send; notes what was delivered, so that it is waited for.
pub async fn check_user<N: Network>(context: &Arc<Context<N>>, delivered: &Delivered) {
    let Some(credentials) = &context.request.credentials else { return };
    let test = catalogue::by_role(TestRole::Authenticated);
    let Some((index, way)) = path_of_users(context) else {
        // Without TLS there is nothing to ask; the first path says so.
        context
            .recorder
            .record(Event::TestsAdded { path: PathId::FIRST, tests: ids(&[test]) });
        let why = "no path offers TLS, and a password is not sent in the clear".to_owned();
        return context.recorder.record(Event::NotRun {
            path: PathId::FIRST,
            test: test.id.into(),
            why,
        });
    };
    context
        .recorder
        .record(Event::TestsAdded { path: index, tests: ids(&[test]) });
    for mechanism in [Mechanism::Plain, Mechanism::Login] {
        let credentials = Credentials { mechanism, ..credentials.clone() };
        if ask(context, index, &way, test, credentials, delivered).await {
            return;
        }
    }
}

/// Says whether the mechanism was one that the server takes.
async fn ask<N: Network>(
    context: &Arc<Context<N>>,
    index: PathId,
    way: &Path,
    test: &'static RelayTest,
    credentials: Credentials,
    delivered: &Delivered,
) -> bool {
    let scan = PathScan::new(context, index, way.clone());
    let Some(transaction) = scan.authenticated_transaction(test, credentials) else { return true };
    if context.receiving {
        let proof = Proof {
            path: index,
            candidates: vec![Candidate {
                path: index,
                test,
                sender: test.reverse_path,
                transaction,
            }],
        };
        Post::new(context, delivered)
            .send(&proof, Wording::Plain)
            .await;
    } else {
        scan.have(scan.planned(vec![test.id], transaction, Vec::new(), false, 0))
            .await;
    }
    context.recorder.look(|report| {
        let last = report.path(index).and_then(|path| path.latest_of(test.id));
        // RFC 4954 section 4: 504 where the mechanism isn't known; others say 500 to 502, or 334 to
        // nothing.
        let refused = last
            .and_then(|dialogue| dialogue.reply_at(Stage::Auth))
            .is_some_and(|reply| (500..=504).contains(&reply.code));
        !refused
            || matches!(
                last.map(|dialogue| Outcome::of(dialogue, test.id)),
                Some(Outcome::Interrupted { .. })
            )
    })
}

/// The path that users send by: submission first, then whatever has TLS and offers AUTH.
fn path_of_users<N: Network>(context: &Context<N>) -> Option<(PathId, Path)> {
    context.recorder.look(|report| {
        let secured = report.paths().filter(|path| {
            path.way().security != Security::Plain
                && path.dialogues().any(|dialogue| dialogue.tls.is_some())
        });
        let rank = |way: &Path| match (way.port, way.security) {
            (587, _) => 0,
            (465, _) => 1,
            _ => 2,
        };
        secured
            .min_by_key(|path| rank(path.way()))
            .map(|path| (path.id, path.way().clone()))
    })
}
