//! What goes in and out of a store while messages flow.

use std::fmt;

use sealpost_core::{Address, DeliveryKeyHash, MessageId, Sequence};

use super::{Envelope, Journey, QueuedEntry, Urgency};

/// An envelope to be queued.
#[derive(Debug, Clone)]
pub struct Append {
    /// The mailbox.
    pub to: Address,
    /// The hash of the delivery key that the sender showed.
    pub key: DeliveryKeyHash,
    /// The sender's id for the message.
    pub message_id: MessageId,
    /// The sealed bytes.
    pub envelope: Envelope,
    /// How soon the recipient should learn of it.
    pub urgency: Urgency,
    /// Only for who listens now; never stored.
    pub ephemeral: bool,
    /// Whether it may have been queued before: then the last queued envelopes are searched for its id.
    pub retried: bool,
    /// Handed on with it.
    pub journey: Journey,
}

/// How often a mailbox was opened; the highest is the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Generation(pub u64);

/// 16 random bytes, made by the relay for each opening of a mailbox; whoever shows them may acknowledge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionId(pub [u8; 16]);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

/// Random bytes that tell a mailbox from one that was deleted and made again at the same address, so that a late word of
/// the one is not taken for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation(pub [u8; 8]);

/// Counts how often, as far as this relay knows, the store may have gone back to older data: a Redis server that was
/// started anew may have lost what it had not written, and gives its numbers again. What was learnt in one epoch is
/// worthless in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

/// A mailbox was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// When.
    pub epoch: Epoch,
    /// Which mailbox of this address it is.
    pub incarnation: Incarnation,
    /// Of this opening.
    pub generation: Generation,
    /// The sequence given last: caught up means that all up to it were sent.
    pub last: Sequence,
    /// How many envelopes wait, those included that have expired but were not yet removed. Where none does, there is
    /// nothing to read.
    pub queued: u64,
}

/// Asks for the next envelopes.
#[derive(Debug, Clone, Copy)]
pub struct ReadRequest {
    /// The mailbox.
    pub address: Address,
    /// The session that reads.
    pub session: SessionId,
    /// As its opening said.
    pub epoch: Epoch,
    /// Only later ones than this.
    pub after: Sequence,
    /// At most so many, at least 1.
    pub max_messages: u32,
    /// At most so many bytes of envelopes. An envelope that does not fit is left for the next read, also the first.
    pub max_bytes: u64,
}

/// The answer to a [`ReadRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The next envelopes.
    Page(Page),
    /// Another session has the mailbox now, or nobody: it was deleted.
    Ended,
    /// The epoch is over: open the mailbox anew.
    Restarted,
}

/// The next envelopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub entries: Vec<QueuedEntry>,
    /// Set if these were all: then it is the sequence given last at the moment of reading, and every later envelope
    /// has a higher one.
    pub end: Option<Sequence>,
}

/// Envelopes to forget.
#[derive(Debug, Clone)]
pub struct Acknowledgement {
    /// The mailbox.
    pub address: Address,
    /// As its opening said. If it is over, nothing is forgotten.
    pub epoch: Epoch,
    /// As its opening said. If it is another now, nothing is forgotten.
    pub incarnation: Incarnation,
    /// Which, with the size of each in bytes, in rising order.
    pub entries: Vec<(Sequence, u32)>,
}

/// Envelopes to forget, by a session's word.
#[derive(Debug, Clone)]
pub struct SessionAcknowledgement {
    /// The mailbox.
    pub address: Address,
    /// Its session.
    pub session: SessionId,
    /// All up to and with this one.
    pub up_to: Sequence,
    /// And these.
    pub sequences: Vec<Sequence>,
}

/// What came of a [`SessionAcknowledgement`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionOutcome {
    /// They are forgotten.
    Acknowledged,
    /// It is not the mailbox's session.
    SessionEnded,
}
