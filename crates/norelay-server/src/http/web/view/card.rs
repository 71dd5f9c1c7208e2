//! The card at the top of a result: one sentence, and what stands behind it; or how far the run is.

use jiff::Timestamp;
use norelay_core::{
    check::{self, PathJudgement, Verdict, Weight},
    event::Wait,
    octets::harmless,
    report::Report,
};

use super::{
    RunPhase, RunView, count,
    evidence::{self, Evidence},
    mark::{self, Mark},
    path_name,
    talk::ShownDialogue,
    wait_words,
};

/// How many lines of the dialogue under way are shown.
const TAIL: usize = 8;
/// How many clauses stand on the card; the tests below say the rest.
const MOST_CLAUSES: usize = 8;

/// The card.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its mark.
    pub mark: Mark,
    /// The verdict's word.
    pub word: &'static str,
    /// The sentence.
    pub sentence: String,
    /// The counts that the sentence is about.
    pub tally: String,
    /// The reasons why the verdict is no better, a clause each.
    pub clauses: Vec<String>,
    /// The messages that came back.
    pub proofs: Vec<Evidence>,
    /// How many more came back.
    pub more_proofs: usize,
    /// How far the run is. `None` once the run is over.
    pub progress: Option<RunProgress>,
}

/// The progress of a run.
#[derive(Clone, Debug, Default)]
pub struct RunProgress {
    /// Answers so far.
    pub done: usize,
    /// Questions in all, controls among them.
    pub all: usize,
    /// The reason why the run waits, and until when.
    pub waiting: Option<(&'static str, Timestamp)>,
    /// What the run does now.
    pub doing: String,
    /// The last lines of the dialogues under way.
    pub talks: Vec<ShownDialogue>,
}

/// The card of a run.
#[must_use]
pub fn card(seen: RunView) -> Card {
    let proofs = evidence::proofs(seen);
    let is_proven = seen.judgement().verdict == Verdict::OpenRelay;
    let (mark, word, sentence) = match seen.phase {
        // One proof is enough for "open", so the verdict needs no end of the run.
        _ if is_proven => verdict_words(seen),
        RunPhase::Over => verdict_words(seen),
        RunPhase::Queued => (
            mark::PENDING,
            "Waiting for its turn",
            "This test begins as soon as its turn comes.".to_owned(),
        ),
        RunPhase::Running => (mark::BUSY, "Testing", so_far(seen).to_owned()),
    };
    let is_over = seen.phase == RunPhase::Over;
    let more_proofs = proofs.len().saturating_sub(evidence::MOST_ON_CARD);
    Card {
        mark,
        word,
        sentence,
        tally: if is_over { tally(&seen.judgement().paths) } else { String::new() },
        clauses: if is_over { clauses(seen) } else { Vec::new() },
        proofs: proofs.into_iter().take(evidence::MOST_ON_CARD).collect(),
        more_proofs,
        progress: (!is_over).then(|| progress(seen)),
    }
}

/// Returns what a run does before there is a verdict.
fn so_far(seen: RunView) -> &'static str {
    match seen.report.waiting {
        Some((_, Wait::Arrival)) => {
            "Everything has been asked; what was accepted is being put to the proof."
        }
        _ => "The server is being asked; nothing is decided yet.",
    }
}

fn verdict_words(seen: RunView) -> (Mark, &'static str, String) {
    let (mark, word) = mark::of_verdict(seen.judgement().verdict);
    let sentence = match seen.judgement().verdict {
        // The summary has every cause in one sentence. The card lists the causes below the
        // sentence.
        Verdict::Inconclusive => {
            "Could not tell whether this server relays for strangers.".to_owned()
        }
        Verdict::Unreachable => format!("{}.", check::unreachable_words(seen.report)),
        _ => harmless(&seen.judgement().summary),
    };
    (mark, word, sentence)
}

