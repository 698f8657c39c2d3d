//! Who may deliver to a mailbox, as one row.
//!
//! For each key, in the order of their hashes: 32 bytes of hash, then the hour of its end (4 bytes, big-endian), 0 if it
//! does not end, as in the contract.

use bytes::BufMut;
use redb::ReadableTable;
use sealpost_core::{Address, DeliveryKeyHash, Hour};

use super::super::Grant;
use super::fault::Fault;
use super::tables::AddressKey;

const ROW: usize = 36;
const NEVER: u32 = 0;

/// The row for these keys. Of a key that is given twice, the later one counts.
pub(super) fn encode(grants: &[Grant]) -> Vec<u8> {
    let mut sorted: Vec<&Grant> = grants.iter().rev().collect();
    sorted.sort_by_key(|grant| *grant.key.as_bytes());
    sorted.dedup_by_key(|grant| *grant.key.as_bytes());
    let mut row = Vec::with_capacity(sorted.len().saturating_mul(ROW));
    for grant in sorted {
        row.put_slice(grant.key.as_bytes());
        row.put_u32(grant.expires.map_or(NEVER, |hour| hour.0));
    }
    row
}

/// The keys in a row.
pub(super) fn decode(row: &[u8]) -> Result<Vec<Grant>, Fault> {
    let (keys, rest) = row.as_chunks::<ROW>();
    if !rest.is_empty() {
        return Err(Fault::Corrupt("a mailbox's keys are malformed"));
    }
    keys.iter().map(grant).collect()
}

/// Whether a sender who shows this key may deliver here. The same is done for a mailbox that does not exist as for a
/// wrong or ended key (P8).
pub(super) fn admit(
    table: &impl ReadableTable<AddressKey, &'static [u8]>,
    address: &Address,
    key: &DeliveryKeyHash,
    now: Hour,
) -> Result<bool, Fault> {
    let row = table.get(address.as_bytes())?;
    let grants = decode(row.as_ref().map_or(DECOY.as_slice(), |row| row.value()))?;
    // No early end: every key is compared, each in constant time.
    let admitted = grants.iter().fold(false, |admitted, grant| {
        let ended = grant.expires.is_some_and(|end| end <= now);
        admitted | ((grant.key == *key) & !ended)
    });
    Ok(admitted && row.is_some())
}

/// Compared with when there is no mailbox.
const DECOY: [u8; ROW] = [0; ROW];

fn grant(row: &[u8; ROW]) -> Result<Grant, Fault> {
    let [hash @ .., e0, e1, e2, e3] = row;
    let key = DeliveryKeyHash::try_from(hash.as_slice()).map_err(|_| Fault::Corrupt("a delivery key is malformed"))?;
    let expires = match u32::from_be_bytes([*e0, *e1, *e2, *e3]) {
        NEVER => None,
        hour => Some(Hour(hour)),
    };
    Ok(Grant { key, expires })
}
