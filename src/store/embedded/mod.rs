//! A store in one file on one machine: for a first run, and for an installation of one relay.
//!
//! One thread writes. It takes every change that waits, applies all of them in one transaction, commits once, and only
//! then tells [`Wakes`] and answers: an event never precedes what it tells of (P1), and the events of a mailbox come in
//! their order (P3). While it waits for the disk the next changes gather, so the cost of a commit is shared by as many
//! as there are callers (`writer`).
//!
//! Reads see the last commit and never wait for the writer. They run on Tokio's blocking threads: a page that is not
//! cached is read from the disk, and that must not stop a thread that serves connections (`reader`).
//!
//! What is stored: `tables`. What ends by time is left out at once and swept soon after (`sweep`).
//! After a crash the whole file is checked when it is opened: three seconds for each gigabyte, or as the disk allows.
//!
//! With [`Durability::Memory`] a crash loses the last second, and the sequences given in it are given again.

mod acknowledge;
mod append;
mod counters;
mod fault;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod grants;
mod job;
mod mailboxes;
mod marks;
mod medium;
mod open_error;
mod queue;
mod reader;
mod shared;
mod sweep;
mod tables;
#[cfg(test)]
mod tests;
mod watched;
mod work;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use parking_lot::Mutex;
use sealpost_core::{Address, DeliveryKeyHash, Hour, Sequence, VoucherId};

use super::{
    Acknowledgement, Append, AppendError, CheckError, Creation, Description, Durability, Inspection, MailboxChange,
    NewMailbox, NonceMark, Opening, QueueLimits, Read, ReadRequest, SessionAcknowledgement, SessionId, SessionOutcome,
    Store, StoreError, StoreFuture, Usage, Wakes,
};
use crate::clock::Clock;

use fault::Fault;
use medium::{Directory, Medium};
use shared::Shared;
use work::Work;
use writer::Writer;

pub use medium::Memory;
pub use open_error::OpenError;

/// What an operator may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// What a mailbox may hold.
    pub limits: QueueLimits,
    /// What accepted means.
    pub durability: Durability,
}

/// Mailboxes in one file. See the [module](self).
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    medium: Arc<dyn Medium>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedStore {
    /// Opens the database in this directory; makes both if there are none. It can be open once at a time.
    pub fn open(path: &Path, options: EmbeddedOptions, clock: Clock, wakes: Arc<dyn Wakes>) -> Result<Self, OpenError> {
        Self::start(Arc::new(Directory::new(path)), options, clock, wakes)
    }

    /// Opens a database without a file, for tests and trials.
    pub fn in_memory(
        memory: &Memory,
        options: EmbeddedOptions,
        clock: Clock,
        wakes: Arc<dyn Wakes>,
    ) -> Result<Self, OpenError> {
        Self::start(Arc::new(memory.clone()), options, clock, wakes)
    }

    fn start(
        medium: Arc<dyn Medium>,
        options: EmbeddedOptions,
        clock: Clock,
        wakes: Arc<dyn Wakes>,
    ) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared::new(medium.open()?, options.limits, clock));
        let writer = Writer::new(Arc::clone(&shared), Arc::clone(&medium), options.durability, wakes);
        let thread = thread::Builder::new()
            .name("sealpost-store".into())
            .spawn(move || writer.run())
            .map_err(OpenError::Thread)?;
        Ok(Self { shared, medium, thread: Mutex::new(Some(thread)) })
    }

    /// Finishes what was asked before, refuses what is asked from now on, and closes the file.
    pub async fn close(&self) {
        self.shared.queue.close();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // A writer that panicked has nothing left to finish.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Work<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.shared.queue.ask(0, operation).await
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(thread) = self.thread.get_mut().take()
            // Whoever hears an event may hold the last handle; then this is the writer itself.
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmbeddedStore(..)")
    }
}

impl Store for EmbeddedStore {
    fn create(&self, mailbox: NewMailbox) -> StoreFuture<'_, Result<Creation, StoreError>> {
        Box::pin(self.ask(move |work| work.create(&mailbox)))
    }

    fn update(&self, address: Address, change: MailboxChange) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.ask(move |work| work.update(&address, &change)))
    }

    fn delete(&self, address: Address) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.ask(move |work| work.delete(&address)))
    }

    fn describe(&self, address: Address) -> StoreFuture<'_, Result<Option<Description>, StoreError>> {
        Box::pin(self.shared.look(move |reader| reader.describe(&address)))
    }

    fn inspect(&self, address: Address, max_entries: u32) -> StoreFuture<'_, Result<Option<Inspection>, StoreError>> {
        Box::pin(self.shared.look(move |reader| reader.inspect(&address, max_entries)))
    }

    fn card(&self, address: Address, key: DeliveryKeyHash) -> StoreFuture<'_, Result<Option<Bytes>, StoreError>> {
        Box::pin(self.shared.look(move |reader| reader.card(&address, &key)))
    }

    fn append(&self, batch: Vec<Append>) -> StoreFuture<'_, Vec<Result<Sequence, AppendError>>> {
        Box::pin(async move {
            let (count, bytes) = (batch.len(), batch.iter().map(|append| append.envelope.size()).sum());
            match self.shared.queue.ask(bytes, move |work| work.append(batch)).await {
                Ok(results) => results,
                Err(error) => vec![Err(AppendError::Store(error)); count],
            }
        })
    }

    fn watch(&self, address: Address) -> StoreFuture<'_, Result<(), StoreError>> {
        self.shared.watched.add(address);
        Box::pin(async { Ok(()) })
    }

    fn unwatch(&self, address: Address) {
        self.shared.watched.remove(&address);
    }

    fn open(&self, address: Address, session: SessionId) -> StoreFuture<'_, Result<Option<Opening>, StoreError>> {
        Box::pin(self.ask(move |work| work.open(&address, &session)))
    }

    fn read(&self, request: ReadRequest) -> StoreFuture<'_, Result<Read, StoreError>> {
        Box::pin(self.shared.look(move |reader| reader.read(&request)))
    }

    fn acknowledge<'a>(&'a self, batch: &'a [Acknowledgement]) -> StoreFuture<'a, Result<(), StoreError>> {
        let batch = batch.to_vec();
        Box::pin(self.ask(move |work| work.acknowledge(&batch)))
    }

    fn acknowledge_by_session(
        &self,
        acknowledgement: SessionAcknowledgement,
    ) -> StoreFuture<'_, Result<SessionOutcome, StoreError>> {
        Box::pin(self.ask(move |work| work.acknowledge_by_session(acknowledgement)))
    }

    fn remember_nonce(&self, mark: NonceMark) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.ask(move |work| work.remember_nonce(&mark)))
    }

    fn redeem_voucher(
        &self,
        voucher: VoucherId,
        expires: Hour,
        mailbox: Address,
    ) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.ask(move |work| work.redeem_voucher(&voucher, expires, &mailbox)))
    }

    fn check(&self) -> StoreFuture<'_, Result<(), CheckError>> {
        Box::pin(async { Ok(self.ask(|work| work.check()).await?) })
    }

    fn usage(&self) -> StoreFuture<'_, Result<Usage, StoreError>> {
        Box::pin(async {
            let bytes = self.medium.size().map_err(|_| StoreError::Unavailable("the file's size cannot be read"))?;
            Ok(Usage { bytes, limit: None })
        })
    }
}
