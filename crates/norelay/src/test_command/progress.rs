//! What is seen while a run goes on: a line a test as it finishes, the waits, and with `--verbose`
//! the dialogue.

use std::{
    collections::HashSet,
    fs::File,
    io::{IsTerminal, Write},
    sync::{Mutex, PoisonError},
};

use norelay_core::{
    assess,
    check::receiver,
    event::{Event, Receipt, Record, Wait},
    explain::Explanation,
    report::{Dialogue, Report},
    token::{Token, TokenRole},
};
use norelay_probe::record::Sink;
use norelay_render::{
    json_lines,
    text::{self, Style},
    transcript,
};

use crate::folded_log::FoldedLog;

/// Keeps the log. Shows progress on standard error if standard error is a terminal, or if the user
/// asked for it.
pub struct Progress {
    shows: Shows,
    state: Mutex<RunProgress>,
}

/// How much is shown while a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// Nothing: standard error is no terminal.
    Nothing,
    /// A line for each test and each wait.
    Lines,
    /// The dialogues as well.
    Dialogues,
}

struct RunProgress {
    log: FoldedLog,
    file: Option<File>,
    file_error: Option<String>,
    /// The explanations that were shown already: each is worth reading once.
    explained: HashSet<String>,
}

impl Progress {
    /// Goes on with this log, and appends every record to `file` at once. With `verbose`, the
    /// dialogues are shown.
    pub fn new(verbose: bool, file: Option<File>, log: FoldedLog) -> Self {
        let shows = match (verbose, std::io::stderr().is_terminal()) {
            (true, _) => Shows::Dialogues,
            (false, true) => Shows::Lines,
            (false, false) => Shows::Nothing,
        };
        let state = RunProgress { log, file, file_error: None, explained: HashSet::new() };
        Self { shows, state: Mutex::new(state) }
    }

    /// Ends the log. Returns it, and what went wrong in writing it to the file.
    pub fn finish(&self) -> (FoldedLog, Option<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut state.log), state.file_error.take())
    }

    fn show(&self, state: &mut RunProgress, record: &Record) {
        match &record.event {
            Event::Ended { dialogue, .. } => {
                let RunProgress { log, explained, .. } = state;
                let report = log.report();
                let Some(dialogue) = report.dialogues.get(dialogue) else { return };
                if self.shows == Shows::Dialogues {
                    let mta = report.path(dialogue.path).and_then(assess::software);
                    let lines = transcript::explained(dialogue, mta.as_ref().map(|mta| mta.name));
                    print_explained(&lines, explained);
                }
                print_tests(report, dialogue);
            }
            Event::Waiting { until, why, .. } => {
                let until = until.strftime("%H:%M:%S");
                anstream::eprintln!("  … {} {until} UTC", wait_words(why));
            }
            Event::CanarySent { failure: Some(_), .. } => {
                if let Some(check) = receiver::check(state.log.report()) {
                    anstream::eprintln!("  ! {}", check.says);
                }
            }
            Event::Received(Receipt { token: Token { role: TokenRole::Canary, .. }, .. }) => {}
            Event::Received(receipt) => {
                let from = receipt.peer.ip().to_canonical();
                anstream::eprintln!("  … a message has come back from {from}");
            }
            _ => {}
        }
    }
}

impl Sink for Progress {
    fn record(&self, record: &Record) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.log.add(record);
        // The file has the record before it is shown, so that an interrupted run loses nothing that
        // the user has seen.
        state.append(record);
        if self.shows != Shows::Nothing {
            self.show(&mut state, record);
        }
    }
}

impl RunProgress {
    /// Appends a record to the file. After an error, the rest of the log is kept in memory alone.
    fn append(&mut self, record: &Record) {
        let Some(file) = &mut self.file else { return };
        let line = json_lines::render(std::slice::from_ref(record));
        if let Err(error) = file.write_all(line.as_bytes()) {
            self.file_error = Some(error.to_string());
            self.file = None;
        }
    }
}

/// A line for each test of a dialogue that has ended, as the report has it by now.
fn print_tests(report: &Report, dialogue: &Dialogue) {
    // The judgement alone: a whole assessment for each dialogue would take several times as long.
    let judgement = assess::judgement(report);
    let Some(path) = judgement.path(dialogue.path) else { return };
    for judged in path.all().filter(|judged| dialogue.is_for(judged.test.id)) {
        anstream::eprintln!("{}", text::progress_in(judged, Style::Ansi));
    }
}

/// What a wait is for, before its time.
fn wait_words(why: &Wait) -> &'static str {
    match why {
        Wait::Greylisted => "greylisted; asking again at",
        Wait::Dropped => "the server drops connections; asking again at",
        Wait::Arrival => "waiting for the messages to come back until",
        Wait::Pace => "keeping the pace; going on at",
    }
}

/// Prints a transcript. Below a line is its explanation, unless that is among those `seen`.
fn print_explained(
    lines: &[(transcript::TranscriptLine, Option<Explanation>)],
    seen: &mut HashSet<String>,
) {
    for (line, explanation) in lines {
        anstream::eprintln!("{line}");
        let Some(explanation) = explanation.as_ref().map(Explanation::to_string) else { continue };
        if seen.insert(explanation.clone()) {
            anstream::eprintln!("{:13}\x1b[2m# {explanation}\x1b[0m", "");
        }
    }
}
