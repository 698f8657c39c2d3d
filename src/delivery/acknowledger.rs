//! Has the store forget what owners acknowledged, for all streams together.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::warn;

use super::leave::jittered;
use crate::store::{Acknowledgement, Store};

/// Takes acknowledgements in. Clones share one queue; when it is full, streams wait and read nothing more from their
/// owners.
#[derive(Debug, Clone)]
pub struct Acknowledger {
    queue: mpsc::Sender<Acknowledgement>,
    hurry: Arc<Notify>,
}

/// Acknowledgements that wait at most.
const QUEUE: usize = 8192;
/// How long the first one waits for others to go with it. Nobody waits for them, and each that goes by itself costs
/// relay and store a round trip. A relay that dies in this time has these envelopes delivered again.
const GATHER: Duration = Duration::from_millis(5);
/// Acknowledgements that go to the store together.
const BATCH: usize = 512;
/// Batches on their way at once. One is answered behind all sends that came before it, so one alone would let
/// acknowledgements fall behind a busy store.
const WRITES: usize = 4;
/// After so many failures a batch is given up: its envelopes will be delivered again, which is always allowed.
const ATTEMPTS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

impl Acknowledger {
    /// Starts the task. It ends, with everything written, once all clones are gone.
    pub fn start(store: Arc<dyn Store>) -> (Self, JoinHandle<()>) {
        let (queue, inbox) = mpsc::channel(QUEUE);
        let hurry = Arc::new(Notify::new());
        (Self { queue, hurry: hurry.clone() }, tokio::spawn(run(store, hurry, inbox)))
    }

    /// Takes one if there is room, else gives it back.
    pub(super) fn try_put(&self, acknowledgement: Acknowledgement) -> Result<(), Acknowledgement> {
        self.queue.try_send(acknowledgement).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(it) | mpsc::error::TrySendError::Closed(it) => it,
        })
    }

    /// Waits until there is room.
    pub(super) async fn put(&self, acknowledgement: Acknowledgement) {
        // The task outlives all senders, so this fails only where it was killed with its runtime.
        let _ = self.queue.send(acknowledgement).await;
    }

    /// What waits is written at once: a stream has ended, and its owner's next one is to find only what was not
    /// acknowledged.
    pub(super) fn hurry(&self) {
        self.hurry.notify_one();
    }
}

async fn run(store: Arc<dyn Store>, hurry: Arc<Notify>, mut inbox: mpsc::Receiver<Acknowledgement>) {
    let mut writes = FuturesUnordered::new();
    let mut batch = Vec::new();
    let mut gathered = std::pin::pin!(tokio::time::sleep(GATHER));
    loop {
        tokio::select! {
            Some(()) = writes.next() => {}
            // While others gather nobody listens to the queue, so that they wake nobody.
            first = inbox.recv(), if batch.is_empty() => match first {
                Some(first) => {
                    batch.push(first);
                    gathered.as_mut().reset(Instant::now() + GATHER);
                }
                None => break,
            },
            () = either(gathered.as_mut(), hurry.notified()), if !batch.is_empty() && writes.len() < WRITES => {
                while batch.len() < BATCH && let Ok(next) = inbox.try_recv() {
                    batch.push(next);
                }
                writes.push(write(store.as_ref(), std::mem::take(&mut batch)));
            }
        }
    }
    while writes.next().await.is_some() {}
}

async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}

async fn write(store: &dyn Store, batch: Vec<Acknowledgement>) {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        if store.acknowledge(&batch).await.is_ok() {
            return;
        }
        tokio::time::sleep(jittered(pause)).await;
        pause *= 2;
    }
    if let Err(error) = store.acknowledge(&batch).await {
        warn!(%error, "acknowledgements were given up; their envelopes will be delivered again");
    }
}
