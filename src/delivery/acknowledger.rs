//! Has the store forget what owners acknowledged, for all streams together.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::leave::jittered;
use crate::store::{Acknowledgement, Store};
use crate::telemetry::{Metrics, warn_rarely};

/// Takes acknowledgements in. Clones share one queue; when it is full, each stream keeps its own
/// ([`Unwritten`](super::unwritten::Unwritten)).
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
    pub fn start(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> (Self, JoinHandle<()>) {
        let (queue, inbox) = mpsc::channel(QUEUE);
        let hurry = Arc::new(Notify::new());
        let room = queue.downgrade();
        metrics.delivery.acknowledgements_waiting.read_from(move || {
            // Once all streams are gone there is nothing left.
            Some(room.upgrade().map_or(0, |queue| queue.max_capacity() - queue.capacity()) as f64)
        });
        let written = move |batch| write(store.clone(), metrics.clone(), batch);
        (Self { queue, hurry: hurry.clone() }, tokio::spawn(gather(inbox, hurry, written)))
    }

    /// One that nobody listens to but a test.
    #[cfg(test)]
    pub(super) fn with_room(room: usize) -> (Self, mpsc::Receiver<Acknowledgement>) {
        let (queue, inbox) = mpsc::channel(room);
        (Self { queue, hurry: Arc::default() }, inbox)
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

async fn gather<F: Future<Output = ()>>(
    mut inbox: mpsc::Receiver<Acknowledgement>,
    hurry: Arc<Notify>,
    write: impl Fn(Vec<Acknowledgement>) -> F,
) {
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
                while let Ok(next) = inbox.try_recv() {
                    if batch.len() == BATCH {
                        writes.push(write(std::mem::take(&mut batch)));
                    }
                    batch.push(next);
                    if writes.len() == WRITES {
                        break;
                    }
                }
                if writes.len() < WRITES {
                    writes.push(write(std::mem::take(&mut batch)));
                }
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

async fn write(store: Arc<dyn Store>, metrics: Arc<Metrics>, batch: Vec<Acknowledgement>) {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        if store.acknowledge(&batch).await.is_ok() {
            return;
        }
        tokio::time::sleep(jittered(pause)).await;
        pause *= 2;
    }
    if let Err(error) = store.acknowledge(&batch).await {
        metrics.delivery.acknowledgements_given_up.add(batch.len());
        warn_rarely!("acknowledgements were given up; their envelopes will be delivered again", error = error);
    }
}

#[cfg(test)]
mod tests {
    use sealpost_core::{Address, Sequence};

    use super::*;
    use crate::store::{Epoch, Incarnation};

    /// What is written, and when, in ms.
    struct Taken {
        acknowledger: Acknowledger,
        written: mpsc::UnboundedReceiver<(u128, usize)>,
    }

    /// Over a store that takes no time, or never answers.
    fn start(silent: bool) -> Taken {
        let (queue, inbox) = mpsc::channel(QUEUE);
        let hurry = Arc::new(Notify::new());
        let (done, written) = mpsc::unbounded_channel();
        let begin = Instant::now();
        tokio::spawn(gather(inbox, hurry.clone(), move |batch: Vec<Acknowledgement>| {
            let _ = done.send((begin.elapsed().as_millis(), batch.len()));
            async move {
                if silent {
                    std::future::pending::<()>().await;
                }
            }
        }));
        Taken { acknowledger: Acknowledger { queue, hurry }, written }
    }

    fn put(acknowledger: &Acknowledger, count: usize) {
        for _ in 0..count {
            let one = Acknowledgement {
                address: Address::from_bytes([7; 32]),
                epoch: Epoch::default(),
                incarnation: Incarnation([0; 8]),
                entries: vec![(Sequence::FIRST, 1)],
            };
            acknowledger.try_put(one).expect("there is room");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_of_five_milliseconds_go_together() {
        let mut taken = start(false);
        put(&taken.acknowledger, 1);
        tokio::time::sleep(Duration::from_millis(3)).await;
        put(&taken.acknowledger, 2);
        assert_eq!(taken.written.recv().await, Some((5, 3)));
        put(&taken.acknowledger, 1);
        assert_eq!(taken.written.recv().await, Some((10, 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_once_a_stream_has_ended() {
        let mut taken = start(false);
        put(&taken.acknowledger, 3);
        taken.acknowledger.hurry();
        assert_eq!(taken.written.recv().await, Some((0, 3)));
    }

    #[tokio::test(start_paused = true)]
    async fn all_is_written_when_the_last_stream_is_gone() {
        let Taken { acknowledger, mut written } = start(false);
        put(&acknowledger, BATCH + 1);
        drop(acknowledger);
        let sizes = [written.recv().await, written.recv().await].map(|written| written.map(|(_, size)| size));
        assert_eq!(sizes, [Some(BATCH), Some(1)]);
        assert_eq!(written.recv().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_never_answers_gets_no_more_than_its_writes() {
        let mut taken = start(true);
        for _ in 0..WRITES {
            put(&taken.acknowledger, 1);
            assert!(taken.written.recv().await.is_some());
        }
        put(&taken.acknowledger, 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(taken.written.is_empty());
    }
}
