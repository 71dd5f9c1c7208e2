//! How long to leave a server alone that rejects our connections.
//!
//! Rules:
//! - Connections that were open together fail together: only the first of them makes the pause
//!   longer.
//! - A connection that began before the latest rejection tells nothing new.
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
#[derive(Debug, Default)]
pub(super) struct Pauses {
    troubles: usize,
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
        if now >= self.quiet_until {
            let last = PAUSES[PAUSES.len() - 1];
            self.quiet_until = now + PAUSES.get(self.troubles).copied().unwrap_or(last);
            self.troubles += 1;
        }
        let is_block = self.troubles > PAUSES.len() || self.quiet_until > deadline;
        (!is_block).then_some(self.quiet_until)
    }
}
