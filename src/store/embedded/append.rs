//! Queuing envelopes.

use bytes::BufMut;
use redb::ReadableTable as _;
use sealpost_core::{Address, MessageId, Sequence};

use super::super::{Append, AppendError, Entry, Event, StoreError};
use super::counters::is_expired;
use super::fault::Fault;
use super::grants;
use super::tables::{entry_key, entry_keys, sequence_of};
use super::work::{Work, accepted};

impl Work<'_> {
    pub(super) fn append(&mut self, batch: Vec<Append>) -> Result<Vec<Result<Sequence, AppendError>>, Fault> {
        batch
            .into_iter()
            .map(|append| match self.append_one(append) {
                Err(Fault::Corrupt(what)) => Ok(Err(AppendError::Store(StoreError::Corrupt(what)))),
                result => result,
            })
            .collect()
    }

    fn append_one(&mut self, append: Append) -> Result<Result<Sequence, AppendError>, Fault> {
        let address = append.to;
        if !grants::admit(&self.tables.grants, &address, &append.key, self.now)? {
            return Ok(Err(AppendError::Refused));
        }
        let Some(mut counters) = self.counters(&address)? else {
            return Ok(Err(AppendError::Refused));
        };
        if append.ephemeral {
            self.tell(address, Event::Ephemeral { envelope: append.envelope, journey: append.journey });
            return Ok(Ok(Sequence::NONE));
        }
        // A retry of what was queued is no new envelope, so it succeeds in a full mailbox too.
        if append.retried
            && let Some(sequence) = self.find(&address, &append.message_id)?
        {
            return Ok(Ok(sequence));
        }
        self.drop_expired(&address, &mut counters, usize::MAX)?;
        let size = append.envelope.size() as u64;
        let bytes = counters.bytes.saturating_add(size);
        if counters.queued >= self.limits.max_messages || bytes > self.limits.max_bytes {
            return Ok(Err(AppendError::Full));
        }

        let sequence = counters.last.next();
        counters.last = sequence;
        counters.oldest = if counters.queued == 0 { self.now } else { counters.oldest.min(self.now) };
        counters.queued = counters.queued.saturating_add(1);
        counters.bytes = bytes;
        let entry = Entry {
            accepted: self.now,
            message_id: append.message_id,
            urgency: append.urgency,
            envelope: append.envelope,
        };
        self.insert(&address, sequence, &entry)?;
        self.save(&address, &counters)?;
        self.tell(address, Event::Stored { sequence, envelope: entry.envelope, journey: append.journey });
        Ok(Ok(sequence))
    }

    fn insert(&mut self, address: &Address, sequence: Sequence, entry: &Entry) -> Result<(), Fault> {
        let header = entry.header();
        let envelope = entry.envelope.bytes();
        let length = header.len().saturating_add(envelope.len());
        let mut place = self.tables.entries.insert_reserve(&entry_key(address, sequence), length)?;
        let mut rest = place.as_mut();
        rest.put_slice(&header);
        rest.put_slice(envelope);
        Ok(())
    }

    /// Whether one of the last envelopes that still wait has this id.
    fn find(&self, address: &Address, id: &MessageId) -> Result<Option<Sequence>, Fault> {
        let (first, last) = entry_keys(address);
        let rows = self.tables.entries.range::<&[u8; 40]>(&first..=&last)?.rev();
        for row in rows.take(self.limits.retry_window as usize) {
            let (key, entry) = row?;
            let entry = entry.value();
            if entry.get(Entry::MESSAGE_ID) == Some(id.as_bytes())
                && !is_expired(accepted(entry)?, &self.limits, self.now)
            {
                return Ok(Some(sequence_of(key.value())));
            }
        }
        Ok(None)
    }
}
