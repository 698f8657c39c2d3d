//! Says what happens over and over once in a while.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::loggable::Count;

/// For one kind of log line.
#[derive(Debug)]
pub struct Rarely {
    /// Seconds after the first question at which the next yes may come.
    next: AtomicU64,
    /// Questions since the last yes.
    unsaid: AtomicU64,
}

/// Seconds between two lines.
const PAUSE_SECS: u64 = 10;

impl Rarely {
    /// Nothing has been said yet.
    pub const fn new() -> Self {
        Self { next: AtomicU64::new(0), unsaid: AtomicU64::new(0) }
    }

    /// If it is time to say it (again): how often it was not said since. Then the next time comes in ten seconds at the
    /// earliest.
    pub fn now(&self) -> Option<Count> {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        let now = BEGAN.get_or_init(Instant::now).elapsed().as_secs();
        let next = self.next.load(Ordering::Relaxed);
        let is_time = now >= next
            && self.next.compare_exchange(next, now + PAUSE_SECS, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !is_time {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Count(self.unsaid.swap(0, Ordering::Relaxed)))
    }
}

impl Default for Rarely {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_just_said_is_not_said_again_but_counted() {
        let rarely = Rarely::new();
        assert!(rarely.now().is_some_and(|unsaid| unsaid.0 == 0));
        assert!(rarely.now().is_none() && rarely.now().is_none());
        rarely.next.store(0, Ordering::Relaxed);
        assert!(rarely.now().is_some_and(|unsaid| unsaid.0 == 2));
    }
}
