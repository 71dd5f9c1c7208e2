//! Whether the wall clock goes as time does: it may jump, and what it says of the past is then not
//! true.
//!
//! Rules:
//! - What is deleted, or taken away from another process, because its time is over, waits until the
//!   clock has been steady.
//! - A clock that has just been met has not been steady yet.

use std::time::Duration;

use jiff::Timestamp;

/// Between two looks it may lose or win so much; a clock that is being set right is slewed by less.
const TOLERANCE: Duration = Duration::from_secs(5);

/// What is known of the wall clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock {
    /// When it was looked at last: by time that only passes, and by its own word.
    last: (Duration, Timestamp),
    /// Since when it has been steady.
    since: Duration,
}

impl WallClock {
    /// A clock at the first look, at a moment of time that only passes.
    pub(super) fn new(at: Duration, wall: Timestamp) -> Self {
        Self { last: (at, wall), since: at }
    }

    /// How long it has been steady, at another look.
    pub(super) fn steady_for(&mut self, at: Duration, wall: Timestamp) -> Duration {
        let passed = at.saturating_sub(self.last.0);
        let claimed = wall.duration_since(self.last.1);
        let jumped = claimed.is_negative() || claimed.unsigned_abs().abs_diff(passed) > TOLERANCE;
        if jumped {
            self.since = at;
        }
        self.last = (at, wall);
        at.saturating_sub(self.since)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_jump_begins_the_count_anew() {
        let start = Timestamp::UNIX_EPOCH;
        let mut clock = WallClock::new(Duration::ZERO, start);
        // Seconds that have passed, what the clock says, and how long it has been steady.
        for (at, wall, expected) in [
            (15, 15, 15),
            (30, 31, 30),
            (45, 45, 45),
            (60, 3600, 0),
            (75, 3615, 15),
            (90, 90, 0),
            (105, 105, 15),
            (120, 119, 30),
            (135, 128, 0),
            (150, 143, 15),
        ] {
            let wall = start + SignedDuration::from_secs(wall);
            let steady = clock.steady_for(Duration::from_secs(at), wall);
            assert_eq!(steady, Duration::from_secs(expected), "after {at} s");
        }
    }
}
