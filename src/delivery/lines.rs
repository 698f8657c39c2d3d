//! Mailboxes of one stream that wait for their turn to read.

use std::collections::VecDeque;

/// How urgent a read is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    /// There are envelopes.
    Envelopes,
    /// There may be, as in every mailbox of a relay whose wake path broke.
    Doubt,
}

/// Two lines, first come first served. Where many must look whether there is anything, those where there is do not wait
/// for all of them; but each gets its turn.
#[derive(Debug, Default)]
pub(super) struct Lines {
    envelopes: VecDeque<u32>,
    doubts: VecDeque<u32>,
    turn: u8,
}

/// One read in so many is a look, while others know that there is something.
const DOUBTS_TURN: u8 = 4;

impl Lines {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.envelopes.len() + self.doubts.len()
    }

    /// Lines a mailbox up that stands in no line.
    pub(super) fn put(&mut self, number: u32, haste: Haste) {
        match haste {
            Haste::Envelopes => self.envelopes.push_back(number),
            Haste::Doubt => self.doubts.push_back(number),
        }
    }

    /// There is something for a mailbox that was to look.
    pub(super) fn hasten(&mut self, number: u32) {
        self.doubts.retain(|other| *other != number);
        self.envelopes.push_back(number);
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self) -> Option<(u32, Haste)> {
        self.turn = self.turn.wrapping_add(1);
        let doubt = self.envelopes.is_empty() || !self.doubts.is_empty() && self.turn.is_multiple_of(DOUBTS_TURN);
        let (line, haste) =
            if doubt { (&mut self.doubts, Haste::Doubt) } else { (&mut self.envelopes, Haste::Envelopes) };
        line.pop_front().map(|number| (number, haste))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines) -> Vec<u32> {
        std::iter::from_fn(|| lines.next()).map(|(number, _)| number).collect()
    }

    #[test]
    fn who_has_envelopes_goes_first_and_who_must_look_gets_a_turn_too() {
        let mut lines = Lines::default();
        (0..4).for_each(|number| lines.put(number, Haste::Doubt));
        (10..17).for_each(|number| lines.put(number, Haste::Envelopes));
        assert_eq!(lines.len(), 11);
        assert_eq!(all(&mut lines), [10, 11, 12, 0, 13, 14, 15, 1, 16, 2, 3]);
        assert_eq!(lines.len(), 0);
    }

    #[test]
    fn who_turns_out_to_have_envelopes_stands_in_one_line() {
        let mut lines = Lines::default();
        (0..3).for_each(|number| lines.put(number, Haste::Doubt));
        lines.hasten(2);
        assert_eq!(all(&mut lines), [2, 0, 1]);
    }
}
