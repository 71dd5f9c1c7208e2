//! Transcripts: what was said on a connection, line by line, in order.
//!
//! The marks of `lines` are swaks': `->` we said, `<-` the server said, `<**` the server refused,
//! `~>`, `<~` and `<~*` the same under TLS, `===` what happened to the connection, `***` how it
//! failed. Times are seconds since the connection was opened.

use norelay_core::{
    catalogue::TestId,
    event::Event,
    explain::{self, Explanation},
    octets::{Octets, harmless},
    report::{Dialogue, Exchange},
    smtp::{End, Reply, Stage},
};

/// Who said a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// norelay, the client.
    Client,
    /// The server, in a reply that is not a rejection.
    Server,
    /// The server, in a temporary (4xx) or permanent (5xx) rejection.
    Refusal,
    /// No one: the connection changed.
    Change,
    /// No one: the connection failed.
    Failure,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptLine {
    /// When, in milliseconds since the connection was opened.
    pub at_ms: u64,
    /// Who said the line.
    pub by: Speaker,
    /// True if the line was said under TLS.
    pub secured: bool,
    /// The index in the dialogue of the exchange that the line belongs to.
    pub exchange: Option<usize>,
    /// The line's place in the command, text or reply, counted from 0.
    pub row: usize,
    /// The text of the line. Nothing in the text can act in a terminal.
    pub text: String,
}

impl TranscriptLine {
    /// Returns the letter that stands for the speaker in JSON: `C` or `S`; `None` if no one said
    /// the line.
    #[must_use]
    pub fn letter(&self) -> Option<&'static str> {
        match self.by {
            Speaker::Client => Some("C"),
            Speaker::Server | Speaker::Refusal => Some("S"),
            Speaker::Change | Speaker::Failure => None,
        }
    }

    fn mark(&self) -> &'static str {
        match (self.by, self.secured) {
            (Speaker::Client, false) => " ->",
            (Speaker::Client, true) => " ~>",
            (Speaker::Server, false) => "<- ",
            (Speaker::Server, true) => "<~ ",
            (Speaker::Refusal, false) => "<**",
            (Speaker::Refusal, true) => "<~*",
            (Speaker::Change, _) => "===",
            (Speaker::Failure, _) => "***",
        }
    }
}

impl std::fmt::Display for TranscriptLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>8} {} {}", seconds(self.at_ms), self.mark(), self.text)
    }
}

/// `12.345`
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Returns a connection's transcript as a terminal shows it, a string for each line.
#[must_use]
pub fn lines(dialogue: &Dialogue) -> Vec<String> {
    of(dialogue).iter().map(TranscriptLine::to_string).collect()
}

/// Returns a connection's transcript.
#[must_use]
pub fn of(dialogue: &Dialogue) -> Vec<TranscriptLine> {
    let secured_from = secured_from(dialogue);
    let mut said: Vec<TranscriptLine> = (0..)
        .zip(&dialogue.exchanges)
        .flat_map(|(index, exchange)| {
            exchange_lines(index, exchange, secured_from.is_some_and(|from| from <= index))
        })
        .collect();
    // Pipelined commands were sent before the first reply came. The sort is stable, so a command
    // stays before its own reply.
    said.sort_by_key(|line| line.at_ms);
    let opened = dialogue
        .local
        .map(|local| change(0, format!("connected from {local}")));
    let ended = dialogue
        .end
        .as_ref()
        .and_then(|end| end_line(dialogue.elapsed_ms, end));
    let mut lines: Vec<TranscriptLine> = opened.into_iter().chain(said).chain(ended).collect();
    if let (Some(tls), Some(from)) = (&dialogue.tls, secured_from) {
        // The event has no exchange of its own: it stands before the first line under TLS.
        let place = lines
            .iter()
            .position(|line| line.exchange.is_some_and(|index| from <= index))
            .unwrap_or(lines.len());
        let at_ms = place
            .checked_sub(1)
            .and_then(|before| lines.get(before))
            .map_or(0, |line| line.at_ms);
        lines.insert(place, change(at_ms, harmless(&tls.to_string())));
    }
    lines
}

/// Returns a connection's transcript, each line with its explanation. `mta` is the name of the
/// server's software, if it is known.
#[must_use]
pub fn explained(
    dialogue: &Dialogue,
    mta: Option<&str>,
) -> Vec<(TranscriptLine, Option<Explanation>)> {
    let lines = of(dialogue).into_iter().map(|line| {
        let exchange = line
            .exchange
            .and_then(|index| dialogue.exchanges.get(index));
        let explanation = exchange.and_then(|exchange| match line.by {
            Speaker::Client => explain::sent(exchange, line.row),
            Speaker::Server | Speaker::Refusal => {
                let test = exchange.test.or(dialogue.tests.first().copied());
                explain::replied(exchange, line.row, test.and_then(TestId::test), mta)
            }
            Speaker::Change | Speaker::Failure => None,
        });
        (line, explanation)
    });
    lines.collect()
}

