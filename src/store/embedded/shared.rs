//! What the writer and those who ask have in common.

use std::sync::Arc;

use parking_lot::RwLock;
use redb::{Database, ReadableDatabase};
use tokio::sync::Semaphore;

use super::super::{QueueLimits, StoreError};
use super::fault::{CLOSED, Fault};
use super::queue::Queue;
use super::reader::Reader;
use super::watched::Watched;
use crate::clock::Clock;

/// How many reads run at once: more would only wait for the same disk, on more threads.
const READS: usize = 16;

pub(super) struct Shared {
    pub(super) queue: Queue,
    pub(super) watched: Watched,
    /// `None` while it is being reopened after a failure, and once the store is closed.
    pub(super) database: RwLock<Option<Database>>,
    pub(super) limits: QueueLimits,
    pub(super) clock: Clock,
    reads: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(database: Database, limits: QueueLimits, clock: Clock) -> Self {
        Self {
            queue: Queue::new(),
            watched: Watched::default(),
            database: RwLock::new(Some(database)),
            limits,
            clock,
            reads: Arc::new(Semaphore::new(READS)),
        }
    }

    /// Reads what the last commit left, on a thread that may block.
    pub(super) async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        reading: impl FnOnce(&Reader) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.reads).acquire_owned().await.map_err(|_| CLOSED)?;
        let shared = Arc::clone(self);
        let read = move || {
            let _permit = permit;
            shared.reader().and_then(|reader| reading(&reader)).map_err(|fault| fault.to_answer())
        };
        tokio::task::spawn_blocking(read).await.unwrap_or(Err(StoreError::Unavailable("a read was cut off")))
    }

    /// The tables as the last commit left them.
    pub(super) fn reader(&self) -> Result<Reader, Fault> {
        let transaction = self.database.read().as_ref().ok_or(CLOSED)?.begin_read()?;
        Reader::new(&transaction, self.limits, self.clock.now().hour())
    }
}
