//! Times and lengths of time in words. All times are UTC, so that they can be laid beside a
//! server's log.

use std::borrow::Borrow;

use jiff::{SignedDuration, Timestamp};

/// `2026-11-24 12:03:11 UTC`.
#[must_use]
pub fn stamp(at: impl Borrow<Timestamp>) -> String {
    at.borrow().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `12:03:11 UTC`.
#[must_use]
pub fn clock(at: impl Borrow<Timestamp>) -> String {
    at.borrow().strftime("%H:%M:%S UTC").to_string()
}

/// `12:03:11.250 UTC`.
#[must_use]
pub fn precise(at: impl Borrow<Timestamp>) -> String {
    at.borrow().strftime("%H:%M:%S%.3f UTC").to_string()
}

/// `2026-11-24`.
#[must_use]
pub fn day(at: impl Borrow<Timestamp>) -> String {
    at.borrow().strftime("%Y-%m-%d").to_string()
}

/// The time for machines (RFC 3339).
#[must_use]
pub fn machine(at: impl Borrow<Timestamp>) -> String {
    at.borrow().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `12 ms`, `3.1 s`, `2 min 5 s`, `1 h 4 min`.
#[must_use]
pub fn length(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Returns the milliseconds from one time to a later one. 0 if the clock went backwards.
#[must_use]
pub fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(from.duration_until(to).as_millis()).unwrap_or(0)
}

/// A time, so many milliseconds later.
#[must_use]
pub fn after(at: Timestamp, ms: u64) -> Timestamp {
    let later = i64::try_from(ms)
        .ok()
        .and_then(|ms| at.checked_add(SignedDuration::from_millis(ms)).ok());
    later.unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_words() {
        for (ms, words) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (3_140, "3.1 s"),
            (125_000, "2 min 5 s"),
            (3_840_000, "1 h 4 min"),
        ] {
            assert_eq!(length(ms), words);
        }
    }

    #[test]
    fn times_are_utc() {
        let at: Timestamp = "2026-11-24T12:03:11.25Z".parse().expect("this is a time");
        assert_eq!(stamp(at), "2026-11-24 12:03:11 UTC");
        assert_eq!(precise(at), "12:03:11.250 UTC");
        assert_eq!(precise(after(at, 750)), "12:03:12.000 UTC");
        assert_eq!(between(at, after(at, 750)), 750);
        assert_eq!(between(after(at, 750), at), 0);
    }
}
