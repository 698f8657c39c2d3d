//! Sending many messages over one stream, without waiting for each.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod outbox;
#[cfg(test)]
mod outbox_tests;
mod worker;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::retry::from_now;
use crate::{Contact, Device, Draft, Error, Relay, Sealed, SendOptions};

/// How a [`Sender`] works.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SenderOptions {
    /// How many messages may be without a result. 1,024.
    pub max_outstanding_messages: usize,
    /// How many bytes of envelopes may be without a result. 4 MiB; the largest envelope always fits.
    pub max_outstanding_bytes: usize,
    /// How many messages for one mailbox may be without a result. 64: a relay looks so far back for a copy of one that
    /// is sent again after a broken stream.
    pub max_outstanding_per_mailbox: usize,
    /// How many messages travel in one batch. 128; the relay takes 1,024 by default.
    pub max_batch: usize,
    /// How long a message may take with all its retries. 30 s.
    pub deadline: Duration,
}

/// Sends many messages over one stream: in batches, many under way, each with a result of its own. Made by
/// [`Relay::sender`]; clones share the stream.
///
/// Messages for one mailbox are stored in the order in which they were submitted. A message that the relay refuses for
/// a while is tried again, and those behind it wait; if one that was already under way has overtaken it, it fails with
/// the refusal instead. The order is lost only where a stream breaks with a refusal on its way back; with
/// [`SenderOptions::max_outstanding_per_mailbox`] at 1 it never is.
#[derive(Clone, Debug)]
pub struct Sender {
    entries: mpsc::Sender<Entry>,
    messages: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    relay: Relay,
    options: SenderOptions,
}

/// The result of one message, once it is there. Dropping it does not take the message back.
#[derive(Debug)]
#[must_use = "the result says whether the message was stored"]
pub struct Pending(oneshot::Receiver<Result<(), Error>>);

/// One message on its way.
struct Entry {
    sealed: Sealed,
    deadline: Instant,
    result: oneshot::Sender<Result<(), Error>>,
    /// Given back with the result.
    _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl SenderOptions {
    /// How many messages may be without a result.
    #[must_use]
    pub fn max_outstanding_messages(mut self, count: usize) -> Self {
        self.max_outstanding_messages = count;
        self
    }

    /// How many bytes of envelopes may be without a result.
    #[must_use]
    pub fn max_outstanding_bytes(mut self, bytes: usize) -> Self {
        self.max_outstanding_bytes = bytes;
        self
    }

    /// How many messages for one mailbox may be without a result.
    #[must_use]
    pub fn max_outstanding_per_mailbox(mut self, count: usize) -> Self {
        self.max_outstanding_per_mailbox = count;
        self
    }

    /// How many messages travel in one batch.
    #[must_use]
    pub fn max_batch(mut self, count: usize) -> Self {
        self.max_batch = count;
        self
    }

    /// How long a message may take with all its retries.
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = limit;
        self
    }
}

impl Default for SenderOptions {
    fn default() -> Self {
        Self {
            max_outstanding_messages: 1_024,
            max_outstanding_bytes: 4 << 20,
            max_outstanding_per_mailbox: 64,
            max_batch: 128,
            deadline: Duration::from_secs(30),
        }
    }
}

impl Relay {
    /// A stream for sending many messages, on an anonymous connection of its own. Needs a tokio runtime.
    pub fn sender(&self, options: SenderOptions) -> Sender {
        let options = SenderOptions {
            max_outstanding_messages: options.max_outstanding_messages.clamp(1, Semaphore::MAX_PERMITS),
            max_outstanding_bytes: options.max_outstanding_bytes.clamp(64 << 10, u32::MAX as usize),
            max_outstanding_per_mailbox: options.max_outstanding_per_mailbox.max(1),
            max_batch: options.max_batch.max(1),
            ..options
        };
        let (entries, incoming) = mpsc::channel(options.max_outstanding_messages.min(1_024));
        tokio::spawn(worker::run(self.clone(), options, incoming));
        Sender {
            entries,
            messages: Arc::new(Semaphore::new(options.max_outstanding_messages)),
            bytes: Arc::new(Semaphore::new(options.max_outstanding_bytes)),
            relay: self.clone(),
            options,
        }
    }
}

impl Sender {
    /// Seals a message and hands it over; waits for room, not for the result.
    ///
    /// # Errors
    /// As [`Relay::seal`], and [`Error::Closed`].
    pub async fn send(
        &self,
        device: &Device,
        contact: &Contact,
        draft: impl Into<Draft>,
        options: &SendOptions,
    ) -> Result<Pending, Error> {
        let sealed = self.relay.seal(device, contact, draft, options)?;
        self.submit(sealed).await
    }

    /// Hands sealed bytes over; waits for room, not for the result. Messages go out in the order in which this is
    /// called.
    ///
    /// # Errors
    /// [`Error::Closed`] if the runtime is going down.
    pub async fn submit(&self, sealed: Sealed) -> Result<Pending, Error> {
        let bytes = sealed.envelope.len().clamp(1, self.options.max_outstanding_bytes);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let message = self.messages.clone().acquire_owned().await.map_err(|_| Error::Closed)?;
        let bytes = self.bytes.clone().acquire_many_owned(bytes).await.map_err(|_| Error::Closed)?;
        let (result, pending) = oneshot::channel();
        let deadline = from_now(self.options.deadline);
        let entry = Entry { sealed, deadline, result, _room: (message, bytes) };
        self.entries.send(entry).await.map_err(|_| Error::Closed)?;
        Ok(Pending(pending))
    }
}

impl Future for Pending {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(context)).unwrap_or(Err(Error::Closed)))
    }
}