/// As [`lines`], each with its explanation below it.
#[must_use]
pub fn explained_lines(dialogue: &Dialogue, mta: Option<&str>) -> Vec<String> {
    let explained = explained(dialogue, mta)
        .into_iter()
        .flat_map(|(line, explanation)| {
            let below = explanation
                .map(|explanation| format!("{:13}# {}", "", harmless(&explanation.to_string())));
            [Some(line.to_string()), below].into_iter().flatten()
        });
    explained.collect()
}

/// Returns the lines that one event of a connection adds to the transcript, to show the connection
/// while it is open.
#[must_use]
pub fn of_event(event: &Event, secured: bool) -> Vec<TranscriptLine> {
    match event {
        Event::Connected { after_ms, local, .. } => {
            vec![change(*after_ms, format!("connected from {local}"))]
        }
        Event::Secured { after_ms, tls, .. } => vec![change(*after_ms, harmless(&tls.to_string()))],
        Event::Sent { after_ms, stage, line, .. } => {
            sent_lines(*after_ms, *stage, line, None, secured)
        }
        Event::Replied { after_ms, reply, .. } => reply_lines(*after_ms, reply, None, secured),
        Event::Ended { after_ms, end, .. } => end_line(*after_ms, end).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Returns the index of the first exchange under TLS.
fn secured_from(dialogue: &Dialogue) -> Option<usize> {
    dialogue.tls.as_ref()?;
    let starttls = dialogue
        .exchanges
        .iter()
        .position(|exchange| exchange.stage == Stage::StartTls);
    Some(starttls.map_or(0, |index| index + 1))
}

fn exchange_lines(index: usize, exchange: &Exchange, secured: bool) -> Vec<TranscriptLine> {
    let sent = exchange
        .sent
        .iter()
        .flat_map(|(at_ms, line)| sent_lines(*at_ms, exchange.stage, line, Some(index), secured));
    let replied = exchange.reply.iter().flat_map(|reply| {
        let at_ms = exchange.replied_ms.unwrap_or_default();
        reply_lines(at_ms, reply, Some(index), secured)
    });
    sent.chain(replied).collect()
}

/// A command is one line; the text of a message has many, and its final dot.
fn sent_lines(
    at_ms: u64,
    stage: Stage,
    line: &Octets,
    exchange: Option<usize>,
    secured: bool,
) -> Vec<TranscriptLine> {
    let of_text = |text: String| TranscriptLine {
        at_ms,
        by: Speaker::Client,
        secured,
        exchange,
        row: 0,
        text,
    };
    if stage != Stage::EndOfData {
        return vec![of_text(line.to_string())];
    }
    let text = line.as_bytes();
    let text = text
        .strip_suffix(b"\n")
        .map_or(text, |text| text.strip_suffix(b"\r").unwrap_or(text));
    let shown = text.split(|octet| *octet == b'\n').map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // RFC 5321 section 4.5.2: the client sends a second dot before a dot that begins a line.
        let dot = if line.starts_with(b".") { "." } else { "" };
        format!("{dot}{}", Octets::from(line))
    });
    (0..)
        .zip(shown.chain([".".to_owned()]))
        .map(|(row, text)| TranscriptLine { row, ..of_text(text) })
        .collect()
}

fn reply_lines(
    at_ms: u64,
    reply: &Reply,
    exchange: Option<usize>,
    secured: bool,
) -> Vec<TranscriptLine> {
    let by = if reply.is_negative() { Speaker::Refusal } else { Speaker::Server };
    (0..)
        .zip(reply_text(reply))
        .map(|(row, text)| TranscriptLine { at_ms, by, secured, exchange, row, text })
        .collect()
}

/// Returns a reply as it came, a string for each line.
#[must_use]
pub fn reply_text(reply: &Reply) -> Vec<String> {
    let last = reply.lines.len().saturating_sub(1);
    let lines = (0..).zip(&reply.lines).map(|(index, line)| {
        let separator = if index < last {
            "-"
        } else if line.is_empty() {
            ""
        } else {
            " "
        };
        format!("{}{separator}{line}", reply.code)
    });
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() { vec![reply.code.to_string()] } else { lines }
}

/// Returns the line that says how the connection failed; `None` if it ended with an answer.
fn end_line(at_ms: u64, end: &End) -> Option<TranscriptLine> {
    let failure = |text| TranscriptLine {
        at_ms,
        by: Speaker::Failure,
        secured: false,
        exchange: None,
        row: 0,
        text,
    };
    match end {
        End::Answered => None,
        End::NotOffered(keyword) => {
            Some(failure(harmless(&format!("the server does not offer {keyword}"))))
        }
        End::Interrupted(cause) => Some(failure(harmless(&cause.to_string()))),
    }
}

fn change(at_ms: u64, text: String) -> TranscriptLine {
    TranscriptLine { at_ms, by: Speaker::Change, secured: false, exchange: None, row: 0, text }
}
