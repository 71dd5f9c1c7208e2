//! What the pages show, made from a report and its assessment: pure functions, no I/O, no HTML.
//!
//! Rules:
//! - A view judges nothing: it words what `norelay_core` found.
//! - Whatever a server said goes through `Octets`' Display (no controls) and then through the
//!   templates' escaping (no HTML).
//! - A mark is a colour, an icon and words together; none stands alone.

pub mod advice;
pub mod card;
pub mod compare;
pub mod evidence;
pub mod findings;
pub mod mark;
pub mod particulars;
pub mod progress;
pub mod rows;
pub mod talk;
pub mod time;
pub mod ways;

use norelay_core::{
    assess::Assessment,
    check::Judgement,
    event::{Path, Wait},
    path::PathId,
    report::Report,
    smtp::Security,
};

use crate::{
    run::FoldedRun,
    store::{Job, JobState},
};

/// How far a run is, for its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunPhase {
    /// The run waits for its turn.
    Queued,
    /// The run goes on.
    Running,
    /// Nothing more will be asked.
    Over,
}

/// All that a result is shown from.
#[derive(Clone, Copy, Debug)]
pub struct RunView<'a> {
    /// The facts.
    pub report: &'a Report,
    /// The meaning of the facts.
    pub assessment: &'a Assessment,
    /// How far the run is.
    pub phase: RunPhase,
}

impl RunPhase {
    /// How far a job is.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        match job.state {
            JobState::Queued => Self::Queued,
            JobState::Running => Self::Running,
            JobState::Finished | JobState::Interrupted => Self::Over,
        }
    }
}

impl<'a> RunView<'a> {
    /// Returns the view of a job's log.
    #[must_use]
    pub fn of(folded: &'a FoldedRun, phase: RunPhase) -> Self {
        Self { report: folded.report(), assessment: folded.assessment(), phase }
    }

    /// Returns the verdicts.
    #[must_use]
    pub fn judgement(self) -> &'a Judgement {
        &self.assessment.judgement
    }
}

/// A path's name: address, port and protection in words.
#[must_use]
pub fn path_name(way: &Path) -> String {
    let place = way.endpoint();
    match way.security {
        Security::Plain => place.to_string(),
        Security::StartTls => format!("{place} with STARTTLS"),
        Security::Tls => format!("{place} with TLS"),
    }
}

/// Returns the name of a path for a sentence.
#[must_use]
pub fn name_of(report: &Report, path: PathId) -> String {
    report
        .path(path)
        .map(|path| path_name(path.destination()))
        .unwrap_or_default()
}

/// For what a run waits, as the beginning of a sentence that ends with a time.
#[must_use]
pub fn wait_words(wait: &Wait) -> &'static str {
    match wait {
        Wait::Greylisted => {
            "The server asked us to come back later (greylisting); the next attempt is at"
        }
        Wait::Dropped => "The server dropped our connection; we try again at",
        Wait::Arrival => "Test messages are on their way; we wait for them to come back until",
        Wait::Pace => "We ask slowly, so that the server does not mind; the next question is at",
    }
}

/// `1 path`, `3 paths`.
#[must_use]
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Returns a sentence with the settings of the service in place of the command's options.
#[must_use]
pub fn in_settings(sentence: &str) -> String {
    const SETTINGS: [(&str, &str); 6] = [
        (", and --timeout long enough", ""),
        ("norelay blacklist then shows", "the page of blacklists then shows"),
        ("--resolver", "the setting test.resolver"),
        ("--key-file", "the setting test.blacklist-key-file"),
        ("--domain", "the setting test.domain"),
        ("--seen-as-expected", "the setting test.seen-as-expected"),
    ];
    SETTINGS
        .iter()
        .fold(sentence.to_owned(), |sentence, (option, setting)| sentence.replace(option, setting))
}
