//! Times that differ a little, so that many do not come back all at once.

use std::time::Duration;

use rand::RngExt;

/// About so long: give or take a half.
pub(crate) fn around(duration: Duration) -> Duration {
    duration.mul_f64(rand::rng().random_range(0.5..1.5))
}
