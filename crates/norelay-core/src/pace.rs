//! At most so many rejections in a span of time, for servers that ban a client after a number of
//! rejections. Pure, in virtual time.
//!
//! Times are counted from the start of the run.

use std::{collections::VecDeque, time::Duration};

/// The rejections that a server has given or may still give, on all its ports.
#[derive(Clone, Debug)]
pub struct Pace {
    most: usize,
    span: Duration,
    spent: VecDeque<Duration>,
}

impl Pace {
    /// Allows at most `most` rejections, and at least one, in any `span`.
    #[must_use]
    pub fn new(most: usize, span: Duration) -> Self {
        Self { most: most.max(1), span, spent: VecDeque::new() }
    }

    /// Returns when a dialogue that can be rejected so often may start, at `now` or later, and
    /// counts its rejections from then on. A dialogue with more rejections than are allowed has a
    /// whole span for itself.
    pub fn take(&mut self, refusals: usize, now: Duration) -> Duration {
        let refusals = refusals.clamp(1, self.most);
        let in_the_way = (self.spent.len() + refusals)
            .checked_sub(self.most + 1)
            .and_then(|last| self.spent.get(last));
        let latest = self.spent.back().copied().unwrap_or_default();
        let start = in_the_way
            .map_or(now, |spent| *spent + self.span)
            .max(latest)
            .max(now);
        self.spent.extend(std::iter::repeat_n(start, refusals));
        self.spent
            .drain(..self.spent.len().saturating_sub(self.most));
        start
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: Duration = Duration::from_secs(600);

    fn starts(asked: &[(usize, u64)]) -> Vec<u64> {
        let mut pace = Pace::new(3, SPAN);
        asked
            .iter()
            .map(|(refusals, now)| pace.take(*refusals, Duration::from_secs(*now)).as_secs())
            .collect()
    }

    #[test]
    fn what_is_too_much_starts_later() {
        for (asked, expected) in [
            (&[(1, 0), (1, 1), (1, 2), (1, 3), (1, 4)][..], &[0, 1, 2, 600, 601][..]),
            (&[(2, 0), (2, 0), (1, 0)], &[0, 600, 600]),
            (&[(9, 5), (9, 5), (0, 5)], &[5, 605, 1205]),
            (&[(3, 0), (3, 700)], &[0, 700]),
        ] {
            assert_eq!(starts(asked), expected, "{asked:?}");
        }
    }

    proptest! {
        #[test]
        fn no_span_has_more(asked in proptest::collection::vec((1..4usize, 0..300u64), 1..40)) {
            let (mut pace, mut now, mut refused) = (Pace::new(3, SPAN), Duration::ZERO, Vec::new());
            for (refusals, later) in asked {
                now += Duration::from_secs(later);
                let start = pace.take(refusals, now);
                prop_assert!(start >= now);
                refused.extend(std::iter::repeat_n(start, refusals));
            }
            prop_assert!(refused.windows(4).all(|four| four[3] - four[0] >= SPAN), "{refused:?}");
        }
    }
}
