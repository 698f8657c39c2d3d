//! What is kept on a mailbox beside its envelopes.

use bytes::Bytes;
use sealpost_core::{Address, DeliveryKeyHash, Hour, Sequence};

use super::{Entry, Generation, Incarnation};

/// One delivery key, as the relay knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The key's hash.
    pub key: DeliveryKeyHash,
    /// The hour at whose start it ends; `None`: it does not.
    pub expires: Option<Hour>,
}

/// A mailbox to be made.
#[derive(Debug, Clone)]
pub struct NewMailbox {
    /// Its address.
    pub address: Address,
    /// Random.
    pub incarnation: Incarnation,
    /// Who may deliver.
    pub grants: Vec<Grant>,
    /// The owner's card; empty: none.
    pub card: Bytes,
}

/// What came of making one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It was made.
    Created,
    /// There was one, and it is as it was.
    Exists,
}

/// A change of a mailbox; `None` leaves a part as it is.
#[derive(Debug, Clone, Default)]
pub struct MailboxChange {
    /// In place of all earlier keys.
    pub grants: Option<Vec<Grant>>,
    /// In place of the earlier card; empty: none.
    pub card: Option<Bytes>,
}

/// What is held on a mailbox but its envelopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Who may deliver, in the order of their hashes.
    pub grants: Vec<Grant>,
    /// The owner's card; empty: none.
    pub card: Bytes,
    /// The sequence given last.
    pub last: Sequence,
    /// Envelopes that wait.
    pub queued_messages: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// How often it was opened.
    pub generation: Generation,
    /// The hour in which the owner was last here (made, changed or opened it).
    pub last_seen: Hour,
    /// The hour at whose start it is reclaimed if its owner does not come.
    pub reclaimed: Hour,
}

/// Everything that is held on a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// What is not an envelope.
    pub description: Description,
    /// What the store keeps for its own use.
    pub kept: Kept,
    /// The first envelopes that wait, in order.
    pub entries: Vec<QueuedEntry>,
}

/// What a store keeps of a mailbox for its own use, and tells nobody but its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// By which it sees whether anything may have expired: the hour of the last append (Redis), or one before which no
    /// envelope that waits was accepted (embedded).
    pub expiry_mark: Option<Hour>,
    /// Random bytes of this mailbox, others if it is made anew.
    pub incarnation: Incarnation,
    /// A hash of the random bytes that its owner was given by the last opening.
    pub session: Option<[u8; 16]>,
}

/// An envelope in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedEntry {
    /// Its number.
    pub sequence: Sequence,
    /// The rest.
    pub entry: Entry,
}
