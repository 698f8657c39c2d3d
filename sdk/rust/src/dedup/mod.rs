//! Which messages were handled already, so that what the relay delivers at least once is handled exactly once.

mod file;
mod memory;

use std::io;
use std::sync::Arc;

use sealpost_core::{Address, MessageId};
use sha2::{Digest as _, Sha256};

pub use file::{DedupFileError, FileDedup};
pub use memory::MemoryDedup;

/// A store of the messages that were handled.
///
/// An [`crate::Inbox`] records a message after its handler has succeeded and before the relay is told, and asks before
/// it shows one. Methods run where they may block.
pub trait Dedup: Send + Sync + 'static {
    /// Whether this message was handled.
    ///
    /// # Errors
    /// Those of the store; the message is then neither shown nor acknowledged.
    fn contains(&self, message: &MessageKey) -> io::Result<bool>;

    /// Remembers that this message was handled; on return it is safe, by the store's own measure.
    ///
    /// # Errors
    /// Those of the store; the message is then not acknowledged.
    fn record(&self, message: &MessageKey) -> io::Result<()>;
}

impl<D: Dedup + ?Sized> Dedup for Arc<D> {
    fn contains(&self, message: &MessageKey) -> io::Result<bool> {
        (**self).contains(message)
    }

    fn record(&self, message: &MessageKey) -> io::Result<()> {
        (**self).record(message)
    }
}

/// What a message is known by: a fingerprint of its mailbox, its verified sender, and the id that the sender gave it. It
/// tells nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageKey([u8; MessageKey::LEN]);

impl MessageKey {
    /// Its length in bytes.
    pub const LEN: usize = 16;

    /// Of a message that `sender` was verified for.
    pub fn new(mailbox: &Address, sender: &Address, id: &MessageId) -> Self {
        let hash = Sha256::new()
            .chain_update(b"sealpost/dedup")
            .chain_update(mailbox.as_bytes())
            .chain_update(sender.as_bytes())
            .chain_update(id.as_bytes())
            .finalize();
        let mut key = [0; Self::LEN];
        key.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self(key)
    }

    /// For storage.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// From storage.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}
