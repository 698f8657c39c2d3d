//! One queued envelope, and the bytes in which both stores keep it.
//!
//! ```text
//! offset  size  field
//!      0     1  format and urgency: 0x10 | urgency (0 low, 1 normal, 2 high)
//!      1     4  hour of acceptance, since 1970, big-endian
//!      5    16  message id, made by the sender
//!     21     n  envelope
//! ```

use std::fmt;

use bytes::{BufMut, Bytes};
use sealpost_core::{Hour, MessageId};

use super::StoreError;

/// An envelope of one of the sizes that this relay carries: whoever makes one has checked that.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope(Bytes);

impl Envelope {
    /// Takes bytes whose size the caller has checked, at ingress, or which a store gave back.
    pub fn from_checked(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The sealed bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The sealed bytes.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Envelope(..)")
    }
}

/// How soon the recipient should learn of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Urgency {
    /// May wait.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// At once.
    High,
}

/// A queued envelope with what is kept beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The hour in which it was accepted.
    pub accepted: Hour,
    /// The sender's id for it.
    pub message_id: MessageId,
    /// How soon the recipient should learn of it.
    pub urgency: Urgency,
    /// The sealed bytes.
    pub envelope: Envelope,
}

impl Entry {
    /// Bytes before the envelope.
    pub const HEADER_LEN: usize = 21;
    /// Where the message id is.
    pub const MESSAGE_ID: std::ops::Range<usize> = 5..21;

    const FORMAT: u8 = 0x10;

    /// The bytes to keep before the envelope.
    pub fn header(&self) -> [u8; Self::HEADER_LEN] {
        Self::header_of(self.accepted, self.message_id, self.urgency)
    }

    /// The same, for who has its parts.
    pub fn header_of(accepted: Hour, message_id: MessageId, urgency: Urgency) -> [u8; Self::HEADER_LEN] {
        let mut header = [0; Self::HEADER_LEN];
        let mut rest = header.as_mut_slice();
        let urgency = match urgency {
            Urgency::Low => 0,
            Urgency::Normal => 1,
            Urgency::High => 2,
        };
        rest.put_u8(Self::FORMAT | urgency);
        rest.put_u32(accepted.0);
        rest.put_slice(message_id.as_bytes());
        header
    }

    /// Reads a [`header`](Entry::header) and the envelope behind it, without copying the envelope.
    pub fn decode(mut bytes: Bytes) -> Result<Self, StoreError> {
        let corrupt = StoreError::Corrupt("a queued entry is malformed");
        let envelope = if bytes.len() > Self::HEADER_LEN {
            bytes.split_off(Self::HEADER_LEN)
        } else {
            return Err(corrupt);
        };
        let header: [u8; Self::HEADER_LEN] = bytes.as_ref().try_into().map_err(|_| corrupt)?;
        let [format, h0, h1, h2, h3, id @ ..] = header;
        let urgency = match format {
            0x10 => Urgency::Low,
            0x11 => Urgency::Normal,
            0x12 => Urgency::High,
            _ => return Err(StoreError::Corrupt("a queued entry has an unknown format")),
        };
        Ok(Self {
            accepted: Hour(u32::from_be_bytes([h0, h1, h2, h3])),
            message_id: MessageId::from_bytes(id),
            urgency,
            envelope: Envelope(envelope),
        })
    }
}
