//! Why and when streams end by the relay's will.

use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why a stream, or one mailbox of it, ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A newer stream has the mailbox (P5).
    Displaced,
    /// The owner deleted the mailbox.
    Deleted,
    /// The owner closed the mailbox.
    Removed,
    /// The relay is leaving (P11).
    Draining,
    /// The stream has lived long enough (P11).
    Rebalance,
    /// The owner does not answer.
    PeerSilent,
    /// The store was started anew, and may have lost what it had not written: only a new opening tells what there is.
    StoreRestarted,
}

/// The relay's word that it is leaving, given once to all streams.
#[derive(Debug, Clone)]
pub struct Drain {
    token: CancellationToken,
    spread: Duration,
}

impl Drain {
    /// Streams will end at random moments over `spread` after the word was given.
    pub fn new(spread: Duration) -> Self {
        Self { token: CancellationToken::new(), spread }
    }

    /// Gives the word.
    pub fn begin(&self) {
        self.token.cancel();
    }

    /// Waits for the word.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    pub(super) fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// When a stream that has just got the word is to end.
    pub(super) fn moment(&self) -> Instant {
        Instant::now() + jittered(self.spread)
    }
}

/// A random part of a duration.
pub(super) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::rng().random_range(0.0..=1.0))
}
