//! How many connections there may be at once: like congestion control in TCP.
//!
//! Rules:
//! - The window grows by one for each connection that was served at once, and halves at the first
//!   421, refused connection or added delay.
//! - A window that was too large once is not tried again.

use std::time::Duration;

use super::PathLimits;

/// A dialogue that is this much slower than the quickest one was slowed down by the server. The
/// quickest one includes the server's usual pauses.
const ADDED_DELAY: Duration = Duration::from_millis(900);

/// The window of connections to one path.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    max: usize,
    /// Connections at once beside which the server rejected another.
    most_at_once: Option<usize>,
    quickest: Option<Duration>,
}

impl Window {
    /// The window of a path of which nothing is known yet.
    pub fn new(limits: &PathLimits) -> Self {
        let max = limits.max_window.max(1);
        Self { size: limits.window.clamp(1, max), max, most_at_once: None, quickest: None }
    }

    /// Connections at once, now.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Connections at once beside which the server rejected another, if it did.
    pub fn most_at_once(&self) -> Option<usize> {
        self.most_at_once
    }

    /// A connection was served, and its dialogue took so long. The window grows only if the
    /// connection `is_news`, and shrinks if the dialogue met a brake.
    pub fn served(&mut self, took: Duration, is_news: bool) {
        let quickest = *self.quickest.get_or_insert(took);
        self.quickest = Some(quickest.min(took));
        if took > quickest + ADDED_DELAY {
            self.halve();
        } else if is_news {
            self.size = (self.size + 1).min(self.max);
        }
    }

    /// The server had too much.
    pub fn halve(&mut self) {
        self.max = self.size.saturating_sub(1).max(1);
        self.size = (self.size / 2).max(1);
    }

    /// The server rejected a connection beside so many others.
    pub fn rejected_beside(&mut self, beside: usize, is_news: bool) {
        // The server may no longer have counted some of the others, so the limit is lower each
        // time.
        let most = self.max.saturating_sub(usize::from(is_news)).max(1);
        self.max = most.min(beside);
        self.most_at_once = Some(self.max);
        if is_news {
            self.size = (self.size / 2).max(1);
        }
        self.size = self.size.min(self.max);
    }
}
