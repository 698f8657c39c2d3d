//! A request's body on its way to the framework's decoder, which keeps what has come of a message until it has come whole.
//!
//! So a peer could have the relay hold the longest message on each of its streams, for as long as it likes. Here the sum over
//! a connection is bounded, and the time. A stream that goes over either is refused; it is not made to wait, for what waits fills
//! the connection's window, and then what would finish the others could not come.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::failure;
use super::framing::Framing;
use crate::budget::Budget;
use crate::telemetry::{Limit, Metrics};

/// A body whose unfinished message is counted and timed.
pub struct Arriving<B> {
    body: B,
    framing: Framing,
    /// Where the bytes of its connection are counted, and how many of them are this body's.
    unfinished: Option<Arc<Budget>>,
    counted: usize,
    timeout: Duration,
    metrics: Arc<Metrics>,
    /// Runs since the unfinished message was first waited for.
    late: Option<Pin<Box<Sleep>>>,
}

/// So much of a message is not counted: an envelope of usual size comes through, whatever the connection's other streams
/// hold. Streams are counted themselves.
const UNCOUNTED: usize = 64 * 1024;

impl<B> Arriving<B> {
    /// Each message of this body may take so long to come.
    pub(super) fn new(body: B, unfinished: Option<Arc<Budget>>, timeout: Duration, metrics: Arc<Metrics>) -> Self {
        Self { body, framing: Framing::START, unfinished, counted: 0, timeout, metrics, late: None }
    }

    /// Takes a piece in; false: it is too much.
    fn take(&mut self, piece: &[u8]) -> bool {
        if self.framing.follow(piece) {
            self.late = None;
        }
        let Some(unfinished) = &self.unfinished else { return true };
        let held = self.framing.came().saturating_sub(UNCOUNTED);
        if held > self.counted {
            if !unfinished.take(held - self.counted) {
                return false;
            }
        } else if held < self.counted {
            unfinished.give(self.counted - held);
        }
        self.counted = held;
        true
    }

    /// Waits, if a message is unfinished, until it is late.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.framing.is_amid() {
            return Poll::Pending;
        }
        let timeout = self.timeout;
        self.late.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout))).as_mut().poll(context)
    }
}

impl<B> Body for Arriving<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let Poll::Ready(next) = Pin::new(&mut this.body).poll_frame(context) else {
            ready!(this.poll_late(context));
            let late = failure::timed_out("a message did not come whole in time");
            return Poll::Ready(Some(Err(late.into_status().into())));
        };
        if let Some(Ok(frame)) = &next
            && let Some(piece) = frame.data_ref()
            && !this.take(piece)
        {
            this.metrics.edge.shed.count(Limit::UnfinishedBytes);
            return Poll::Ready(Some(Err(failure::too_much_unfinished().into_status().into())));
        }
        Poll::Ready(next.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Arriving<B> {
    fn drop(&mut self) {
        if let Some(unfinished) = &self.unfinished
            && self.counted > 0
        {
            unfinished.give(self.counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use futures_util::FutureExt;
    use sealpost_proto::Reason;
    use sealpost_proto::status::Failure;
    use tonic::Status;

    use super::*;

    /// Says these pieces, and then nothing.
    struct Pieces(VecDeque<Vec<u8>>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.pop_front().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece.into())))))
        }
    }

    const TIMEOUT: Duration = Duration::from_secs(30);
    /// More than is not counted.
    const LENGTH: usize = UNCOUNTED + 1000;

    fn arriving(unfinished: &Arc<Budget>, pieces: impl IntoIterator<Item = Vec<u8>>) -> Arriving<Pieces> {
        Arriving::new(Pieces(pieces.into_iter().collect()), Some(unfinished.clone()), TIMEOUT, Arc::default())
    }

    /// The beginning of a message of [`LENGTH`] bytes.
    fn beginning(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(u32::try_from(LENGTH).expect("a length").to_be_bytes());
        bytes.extend(vec![7; length]);
        bytes
    }

    async fn next<B>(body: &mut Arriving<B>) -> Result<(), Reason>
    where
        Arriving<B>: Body<Error = Box<dyn Error + Send + Sync>> + Unpin,
    {
        match std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => {
                let failure = Failure::from_status(&Status::from_error(error)).expect("it is typed");
                assert!(failure.retry_after.is_some());
                Err(failure.reason)
            }
            None => panic!("it does not end"),
        }
    }

    #[tokio::test]
    async fn p10_what_is_unfinished_is_counted_until_it_is_whole() {
        let unfinished = Arc::new(Budget::new(1000));
        let mut first = arriving(&unfinished, [beginning(UNCOUNTED + 600), vec![7; 400]]);
        assert_eq!(next(&mut first).await, Ok(()));
        assert!(!unfinished.take(401));
        let mut second = arriving(&unfinished, [beginning(UNCOUNTED), vec![7; 401]]);
        assert_eq!(next(&mut second).await, Ok(()), "what is not counted comes through");
        assert_eq!(next(&mut second).await, Err(Reason::Overloaded));
        assert_eq!(next(&mut first).await, Ok(()));
        assert!(unfinished.take(1000), "a whole one is held no longer");
    }

    #[tokio::test]
    async fn what_is_dropped_or_refused_counts_no_longer() {
        let unfinished = Arc::new(Budget::new(1000));
        let mut first = arriving(&unfinished, [beginning(UNCOUNTED + 600)]);
        let mut second = arriving(&unfinished, [beginning(UNCOUNTED + 300), vec![7; 200]]);
        assert_eq!((next(&mut first).await, next(&mut second).await), (Ok(()), Ok(())));
        assert_eq!(next(&mut second).await, Err(Reason::Overloaded));
        drop(first);
        assert!(!unfinished.take(701));
        drop(second);
        assert!(unfinished.take(1000));
    }

    #[tokio::test(start_paused = true)]
    async fn p10_a_message_that_does_not_come_whole_in_time_ends_its_stream() {
        let unfinished = Arc::new(Budget::new(1000));
        let begin = tokio::time::Instant::now();
        // Both by what announces it and within it.
        for came in [beginning(0)[..3].to_vec(), beginning(10)] {
            let mut body = arriving(&unfinished, [came]);
            assert_eq!(next(&mut body).await, Ok(()));
            assert_eq!(next(&mut body).await, Err(Reason::TimedOut));
        }
        assert_eq!(begin.elapsed().as_secs(), 2 * TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn between_messages_a_stream_may_be_silent_and_each_has_its_own_time() {
        let unfinished = Arc::new(Budget::new(1000));
        let mut body = arriving(&unfinished, [beginning(10)]);
        assert_eq!(next(&mut body).await, Ok(()));
        assert_eq!(next(&mut body).now_or_never(), None);
        tokio::time::advance(TIMEOUT - Duration::from_secs(1)).await;
        body.body.0.extend([vec![7; LENGTH - 10]]);
        assert_eq!(next(&mut body).await, Ok(()));
        tokio::time::advance(10 * TIMEOUT).await;
        assert_eq!(next(&mut body).now_or_never(), None);
        body.body.0.extend([beginning(10)]);
        assert_eq!(next(&mut body).await, Ok(()));
        assert_eq!(next(&mut body).now_or_never(), None);
        tokio::time::advance(TIMEOUT - Duration::from_secs(1)).await;
        assert_eq!(next(&mut body).now_or_never(), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(next(&mut body).now_or_never(), Some(Err(Reason::TimedOut)));
    }
}
