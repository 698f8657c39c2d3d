//! What ends by time, also in mailboxes that nobody opens: a little at a time, all round.
//!
//! Nothing waits for it: readers leave out what is over, and whoever needs the room of expired envelopes drops them.

use std::ops::Bound;

use redb::ReadTransaction;
use sealpost_core::{Address, Hour};

use super::fault::Fault;
use super::marks::nonce_key;
use super::reader::Reader;
use super::tables::{NONCES, NonceKey, VOUCHERS, VoucherKey};
use super::work::Work;
use crate::store::QueueLimits;

/// Mailboxes, and vouchers, that a pass looks at.
const LOOKS: usize = 1024;
/// Mailboxes that a pass clears.
const CLEARED: usize = 32;
/// Rows that a pass removes of each kind; a mailbox to be reclaimed goes as a whole.
const REMOVED: usize = 1024;

/// Where the next pass begins.
#[derive(Default)]
pub(super) struct Sweeper {
    mailbox: Option<Address>,
    voucher: Option<VoucherKey>,
}

/// What a pass found.
#[derive(Default)]
pub(super) struct Due {
    mailboxes: Vec<Address>,
    vouchers: Vec<VoucherKey>,
    nonces: Vec<NonceKey>,
}

impl Due {
    pub(super) fn is_empty(&self) -> bool {
        self.mailboxes.is_empty() && self.vouchers.is_empty() && self.nonces.is_empty()
    }
}

impl Sweeper {
    /// Looks on from where the last pass ended.
    pub(super) fn look(&mut self, transaction: &ReadTransaction, limits: QueueLimits, now: Hour) -> Result<Due, Fault> {
        Ok(Due {
            mailboxes: self.mailboxes(&Reader::new(transaction, limits, now)?, limits, now)?,
            vouchers: self.vouchers(transaction, now)?,
            nonces: old_nonces(transaction, now)?,
        })
    }

    fn mailboxes(&mut self, reader: &Reader, limits: QueueLimits, now: Hour) -> Result<Vec<Address>, Fault> {
        let mut due = Vec::new();
        let mut last = None;
        let mut looked = 0;
        for row in reader.mailboxes_after(self.mailbox.as_ref())?.take(LOOKS) {
            let (address, counters) = row?;
            looked += 1;
            last = Some(address);
            if counters.reclaimed(&limits) <= now || counters.may_hold_expired(&limits, now) {
                due.push(address);
                if due.len() == CLEARED {
                    break;
                }
            }
        }
        let more = looked == LOOKS || due.len() == CLEARED;
        self.mailbox = last.filter(|_| more);
        Ok(due)
    }

    fn vouchers(&mut self, transaction: &ReadTransaction, now: Hour) -> Result<Vec<VoucherKey>, Fault> {
        let table = transaction.open_table(VOUCHERS)?;
        let after = self.voucher.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut due = Vec::new();
        let mut last = None;
        let mut looked = 0;
        for row in table.range::<&VoucherKey>((after, Bound::Unbounded))?.take(LOOKS) {
            let (key, value) = row?;
            looked += 1;
            last = Some(*key.value());
            let [e0, e1, e2, e3, ..] = *value.value();
            if u32::from_be_bytes([e0, e1, e2, e3]) <= now.0 {
                due.push(*key.value());
            }
        }
        self.voucher = last.filter(|_| looked == LOOKS);
        Ok(due)
    }
}

/// A proof is good for a minute around its own time, so by the hour after the next its nonce is worth nothing.
fn old_nonces(transaction: &ReadTransaction, now: Hour) -> Result<Vec<NonceKey>, Fault> {
    let kept = nonce_key(Hour(now.0.saturating_sub(1)), [0; 16]);
    let table = transaction.open_table(NONCES)?;
    table.range::<&NonceKey>(..&kept)?.take(REMOVED).map(|row| Ok(*row?.0.value())).collect()
}

impl Work<'_> {
    /// Removes what a pass found, if it is still over.
    pub(super) fn sweep(&mut self, due: &Due) -> Result<(), Fault> {
        let mut room = REMOVED;
        for address in &due.mailboxes {
            match self.counters(address)? {
                Some(mut counters) => match self.drop_expired(address, &mut counters, room) {
                    Ok(dropped) => room = room.saturating_sub(dropped),
                    // One unreadable mailbox must not keep the others from being swept.
                    Err(Fault::Corrupt(_)) => {}
                    Err(fault) => return Err(fault),
                },
                None => drop(self.delete(address)?),
            }
            if room == 0 {
                break;
            }
        }
        for voucher in &due.vouchers {
            self.tables.vouchers.remove(voucher)?;
            self.changed = true;
        }
        for nonce in &due.nonces {
            self.tables.nonces.remove(nonce)?;
            self.changed = true;
        }
        Ok(())
    }
}
