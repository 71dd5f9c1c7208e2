//! Texts that try to become two messages. Sent where the profile has them, hence only to a server
//! whose administrator asked.
//!
//! Rules:
//! - They are judged by what comes, so without a receiver none is sent.
//! - One text after another: what a server makes of one must not be taken for what it makes of
//!   another.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use norelay_core::{
    catalogue::RelayTest,
    event::{Event, Path},
    path::PathId,
    report::Dialogue,
    schedule::{Limits, Scheduler},
    smtp::{Reply, Stage},
    token::Role,
};

use super::{Context, ending, path::PathScan, proof::Delivered};
use crate::network::Network;

/// Sends the texts on the paths that are asked for them, and notes what must come if the server
/// passes it on.
pub async fn smuggle<N: Network>(context: &Arc<Context<N>>, delivered: &Delivered) {
    for (index, way, test) in asked(context) {
        if context.receiving {
            send(context, index, way, test, delivered).await;
        } else {
            let why = "it is judged by what arrives, and there is no receiver".to_owned();
            context
                .recorder
                .record(Event::NotRun { path: index, test: test.id.into(), why });
        }
    }
}

/// The tests that no path has had an answer to yet, on the paths that were to have one and are
/// still there.
fn asked<N: Network>(context: &Context<N>) -> Vec<(PathId, Path, &'static RelayTest)> {
    context.recorder.look(|report| {
        let paths = report.paths().filter(|path| path.facts.given_up.is_none());
        let of_path = paths.flat_map(|path| {
            let tests = path.facts.tests.iter().filter_map(|id| id.test());
            tests
                .filter(move |test| {
                    test.sends_message() && path.dialogues_of(test.id).next().is_none()
                })
                .map(move |test| (path.id, path.way().clone(), test))
        });
        of_path.collect()
    })
}

async fn send<N: Network>(
    context: &Arc<Context<N>>,
    index: PathId,
    way: Path,
    test: &'static RelayTest,
    delivered: &Delivered,
) {
    let scan = PathScan::new(context, index, way);
    let Some(transaction) = scan.whole_transaction(test) else { return };
    let deadline = context.started.elapsed() + context.request.wait;
    let limits = Limits { window: 1, max_window: 1, deadline, pipelining: false, answered: 1 };
    super::work::work(
        &scan.clone(),
        &mut Scheduler::new(1, limits),
        |job| {
            let (scan, delivered, transaction) =
                (scan.clone(), delivered.clone(), transaction.clone());
            async move {
                let number = scan
                    .have(scan.planned(vec![test.id], transaction, Vec::new(), true, job.attempt))
                    .await;
                let roles = scan.dialogue_of(number, expected);
                let expected = roles.into_iter().map(|role| (index, test.number, role));
                delivered
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(expected);
                (ending::ending(&scan.outcome(number, test.id)), Duration::ZERO)
            }
        },
        || false,
    )
    .await;
}

/// The tokens whose message must come if the server passes on what it took: the text's, and that of
/// the message within.
fn expected(dialogue: &Dialogue) -> Vec<Role> {
    let replies = |stage: Stage, further: bool| {
        let of_stage = dialogue
            .exchanges
            .iter()
            .filter(move |exchange| exchange.stage == stage && exchange.is_further() == further);
        of_stage.filter_map(|exchange| exchange.reply.as_ref())
    };
    let takes_token = replies(Stage::Rcpt, false)
        .next()
        .is_some_and(Reply::is_positive);
    // To MAIL, to the token and to the mailbox, then to DATA and to the end of the text within.
    let within: Vec<_> = replies(Stage::EndOfData, true).collect();
    let takes_inner =
        matches!(within[..], [_, token, _, data, _] if token.is_positive() && data.code == 354);
    let roles =
        [(takes_token && dialogue.has_delivered(), Role::Recipient), (takes_inner, Role::Inner)];
    roles
        .into_iter()
        .filter_map(|(is_expected, role)| is_expected.then_some(role))
        .collect()
}
