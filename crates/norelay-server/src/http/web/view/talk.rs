//! Transcripts: a dialogue as lines of `C:` (norelay) and `S:` (the server), as RFC 5321 writes
//! them.

use norelay_core::{
    explain::Explanation,
    octets::harmless,
    report::{Dialogue, Report},
};
use norelay_render::transcript::{self, Speaker};

use super::{RunView, path_name, time};

/// A dialogue is cut here on a page; the whole stands in the downloads.
const MOST_LINES: usize = 400;

/// One connection's dialogue.
#[derive(Clone, Debug)]
pub struct ShownDialogue {
    /// The number of the connection, and when it was opened.
    pub head: String,
    /// The lines, in their order.
    pub lines: Vec<TalkLine>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TalkLine {
    /// Its class: `c` we, `s` the server, `x` nobody.
    pub class: char,
    /// `C:`, `S:`, or nothing.
    pub who: &'static str,
    /// The line; nothing in it can act.
    pub text: String,
    /// The time since the connection was opened. Empty if the line before has the same time.
    pub at: String,
    /// The explanation of the line, if explanations are wanted.
    pub means: String,
}

impl ShownDialogue {
    /// The whole of a dialogue.
    #[must_use]
    pub fn of(report: &Report, number: u32, dialogue: &Dialogue) -> Self {
        let said = transcript::of(dialogue)
            .into_iter()
            .map(|line| (line, None))
            .collect();
        Self { head: head(report, number, dialogue), lines: lines(said) }
    }

    /// The whole of a dialogue, each line with its meaning.
    #[must_use]
    pub fn explained(seen: RunView, number: u32, dialogue: &Dialogue) -> Self {
        let software = seen.assessment.software(dialogue.path);
        let mta = software.map(|mta| mta.name);
        let said = transcript::explained(dialogue, mta);
        Self { head: head(seen.report, number, dialogue), lines: lines(said) }
    }

    /// The last lines of a dialogue.
    #[must_use]
    pub fn tail(report: &Report, number: u32, dialogue: &Dialogue, most: usize) -> Self {
        let mut talk = Self::of(report, number, dialogue);
        talk.lines.drain(..talk.lines.len().saturating_sub(most));
        talk
    }
}

fn head(report: &Report, number: u32, dialogue: &Dialogue) -> String {
    let way = report
        .path(dialogue.path)
        .map(|path| path_name(path.destination()))
        .unwrap_or_default();
    let mut head = format!("Connection {number} to {way} at {}", time::precise(dialogue.opened));
    if dialogue.attempt > 0 {
        head.push_str(&format!(", attempt {}", dialogue.attempt + 1));
    }
    if dialogue.proof {
        head.push_str(", with a message for proof");
    }
    head
}

fn lines(said: Vec<(transcript::TranscriptLine, Option<Explanation>)>) -> Vec<TalkLine> {
    let mut before = None;
    let shown = said
        .into_iter()
        .take(MOST_LINES)
        .map(|(line, explanation)| {
            let (class, who) = match line.by {
                Speaker::Client => ('c', "C:"),
                Speaker::Server | Speaker::Refusal => ('s', "S:"),
                Speaker::Change | Speaker::Failure => ('x', ""),
            };
            let at = if before == Some((line.at_ms, who)) {
                String::new()
            } else {
                time::length(line.at_ms)
            };
            before = Some((line.at_ms, who));
            let means = explanation
                .map(|explanation| harmless(&explanation.to_string()))
                .unwrap_or_default();
            TalkLine { class, who, text: line.text, at, means }
        });
    shown.collect()
}
