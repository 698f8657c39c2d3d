//! A circuit breaker: while a server is in trouble, calls are refused at once and one at a time tries it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::jitter::around;
use crate::store::StoreError;

/// Whether a server is worth trying.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    open: AtomicBool,
    trouble: Mutex<Trouble>,
}

#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
    /// When the next may try.
    not_before: Option<Instant>,
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Breaker {
    /// What callers are told while it is open.
    pub(super) const OPEN: StoreError = StoreError::Unavailable("Redis has not answered lately");

    /// Whether there was trouble lately.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether the caller may try. After trouble one may, once in a while.
    pub(super) fn admit(&self) -> Result<(), StoreError> {
        if !self.is_open() {
            return Ok(());
        }
        let mut trouble = self.trouble.lock();
        let now = Instant::now();
        if trouble.not_before.is_some_and(|at| now < at) {
            return Err(Self::OPEN);
        }
        trouble.not_before = Some(now + pause(trouble.failures));
        Ok(())
    }

    /// It did not connect, or was silent.
    pub(super) fn failed(&self) {
        let mut trouble = self.trouble.lock();
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.not_before = Some(Instant::now() + pause(trouble.failures));
        self.open.store(true, Ordering::Relaxed);
    }

    /// It answers.
    pub(super) fn succeeded(&self) {
        if self.is_open() {
            *self.trouble.lock() = Trouble::default();
            self.open.store(false, Ordering::Relaxed);
        }
    }
}

/// Doubles with each failure; jittered, so that relays do not come back together.
pub(super) fn pause(failures: u32) -> Duration {
    around((FIRST_PAUSE * 2u32.saturating_pow(failures.saturating_sub(1).min(8))).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_lets_one_try_now_and_then_and_closes() {
        let breaker = Breaker::default();
        assert_eq!(breaker.admit(), Ok(()));
        assert_eq!(breaker.admit(), Ok(()));
        breaker.failed();
        assert_eq!(breaker.admit(), Err(Breaker::OPEN));
        tokio::time::advance(LONGEST_PAUSE * 2).await;
        assert_eq!(breaker.admit(), Ok(()), "one may try");
        assert_eq!(breaker.admit(), Err(Breaker::OPEN), "and no other meanwhile");
        breaker.succeeded();
        assert_eq!(breaker.admit(), Ok(()));
        assert_eq!(breaker.admit(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_a_limit() {
        assert!(pause(1) < Duration::from_millis(80));
        for failures in 0..100 {
            assert!(pause(failures) <= LONGEST_PAUSE * 3 / 2);
        }
        assert!(pause(50) >= LONGEST_PAUSE / 2);
    }
}
