//! How the owners of a run are doing, all together.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::latencies::{Times, no_times, note};
use crate::problem::Problem;

/// The owners of a run.
#[derive(Debug, Default)]
pub struct Crowd {
    live: Mutex<Live>,
    away: Mutex<Away>,
    /// Why the last one was not opened.
    refused: Mutex<Option<String>>,
}

/// Mailboxes that are open and have caught up.
#[derive(Debug, Default)]
struct Live {
    /// How often all were told to go: who was opened before that does not count.
    storm: u64,
    mailboxes: usize,
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
        self.live.lock().mailboxes
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

    /// A mailbox of a stream that was opened after this storm has caught up.
    pub(super) fn joined(&self, storm: u64) {
        let mut live = self.live.lock();
        if live.storm == storm {
            live.mailboxes += 1;
        }
    }

    /// A stream ended that was opened after this storm, and so many of its mailboxes had caught up.
    pub(super) fn left(&self, storm: u64, mailboxes: usize) {
        let mut live = self.live.lock();
        if live.storm == storm {
            live.mailboxes = live.mailboxes.saturating_sub(mailboxes);
        }
    }

    /// All are about to go: from now on only those count that were opened after this storm.
    pub(super) fn all_go(&self, storm: u64) {
        *self.live.lock() = Live { storm, mailboxes: 0 };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_there_before_a_storm_neither_counts_nor_is_missed_after_it() {
        let crowd = Crowd::default();
        (0..3).for_each(|_| crowd.joined(0));
        crowd.left(0, 1);
        assert_eq!(crowd.live(), 2);
        crowd.all_go(1);
        crowd.joined(1);
        // One who is late to notice.
        crowd.left(0, 1);
        crowd.joined(0);
        assert_eq!(crowd.live(), 1);
        crowd.left(1, 1);
        assert_eq!(crowd.live(), 0);
    }
}
