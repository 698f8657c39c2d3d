//! Connections that have not finished their TLS handshake.
//!
//! Somebody who opens sockets and says nothing costs memory and a descriptor each, so there are only so many at once.
//! When there are, new connections wait in the kernel; but not for ever: the oldest of them gives way once it has had
//! [`PATIENCE`], so that silent sockets, however many, hold nobody up for long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Those of one listener.
#[derive(Debug)]
pub(super) struct Handshakes {
    most: usize,
    pending: Mutex<Pending>,
    finished: Notify,
    /// Those whose keys are being worked out. They take turns, so that a crowd of them leaves processors to the others.
    pub(super) working: Semaphore,
}

#[derive(Debug, Default)]
struct Pending {
    next: u64,
    /// In the order of their beginnings.
    seats: BTreeMap<u64, (Instant, CancellationToken)>,
}

/// One that is under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    handshakes: Arc<Handshakes>,
    number: u64,
    gives_way: CancellationToken,
}

/// What the oldest has for itself while others wait.
const PATIENCE: Duration = Duration::from_secs(1);
/// Handshakes whose keys are worked out at once, for each processor: each takes one for a part of a millisecond.
const WORKING: usize = 2;

impl Handshakes {
    pub(super) fn new(most: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { most, pending: Mutex::default(), finished: Notify::new(), working: Semaphore::new(WORKING * processors) }
    }

    /// Waits until one more may begin. Only one task does so.
    pub(super) async fn room(&self) {
        loop {
            let finished = self.finished.notified();
            let oldest = {
                let pending = self.pending.lock();
                if pending.seats.len() < self.most {
                    return;
                }
                pending.seats.first_key_value().map(|(number, (began, _))| (*number, *began))
            };
            let Some((number, began)) = oldest else { return };
            tokio::select! {
                () = finished => {}
                () = tokio::time::sleep_until(began + PATIENCE) => {
                    if let Some((_, gives_way)) = self.pending.lock().seats.remove(&number) {
                        gives_way.cancel();
                    }
                }
            }
        }
    }

    /// One begins. It ends, finished or not, when the listener stops: a connection that comes of it would get no answer
    /// any more, and a peer that is silent would hold up everybody who waits for the last one.
    pub(super) fn begin(self: &Arc<Self>, stop: &CancellationToken) -> Seat {
        let gives_way = stop.child_token();
        let mut pending = self.pending.lock();
        let number = pending.next;
        pending.next += 1;
        pending.seats.insert(number, (Instant::now(), gives_way.clone()));
        Seat { handshakes: self.clone(), number, gives_way }
    }
}

impl Seat {
    /// Waits until it must give way to another, or the listener stops.
    pub(super) async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.handshakes.pending.lock().seats.remove(&self.number).is_some() {
            self.handshakes.finished.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_immediate(wait: impl Future<Output = ()>) -> bool {
        let begin = Instant::now();
        wait.await;
        begin.elapsed() == Duration::ZERO
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_until_there_are_as_many_as_may_be() {
        let handshakes = Arc::new(Handshakes::new(2));
        let stop = CancellationToken::new();
        let _first = handshakes.begin(&stop);
        assert!(is_immediate(handshakes.room()).await);
        let second = handshakes.begin(&stop);
        let waiting = tokio::spawn({
            let handshakes = handshakes.clone();
            async move { is_immediate(handshakes.room()).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        assert!(waiting.await.expect("no panic"), "who has finished makes room at once");
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_gives_way_when_it_has_had_its_time() {
        let handshakes = Arc::new(Handshakes::new(2));
        let begin = Instant::now();
        let stop = CancellationToken::new();
        let (first, second) = (handshakes.begin(&stop), handshakes.begin(&stop));
        handshakes.room().await;
        assert_eq!(begin.elapsed(), PATIENCE);
        first.gives_way().await;
        assert!(!second.gives_way.is_cancelled());
        // It has left already: when it ends, it makes no further room.
        let _third = handshakes.begin(&stop);
        drop(first);
        assert_eq!(handshakes.pending.lock().seats.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn all_give_way_when_the_listener_stops() {
        let handshakes = Arc::new(Handshakes::new(2));
        let stop = CancellationToken::new();
        let pending = handshakes.begin(&stop);
        stop.cancel();
        assert!(is_immediate(pending.gives_way()).await);
        assert!(is_immediate(handshakes.begin(&stop).gives_way()).await, "and who was accepted in the same moment");
    }
}
