//! The time of day, as an argument, so that tests can set it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sealpost_core::UnixTime;

/// Milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// How long this was before a later moment; nothing where that was earlier, by another machine's clock.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

impl From<UnixTime> for UnixMillis {
    fn from(time: UnixTime) -> Self {
        Self(time.as_secs().saturating_mul(1000))
    }
}

impl fmt::Debug for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnixMillis(..)")
    }
}

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

    /// The same in milliseconds: for how long something took, and never to be stored.
    pub fn now_millis(&self) -> UnixMillis {
        UnixMillis(match &self.0 {
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }
            Source::Set(secs) => secs.load(Ordering::Relaxed).saturating_mul(1000),
        })
    }

    /// Moves a standing clock; the machine's does not move.
    pub fn advance(&self, secs: u64) {
        if let Source::Set(now) = &self.0 {
            now.fetch_add(secs, Ordering::Relaxed);
        }
    }
}
