//! How the owners of a run are doing, all together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::latencies::{Times, no_times, note};
use crate::problem::Problem;

/// The owners of a run.
#[derive(Debug, Default)]
pub struct Crowd {
    /// Mailboxes that are open and have caught up.
    live: AtomicUsize,
    away: Mutex<Away>,
    /// Why the last one was not opened.
    refused: Mutex<Option<String>>,
}

/// How long owners were without a stream, after one that they had.
#[derive(Debug, Clone)]
pub struct Away {
    /// Streams that ended and were opened again.
    pub streams: u64,
    /// From the end of one to the opening of the next.
    pub times: Times,
    /// The longest, beyond the time that the relay had asked them to wait.
    pub longest_overdue: Duration,
}

impl Default for Away {
    fn default() -> Self {
        Self { streams: 0, times: no_times(), longest_overdue: Duration::ZERO }
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Crowd {
    /// Mailboxes that are open and have caught up.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    /// How long owners were away since the last call.
    pub fn take_away(&self) -> Away {
        std::mem::take(&mut *self.away.lock())
    }

    /// Waits until so many mailboxes are live.
    ///
    /// # Errors
    /// Where none joins them for as long as there is patience.
    pub async fn until_live(&self, mailboxes: usize, patience: Duration) -> Result<(), Problem> {
        let (mut seen, mut since) = (self.live(), Instant::now());
        loop {
            let live = self.live();
            if live >= mailboxes {
                return Ok(());
            }
            if live > seen {
                (seen, since) = (live, Instant::now());
            }
            if since.elapsed() > patience {
                let why = self.refused.lock().clone().unwrap_or_else(|| "no stream was refused".to_owned());
                return Err(Problem::new(format!("only {live} of {mailboxes} mailboxes are open: {why}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(super) fn joined(&self) {
        self.live.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn left(&self, mailboxes: usize) {
        // All may have been declared gone meanwhile.
        let _ = self.live.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |live| Some(live.saturating_sub(mailboxes)));
    }

    pub(super) fn all_gone(&self) {
        self.live.store(0, Ordering::SeqCst);
    }

    pub(super) fn was_away(&self, time: Duration, asked: Duration) {
        let mut away = self.away.lock();
        away.streams += 1;
        note(&mut away.times, time);
        away.longest_overdue = away.longest_overdue.max(time.saturating_sub(asked));
    }

    pub(super) fn refused(&self, why: String) {
        *self.refused.lock() = Some(why);
    }
}
