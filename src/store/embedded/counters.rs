//! The few bytes of a mailbox that change all the time.
//!
//! ```text
//! offset  size  field, numbers big-endian
//!      0     8  the sequence given last
//!      8     8  how many envelopes are queued
//!     16     8  their bytes
//!     24     8  generation
//!     32    16  the session: SHA-256 of its bytes, cut to 16; zeros: none
//!     48     4  no queued envelope was accepted before this hour
//!     52     4  the hour in which the owner was last seen
//!     56     8  incarnation
//! ```

use bytes::{Buf, BufMut};
use redb::ReadableTable;
use sealpost_core::{Address, Hour, Sequence};

use super::super::{Generation, Incarnation, QueueLimits, SessionId, mark};
use super::fault::Fault;
use super::tables::AddressKey;

/// What is known of a mailbox without looking at its envelopes. Expired envelopes count until they are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) last: Sequence,
    pub(super) queued: u64,
    pub(super) bytes: u64,
    pub(super) generation: Generation,
    pub(super) session: [u8; 16],
    pub(super) oldest: Hour,
    pub(super) last_seen: Hour,
    pub(super) incarnation: Incarnation,
}

/// Nobody's session.
pub(super) const NO_SESSION: [u8; 16] = [0; 16];

impl Counters {
    pub(super) const LEN: usize = 64;

    /// Those of a mailbox that was made now.
    pub(super) fn new(incarnation: Incarnation, now: Hour) -> Self {
        Self {
            last: Sequence::NONE,
            queued: 0,
            bytes: 0,
            generation: Generation(0),
            session: NO_SESSION,
            oldest: now,
            last_seen: now,
            incarnation,
        }
    }

    /// Those of this mailbox, unless there is none or its owner stayed away for too long.
    pub(super) fn load(
        table: &impl ReadableTable<AddressKey, &'static [u8; Self::LEN]>,
        address: &Address,
        limits: &QueueLimits,
        now: Hour,
    ) -> Result<Option<Self>, Fault> {
        let found = table.get(address.as_bytes())?.map(|row| Self::decode(row.value()));
        Ok(found.filter(|counters| now < counters.reclaimed(limits)))
    }

    /// The hour at whose start the mailbox is reclaimed.
    pub(super) fn reclaimed(&self, limits: &QueueLimits) -> Hour {
        self.last_seen.saturating_add(limits.idle_ttl_hours).saturating_add(1)
    }

    /// Whether some queued envelope may have expired.
    pub(super) fn may_hold_expired(&self, limits: &QueueLimits, now: Hour) -> bool {
        self.queued > 0 && is_expired(self.oldest, limits, now)
    }

    /// Whether this session has the mailbox.
    pub(super) fn belongs_to(&self, session: &SessionId) -> bool {
        self.session == mark::of_session(session)
    }

    /// Counts envelopes out.
    pub(super) fn forget(&mut self, messages: u64, bytes: u64) {
        self.queued = self.queued.saturating_sub(messages);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) fn encode(&self) -> [u8; Self::LEN] {
        let mut row = [0; Self::LEN];
        let mut rest = row.as_mut_slice();
        rest.put_u64(self.last.get());
        rest.put_u64(self.queued);
        rest.put_u64(self.bytes);
        rest.put_u64(self.generation.0);
        rest.put_slice(&self.session);
        rest.put_u32(self.oldest.0);
        rest.put_u32(self.last_seen.0);
        rest.put_slice(&self.incarnation.0);
        row
    }

    pub(super) fn decode(row: &[u8; Self::LEN]) -> Self {
        let mut rest = row.as_slice();
        Self {
            last: Sequence::new(rest.get_u64()).unwrap_or(Sequence::NONE),
            queued: rest.get_u64(),
            bytes: rest.get_u64(),
            generation: Generation(rest.get_u64()),
            session: {
                let mut session = NO_SESSION;
                rest.copy_to_slice(&mut session);
                session
            },
            oldest: Hour(rest.get_u32()),
            last_seen: Hour(rest.get_u32()),
            incarnation: Incarnation(rest.get_u64().to_be_bytes()),
        }
    }
}

/// Whether an envelope that was accepted in this hour is over.
pub(super) fn is_expired(accepted: Hour, limits: &QueueLimits, now: Hour) -> bool {
    accepted.saturating_add(limits.message_ttl_hours) < now
}