/// `34 questions on 2 paths: 33 refused, 1 delivered locally.`
fn tally(paths: &[PathJudgement]) -> String {
    let spoken: Vec<_> = paths
        .iter()
        .filter(|path| path.verdict != Verdict::Unreachable)
        .collect();
    if spoken.is_empty() {
        return String::new();
    }
    let of = |weight| {
        spoken
            .iter()
            .flat_map(|path| &path.tests)
            .filter(|judged| judged.weight == weight)
            .count()
    };
    let kinds = [
        (Weight::Proof, "came back"),
        (Weight::Suspicion, "accepted"),
        (Weight::Unknown, "without an answer about relaying"),
        (Weight::LocalDelivery, "delivered locally"),
        (Weight::NotOffered, "not offered"),
        (Weight::Denial, "refused"),
    ];
    let counts: Vec<_> = kinds
        .into_iter()
        .map(|(weight, words)| (of(weight), words))
        .filter(|(number, _)| *number > 0)
        .map(|(number, words)| format!("{number} {words}"))
        .collect();
    let all = spoken.iter().map(|path| path.tests.len()).sum();
    let questions = count(all, "question", "questions");
    format!("{questions} on {}: {}.", count(spoken.len(), "path", "paths"), counts.join(", "))
}

/// Merges the clauses that hold on several paths.
fn clauses(seen: RunView) -> Vec<String> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for (judged, path) in seen.judgement().paths.iter().zip(seen.report.paths()) {
        let is_relevant =
            judged.verdict == seen.judgement().verdict || judged.verdict == Verdict::Unreachable;
        // The card shows the proofs of an open path, which say more than a clause.
        if !is_relevant || judged.verdict == Verdict::OpenRelay {
            continue;
        }
        for why in &judged.why {
            let (why, name) = (harmless(why), path_name(path.destination()));
            // Paths of one server mostly have the same reasons. Each is worth reading once.
            match found.iter_mut().find(|(known, _)| *known == why) {
                Some((_, names)) => names.push(name),
                None => found.push((why, vec![name])),
            }
        }
    }
    let all = seen.judgement().paths.len();
    let worded = found
        .into_iter()
        .map(|(why, names)| match names.as_slice() {
            _ if all == 1 => why,
            [name] => format!("{name}: {why}"),
            _ => format!("On {} of {all} paths: {why}", names.len()),
        });
    let mut clauses: Vec<_> = worded.collect();
    let more = clauses.len().saturating_sub(MOST_CLAUSES);
    clauses.truncate(MOST_CLAUSES);
    if more > 0 {
        clauses.push(format!("and {more} more, below"));
    }
    clauses
}

/// How far a run is: by the tests and controls that have their answers.
fn progress(seen: RunView) -> RunProgress {
    let all = seen
        .judgement()
        .paths
        .iter()
        .map(|path| path.tests.len() + path.controls.len())
        .sum();
    let done = seen
        .judgement()
        .paths
        .iter()
        .flat_map(|path| path.tests.iter().chain(&path.controls));
    let done = done
        .filter(|judged| super::progress::is_done(seen, judged))
        .count();
    let waiting = seen
        .report
        .waiting
        .as_ref()
        .map(|(until, wait)| (wait_words(wait), *until));
    let doing = match seen.phase {
        RunPhase::Queued => "Other tests are running; this one is queued.",
        _ if seen.report.paths().next().is_none() => "Looking up the server's names and addresses.",
        _ => "",
    };
    RunProgress { done, all, waiting, doing: doing.to_owned(), talks: under_way(seen.report) }
}

/// The ends of the last two dialogues that are open.
fn under_way(report: &Report) -> Vec<ShownDialogue> {
    let open = report
        .dialogues
        .iter()
        .rev()
        .filter(|(_, dialogue)| dialogue.end.is_none())
        .take(2);
    let mut talks: Vec<_> = open
        .map(|(number, dialogue)| ShownDialogue::tail(report, *number, dialogue, TAIL))
        .collect();
    talks.reverse();
    talks
}
