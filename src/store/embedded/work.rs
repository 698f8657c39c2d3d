//! One write transaction at work: the tables, and what there will be to tell once it is committed.
//!
//! The operations are in `append`, `acknowledge`, `mailboxes`, `marks` and `sweep`. Each reads and checks before it
//! writes, so that [`Fault::Corrupt`] leaves nothing half done.

use redb::{ReadableTable as _, WriteTransaction};
use sealpost_core::{Address, Hour};

use super::super::{Epoch, Event, QueueLimits};
use super::counters::{Counters, is_expired};
use super::fault::Fault;
use super::tables::{Tables, entry_keys};
use crate::store::Entry;

pub(super) struct Work<'t> {
    pub(super) tables: Tables<'t>,
    pub(super) limits: QueueLimits,
    pub(super) now: Hour,
    pub(super) epoch: Epoch,
    /// Whether there is anything to commit.
    pub(super) changed: bool,
    /// In the order in which they happened.
    pub(super) events: Vec<(Address, Event)>,
}

impl<'t> Work<'t> {
    pub(super) fn new(
        transaction: &'t WriteTransaction,
        limits: QueueLimits,
        now: Hour,
        epoch: Epoch,
    ) -> Result<Self, Fault> {
        Ok(Self { tables: Tables::open(transaction)?, limits, now, epoch, changed: false, events: Vec::new() })
    }

    /// Lets go of the tables; gives what there is to tell, and whether there is anything to commit.
    pub(super) fn finish(self) -> (Vec<(Address, Event)>, bool) {
        (self.events, self.changed)
    }

    /// The mailbox, unless there is none or its owner stayed away for too long.
    pub(super) fn counters(&self, address: &Address) -> Result<Option<Counters>, Fault> {
        Counters::load(&self.tables.counters, address, &self.limits, self.now)
    }

    pub(super) fn save(&mut self, address: &Address, counters: &Counters) -> Result<(), Fault> {
        self.changed = true;
        self.tables.counters.insert(address.as_bytes(), &counters.encode())?;
        Ok(())
    }

    pub(super) fn tell(&mut self, address: Address, event: Event) {
        self.events.push((address, event));
    }

    /// Forgets the envelopes at the head that are over, at most so many, and says how many they were.
    pub(super) fn drop_expired(
        &mut self,
        address: &Address,
        counters: &mut Counters,
        most: usize,
    ) -> Result<usize, Fault> {
        if !counters.may_hold_expired(&self.limits, self.now) {
            return Ok(0);
        }
        let (first, last) = entry_keys(address);
        let mut over = None;
        let mut count = 0;
        let mut oldest = self.now;
        for row in self.tables.entries.range::<&[u8; 40]>(&first..=&last)? {
            let (key, entry) = row?;
            let accepted = accepted(entry.value())?;
            if count == most || !is_expired(accepted, &self.limits, self.now) {
                oldest = accepted;
                break;
            }
            over = Some(*key.value());
            count += 1;
        }
        counters.oldest = oldest;
        if let Some(over) = over {
            self.forget_range(counters, &first, &over)?;
        }
        self.save(address, counters)?;
        Ok(count)
    }

    /// Forgets all envelopes from one place to another, and counts them out.
    pub(super) fn forget_range(
        &mut self,
        counters: &mut Counters,
        first: &[u8; 40],
        last: &[u8; 40],
    ) -> Result<(), Fault> {
        for row in self.tables.entries.extract_from_if::<&[u8; 40], _>(first..=last, |_, _| true)? {
            let (_, entry) = row?;
            counters.forget(1, envelope_size(entry.value()));
            self.changed = true;
        }
        Ok(())
    }
}

/// The hour in which a stored entry was accepted.
pub(super) fn accepted(entry: &[u8]) -> Result<Hour, Fault> {
    match entry {
        [_, h0, h1, h2, h3, ..] => Ok(Hour(u32::from_be_bytes([*h0, *h1, *h2, *h3]))),
        _ => Err(Fault::Corrupt("a queued entry is malformed")),
    }
}

/// How many bytes of a stored entry are the envelope.
pub(super) fn envelope_size(entry: &[u8]) -> u64 {
    entry.len().saturating_sub(Entry::HEADER_LEN) as u64
}
