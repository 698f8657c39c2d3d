//! What a message of the load test says: who it is, and nothing that could be mistaken for another.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | the run, random |
//! | 4 | the mailbox, by its number in the run |
//! | 8 | the message's number among those to that mailbox, from 1 |
//! | 8 | the highest number up to which all were answered when it was sent (see `ledger`) |
//! | 8 | when it was due, in nanoseconds from the run's beginning |
//! | rest | made from all that |
//!
//! Numbers are big-endian. Whoever gets one checks every byte.

use std::time::Duration;

use bytes::{Buf as _, BufMut as _};

/// A message of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter {
    /// Whose mailbox it is for.
    pub mailbox: u32,
    /// Its number there.
    pub number: u64,
    /// All up to this number had been answered when it was sent.
    pub after: u64,
    /// When it was due, from the run's beginning.
    pub due: Duration,
}

/// It is none of this run's, or not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message is not as it was sent")]
pub struct Corrupted;

/// The smallest that a letter can be, in bytes: with no rest, a changed byte may go unseen.
pub const SMALLEST: usize = 36;

impl Letter {
    /// Writes it over the whole of `bytes`. Of fewer than [`SMALLEST`] nothing is written.
    pub fn write(&self, run: u64, bytes: &mut [u8]) {
        let Some((head, rest)) = bytes.split_first_chunk_mut::<SMALLEST>() else { return };
        let due = u64::try_from(self.due.as_nanos()).unwrap_or(u64::MAX);
        let mut fields = head.as_mut_slice();
        fields.put_u64(run);
        fields.put_u32(self.mailbox);
        fields.put_u64(self.number);
        fields.put_u64(self.after);
        fields.put_u64(due);
        let mut words = Words::of(head);
        for chunk in rest.chunks_mut(8) {
            chunk.iter_mut().zip(words.next()).for_each(|(byte, made)| *byte = made);
        }
    }

    /// Reads one, and checks every byte.
    ///
    /// # Errors
    /// Where it is not as it was written.
    pub fn read(run: u64, bytes: &[u8]) -> Result<Self, Corrupted> {
        let (head, rest) = bytes.split_first_chunk::<SMALLEST>().ok_or(Corrupted)?;
        let mut fields = head.as_slice();
        let of = fields.get_u64();
        let mailbox = fields.get_u32();
        let (number, after, due) = (fields.get_u64(), fields.get_u64(), fields.get_u64());
        let mut words = Words::of(head);
        let as_made = rest.chunks(8).all(|chunk| words.next().starts_with(chunk));
        match of == run && number > 0 && as_made {
            true => Ok(Self { mailbox, number, after, due: Duration::from_nanos(due) }),
            false => Err(Corrupted),
        }
    }
}

/// Bytes without end, made from a beginning: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", 2014), which is fast and looks random to whatever compresses or compares.
struct Words(u64);

impl Words {
    fn of(beginning: &[u8]) -> Self {
        let mut words = Self(0);
        for byte in beginning {
            words.0 ^= u64::from(*byte);
            words.0 = u64::from_le_bytes(words.next());
        }
        words
    }

    fn next(&mut self) -> [u8; 8] {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn letters() -> impl Strategy<Value = (Letter, usize)> {
        (any::<u32>(), 1..u64::MAX, any::<u64>(), any::<u64>(), SMALLEST..3000).prop_map(
            |(mailbox, number, after, due, size)| {
                (Letter { mailbox, number, after, due: Duration::from_nanos(due) }, size)
            },
        )
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_was_written((letter, size) in letters(), run: u64) {
            let mut bytes = vec![0; size];
            letter.write(run, &mut bytes);
            prop_assert_eq!(Letter::read(run, &bytes), Ok(letter));
            prop_assert_eq!(Letter::read(run ^ 1, &bytes), Err(Corrupted), "another run's");
        }

        #[test]
        fn no_byte_can_change((letter, size) in letters(), run: u64, place: prop::sample::Index, change in 1..=255u8) {
            let mut bytes = vec![0; size];
            letter.write(run, &mut bytes);
            let place = place.index(size);
            bytes[place] ^= change;
            // With no rest, only the fields themselves are there.
            prop_assume!(size >= SMALLEST + 8);
            prop_assert_eq!(Letter::read(run, &bytes), Err(Corrupted));
        }

        #[test]
        fn anything_may_be_read(bytes: Vec<u8>, run: u64) {
            let _ = Letter::read(run, &bytes);
        }
    }
}
