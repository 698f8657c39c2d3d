//! The two suites and the sizes that follow from them.

use crate::kem::{TAG_LEN, X_WING_ENC_LEN, X25519_ENC_LEN};

use super::body::COMMITMENT_LEN;
use super::header::HEADER_PLAINTEXT_LEN;

/// Which key of the recipient an envelope is sealed to; the envelope's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Suite {
    /// X-Wing: ML-KEM-768 with X25519. The default: its content stays secret from a quantum computer.
    XWing = 0x01,
    /// X25519 alone, for the smallest envelopes.
    X25519 = 0x02,
}

impl Suite {
    /// The byte that stands for it.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The suite of this byte; `None` if there is none.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0x01 => Some(Self::XWing),
            0x02 => Some(Self::X25519),
            _ => None,
        }
    }

    /// The length of a header in bytes: suite, encapsulated key, header ciphertext.
    pub const fn header_len(self) -> usize {
        1 + self.enc_len() + HEADER_PLAINTEXT_LEN + TAG_LEN
    }

    /// How many bytes an envelope is longer than its padded frame: 1,305 or 217.
    pub const fn overhead(self) -> usize {
        self.header_len() + COMMITMENT_LEN + TAG_LEN
    }

    pub(super) const fn enc_len(self) -> usize {
        match self {
            Self::XWing => X_WING_ENC_LEN,
            Self::X25519 => X25519_ENC_LEN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overheads_are_as_specified() {
        assert_eq!(Suite::XWing.overhead(), 1_305);
        assert_eq!(Suite::X25519.overhead(), 217);
    }
}
