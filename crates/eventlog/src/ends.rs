//! When a topic ended where, so that how long a record has waited is known without reading it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::record::Offset;

/// Moments kept of a topic, 24 bytes each: at one a second the last minutes exactly, what is older at half the density
/// each time.
const KEPT: usize = 1_024;

/// The moments at which a topic was seen to have grown, in order.
#[derive(Debug, Default)]
pub(crate) struct Ends(VecDeque<(Instant, Offset)>);

impl Ends {
    /// Notes that the topic ends at `end` now.
    pub(crate) fn note(&mut self, now: Instant, end: Offset) {
        if self.0.back().is_some_and(|(_, last)| *last >= end) {
            return;
        }
        if self.0.len() >= KEPT {
            // The first stays: what waits since then is not made younger.
            let mut index = 0_usize;
            self.0.retain(|_| {
                index += 1;
                !index.is_multiple_of(2)
            });
        }
        self.0.push_back((now, end));
    }

    /// For how long the record at `next` has been there; 0 if there is none.
    pub(crate) fn waited(&self, now: Instant, next: Offset) -> Duration {
        let first = self.0.partition_point(|(_, end)| *end <= next);
        self.0.get(first).map_or(Duration::ZERO, |(since, _)| now.saturating_duration_since(*since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_record_waits_from_the_first_moment_at_which_the_topic_ended_behind_it() {
        let start = Instant::now();
        let mut ends = Ends::default();
        assert_eq!(ends.waited(start, 0), s(0), "nothing was seen yet");
        ends.note(start, 5);
        ends.note(start + s(1), 5);
        ends.note(start + s(2), 7);
        let now = start + s(10);
        for (next, waited) in [(0, 10), (4, 10), (5, 8), (6, 8), (7, 0), (8, 0)] {
            assert_eq!(ends.waited(now, next), s(waited), "at {next}");
        }
    }

    #[test]
    fn the_moments_are_bounded_and_the_first_stays() {
        let start = Instant::now();
        let mut ends = Ends::default();
        let many = 10 * KEPT as u64;
        for n in 0..many {
            ends.note(start + s(n), n + 1);
            assert!(ends.0.len() <= KEPT);
        }
        let now = start + s(many);
        assert_eq!(ends.waited(now, 0), s(many), "the oldest is as old as it is");
        assert_eq!(ends.waited(now, many - 1), s(1), "so is the newest");
        let middle = ends.waited(now, many / 2);
        assert!(middle <= s(many / 2), "never older than it is: {middle:?}");
        assert!(middle > s(many / 2 - 64), "nor much younger: {middle:?}");
    }
}
