//! What is seen while a run goes on: a line a test as it finishes, the waits, and with `--verbose`
//! the dialogue.

use std::{
    collections::HashSet,
    fs::File,
    io::{IsTerminal, Write},
    sync::{Mutex, PoisonError},
};

use norelay_core::{
    check::verdict,
    event::{Event, Record, Wait},
    explain::Explanation,
    mta,
    render::{
        text::{self, Style},
        transcript,
    },
    report::Report,
};
use norelay_probe::record::Sink;

/// Keeps the log, and shows progress on standard error where that is a terminal (or the user asked
/// for it).
pub struct Progress {
    verbose: bool,
    live: bool,
    state: Mutex<State>,
}

struct State {
    log: Vec<Record>,
    report: Report,
    file: Option<File>,
    file_error: Option<String>,
    /// The explanations that were shown already: each is worth reading once.
    explained: HashSet<String>,
}

impl Progress {
    /// Shows live lines on a terminal, transcripts where `verbose`; appends every record to `file`
    /// at once. `log` is what a run that is resumed has already.
    pub fn new(verbose: bool, file: Option<File>, log: Vec<Record>) -> Self {
        let state = State {
            file,
            report: Report::of(&log),
            log,
            file_error: None,
            explained: HashSet::new(),
        };
        Self { verbose, live: std::io::stderr().is_terminal(), state: Mutex::new(state) }
    }

    /// The log as it is now, and what went wrong in writing it to the file.
    pub fn log(&self) -> (Vec<Record>, Option<String>) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.log.clone(), state.file_error.clone())
    }

    fn show(&self, state: &mut State, record: &Record) {
        match &record.event {
            Event::Ended { dialogue, .. } => {
                let Some(dialogue) = state.report.dialogues.get(dialogue) else { return };
                if self.verbose {
                    let mta = state.report.path(dialogue.path).and_then(mta::identify);
                    let lines = transcript::explained(dialogue, mta.as_ref().map(|mta| mta.name));
                    print_explained(&lines, &mut state.explained);
                }
                if self.live || self.verbose {
                    let judgement = verdict::judge(&state.report);
                    let Some(path) = judgement.path(dialogue.path) else { return };
                    for judged in path.all().filter(|judged| dialogue.is_for(judged.test.id)) {
                        anstream::eprintln!("{}", text::progress_in(judged, Style::Ansi));
                    }
                }
            }
            Event::Waiting { until, why, .. } if self.live || self.verbose => {
                let until = until.strftime("%H:%M:%S");
                let why = match why {
                    Wait::Greylisted => "greylisted; asking again at",
                    Wait::Dropped => "the server drops connections; asking again at",
                    Wait::Arrival => "waiting for the messages to come back until",
                    Wait::Pace => "keeping the pace; going on at",
                };
                anstream::eprintln!("  … {why} {until} UTC");
            }
            Event::Received(receipt) if self.live || self.verbose => {
                anstream::eprintln!(
                    "  … a message has come back from {}",
                    receipt.peer.ip().to_canonical()
                );
            }
            _ => {}
        }
    }
}

/// A transcript, with the explanations that are not among those `seen` below their lines.
fn print_explained(lines: &[(transcript::Line, Option<Explanation>)], seen: &mut HashSet<String>) {
    for (line, explanation) in lines {
        anstream::eprintln!("{line}");
        let explanation = explanation.as_ref().map(Explanation::to_string);
        if let Some(explanation) =
            explanation.filter(|explanation| seen.insert(explanation.clone()))
        {
            anstream::eprintln!("{:13}\x1b[2m# {explanation}\x1b[0m", "");
        }
    }
}

impl Sink for Progress {
    fn record(&self, record: &Record) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.report.apply(record);
        state.log.push(record.clone());
        if let Some(file) = &mut state.file {
            let line = norelay_core::render::json_lines::render(std::slice::from_ref(record));
            if let Err(error) = file.write_all(line.as_bytes()) {
                state.file_error = Some(error.to_string());
                state.file = None;
            }
        }
        self.show(&mut state, record);
    }
}
