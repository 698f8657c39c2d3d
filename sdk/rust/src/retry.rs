//! Retries of one operation, within its time.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tonic::{Response, Status};

use crate::Error;
use crate::backoff::Backoff;

/// The back-off of one call; that of streams is slower.
pub(crate) const FIRST_DELAY: Duration = Duration::from_millis(200);
pub(crate) const LONGEST_DELAY: Duration = Duration::from_secs(10);

const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Waits between the tries of one operation, until its time is over.
pub(crate) struct Retry {
    deadline: Instant,
    backoff: Backoff,
}

impl Retry {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { deadline: from_now(limit), backoff: Backoff::new(FIRST_DELAY, LONGEST_DELAY) }
    }

    /// Waits before the next try; gives the error back if there is none.
    pub(crate) async fn pause(&mut self, error: Error) -> Result<(), Error> {
        if !error.is_retryable() {
            return Err(error);
        }
        let delay = self.backoff.next(error.retry_after());
        // A try that begins as the time ends would only make the caller wait for nothing.
        if Instant::now() + delay >= self.deadline {
            return Err(error);
        }
        sleep(delay).await;
        Ok(())
    }
}

/// Waits for an answer, but not for ever.
pub(crate) async fn answer_within<T>(
    limit: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Error> {
    match timeout(limit, call).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(Error::TimedOut),
    }
}

/// That much later; an app that says "never" by a huge time means a long one.
pub(crate) fn from_now(delay: Duration) -> Instant {
    Instant::now() + delay.min(LONGEST)
}
