//! An envelope's number in its mailbox.

use std::fmt;

/// The number of an envelope in its mailbox: dense, from 1, given on acceptance. [`Sequence::NONE`] (0) stands before
/// the first one, as in "nothing acknowledged yet".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence(u64);

impl Sequence {
    /// The place before the first envelope; no envelope has it.
    pub const NONE: Self = Self(0);
    /// The first envelope of a mailbox.
    pub const FIRST: Self = Self(1);

    /// The sequence with this number; `None` for 0, which no envelope has.
    pub const fn new(number: u64) -> Option<Self> {
        match number {
            0 => None,
            number => Some(Self(number)),
        }
    }

    /// The number; 0 only for [`Sequence::NONE`].
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sequence after this one. Saturates at the largest number, which no mailbox reaches: at a million envelopes a
    /// second it would take half a million years.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_envelope_has_the_number_zero() {
        assert_eq!(Sequence::new(0), None);
        assert_eq!(Sequence::new(1), Some(Sequence::FIRST));
        assert_eq!(Sequence::NONE.next(), Sequence::FIRST);
    }
}
