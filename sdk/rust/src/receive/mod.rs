//! Receiving: a stream that keeps itself alive, and what comes out of it.

mod board;
mod inbox;
mod opening;
mod raw;
mod session;
mod state;
mod stream;
mod tray;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sealpost_core::IdentityKey;

#[cfg(feature = "fuzzing")]
pub(crate) use stream::fuzzing::received;

pub use inbox::{Event, Inbox};
pub use opening::{Origin, Problem, Received, Undecipherable};
pub use raw::{Delivery, RawEvent, RawInbox};
pub use state::ConnectionState;

use crate::{Contacts, Dedup, Device, MemoryContacts, MemoryDedup, Relay};

/// How to receive.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReceiveOptions {
    /// Where the cards of senders come from. Nobody is known by default, so that every message needs an introduction.
    pub contacts: Arc<dyn Contacts>,
    /// Which messages were handled already. By default remembered until the process ends.
    pub dedup: Arc<dyn Dedup>,
    /// How the stream works.
    pub stream: StreamOptions,
}

/// How the stream of an inbox works.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StreamOptions {
    /// How many envelopes may be under way: delivered, but not acknowledged. 256; a relay allows 10,000 by default.
    pub max_outstanding_messages: u32,
    /// How many bytes of envelopes may be under way. 1 MiB; at least the largest envelope.
    pub max_outstanding_bytes: u64,
    /// How long an acknowledgement waits for others to travel with. 20 ms.
    pub acknowledge_delay: Duration,
    /// How long after a message was dropped unacknowledged the stream is opened anew, so that it comes again. 30 s.
    pub redeliver_after: Duration,
}

impl ReceiveOptions {
    /// Where the cards of senders come from.
    #[must_use]
    pub fn contacts(mut self, contacts: impl Contacts) -> Self {
        self.contacts = Arc::new(contacts);
        self
    }

    /// Which messages were handled already.
    #[must_use]
    pub fn dedup(mut self, dedup: impl Dedup) -> Self {
        self.dedup = Arc::new(dedup);
        self
    }

    /// How the stream works.
    #[must_use]
    pub fn stream(mut self, stream: StreamOptions) -> Self {
        self.stream = stream;
        self
    }
}

impl StreamOptions {
    /// How many envelopes, and how many bytes of them, may be under way.
    #[must_use]
    pub fn max_outstanding(mut self, messages: u32, bytes: u64) -> Self {
        self.max_outstanding_messages = messages;
        self.max_outstanding_bytes = bytes;
        self
    }

    /// How long an acknowledgement waits for others.
    #[must_use]
    pub fn acknowledge_delay(mut self, delay: Duration) -> Self {
        self.acknowledge_delay = delay;
        self
    }

    /// How long after a message was dropped the stream is opened anew.
    #[must_use]
    pub fn redeliver_after(mut self, delay: Duration) -> Self {
        self.redeliver_after = delay;
        self
    }
}

impl Default for ReceiveOptions {
    fn default() -> Self {
        Self {
            contacts: Arc::new(MemoryContacts::new()),
            dedup: Arc::new(MemoryDedup::default()),
            stream: StreamOptions::default(),
        }
    }
}

impl fmt::Debug for ReceiveOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveOptions").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            max_outstanding_messages: 256,
            max_outstanding_bytes: 1 << 20,
            acknowledge_delay: Duration::from_millis(20),
            redeliver_after: Duration::from_secs(30),
        }
    }
}

impl Relay {
    /// Receives for these devices over one stream, which connects at once and keeps itself alive until the inbox is
    /// closed or dropped. Needs a tokio runtime.
    pub fn receive(&self, devices: impl IntoIterator<Item = Device>, options: ReceiveOptions) -> Inbox {
        Inbox::open(self, devices, options)
    }

    /// Receives envelopes without opening them, at least once each.
    pub fn receive_raw(&self, owners: impl IntoIterator<Item = IdentityKey>, options: StreamOptions) -> RawInbox {
        RawInbox::open(self, owners, options)
    }
}
