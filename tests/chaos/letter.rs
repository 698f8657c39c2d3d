//! The envelopes of the traffic: each tells its run, its sender and its number, and every byte of it is checked.

use std::fmt;

use bytes::Bytes;

/// Of every envelope.
const SIZE: usize = 1024;
const HEAD: usize = 20;

/// One message: the `number`th of a sender, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Letter {
    pub(crate) sender: u32,
    pub(crate) number: u64,
}

impl Letter {
    /// Its envelope in this run.
    pub(crate) fn envelope(self, run: u64) -> Bytes {
        let mut bytes = Vec::with_capacity(SIZE);
        bytes.extend(run.to_be_bytes());
        bytes.extend(self.sender.to_be_bytes());
        bytes.extend(self.number.to_be_bytes());
        // Any other filling than this letter's own is found.
        let mut state = run ^ self.number.rotate_left(32) ^ u64::from(self.sender);
        while bytes.len() < SIZE {
            state = mixed(state);
            let room = SIZE - bytes.len();
            bytes.extend(state.to_be_bytes().into_iter().take(room));
        }
        bytes.into()
    }

    /// What an envelope of this run tells; `None` if a single bit of it is wrong.
    pub(crate) fn read(envelope: &[u8], run: u64) -> Option<Self> {
        let (head, _) = envelope.split_first_chunk::<HEAD>()?;
        let letter = Self {
            sender: u32::from_be_bytes(head[8..12].try_into().ok()?),
            number: u64::from_be_bytes(head[12..].try_into().ok()?),
        };
        (letter.envelope(run) == envelope).then_some(letter)
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "letter {} of sender {}", self.number, self.sender)
    }
}

/// One step of SplitMix64.
fn mixed(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[test]
fn a_letter_is_read_back_and_one_wrong_bit_is_found() {
    let letter = Letter { sender: 3, number: 77 };
    let envelope = letter.envelope(5);
    assert_eq!(Letter::read(&envelope, 5), Some(letter));
    assert_eq!(Letter::read(&envelope, 6), None, "another run's");
    for byte in 0..envelope.len() {
        let mut changed = envelope.to_vec();
        changed[byte] ^= 1;
        assert_eq!(Letter::read(&changed, 5), None, "byte {byte}");
    }
    assert_eq!(Letter::read(&envelope[..SIZE - 1], 5), None);
}
