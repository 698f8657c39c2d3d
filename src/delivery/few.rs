//! A few calls of the store, under way at once.

use std::task::{Context, Poll};

use crate::store::StoreFuture;

/// They are so few that all are asked whenever one may be done. It holds no memory while there is none.
pub(super) struct Few<T>(Vec<StoreFuture<'static, T>>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Few<T> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, call: StoreFuture<'static, T>) {
        self.0.push(call);
    }

    /// What one came to. Where there is none, it waits for ever.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<T> {
        let done = self.0.iter_mut().enumerate().find_map(|(at, call)| match call.as_mut().poll(context) {
            Poll::Ready(value) => Some((at, value)),
            Poll::Pending => None,
        });
        let Some((at, value)) = done else { return Poll::Pending };
        // It is done, and is not asked again.
        drop(self.0.swap_remove(at));
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Poll::Ready(value)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn each_is_told_once_when_it_is_done() {
        let mut few = Few::default();
        let mut senders: Vec<_> = (0..3)
            .map(|_| {
                let (sender, receiver) = oneshot::channel();
                few.push(Box::pin(async { receiver.await.expect("it is sent") }));
                sender
            })
            .collect();
        assert!(poll_fn(|context| few.poll_next(context)).now_or_never().is_none());
        for (left, which) in [(2, 1), (1, 1), (0, 0)] {
            senders.remove(which).send(which).expect("it is awaited");
            assert_eq!(poll_fn(|context| few.poll_next(context)).await, which);
            assert_eq!((few.len(), few.is_empty()), (left, left == 0));
            assert!(poll_fn(|context| few.poll_next(context)).now_or_never().is_none());
        }
        assert_eq!(few.0.capacity(), 0);
    }
}
