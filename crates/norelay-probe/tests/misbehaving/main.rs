//! Servers that misbehave: each ends in the right class of verdict, within its bounds of time,
//! connections and memory.
//!
//! Rules:
//! - A row is one fault of a server that is in order but for it.
//! - Whatever a server does, no text of a message goes out without a 354, none without a receiver,
//!   and nothing is called open that has not come back.

#[path = "../simulation/mod.rs"]
mod simulation;

mod data;
mod defence;
mod greeting;
mod logins;
mod order;
mod servers;
mod syntax;

use norelay_core::{
    check::Verdict,
    event::{Event, Record},
    smtp::Stage,
};
use simulation::{Ran, Request, Server, Simulation};
use tokio::sync::mpsc;

/// What the log of a run may hold, in octets of JSON: all that a run keeps of a server is in it.
const MAX_LOG: usize = 4 << 20;

/// A server, what its run must come to, and what the run may cost.
struct Row {
    name: &'static str,
    network: Simulation,
    request: Request,
    verdict: Verdict,
    /// Virtual seconds.
    seconds: u64,
    connections: usize,
}

fn row(
    name: &'static str,
    server: Server,
    verdict: Verdict,
    seconds: u64,
    connections: usize,
) -> Row {
    let (network, request) = (Simulation::of(server), simulation::request());
    Row { name, network, request, verdict, seconds, connections }
}

impl Row {
    /// So many octets fit between the two: whoever doesn't read makes the other wait.
    fn through(self, window: usize) -> Self {
        Self { network: self.network.through(window), ..self }
    }

    /// Where the server closes the connection, it resets it.
    fn resetting(self) -> Self {
        Self { network: self.network.resetting(), ..self }
    }

    fn asked(self, change: impl FnOnce(&mut Request)) -> Self {
        let mut request = self.request.clone();
        change(&mut request);
        Self { request, ..self }
    }
}

async fn check(rows: Vec<Row>) {
    check_with(rows, false).await;
}

async fn check_with(rows: Vec<Row>, receiving: bool) {
    let mut wrong = Vec::new();
    for Row { name, network, request, verdict, seconds, connections } in rows {
        let (_sender, receipts) = mpsc::channel(1);
        let ran = simulation::run_in(network, request, receiving.then_some(receipts)).await;
        let (took, log) = (ran.took.as_secs(), octets(&ran.records));
        let is_within = took <= seconds && ran.connections <= connections && log <= MAX_LOG;
        if ran.judgement.verdict != verdict || !is_within || says_too_much(&ran.records, receiving)
        {
            show(&ran);
            wrong.push(format!(
                "{name}: {:?} in {took} s with {} connections and {log} octets: {}",
                ran.judgement.verdict, ran.connections, ran.judgement.summary
            ));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// How much a log holds.
fn octets(records: &[Record]) -> usize {
    records
        .iter()
        .map(|record| serde_json::to_vec(record).map_or(0, |line| line.len()))
        .sum()
}

/// Whether the text of a message went out that must not.
fn says_too_much(records: &[Record], receiving: bool) -> bool {
    let texts = records
        .iter()
        .enumerate()
        .filter_map(|(place, record)| match record.event {
            // A chunk needs no 354 (RFC 3030 section 2).
            Event::Sent { dialogue, stage: Stage::EndOfData, ref line, .. }
                if !line.as_bytes().starts_with(b"BDAT ") =>
            {
                Some((place, dialogue))
            }
            _ => None,
        });
    let is_asked_for = |place: usize, number: u32| {
        records[..place].iter().any(|record| {
            matches!(&record.event, Event::Replied { dialogue, stage: Stage::Data, reply, .. }
                if *dialogue == number && reply.code == 354)
        })
    };
    texts
        .into_iter()
        .any(|(place, dialogue)| !receiving || !is_asked_for(place, dialogue))
}

/// Some dialogues of a run that went wrong, where somebody wants to see them.
fn show(ran: &Ran) {
    if std::env::var_os("TRANSCRIPTS").is_some() {
        for dialogue in ran.report.dialogues.values().take(4) {
            for line in norelay_render::transcript::lines(dialogue) {
                eprintln!("{line}");
            }
        }
    }
}
