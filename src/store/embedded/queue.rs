//! The changes that wait for the writer: so many bytes and no more, then whoever asks waits (P10).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::super::StoreError;
use super::fault::{CLOSED, Fault};
use super::job::{Asked, Job};
use super::work::Work;

/// Bytes that may wait or be in a transaction.
const ROOM: usize = 32 * 1024 * 1024;
/// Bytes that one transaction takes, so that the first to come does not wait for too many.
const BATCH: u64 = 4 * 1024 * 1024;
/// What a change costs beside its envelopes; so at most 32,768 wait.
const OVERHEAD: usize = 1024;

/// Between those who ask and the writer.
pub(super) struct Queue {
    line: Mutex<Line>,
    arrived: Condvar,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Line {
    jobs: VecDeque<Queued>,
    closed: bool,
}

/// A change, with the room that it takes until it is dropped.
pub(super) struct Queued {
    pub(super) job: Box<dyn Job>,
    cost: u32,
    _room: OwnedSemaphorePermit,
}

/// What the writer does next.
pub(super) struct Taken {
    /// In the order in which they came.
    pub(super) jobs: Vec<Queued>,
    /// Set if none of them is left and none will come.
    pub(super) over: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { line: Mutex::default(), arrived: Condvar::new(), room: Arc::new(Semaphore::new(ROOM)) }
    }

    /// Has the writer do this, and waits for the outcome. Once it is in line, it is done even if nobody waits.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        bytes: usize,
        operation: impl FnOnce(&mut Work<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let cost = u32::try_from(bytes.saturating_add(OVERHEAD).min(ROOM)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(cost).await.map_err(|_| CLOSED)?;
        let (answer, outcome) = oneshot::channel();
        self.push(Queued { job: Box::new(Asked::new(operation, answer)), cost, _room: room })?;
        outcome.await.unwrap_or(Err(StoreError::Unavailable("the store's writer stopped")))
    }

    /// Everything that waits, up to a cap; waits until then if there is nothing.
    pub(super) fn take(&self, until: Instant) -> Taken {
        let mut line = self.line.lock();
        while line.jobs.is_empty() && !line.closed {
            if self.arrived.wait_until(&mut line, until).timed_out() {
                break;
            }
        }
        let mut taken = Taken { jobs: Vec::with_capacity(line.jobs.len()), over: false };
        let mut bytes = 0;
        while bytes < BATCH
            && let Some(queued) = line.jobs.pop_front()
        {
            bytes += u64::from(queued.cost);
            taken.jobs.push(queued);
        }
        taken.over = line.closed && line.jobs.is_empty();
        taken
    }

    /// Refuses what comes from now on.
    pub(super) fn close(&self) {
        self.line.lock().closed = true;
        self.room.close();
        self.arrived.notify_all();
    }

    /// Drops what waits: there is nobody to do it.
    pub(super) fn abandon(&self) {
        self.close();
        self.line.lock().jobs.clear();
    }

    fn push(&self, queued: Queued) -> Result<(), StoreError> {
        let mut line = self.line.lock();
        if line.closed {
            return Err(CLOSED);
        }
        line.jobs.push_back(queued);
        drop(line);
        self.arrived.notify_one();
        Ok(())
    }
}
