//! A set of flags in one word, so that a click collects them without allocation.

use event::Flag;

/// Flags that an event collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Flags(u32);

impl Flags {
    /// None.
    pub(crate) const NONE: Self = Self(0);

    /// Adds a flag.
    pub(crate) const fn set(&mut self, flag: Flag) {
        self.0 |= 1 << flag as u32;
    }

    /// Adds a flag if `on`.
    pub(crate) const fn set_if(&mut self, on: bool, flag: Flag) {
        if on {
            self.set(flag);
        }
    }

    /// Whether the flag is in the set.
    pub(crate) const fn has(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u32) != 0
    }

    /// Both sets together.
    #[must_use]
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The set without a flag.
    #[must_use]
    pub(crate) const fn without(self, flag: Flag) -> Self {
        Self(self.0 & !(1 << flag as u32))
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flags in wire order.
    pub(crate) fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.iter().copied().filter(move |flag| self.has(*flag))
    }

    /// The flags as events carry them.
    pub(crate) fn to_vec(self) -> Vec<Flag> {
        if self.is_empty() { Vec::new() } else { self.iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use event::Flag;

    use super::Flags;

    #[test]
    fn every_flag_has_a_place_of_its_own() {
        assert!(Flag::ALL.len() <= 32);
        let mut all = Flags::default();
        for &flag in Flag::ALL {
            assert!(!all.has(flag));
            all.set(flag);
        }
        assert_eq!(all.to_vec(), Flag::ALL);
    }
}
