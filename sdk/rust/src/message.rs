//! From what a user writes to a sealed message.

use std::fmt;

use sealpost_core::rand_core::CryptoRng;
use sealpost_core::{Message, MessageId, SIZE_CLASSES, SealError, Suite, seal};

use crate::{Contact, Device, Sealed, clock};

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
        let relay_id = MessageId::generate(rng);
        let sealed = Sealed::opaque(contact.address, contact.delivery_key.clone(), relay_id, envelope);
        Ok(Sealed { message_id: message.id, ephemeral: options.ephemeral, urgency: options.urgency, ..sealed })
    }
}
