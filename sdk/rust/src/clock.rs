//! The device's clock, and how far the relay's is from it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sealpost_core::UnixTime;

use crate::Error;

/// The time now, by the device's clock.
pub(crate) fn now() -> UnixTime {
    // A clock before 1970 is as wrong as one at 1970; the relay's answer corrects both.
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// The relay's clock as far as it is known: a device's may be wrong by hours.
#[derive(Debug, Default)]
pub(crate) struct RelayClock {
    ahead_secs: AtomicI64,
}

impl RelayClock {
    /// The time to put into a proof.
    pub(crate) fn now(&self) -> UnixTime {
        UnixTime(now().as_secs().saturating_add_signed(self.ahead_secs.load(Ordering::Relaxed)))
    }

    /// Learns from a PROOF_STALE; `false` if it did not say the relay's time.
    pub(crate) fn correct(&self, error: &Error) -> bool {
        let Some(relay_time) = error.fact("relay_time").and_then(|text| text.parse::<u64>().ok()) else {
            return false;
        };
        let ahead = i128::from(relay_time) - i128::from(now().as_secs());
        self.ahead_secs.store(i64::try_from(ahead).unwrap_or_default(), Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use sealpost_proto::Reason;
    use sealpost_proto::status::Failure;

    use super::*;

    #[test]
    fn the_clock_follows_the_relays_word() {
        let clock = RelayClock::default();
        let relay_time = now().saturating_sub(86_400);
        let stale = Failure::new(Reason::ProofStale, "").with("relay_time", relay_time.as_secs().to_string());
        assert!(clock.correct(&stale.into()));
        assert!(clock.now().abs_diff(relay_time) <= 1);
        assert!(!clock.correct(&Error::refused(Reason::ProofStale)));
    }
}
