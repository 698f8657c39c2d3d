//! What holds for any bytes in the file.

use bytes::Bytes;
use sealpost_core::Address;

use super::counters::Counters;
use super::grants;
use super::tables::{EntryKey, entry_key, sequence_of};
use super::work::{accepted, envelope_size};
use crate::store::Entry;

/// A row of any table: what is read is written as it was.
pub fn row(bytes: &[u8]) {
    if let Ok(row) = bytes.try_into() {
        assert_eq!(Counters::decode(row).encode(), *row);
    }
    if let Ok(key) = EntryKey::try_from(bytes)
        && let Some((address, _)) = key.split_first_chunk()
    {
        assert_eq!(entry_key(&Address::from_bytes(*address), sequence_of(&key)), key);
    }
    if let Ok(grants) = grants::decode(bytes) {
        let row = grants::encode(&grants);
        // Rows are written in the order of the keys, each once; others are read, too.
        let in_order = grants.is_sorted_by(|one, next| one.key.as_bytes() < next.key.as_bytes());
        assert!(if in_order { row == bytes } else { row.len() <= bytes.len() });
        assert!(grants::decode(&row).is_ok_and(|grants| grants::encode(&grants) == row));
    }
    if let Ok(entry) = Entry::decode(Bytes::copy_from_slice(bytes)) {
        assert!(accepted(bytes).is_ok_and(|hour| hour == entry.accepted));
        assert_eq!(envelope_size(bytes), entry.envelope.size() as u64);
    }
}
