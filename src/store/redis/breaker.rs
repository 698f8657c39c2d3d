//! A circuit breaker: while a server is in trouble, calls are refused at once and one at a time tries it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::jitter::around;
use crate::store::StoreError;
use crate::telemetry::Gauge;

/// Whether a server is worth trying.
#[derive(Debug)]
pub(super) struct Breaker {
    open: AtomicBool,
    all_open: Gauge,
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

    /// Closed; while it is open, it is one of `all_open`.
    pub(super) fn new(all_open: Gauge) -> Self {
        Self { open: AtomicBool::new(false), all_open, trouble: Mutex::default() }
    }

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
        self.set(true);
    }

    /// It answers.
    pub(super) fn succeeded(&self) {
        if self.is_open() {
            *self.trouble.lock() = Trouble::default();
            self.set(false);
        }
    }

    fn set(&self, open: bool) {
        match (self.open.swap(open, Ordering::Relaxed), open) {
            (false, true) => self.all_open.rise(1),
            (true, false) => self.all_open.fall(1),
            _ => {}
        }
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        self.set(false);
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
        let all_open = Gauge::default();
        let breaker = Breaker::new(all_open.clone());
        assert_eq!(breaker.admit(), Ok(()));
        assert_eq!(breaker.admit(), Ok(()));
        breaker.failed();
        breaker.failed();
        assert_eq!((breaker.admit(), all_open.get()), (Err(Breaker::OPEN), 1));
        tokio::time::advance(LONGEST_PAUSE * 2).await;
        assert_eq!(breaker.admit(), Ok(()), "one may try");
        assert_eq!(breaker.admit(), Err(Breaker::OPEN), "and no other meanwhile");
        breaker.succeeded();
        assert_eq!((breaker.admit(), all_open.get()), (Ok(()), 0));
        assert_eq!(breaker.admit(), Ok(()));
        breaker.failed();
        drop(breaker);
        assert_eq!(all_open.get(), 0, "a server that is gone is not counted");
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
