//! A sealed message with everything that the relay is told of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use sealpost_core::{Address, DeliveryKey, MessageId};
use sealpost_proto::v1;

use crate::Urgency;
use crate::proofs::copied;

/// A sealed message, ready for the relay, which may be sent again and again without arriving twice: it keeps its ids.
#[derive(Clone)]
pub struct Sealed {
    pub(crate) to: Address,
    pub(crate) delivery_key: DeliveryKey,
    /// For the relay; the one inside the envelope is another.
    pub(crate) relay_id: MessageId,
    pub(crate) message_id: MessageId,
    pub(crate) envelope: Bytes,
    pub(crate) ephemeral: bool,
    pub(crate) urgency: Urgency,
    /// How often it went out, by any of the clones: the relay looks for a copy only from the second time on.
    pub(crate) attempts: Arc<AtomicU32>,
}

impl Sealed {
    /// Bytes that were sealed elsewhere, of one of the sizes that the relay carries. `relay_id` is random, made once
    /// for each message.
    pub fn opaque(to: Address, delivery_key: DeliveryKey, relay_id: MessageId, envelope: impl Into<Bytes>) -> Self {
        Self {
            to,
            delivery_key,
            relay_id,
            message_id: relay_id,
            envelope: envelope.into(),
            ephemeral: false,
            urgency: Urgency::Normal,
            attempts: Arc::default(),
        }
    }

    /// It may have been sent before, by a process that is no more: the relay is to look for a copy.
    #[must_use]
    pub fn resumed(mut self) -> Self {
        self.attempts = Arc::new(AtomicU32::new(1));
        self
    }

    /// Only for a recipient who is connected now.
    #[must_use]
    pub fn ephemeral(mut self, ephemeral: bool) -> Self {
        self.ephemeral = ephemeral;
        self
    }

    /// How soon the recipient should learn of it.
    #[must_use]
    pub fn urgency(mut self, urgency: Urgency) -> Self {
        self.urgency = urgency;
        self
    }

    /// The id that the recipient sees (for opaque bytes: the relay's).
    pub fn message_id(&self) -> MessageId {
        self.message_id
    }

    /// The id by which the relay recognises a retry.
    pub fn relay_id(&self) -> MessageId {
        self.relay_id
    }

    /// The sealed bytes.
    pub fn envelope(&self) -> &Bytes {
        &self.envelope
    }

    /// The recipient.
    pub fn to(&self) -> &Address {
        &self.to
    }

    /// What the relay is told; counts as one more attempt.
    pub(crate) fn request(&self) -> v1::SendRequest {
        let urgency = match self.urgency {
            Urgency::Low => v1::Urgency::Low,
            Urgency::Normal => v1::Urgency::Normal,
            Urgency::High => v1::Urgency::High,
        };
        v1::SendRequest {
            to: copied(self.to.as_bytes()),
            delivery_key: copied(self.delivery_key.as_bytes()),
            message_id: copied(self.relay_id.as_bytes()),
            envelope: self.envelope.clone(),
            ephemeral: self.ephemeral,
            urgency: urgency.into(),
            attempt: self.attempts.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}
