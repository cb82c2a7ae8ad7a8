//! Values with the times between which they hold: `valid_from ≤ t < valid_to`.

use event::Millis;
use serde::{Deserialize, Serialize};

/// One value and when it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version<T> {
    /// First instant at which it holds; absent: since ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Millis>,
    /// First instant at which it no longer holds; absent: until the next version starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Millis>,
    /// What holds.
    pub value: T,
}

impl<T> Version<T> {
    /// A value that has held since ever and has no end.
    pub const fn always(value: T) -> Self {
        Self { valid_from: None, valid_to: None, value }
    }

    /// Whether it begins at or before `t`.
    #[must_use]
    pub fn started_by(&self, t: Millis) -> bool {
        self.valid_from.is_none_or(|from| from <= t)
    }
}

/// Versions of one thing, ordered by their start; at most one holds at any instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline<T>(Vec<Version<T>>);

/// The timeline without versions.
impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Timeline<T> {
    /// The timeline of these versions, put in the order of their start. The importer refuses overlaps.
    #[must_use]
    pub fn new(mut versions: Vec<Version<T>>) -> Self {
        versions.sort_by_key(|version| version.valid_from);
        Self(versions)
    }

    /// The timeline in which `value` has held since ever.
    #[must_use]
    pub fn always(value: T) -> Self {
        Self(vec![Version::always(value)])
    }

    /// All versions in the order of their start.
    #[must_use]
    pub fn versions(&self) -> &[Version<T>] {
        &self.0
    }

    /// Whether there is no version at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Position and version that hold at `t`.
    #[must_use]
    pub fn version_at(&self, t: Millis) -> Option<(usize, &Version<T>)> {
        let position = self.0.partition_point(|version| version.started_by(t)).checked_sub(1)?;
        let version = self.0.get(position)?;
        version.valid_to.is_none_or(|to| t < to).then_some((position, version))
    }

    /// The value that holds at `t`.
    #[must_use]
    pub fn at(&self, t: Millis) -> Option<&T> {
        self.version_at(t).map(|(_, version)| &version.value)
    }
}

#[cfg(test)]
mod tests {
    use event::Millis;

    use super::{Timeline, Version};

    fn timeline() -> Timeline<char> {
        Timeline::new(vec![
            Version { valid_from: Some(Millis(300)), valid_to: None, value: 'c' },
            Version { valid_from: Some(Millis(100)), valid_to: Some(Millis(200)), value: 'b' },
        ])
    }

    #[test]
    fn a_version_holds_from_its_first_millisecond_and_not_one_before() {
        assert_eq!(timeline().at(Millis(99)), None);
        assert_eq!(timeline().at(Millis(100)), Some(&'b'));
    }

    #[test]
    fn a_version_holds_until_one_millisecond_before_its_end() {
        assert_eq!(timeline().at(Millis(199)), Some(&'b'));
        assert_eq!(timeline().at(Millis(200)), None);
    }

    #[test]
    fn a_version_without_end_holds_until_the_next_one_starts() {
        let timeline = Timeline::new(vec![
            Version::always('a'),
            Version { valid_from: Some(Millis(50)), valid_to: None, value: 'b' },
        ]);
        assert_eq!(timeline.at(Millis(i64::MIN)), Some(&'a'));
        assert_eq!(timeline.at(Millis(49)), Some(&'a'));
        assert_eq!(timeline.at(Millis(50)), Some(&'b'));
        assert_eq!(timeline.at(Millis(i64::MAX)), Some(&'b'));
    }
}
