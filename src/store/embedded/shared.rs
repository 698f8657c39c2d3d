//! What the writer and those who ask have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use redb::{Database, ReadableDatabase};
use tokio::sync::Semaphore;

use super::super::{Epoch, QueueLimits, StoreError};
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
    /// Rises, while there is no database, where it may come back with older data.
    epoch: AtomicU64,
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
            epoch: AtomicU64::new(0),
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
        // Held until the epoch is known too: it is the epoch of this database.
        let database = self.database.read();
        let transaction = database.as_ref().ok_or(CLOSED)?.begin_read()?;
        let mut reader = Reader::new(&transaction, self.limits, self.clock.now().hour())?;
        reader.epoch = self.epoch();
        Ok(reader)
    }

    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Relaxed))
    }

    /// What was not on the disk is lost.
    pub(super) fn next_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }
}
