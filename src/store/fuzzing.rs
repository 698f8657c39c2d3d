//! What holds for any bytes that a store gives back as an envelope.

use bytes::Bytes;

use super::Entry;

/// A stored entry: what is read is written as it was.
pub fn entry(bytes: &[u8]) {
    if let Ok(entry) = Entry::decode(Bytes::copy_from_slice(bytes)) {
        assert_eq!([&entry.header()[..], entry.envelope.bytes()].concat(), bytes);
    }
}
