//! How long to leave a server alone that rejects our connections.
//!
//! Rules:
//! - Connections that were open together fail together: only the first of them makes the pause
//!   longer.
//! - A connection that began before the latest rejection tells nothing new.
//! - The pause after which a server accepted connections again is the first one at its next
//!   rejection, if there is time: most limits count by the clock.
//! - The trouble after the last pause, or before one that there is no time for, is a block.

use std::time::Duration;

/// Pauses after the first, second, … trouble in a row. The last ones are what most servers count
/// in: a minute (Postfix, sendmail) and ten (Debian's sendmail, fail2ban), and a second for their
/// clocks.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(20),
    Duration::from_secs(60),
    Duration::from_secs(601),
];

/// The rejections of a path's connections, and the pauses after them.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    troubles: usize,
    /// Which pause the server last wanted: it most likely wants that again.
    wanted: usize,
    quiet_until: Duration,
    /// When the server last rejected a connection.
    rejected_at: Option<Duration>,
    /// True if no answer has come since then.
    is_rejected: bool,
}

impl Pauses {
    /// Until when nothing is opened.
    pub fn quiet_until(&self) -> Duration {
        self.quiet_until
    }

    /// True if the server has answered nothing since the latest rejection.
    pub fn is_rejected(&self) -> bool {
        self.is_rejected
    }

    /// A connection that began at this time was served. Returns true if that is news.
    pub fn served(&mut self, began: Duration) -> bool {
        self.is_rejected = false;
        let is_news = self.is_news(began);
        if is_news {
            self.wanted = self.troubles.saturating_sub(1).max(self.wanted);
            self.troubles = 0;
        }
        is_news
    }

    /// A connection that began at this time was rejected. Returns true if that is news.
    pub fn rejected(&mut self, began: Duration, now: Duration) -> bool {
        let is_news = self.is_news(began);
        if is_news {
            self.rejected_at = Some(now);
            self.is_rejected = true;
        }
        is_news
    }

    fn is_news(&self, began: Duration) -> bool {
        self.rejected_at.is_none_or(|at| began > at)
    }

    /// Begins a pause, unless one lasts already. Returns until when, or nothing if there was the
    /// last pause already, or no time for one.
    pub fn begin(&mut self, now: Duration, deadline: Duration) -> Option<Duration> {
        if now < self.quiet_until {
            return Some(self.quiet_until).filter(|until| *until <= deadline);
        }
        let trouble = self.next_trouble(now, deadline);
        let until = now + *PAUSES.get(trouble)?;
        if until > deadline {
            return None;
        }
        (self.troubles, self.quiet_until) = (trouble + 1, until);
        Some(until)
    }

    /// Which pause is next. The first one after an answer is the one that the server last wanted,
    /// or the longest shorter one that there is time for.
    fn next_trouble(&self, now: Duration, deadline: Duration) -> usize {
        if self.troubles > 0 {
            return self.troubles;
        }
        let fits = |pause: &Duration| now + *pause <= deadline;
        let in_time = PAUSES.iter().take(self.wanted + 1).rposition(fits);
        in_time.unwrap_or_default()
    }
}
