//! Connections that have not finished their TLS handshake.
//!
//! Somebody who opens sockets and says nothing costs memory and a descriptor each, so there are only so many at once.
//! When there are, new connections wait in the kernel; but not for ever: the one whose peer has been silent for longest
//! gives way once that was [`PATIENCE`], so that silent sockets, however many, hold nobody up for long. Who has spoken
//! and waits for the relay's answer does not give way: in a rush that would only be work to be done again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Those of one listener.
#[derive(Debug)]
pub(super) struct Handshakes {
    most: usize,
    pending: Mutex<Pending>,
    /// Somebody has finished, or waits for a peer again.
    changed: Notify,
    /// Those whose keys are being worked out. They take turns, so that a crowd of them leaves processors to the others.
    working: Semaphore,
}

#[derive(Debug, Default)]
struct Pending {
    next: u64,
    seats: HashMap<u64, Waiting>,
    /// Those whose peers are waited for, the most silent first.
    silent: BTreeSet<(Instant, u64)>,
}

#[derive(Debug)]
struct Waiting {
    /// How long its peer has been waited for; `None` while the peer waits for the relay.
    since: Option<Instant>,
    gives_way: CancellationToken,
}

/// One that is under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    handshakes: Arc<Handshakes>,
    number: u64,
    gives_way: CancellationToken,
}

/// One's turn to work out keys, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _permit: Option<SemaphorePermit<'a>>,
    _answered: Answered<'a>,
}

/// The peer is waited for again when this is dropped.
#[derive(Debug)]
struct Answered<'a>(&'a Seat);

/// What a peer has for its next words while others wait.
const PATIENCE: Duration = Duration::from_secs(1);
/// Handshakes whose keys are worked out at once, for each processor: each takes one for a part of a millisecond.
const WORKING: usize = 2;

impl Handshakes {
    pub(super) fn new(most: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_turns(most, WORKING * processors)
    }

    pub(super) fn with_turns(most: usize, turns: usize) -> Self {
        Self { most, pending: Mutex::default(), changed: Notify::new(), working: Semaphore::new(turns) }
    }

    #[cfg(test)]
    pub(super) fn free_turns(&self) -> usize {
        self.working.available_permits()
    }

    /// Waits until one more may begin. Only one task does so.
    pub(super) async fn room(&self) {
        loop {
            let changed = self.changed.notified();
            let most_silent = {
                let pending = self.pending.lock();
                if pending.seats.len() < self.most {
                    return;
                }
                pending.silent.first().copied()
            };
            let Some((since, number)) = most_silent else {
                changed.await;
                continue;
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(since + PATIENCE) => self.pending.lock().gives_way(since, number),
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
        pending.seats.insert(number, Waiting { since: None, gives_way: gives_way.clone() });
        pending.is_silent(number, Some(Instant::now()));
        Seat { handshakes: self.clone(), number, gives_way }
    }
}

impl Pending {
    /// Its peer has been waited for since then, or is not waited for.
    fn is_silent(&mut self, number: u64, since: Option<Instant>) {
        // It is not there any more if it gave way.
        let Some(waiting) = self.seats.get_mut(&number) else { return };
        if let Some(before) = std::mem::replace(&mut waiting.since, since) {
            self.silent.remove(&(before, number));
        }
        self.silent.extend(since.map(|since| (since, number)));
    }

    fn gives_way(&mut self, since: Instant, number: u64) {
        // It may have spoken just now.
        if self.silent.contains(&(since, number))
            && let Some(waiting) = self.remove(number)
        {
            waiting.gives_way.cancel();
        }
    }

    fn remove(&mut self, number: u64) -> Option<Waiting> {
        self.is_silent(number, None);
        self.seats.remove(&number)
    }
}

impl Seat {
    /// Waits until it must give way to another, or the listener stops.
    pub(super) async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }

    /// The peer has spoken: waits for its turn to work out keys.
    pub(super) async fn turn(&self) -> Turn<'_> {
        self.handshakes.pending.lock().is_silent(self.number, None);
        let answered = Answered(self);
        // It fails only where the semaphore is closed, which ours never is.
        Turn { _permit: self.handshakes.working.acquire().await.ok(), _answered: answered }
    }
}

impl Drop for Answered<'_> {
    fn drop(&mut self) {
        let handshakes = &self.0.handshakes;
        handshakes.pending.lock().is_silent(self.0.number, Some(Instant::now()));
        handshakes.changed.notify_one();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.handshakes.pending.lock().remove(self.number).is_some() {
            self.handshakes.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    async fn is_immediate(wait: impl Future<Output = ()>) -> bool {
        let begin = Instant::now();
        wait.await;
        begin.elapsed() == Duration::ZERO
    }

    /// As many as may be at once: two.
    fn two() -> (Arc<Handshakes>, CancellationToken, [Seat; 2]) {
        let (handshakes, stop) = (Arc::new(Handshakes::new(2)), CancellationToken::new());
        let seats = [handshakes.begin(&stop), handshakes.begin(&stop)];
        (handshakes, stop, seats)
    }

    /// Waits for room, beside what follows.
    fn room(handshakes: &Arc<Handshakes>) -> tokio::task::JoinHandle<bool> {
        let handshakes = handshakes.clone();
        tokio::spawn(async move { is_immediate(handshakes.room()).await })
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_until_there_are_as_many_as_may_be() {
        let handshakes = Arc::new(Handshakes::new(2));
        let stop = CancellationToken::new();
        let _first = handshakes.begin(&stop);
        assert!(is_immediate(handshakes.room()).await);
        let second = handshakes.begin(&stop);
        let waiting = room(&handshakes);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        assert!(waiting.await.expect("no panic"), "who has finished makes room at once");
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_gives_way_when_it_has_had_its_time() {
        let begin = Instant::now();
        let (handshakes, stop, [first, second]) = two();
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
    async fn who_waits_for_the_relay_does_not_give_way() {
        let begin = Instant::now();
        let (handshakes, stop, [first, second]) = two();
        let turn = first.turn().await;
        // Who was chosen because it was silent may have spoken since.
        handshakes.pending.lock().gives_way(begin, first.number);
        assert!(!first.gives_way.is_cancelled());
        handshakes.room().await;
        assert!(second.gives_way.is_cancelled() && !first.gives_way.is_cancelled());
        assert_eq!(begin.elapsed(), PATIENCE);

        // Its peer is waited for again, from now on.
        let third = handshakes.begin(&stop);
        let _turn = third.turn().await;
        let waiting = room(&handshakes);
        tokio::time::sleep(PATIENCE * 3).await;
        assert!(!waiting.is_finished(), "nobody is silent");
        drop(turn);
        waiting.await.expect("no panic");
        assert_eq!(begin.elapsed(), PATIENCE * 5);
        first.gives_way().await;
        assert!(!third.gives_way.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_taken_by_a_few_at_once() {
        let handshakes = Arc::new(Handshakes::new(1_000));
        let stop = CancellationToken::new();
        let seats: Vec<Seat> = (0..1_000).map(|_| handshakes.begin(&stop)).collect();
        let mut turns = Vec::new();
        for seat in &seats {
            match seat.turn().now_or_never() {
                Some(turn) => turns.push(turn),
                None => break,
            }
        }
        let most = turns.len();
        assert_eq!(most % WORKING, 0);
        assert!((WORKING..1_000).contains(&most));
        let mut next = pin!(seats[most].turn());
        assert!(next.as_mut().now_or_never().is_none());
        turns.pop();
        next.await;
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
