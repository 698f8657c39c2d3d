//! Time as a value: seconds for devices, hours for what the relay may keep.

const SECS_IN_HOUR: u64 = 3_600;

/// Seconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnixTime(pub u64);

/// Whole hours since 1970-01-01T00:00:00Z: the finest time that the relay may store, log or measure for a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hour(pub u32);

impl UnixTime {
    /// The seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The hour that this moment lies in; the last representable hour for moments after it (the year 491936).
    pub fn hour(self) -> Hour {
        Hour(u32::try_from(self.0 / SECS_IN_HOUR).unwrap_or(u32::MAX))
    }

    /// This moment moved `secs` seconds into the future, stopping at the end of time.
    #[must_use]
    pub const fn saturating_add(self, secs: u64) -> Self {
        Self(self.0.saturating_add(secs))
    }

    /// This moment moved `secs` seconds into the past, stopping at the epoch.
    #[must_use]
    pub const fn saturating_sub(self, secs: u64) -> Self {
        Self(self.0.saturating_sub(secs))
    }

    /// The distance to another moment in seconds, whichever comes first.
    pub const fn abs_diff(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }
}

impl Hour {
    /// The first second of the hour.
    pub fn start(self) -> UnixTime {
        UnixTime(u64::from(self.0) * SECS_IN_HOUR)
    }

    /// This hour moved `hours` into the future, stopping at the last one.
    #[must_use]
    pub const fn saturating_add(self, hours: u32) -> Self {
        Self(self.0.saturating_add(hours))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_starts_at_its_first_second() {
        assert_eq!(UnixTime(3_599).hour(), Hour(0));
        assert_eq!(UnixTime(3_600).hour(), Hour(1));
        assert_eq!(Hour(1).start(), UnixTime(3_600));
    }

    #[test]
    fn the_end_of_time_saturates() {
        assert_eq!(UnixTime(u64::MAX).hour(), Hour(u32::MAX));
        assert_eq!(UnixTime(u64::MAX).saturating_add(1), UnixTime(u64::MAX));
    }
}
