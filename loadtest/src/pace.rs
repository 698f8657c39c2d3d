//! Hands messages over when they are due, from a thread of its own: nothing that the senders do delays it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::mpsc::UnboundedSender;

use crate::board::{Board, Order};
use crate::latencies::{Times, no_times, note};
use crate::problem::{During as _, Problem};
use crate::schedule::Schedule;

/// Where orders go: one queue for each sender. It has no limit: what a slow system does not take is late, not dropped.
pub type Queues = Arc<[UnboundedSender<Order>]>;

/// What is handed over.
#[derive(Debug)]
pub struct Pace {
    /// When, from `begins`.
    pub schedule: Schedule<StdRng>,
    /// From the run's beginning.
    pub begins: Duration,
}

/// A pause is not shorter: many messages are due in it at a high rate, and go together.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);
/// A pause is not longer, so that a run can be stopped.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The thread that does it. When it is dropped, it stops.
#[derive(Debug)]
pub struct Pacer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Times>>,
}

impl Pacer {
    /// Starts.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(pace: Pace, board: Arc<Board>, queues: Queues) -> Result<Self, Problem> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("pacer".to_owned());
        let thread = thread.spawn(move || run(pace, &board, &queues, &stopped)).during("starting a thread")?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Whether all is handed over.
    pub fn is_done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Hands nothing more over.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How late each message was handed over. Waits until all are, or until it has stopped.
    pub fn join(mut self) -> Times {
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_else(no_times)
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(pace: Pace, board: &Board, queues: &Queues, stop: &AtomicBool) -> Times {
    let mut lateness = no_times();
    let mut rng = StdRng::from_rng(&mut rand::rng());
    let mailboxes = u32::try_from(board.mailboxes()).unwrap_or(u32::MAX).max(1);
    for (number, due) in pace.schedule.enumerate() {
        let due = pace.begins + due;
        let mut now = board.now();
        while now < due {
            if stop.load(Ordering::Relaxed) {
                return lateness;
            }
            std::thread::sleep((due - now).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
            now = board.now();
        }
        note(&mut lateness, now - due);
        let order = Order { mailbox: rng.random_range(0..mailboxes), due };
        // A sender takes its queue's end with it only when the run is over.
        if queues.get(number % queues.len().max(1)).is_some_and(|queue| queue.send(order).is_ok()) {
            board.due();
        }
    }
    lateness
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Arrivals, Stretch};
    use tokio::sync::mpsc;

    #[test]
    fn a_sender_that_takes_nothing_delays_nobody() {
        let board = Arc::new(Board::new(10, None));
        let (queues, mut ends): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::unbounded_channel()).unzip();
        let stretches = vec![Stretch::steady(4000.0, Duration::from_millis(100))];
        let schedule = Schedule::new(stretches, Arrivals::Constant, StdRng::seed_from_u64(1));
        let begins = board.now();
        let pacer = Pacer::start(Pace { schedule, begins }, board, queues.into()).unwrap();
        let lateness = pacer.join();
        assert_eq!(lateness.len(), 400);
        for end in &mut ends {
            let mut orders = Vec::new();
            while let Ok(order) = end.try_recv() {
                orders.push(order.due);
            }
            assert_eq!(orders.len(), 100);
            assert!(orders.is_sorted());
        }
    }

    #[test]
    fn it_stops_when_it_is_dropped() {
        let board = Arc::new(Board::new(1, None));
        let (queue, mut end) = mpsc::unbounded_channel();
        let stretches = vec![Stretch::steady(1.0, Duration::from_secs(3600))];
        let schedule = Schedule::new(stretches, Arrivals::Constant, StdRng::seed_from_u64(1));
        let begins = board.now() + Duration::from_secs(3600);
        let pacer = Pacer::start(Pace { schedule, begins }, board, [queue].into()).unwrap();
        drop(pacer);
        // The thread lets go of the queue.
        assert!(end.blocking_recv().is_none());
    }
}
