//! Forgetting envelopes that arrived.

use sealpost_core::{Address, Sequence};

use super::super::{Acknowledgement, Event, SessionAcknowledgement, SessionOutcome};
use super::counters::Counters;
use super::fault::Fault;
use super::tables::entry_key;
use super::work::{Work, envelope_size};

impl Work<'_> {
    pub(super) fn acknowledge(&mut self, batch: &[Acknowledgement]) -> Result<(), Fault> {
        for Acknowledgement { address, epoch, incarnation, entries } in batch {
            let counters = self.counters(address)?.filter(|counters| counters.incarnation == *incarnation);
            let Some(mut counters) = counters.filter(|_| *epoch == self.epoch) else { continue };
            let before = counters.queued;
            for (sequence, _) in entries {
                self.forget_one(address, &mut counters, *sequence)?;
            }
            if counters.queued != before {
                self.save(address, &counters)?;
            }
        }
        Ok(())
    }

    pub(super) fn acknowledge_by_session(
        &mut self,
        acknowledgement: SessionAcknowledgement,
    ) -> Result<SessionOutcome, Fault> {
        let SessionAcknowledgement { address, session, up_to, sequences } = acknowledgement;
        let Some(mut counters) = self.counters(&address)?.filter(|counters| counters.belongs_to(&session)) else {
            return Ok(SessionOutcome::SessionEnded);
        };
        let before = counters.queued;
        self.forget_range(&mut counters, &entry_key(&address, Sequence::NONE), &entry_key(&address, up_to))?;
        for sequence in &sequences {
            self.forget_one(&address, &mut counters, *sequence)?;
        }
        if counters.queued != before {
            self.save(&address, &counters)?;
        }
        self.tell(address, Event::Acknowledged { up_to, sequences });
        Ok(SessionOutcome::Acknowledged)
    }

    /// Counts the size that is stored, whatever size the caller remembers.
    fn forget_one(&mut self, address: &Address, counters: &mut Counters, sequence: Sequence) -> Result<(), Fault> {
        if let Some(entry) = self.tables.entries.remove(&entry_key(address, sequence))? {
            counters.forget(1, envelope_size(entry.value()));
            self.changed = true;
        }
        Ok(())
    }
}
