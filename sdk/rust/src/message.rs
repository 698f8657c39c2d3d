//! From what a user writes to sealed bytes with everything that the relay is told of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use sealpost_core::rand_core::CryptoRng;
use sealpost_core::{Address, DeliveryKey, Message, MessageId, SIZE_CLASSES, SealError, Suite, seal};
use sealpost_proto::v1;

use crate::proofs::copied;
use crate::{Contact, Device, clock};

/// What a user writes.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// What the body is: a media type, or whatever the app agreed on.
    pub content_type: String,
    /// What the sender calls the body, such as a file's name; may be empty.
    pub name: String,
    /// The content.
    pub body: Vec<u8>,
}

/// How to send.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SendOptions {
    /// Which key of the recipient to seal to. [`Suite::XWing`].
    pub suite: Suite,
    /// Only for a recipient who is connected now: never stored.
    pub ephemeral: bool,
    /// How soon the recipient should learn of it.
    pub urgency: Urgency,
    /// Whether to put the device's own invite and card into the message, for a recipient who does not know it yet.
    pub introduce: bool,
    /// The sizes that the relay carries, in bytes.
    pub sizes: Vec<usize>,
}

/// How soon the recipient should learn of a message. A hint for waking sleeping devices; order and durability are the
/// same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Urgency {
    /// May wait until the device wakes by itself.
    Low,
    /// An ordinary message.
    #[default]
    Normal,
    /// A call, say.
    High,
}

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

impl Draft {
    /// Of some type.
    pub fn new(content_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { content_type: content_type.into(), name: String::new(), body: body.into() }
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new("text/plain; charset=utf-8", text.into())
    }

    /// With a name, such as a file's.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

impl From<&str> for Draft {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draft(..)")
    }
}

impl SendOptions {
    /// Which key of the recipient to seal to.
    #[must_use]
    pub fn suite(mut self, suite: Suite) -> Self {
        self.suite = suite;
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

    /// Whether to introduce the sender.
    #[must_use]
    pub fn introduce(mut self, introduce: bool) -> Self {
        self.introduce = introduce;
        self
    }

    /// The sizes that the relay carries, in bytes.
    #[must_use]
    pub fn sizes(mut self, sizes: impl Into<Vec<usize>>) -> Self {
        self.sizes = sizes.into();
        self
    }
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            suite: Suite::XWing,
            ephemeral: false,
            urgency: Urgency::Normal,
            introduce: false,
            sizes: SIZE_CLASSES.to_vec(),
        }
    }
}

impl Device {
    /// Seals a draft for a contact. `own_relay` is where answers go, for [`SendOptions::introduce`].
    ///
    /// # Errors
    /// Those of [`sealpost_core::seal::seal`], mainly [`SealError::TooLarge`].
    pub fn seal(
        &self,
        contact: &Contact,
        draft: impl Into<Draft>,
        options: &SendOptions,
        own_relay: &sealpost_core::RelayHost,
        rng: &mut impl CryptoRng,
    ) -> Result<Sealed, SealError> {
        let Draft { content_type, name, body } = draft.into();
        let message = Message {
            id: MessageId::generate(rng),
            sent_at: clock::now(),
            content_type,
            name,
            body,
            introduction: if options.introduce { self.introduction(own_relay) } else { None },
        };
        let sender = self.sender_keys()?;
        let envelope = seal::seal(options.suite, &sender, contact.card(), &message, &options.sizes, rng)?;
        let sealed = Sealed::opaque(contact.address, contact.delivery_key.clone(), envelope, rng);
        Ok(Sealed { message_id: message.id, ephemeral: options.ephemeral, urgency: options.urgency, ..sealed })
    }
}

impl Sealed {
    /// Bytes that were sealed elsewhere, of one of the sizes that the relay carries.
    pub fn opaque(
        to: Address,
        delivery_key: DeliveryKey,
        envelope: impl Into<Bytes>,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let relay_id = MessageId::generate(rng);
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

    /// With this id for the relay, to go on with a message that was begun before a restart.
    #[must_use]
    pub fn with_relay_id(mut self, id: MessageId) -> Self {
        self.relay_id = id;
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
