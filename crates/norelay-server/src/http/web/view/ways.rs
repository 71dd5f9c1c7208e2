//! The path matrix: a row for each way to the server.

use norelay_core::{
    check::{PathJudgement, Verdict},
    octets::harmless,
    path::PathId,
    report::{Dialogue, PathView},
    smtp::{Security, Stage},
};

use super::{
    RunPhase, RunView,
    mark::{self, Mark},
    progress::{is_done, is_silent},
    time,
};

/// How many clauses stand in a row; the tests below say the rest.
const MOST_CLAUSES: usize = 4;

/// A row of the matrix.
#[derive(Clone, Debug)]
pub struct PathRow {
    /// Its id in the run.
    pub id: PathId,
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
    /// The address that the server sees us come from, if the server said so.
    pub seen_as: String,
    /// How the server greets.
    pub greeting: String,
    /// How long its dialogues took together.
    pub took: String,
}

/// Returns the rows of the paths, and apart the paths without SMTP if another path has it.
#[must_use]
pub fn ways(seen: RunView) -> (Vec<PathRow>, Vec<PathRow>) {
    let every = seen
        .report
        .paths()
        .zip(&seen.judgement().paths)
        .map(|(path, judged)| way(seen, path, judged));
    let is_silent = |way: &PathRow| {
        let judged = seen.judgement().path(way.id);
        judged.is_some_and(|judged| is_silent(seen, judged))
    };
    every.partition(|way| !is_silent(way))
}

fn way(seen: RunView, path: PathView<'_>, judged: &PathJudgement) -> PathRow {
    let is_shown = seen.phase == RunPhase::Over || judged.verdict == Verdict::OpenRelay;
    let (mark, words) = match is_shown {
        true => {
            let (mark, words) = mark::of_verdict(judged.verdict);
            (mark, words.to_owned())
        }
        false => under_way(seen, path, judged),
    };
    PathRow {
        id: path.id,
        host: path
            .destination()
            .host
            .as_deref()
            .map(harmless)
            .unwrap_or_default(),
        security: security_words(path.destination().security),
        mark,
        words,
        why: if is_shown { why(seen, &judged.why) } else { Vec::new() },
        mta: seen
            .assessment
            .software(path.id)
            .map(|mta| harmless(&mta.to_string()))
            .unwrap_or_default(),
        seen_as: seen
            .assessment
            .seen_as(path.id)
            .map(|address| address.to_string())
            .unwrap_or_default(),
        greeting: path.dialogues().find_map(greeting).unwrap_or_default(),
        took: time::length(path.dialogues().map(|dialogue| dialogue.elapsed_ms).sum()),
        place: path.endpoint().to_string(),
    }
}

/// The clauses, where the card doesn't say them already.
fn why(seen: RunView, clauses: &[String]) -> Vec<String> {
    if seen.report.paths().len() == 1 {
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

fn under_way(seen: RunView, path: PathView<'_>, judged: &PathJudgement) -> (Mark, String) {
    let all = judged.all().count();
    let done = judged.all().filter(|judged| is_done(seen, judged)).count();
    let is_busy = path.dialogues().any(|dialogue| dialogue.end.is_none());
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
