//! The path matrix: a row for each way to the server.

use norelay_core::{
    check::Verdict,
    diagnosis, mta,
    octets::harmless,
    report::{Dialogue, Report},
    smtp::{Security, Stage},
};

use super::{
    Phase, Seen,
    mark::{self, Mark},
    rows::is_done,
    time,
};

/// How many clauses stand in a row; the tests below say the rest.
const MOST_CLAUSES: usize = 4;

/// A row of the matrix.
#[derive(Clone, Debug)]
pub struct Way {
    /// Its index in the run.
    pub index: u8,
    /// The host's name, where one is known and is not the target itself.
    pub host: String,
    /// Address and port.
    pub place: String,
    /// `in the clear`, `STARTTLS`, `TLS`.
    pub security: &'static str,
    /// The verdict's mark.
    pub mark: Mark,
    /// The verdict's words.
    pub words: String,
    /// Why, a clause each.
    pub why: Vec<String>,
    /// Which software the server is, and how sure that is.
    pub mta: String,
    /// As whom the server sees us, where it told.
    pub seen_as: String,
    /// How the server greets.
    pub greeting: String,
    /// How long its dialogues took together.
    pub took: String,
}

/// The rows; those where nobody spoke, while somebody did on another, apart.
#[must_use]
pub fn ways(seen: Seen) -> (Vec<Way>, Vec<Way>) {
    let every = (0..)
        .zip(&seen.report.paths)
        .filter_map(|(index, _)| way(seen, index));
    let is_silent = |way: &Way| {
        let judged = seen.judgement.paths.get(usize::from(way.index));
        judged.is_some_and(|judged| super::rows::is_silent(seen, judged))
    };
    every.partition(|way| !is_silent(way))
}

fn way(seen: Seen, index: u8) -> Option<Way> {
    let facts = seen.report.paths.get(usize::from(index))?;
    let judged = seen.judgement.paths.get(usize::from(index))?;
    let place = std::net::SocketAddr::new(facts.way.address, facts.way.port).to_string();
    let is_shown = seen.phase == Phase::Over || judged.verdict == Verdict::OpenRelay;
    let (mark, words) = match is_shown {
        true => {
            let (mark, words) = mark::of_verdict(judged.verdict);
            (mark, words.to_owned())
        }
        false => under_way(seen, index),
    };
    let of_path = || {
        seen.report
            .dialogues
            .values()
            .filter(|dialogue| dialogue.path == index)
    };
    Some(Way {
        index,
        host: facts.way.host.as_deref().map(harmless).unwrap_or_default(),
        security: security_words(facts.way.security),
        mark,
        words,
        why: if is_shown { why(seen, &judged.why) } else { Vec::new() },
        mta: mta::identify(seen.report, index)
            .map(|mta| harmless(&mta.to_string()))
            .unwrap_or_default(),
        seen_as: diagnosis::seen_as(seen.report, index)
            .map(|address| address.to_string())
            .unwrap_or_default(),
        greeting: of_path().find_map(greeting).unwrap_or_default(),
        took: time::length(of_path().map(|dialogue| dialogue.elapsed_ms).sum()),
        place,
    })
}

/// The clauses, where the card doesn't say them already.
fn why(seen: Seen, clauses: &[String]) -> Vec<String> {
    if seen.report.paths.len() == 1 {
        return Vec::new();
    }
    let mut shown: Vec<_> = clauses
        .iter()
        .take(MOST_CLAUSES)
        .map(|why| harmless(why))
        .collect();
    if clauses.len() > MOST_CLAUSES {
        shown.push(format!("and {} more, below", clauses.len() - MOST_CLAUSES));
    }
    shown
}

fn under_way(seen: Seen, index: u8) -> (Mark, String) {
    let Some(path) = seen.judgement.paths.get(usize::from(index)) else {
        return (mark::PENDING, String::new());
    };
    let all = path.tests.len() + path.controls.len();
    let done = path
        .tests
        .iter()
        .chain(&path.controls)
        .filter(|judged| is_done(seen, judged))
        .count();
    let is_busy = seen
        .report
        .dialogues
        .values()
        .any(|dialogue| dialogue.path == index && dialogue.end.is_none());
    (if is_busy { mark::BUSY } else { mark::PENDING }, format!("{done} of {all} answered"))
}

/// How a path is protected, in words.
#[must_use]
pub fn security_words(security: Security) -> &'static str {
    match security {
        Security::Plain => "in the clear",
        Security::StartTls => "STARTTLS",
        Security::Tls => "TLS from the start",
    }
}

fn greeting(dialogue: &Dialogue) -> Option<String> {
    let reply = dialogue.reply_at(Stage::Greeting)?;
    reply
        .lines
        .first()
        .map(ToString::to_string)
        .filter(|line| !line.trim().is_empty())
}

/// What to call a path in a sentence.
#[must_use]
pub fn name_of(report: &Report, index: u8) -> String {
    report
        .paths
        .get(usize::from(index))
        .map(|facts| super::path_name(&facts.way))
        .unwrap_or_default()
}
