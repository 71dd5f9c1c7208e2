//! The recorder: stamps events, folds them for the scan's own use, and hands them to a sink.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use norelay_core::{
    event::{Event, Record},
    report::Report,
};

/// An outlet that consumes records: a terminal, a file, a store.
pub trait Sink: Send + Sync {
    /// Takes one record. Must not block for long; must not fail the run.
    fn record(&self, record: &Record);
}

impl<F: Fn(&Record) + Send + Sync> Sink for F {
    fn record(&self, record: &Record) {
        self(record);
    }
}

/// Where every event of a run passes, in order.
pub struct Recorder {
    sink: Arc<dyn Sink>,
    state: Mutex<State>,
}

struct State {
    report: Report,
    /// The time that records get, where it isn't now.
    backdated: Option<Timestamp>,
}

impl Recorder {
    /// A recorder that hands everything on to `sink`.
    #[must_use]
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        Self::resuming(sink, Report::default())
    }

    /// A recorder that goes on where a report ends.
    #[must_use]
    pub fn resuming(sink: Arc<dyn Sink>, report: Report) -> Self {
        Self { sink, state: Mutex::new(State { report, backdated: None }) }
    }

    /// Records an event.
    pub fn record(&self, event: Event) {
        // The lock is held over the sink, so that records reach it in the order of the fold.
        let mut state = self.state();
        let record = Record::new(state.backdated.unwrap_or_else(Timestamp::now), event);
        state.report.apply(&record);
        self.sink.record(&record);
    }

    /// What is recorded from now on happened then, until [`Recorder::adopt`].
    pub fn backdate(&self, at: Option<Timestamp>) {
        self.state().backdated = at;
    }

    /// Takes over what another recorder of the same run has recorded, as it is.
    pub fn adopt(&self, records: &[Record]) {
        let mut state = self.state();
        state.backdated = None;
        for record in records {
            state.report.apply(record);
            self.sink.record(record);
        }
    }

    /// Looks at what was recorded until now.
    pub fn look<T>(&self, look: impl FnOnce(&Report) -> T) -> T {
        look(&self.state().report)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
