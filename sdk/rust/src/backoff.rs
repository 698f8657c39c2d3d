//! How long to wait before the next try: exponential with full jitter, capped first, then jittered.

use std::time::Duration;

use rand::RngExt as _;

/// The longest time that a relay's word is taken for: a hostile one could silence a client for ever.
const LONGEST_HINT: Duration = Duration::from_secs(600);

/// Counts failures in a row and draws the next delay.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Starts at `first`, doubles up to `cap`.
    pub(crate) const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, failures: 0 }
    }

    /// The next delay: anything from nothing to the current ceiling, after whatever the relay asked for. The jitter
    /// comes on top of the relay's time, as it may have told many clients the same.
    pub(crate) fn next(&mut self, hint: Option<Duration>) -> Duration {
        let ceiling = self.first.saturating_mul(1 << self.failures.min(20)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        hint.unwrap_or_default().min(LONGEST_HINT) + up_to(ceiling)
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random time from nothing to `ceiling`.
pub(crate) fn up_to(ceiling: Duration) -> Duration {
    ceiling.mul_f64(rand::rng().random_range(0.0..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_below_a_ceiling_that_doubles_up_to_the_cap() {
        for _ in 0..200 {
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
            for ceiling in [100, 200, 400, 800, 1000, 1000] {
                assert!(backoff.next(None) <= Duration::from_millis(ceiling));
            }
            backoff.reset();
            assert!(backoff.next(None) <= Duration::from_millis(100));
        }
    }

    #[test]
    fn the_relays_time_is_honoured_within_reason() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        assert!(backoff.next(Some(Duration::from_secs(5))) >= Duration::from_secs(5));
        assert!(backoff.next(Some(Duration::MAX)) <= LONGEST_HINT + Duration::from_secs(1));
    }

    #[test]
    fn many_failures_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        for _ in 0..100 {
            assert!(backoff.next(None) <= Duration::from_secs(60));
        }
    }
}
