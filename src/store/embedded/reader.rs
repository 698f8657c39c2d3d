//! What can be read without the writer: a mailbox's envelopes, and what is held on it.

use bytes::Bytes;
use redb::ReadTransaction;
use sealpost_core::{Address, DeliveryKeyHash, Hour};

use super::super::{Description, Entry, Epoch, Inspection, Kept, Page, QueueLimits, QueuedEntry, Read, ReadRequest};
use super::counters::{Counters, NO_SESSION, is_expired};
use super::fault::Fault;
use super::grants;
use super::tables::{AddressKey, CARDS, COUNTERS, ENTRIES, EntryKey, GRANTS, entry_key, entry_keys, sequence_of};
use super::work::{accepted, envelope_size};

/// The tables as one commit left them.
pub(super) struct Reader {
    counters: redb::ReadOnlyTable<AddressKey, &'static [u8; Counters::LEN]>,
    grants: redb::ReadOnlyTable<AddressKey, &'static [u8]>,
    cards: redb::ReadOnlyTable<AddressKey, &'static [u8]>,
    entries: redb::ReadOnlyTable<&'static EntryKey, &'static [u8]>,
    limits: QueueLimits,
    now: Hour,
    /// Of the database; only [`Reader::read`] asks for it.
    pub(super) epoch: Epoch,
}

impl Reader {
    pub(super) fn new(transaction: &ReadTransaction, limits: QueueLimits, now: Hour) -> Result<Self, Fault> {
        Ok(Self {
            counters: transaction.open_table(COUNTERS)?,
            grants: transaction.open_table(GRANTS)?,
            cards: transaction.open_table(CARDS)?,
            entries: transaction.open_table(ENTRIES)?,
            limits,
            now,
            epoch: Epoch::default(),
        })
    }

    pub(super) fn read(&self, request: &ReadRequest) -> Result<Read, Fault> {
        if request.epoch != self.epoch {
            return Ok(Read::Restarted);
        }
        let counters = self.mailbox(&request.address)?.filter(|counters| counters.belongs_to(&request.session));
        let Some(counters) = counters else {
            return Ok(Read::Ended);
        };

        let (_, last) = entry_keys(&request.address);
        let first = entry_key(&request.address, request.after.next());
        let mut entries = Vec::new();
        let mut room = request.max_bytes;
        // The sequence after the highest one is the highest one: whoever has it has everything.
        let rows = if request.after.next() == request.after { None } else { Some(self.waiting(&first, &last)?) };
        for row in rows.into_iter().flatten() {
            let (key, value) = row?;
            let size = envelope_size(&value);
            if entries.len() >= request.max_messages as usize || size > room {
                return Ok(Read::Page(Page { entries, end: None }));
            }
            room -= size;
            entries.push(QueuedEntry { sequence: sequence_of(&key), entry: Entry::decode(value)? });
        }
        Ok(Read::Page(Page { entries, end: Some(counters.last) }))
    }

    pub(super) fn describe(&self, address: &Address) -> Result<Option<Description>, Fault> {
        let Some(mut counters) = self.mailbox(address)? else {
            return Ok(None);
        };
        if counters.may_hold_expired(&self.limits, self.now) {
            let (first, last) = entry_keys(address);
            for row in self.entries.range::<&EntryKey>(&first..=&last)? {
                let (_, entry) = row?;
                if !is_expired(accepted(entry.value())?, &self.limits, self.now) {
                    break;
                }
                counters.forget(1, envelope_size(entry.value()));
            }
        }
        let grants = self.grants.get(address.as_bytes())?;
        Ok(Some(Description {
            grants: grants::decode(grants.as_ref().map_or(&[], |row| row.value()))?,
            card: self.card_of(address)?,
            last: counters.last,
            queued_messages: counters.queued,
            queued_bytes: counters.bytes,
            generation: counters.generation,
            last_seen: counters.last_seen,
            reclaimed: counters.reclaimed(&self.limits),
        }))
    }

    pub(super) fn inspect(&self, address: &Address, max_entries: u32) -> Result<Option<Inspection>, Fault> {
        let (Some(description), Some(counters)) = (self.describe(address)?, self.mailbox(address)?) else {
            return Ok(None);
        };
        let kept = Kept {
            expiry_mark: Some(counters.oldest),
            incarnation: counters.incarnation,
            session: Some(counters.session).filter(|session| *session != NO_SESSION),
        };
        let (first, last) = entry_keys(address);
        let entries = self.waiting(&first, &last)?.take(max_entries as usize).map(|row| {
            let (key, value) = row?;
            Ok(QueuedEntry { sequence: sequence_of(&key), entry: Entry::decode(value)? })
        });
        Ok(Some(Inspection { description, kept, entries: entries.collect::<Result<_, Fault>>()? }))
    }

    pub(super) fn card(&self, address: &Address, key: &DeliveryKeyHash) -> Result<Option<Bytes>, Fault> {
        let admitted = grants::admit(&self.grants, address, key, self.now)?;
        let card = self.card_of(address)?;
        let alive = self.mailbox(address)?.is_some();
        Ok((admitted && alive).then_some(card))
    }

    /// Mailboxes, from the one after this: for the sweep.
    pub(super) fn mailboxes_after(
        &self,
        after: Option<&Address>,
    ) -> Result<impl Iterator<Item = Result<(Address, Counters), Fault>>, Fault> {
        let after = after.map_or(std::ops::Bound::Unbounded, |after| std::ops::Bound::Excluded(after.as_bytes()));
        let rows = self.counters.range::<&[u8; Address::LEN]>((after, std::ops::Bound::Unbounded))?;
        Ok(rows.map(|row| {
            let (key, value) = row?;
            Ok((Address::from_bytes(*key.value()), Counters::decode(value.value())))
        }))
    }

    fn mailbox(&self, address: &Address) -> Result<Option<Counters>, Fault> {
        Counters::load(&self.counters, address, &self.limits, self.now)
    }

    fn card_of(&self, address: &Address) -> Result<Bytes, Fault> {
        Ok(self.cards.get(address.as_bytes())?.map_or_else(Bytes::new, |card| Bytes::copy_from_slice(card.value())))
    }

    /// The stored entries in these places that have not expired.
    fn waiting(
        &self,
        first: &EntryKey,
        last: &EntryKey,
    ) -> Result<impl Iterator<Item = Result<(EntryKey, Bytes), Fault>>, Fault> {
        let (limits, now) = (self.limits, self.now);
        let rows = self.entries.range::<&EntryKey>(first..=last)?;
        Ok(rows.filter_map(move |row| {
            let row = row.map_err(Fault::from).and_then(|(key, value)| {
                let over = is_expired(accepted(value.value())?, &limits, now);
                Ok((!over).then(|| (*key.value(), Bytes::copy_from_slice(value.value()))))
            });
            row.transpose()
        }))
    }
}
