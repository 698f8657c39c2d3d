//! One open mailbox of a stream: how far it was sent, and what is still unacknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use sealpost_core::{Address, Sequence};

use super::credit::Credit;
use super::hub::Registration;
use super::lines::Haste;
use crate::store::{Epoch, Generation, Incarnation, Opening, Page, SessionId, Store};
use crate::telemetry::Held;

/// The state of one open mailbox. When it is dropped, the store stops telling of it.
pub(super) struct Mailbox {
    pub(super) address: Address,
    pub(super) session: SessionId,
    pub(super) generation: Generation,
    pub(super) incarnation: Incarnation,
    pub(super) epoch: Epoch,
    pub(super) registration: Registration,
    _watching: Watching,
    _open: Held,
    /// All up to here were sent, or need not be.
    position: Sequence,
    /// The highest that is known to be queued.
    highest: Sequence,
    /// Something may have been missed: only a read tells.
    unsure: bool,
    /// Caught up when all up to here were sent; `None` once that was said.
    catch_up: Option<Sequence>,
    /// Sent, but not acknowledged; in order, with their sizes.
    outstanding: VecDeque<(Sequence, u32)>,
    /// A read is under way.
    pub(super) reading: bool,
    /// The line in which it waits to read.
    pub(super) queued: Option<Haste>,
    /// So many bytes of credit were too few for the next envelope: it is no use to read with no more than that.
    pub(super) too_few: Option<u64>,
    /// Reads that failed since one succeeded.
    pub(super) failures: u32,
}

/// Places for outstanding envelopes that a mailbox keeps although it has none.
const KEPT: usize = 16;

/// What to do with an envelope that was heard of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// Send it: it is the very next one, and paid for.
    Send,
    /// Nothing: it was sent.
    Old,
    /// Read: others come before it, or there is no credit.
    Behind,
}

/// An owner acknowledged what was not sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NeverSent;

impl Mailbox {
    pub(super) fn new(
        address: Address,
        session: SessionId,
        opening: Opening,
        registration: Registration,
        watching: Watching,
        open: Held,
    ) -> Self {
        // Where nothing waits there is nothing to read.
        let position = if opening.queued == 0 { opening.last } else { Sequence::NONE };
        Self {
            address,
            session,
            generation: opening.generation,
            incarnation: opening.incarnation,
            epoch: opening.epoch,
            registration,
            _watching: watching,
            _open: open,
            position,
            highest: opening.last,
            unsure: false,
            catch_up: Some(opening.last),
            outstanding: VecDeque::new(),
            reading: false,
            queued: None,
            too_few: None,
            failures: 0,
        }
    }

    /// The last one sent.
    pub(super) fn position(&self) -> Sequence {
        self.position
    }

    /// Whether there is, or may be, something to read.
    pub(super) fn is_behind(&self) -> Option<Haste> {
        match self.position < self.highest {
            true => Some(Haste::Envelopes),
            false => self.unsure.then_some(Haste::Doubt),
        }
    }

    /// Anything may have happened.
    pub(super) fn missed(&mut self) {
        self.unsure = true;
    }

    /// An envelope of this number exists.
    pub(super) fn heard_of(&mut self, sequence: Sequence) {
        self.highest = self.highest.max(sequence);
    }

    /// An envelope was heard of; if it can be sent at once, it counts as sent.
    pub(super) fn push(&mut self, sequence: Sequence, size: usize, credit: &mut Credit) -> Pushed {
        if sequence <= self.position {
            return Pushed::Old;
        }
        if self.is_behind().is_none() && sequence == self.position.next() && credit.take(size) {
            self.sent(sequence, size);
            self.highest = sequence;
            return Pushed::Send;
        }
        self.heard_of(sequence);
        Pushed::Behind
    }

    /// A page was read, paid for by `reserved`; its entries count as sent. What is left of the credit comes back.
    pub(super) fn read(&mut self, page: &Page, mut reserved: Credit) -> Credit {
        self.too_few = (page.end.is_none() && page.entries.is_empty()).then_some(reserved.bytes);
        for queued in &page.entries {
            let size = queued.entry.envelope.size();
            // The store was asked for no more than this.
            reserved.take(size);
            self.sent(queued.sequence, size);
        }
        if let Some(last) = page.end {
            // Numbers after the last entry were acknowledged or have expired.
            self.position = self.position.max(last);
            self.highest = self.highest.max(last);
            self.unsure = false;
        }
        reserved
    }

    /// True once, when everything that was there at the opening has been sent (P4).
    pub(super) fn catches_up(&mut self) -> bool {
        self.catch_up.take_if(|last| *last <= self.position).is_some()
    }

    /// Takes acknowledged ones off, into `entries`; their credit comes back. Repeating one does nothing.
    pub(super) fn acknowledge(
        &mut self,
        up_to: Sequence,
        singly: &[Sequence],
        entries: &mut Vec<(Sequence, u32)>,
    ) -> Result<Credit, NeverSent> {
        if up_to > self.position || singly.iter().any(|sequence| *sequence > self.position) {
            return Err(NeverSent);
        }
        let mut credit = Credit::NONE;
        while let Some((sequence, size)) = self.outstanding.pop_front_if(|(sequence, _)| *sequence <= up_to) {
            credit.give_one(size);
            entries.push((sequence, size));
        }
        for sequence in singly {
            if let Ok(place) = self.outstanding.binary_search_by_key(sequence, |(sequence, _)| *sequence)
                && let Some((sequence, size)) = self.outstanding.remove(place)
            {
                credit.give_one(size);
                entries.push((sequence, size));
            }
        }
        if self.outstanding.is_empty() && self.outstanding.capacity() > KEPT {
            // After a burst, an idle owner keeps little.
            self.outstanding = VecDeque::new();
        }
        Ok(credit)
    }

    /// The credit of all that is outstanding, for when the mailbox closes.
    pub(super) fn outstanding(&self) -> Credit {
        let mut credit = Credit::NONE;
        self.outstanding.iter().for_each(|(_, size)| credit.give_one(*size));
        credit
    }

    fn sent(&mut self, sequence: Sequence, size: usize) {
        self.position = sequence;
        self.outstanding.push_back((sequence, u32::try_from(size).unwrap_or(u32::MAX)));
    }
}

/// Has the store tell of a mailbox, until it is dropped.
pub(super) struct Watching {
    store: Arc<dyn Store>,
    address: Address,
}

impl Watching {
    /// The caller calls [`Store::watch`] at the same time.
    pub(super) fn new(store: Arc<dyn Store>, address: Address) -> Self {
        Self { store, address }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.store.unwatch(self.address);
    }
}
