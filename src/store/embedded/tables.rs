//! What the file holds.
//!
//! ```text
//! table     key                        value
//! meta      name                       number: `format`; `checked`, the hour of the last health check
//! counters  address                    what changes with every envelope (`counters.rs`)
//! grants    address                    who may deliver (`grants.rs`)
//! cards     address                    the owner's card; no row: none
//! entries   address, sequence (BE)     an `Entry`
//! nonces    hour (BE), hash            nothing
//! vouchers  voucher id                 hour of its end (BE), address of the mailbox
//! ```
//!
//! Every mailbox has a row in `counters` and one in `grants`. They are apart so that an append rewrites a few bytes.

use redb::{Table, TableDefinition, WriteTransaction};
use sealpost_core::{Address, Sequence};

use super::super::mark::MARK_LEN;
use super::counters::Counters;
use super::fault::Fault;

pub(super) type AddressKey = &'static [u8; Address::LEN];
pub(super) type EntryKey = [u8; Address::LEN + 8];
pub(super) type NonceKey = [u8; 20];
pub(super) type VoucherKey = [u8; 16];
pub(super) type VoucherValue = [u8; 4 + MARK_LEN];

pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
pub(super) const COUNTERS: TableDefinition<'_, AddressKey, &[u8; Counters::LEN]> = TableDefinition::new("counters");
pub(super) const GRANTS: TableDefinition<'_, AddressKey, &[u8]> = TableDefinition::new("grants");
pub(super) const CARDS: TableDefinition<'_, AddressKey, &[u8]> = TableDefinition::new("cards");
pub(super) const ENTRIES: TableDefinition<'_, &EntryKey, &[u8]> = TableDefinition::new("entries");
pub(super) const NONCES: TableDefinition<'_, &NonceKey, ()> = TableDefinition::new("nonces");
pub(super) const VOUCHERS: TableDefinition<'_, &VoucherKey, &VoucherValue> = TableDefinition::new("vouchers");

/// The tables of one write transaction.
pub(super) struct Tables<'t> {
    pub(super) meta: Table<'t, &'static str, u64>,
    pub(super) counters: Table<'t, AddressKey, &'static [u8; Counters::LEN]>,
    pub(super) grants: Table<'t, AddressKey, &'static [u8]>,
    pub(super) cards: Table<'t, AddressKey, &'static [u8]>,
    pub(super) entries: Table<'t, &'static EntryKey, &'static [u8]>,
    pub(super) nonces: Table<'t, &'static NonceKey, ()>,
    pub(super) vouchers: Table<'t, &'static VoucherKey, &'static VoucherValue>,
}

impl<'t> Tables<'t> {
    /// Opens all of them, and makes those that do not exist.
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            counters: transaction.open_table(COUNTERS)?,
            grants: transaction.open_table(GRANTS)?,
            cards: transaction.open_table(CARDS)?,
            entries: transaction.open_table(ENTRIES)?,
            nonces: transaction.open_table(NONCES)?,
            vouchers: transaction.open_table(VOUCHERS)?,
        })
    }
}

/// Where an envelope is kept: those of a mailbox lie together, in order.
pub(super) fn entry_key(address: &Address, sequence: Sequence) -> EntryKey {
    let mut key = [0; Address::LEN + 8];
    let (mailbox, number) = key.split_at_mut(Address::LEN);
    mailbox.copy_from_slice(address.as_bytes());
    number.copy_from_slice(&sequence.get().to_be_bytes());
    key
}

/// The first and the last place that an envelope of a mailbox can have.
pub(super) fn entry_keys(address: &Address) -> (EntryKey, EntryKey) {
    (entry_key(address, Sequence::NONE), entry_key(address, LAST))
}

/// The sequence in a place.
pub(super) fn sequence_of(key: &EntryKey) -> Sequence {
    let [.., b0, b1, b2, b3, b4, b5, b6, b7] = *key;
    Sequence::new(u64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7])).unwrap_or(Sequence::NONE)
}

const LAST: Sequence = match Sequence::new(u64::MAX) {
    Some(last) => last,
    None => Sequence::NONE,
};
