//! Has the store forget what owners acknowledged, for all streams together.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

use super::leave::jittered;
use crate::store::{Acknowledgement, Store};

/// Takes acknowledgements in. Clones share one queue; when it is full, streams wait and read nothing more from their
/// owners.
#[derive(Debug, Clone)]
pub struct Acknowledger {
    queue: mpsc::Sender<Acknowledgement>,
}

/// Acknowledgements that wait at most.
const QUEUE: usize = 8192;
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
        (Self { queue }, tokio::spawn(run(store, inbox)))
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
}

async fn run(store: Arc<dyn Store>, mut inbox: mpsc::Receiver<Acknowledgement>) {
    let mut writes = FuturesUnordered::new();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            Some(()) = writes.next() => {}
            taken = inbox.recv_many(&mut batch, BATCH), if writes.len() < WRITES => {
                if taken == 0 {
                    break;
                }
                let batch = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                writes.push(write(store.as_ref(), batch));
            }
        }
    }
    while writes.next().await.is_some() {}
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
