//! Making, changing, opening and deleting mailboxes.

use bytes::Bytes;
use sealpost_core::Address;

use super::super::{Creation, Event, Generation, MailboxChange, NewMailbox, Opening, SessionId, mark};
use super::counters::Counters;
use super::fault::Fault;
use super::grants;
use super::tables::entry_keys;
use super::work::Work;

impl Work<'_> {
    pub(super) fn create(&mut self, mailbox: &NewMailbox) -> Result<Creation, Fault> {
        let address = &mailbox.address;
        if self.counters(address)?.is_some() {
            return Ok(Creation::Exists);
        }
        // One that was to be reclaimed, and was not yet.
        self.delete(address)?;
        self.tables.grants.insert(address.as_bytes(), grants::encode(&mailbox.grants).as_slice())?;
        self.set_card(address, &mailbox.card)?;
        self.save(address, &Counters::new(mailbox.incarnation, self.now))?;
        Ok(Creation::Created)
    }

    pub(super) fn update(&mut self, address: &Address, change: &MailboxChange) -> Result<bool, Fault> {
        let Some(mut counters) = self.counters(address)? else {
            return Ok(false);
        };
        if let Some(grants) = &change.grants {
            self.tables.grants.insert(address.as_bytes(), grants::encode(grants).as_slice())?;
        }
        if let Some(card) = &change.card {
            self.set_card(address, card)?;
        }
        counters.last_seen = self.now;
        self.save(address, &counters)?;
        Ok(true)
    }

    pub(super) fn open(&mut self, address: &Address, session: &SessionId) -> Result<Option<Opening>, Fault> {
        let Some(mut counters) = self.counters(address)? else {
            return Ok(None);
        };
        let generation = Generation(counters.generation.0.saturating_add(1));
        counters.generation = generation;
        counters.session = mark::of_session(session);
        counters.last_seen = self.now;
        self.save(address, &counters)?;
        self.tell(*address, Event::Opened { generation });
        Ok(Some(Opening {
            epoch: self.epoch,
            incarnation: counters.incarnation,
            generation,
            last: counters.last,
            queued: counters.queued,
        }))
    }

    pub(super) fn delete(&mut self, address: &Address) -> Result<bool, Fault> {
        let alive = self.counters(address)?.is_some();
        if self.tables.counters.remove(address.as_bytes())?.is_none() {
            return Ok(false);
        }
        self.changed = true;
        self.tables.grants.remove(address.as_bytes())?;
        self.tables.cards.remove(address.as_bytes())?;
        let (first, last) = entry_keys(address);
        self.tables.entries.retain_in::<&[u8; 40], _>(&first..=&last, |_, _| false)?;
        self.tell(*address, Event::Deleted);
        Ok(alive)
    }

    fn set_card(&mut self, address: &Address, card: &Bytes) -> Result<(), Fault> {
        if card.is_empty() {
            self.tables.cards.remove(address.as_bytes())?;
        } else {
            self.tables.cards.insert(address.as_bytes(), card.as_ref())?;
        }
        Ok(())
    }
}
