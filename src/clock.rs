//! The time of day, as an argument, so that tests can set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sealpost_core::UnixTime;

/// Tells the time of day.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Set(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until it is set; clones are set together.
    pub fn standing_at(now: UnixTime) -> Self {
        Self(Source::Set(Arc::new(AtomicU64::new(now.as_secs()))))
    }

    /// The time now. A machine's clock before 1970 counts as 1970.
    pub fn now(&self) -> UnixTime {
        UnixTime(match &self.0 {
            Source::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            Source::Set(secs) => secs.load(Ordering::Relaxed),
        })
    }

    /// Moves a standing clock; the machine's does not move.
    pub fn advance(&self, secs: u64) {
        if let Source::Set(now) = &self.0 {
            now.fetch_add(secs, Ordering::Relaxed);
        }
    }
}
