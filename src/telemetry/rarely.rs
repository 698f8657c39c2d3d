//! Says what happens over and over once in a while.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// For one kind of log line.
#[derive(Debug)]
pub struct Rarely {
    /// Seconds after the first question at which the next yes may come.
    next: AtomicU64,
}

/// Seconds between two lines.
const PAUSE_SECS: u64 = 10;

impl Rarely {
    /// Nothing has been said yet.
    pub const fn new() -> Self {
        Self { next: AtomicU64::new(0) }
    }

    /// Whether it is time to say it (again); then the next yes comes in ten seconds at the earliest.
    pub fn now(&self) -> bool {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        let now = BEGAN.get_or_init(Instant::now).elapsed().as_secs();
        let next = self.next.load(Ordering::Relaxed);
        now >= next && self.next.compare_exchange(next, now + PAUSE_SECS, Ordering::Relaxed, Ordering::Relaxed).is_ok()
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
    fn what_was_just_said_is_not_said_again() {
        let rarely = Rarely::new();
        assert!(rarely.now());
        assert!(!rarely.now());
    }
}
