//! A set of numbers as ranges: what comes in order takes one entry, whatever its count.

use std::collections::BTreeMap;

/// A set of `u64`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    /// First number of each range → first number after it. Ranges neither touch nor overlap.
    ranges: BTreeMap<u64, u64>,
    count: u64,
}

impl Ranges {
    /// Adds `from..to`; how many of them are new.
    pub(super) fn add(&mut self, from: u64, to: u64) -> u64 {
        if from >= to {
            return 0;
        }
        if let Some(mut last) = self.ranges.last_entry()
            && *last.get() == from
        {
            // What comes in order, as nearly everything does, makes the last range longer.
            last.insert(to);
            self.count += to - from;
            return to - from;
        }
        let before = self.count;
        let (mut start, mut end) = (from, to);
        // Everything that begins at or before the end and reaches the start melts into the new range.
        while let Some((&first, &last)) = self.ranges.range(..=end).next_back() {
            if last < start {
                break;
            }
            self.ranges.remove(&first);
            self.count -= last - first;
            start = start.min(first);
            end = end.max(last);
        }
        self.ranges.insert(start, end);
        self.count += end - start;
        self.count - before
    }

    /// How many numbers are in it.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// How many numbers below `end` are in it.
    pub(super) fn count_below(&self, end: u64) -> u64 {
        self.ranges.range(..end).map(|(first, last)| last.min(&end) - first).sum()
    }

    /// All of its ranges.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().map(|(first, last)| (*first, *last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Ranges;

    #[test]
    fn neighbors_become_one_range() {
        let mut ranges = Ranges::default();
        assert_eq!(ranges.add(0, 1) + ranges.add(2, 3) + ranges.add(1, 2), 3);
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, 3)]);
    }

    #[test]
    fn a_number_added_twice_counts_once() {
        let mut ranges = Ranges::default();
        assert_eq!(ranges.add(5, 10), 5);
        assert_eq!(ranges.add(0, 20), 15);
        assert_eq!(ranges.add(5, 6), 0);
        assert_eq!((ranges.count(), ranges.count_below(7)), (20, 7));
    }

    #[test]
    fn it_is_the_set_that_it_says() {
        // A small linear congruential sequence: the same in every run.
        let mut state = 1_u64;
        let mut next = |bound: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
        for _ in 0..2_000 {
            let from = next(500);
            let to = from + next(6);
            let new = (from..to).filter(|n| set.insert(*n)).count() as u64;
            assert_eq!(ranges.add(from, to), new);
            let below = next(510);
            assert_eq!(ranges.count_below(below), set.range(..below).count() as u64);
        }
        assert_eq!(ranges.count(), set.len() as u64);
    }
}
