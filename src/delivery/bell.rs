//! Tells a stream which of its mailboxes have news.

use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

/// Rung by inboxes, answered by the one stream that they belong to.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<Vec<u32>>,
    stream: AtomicWaker,
}

impl Bell {
    /// Mailbox `number` has news. Each is rung once until it is answered: the inbox sees to that.
    pub(super) fn ring(&self, number: u32) {
        let mut rung = self.rung.lock();
        rung.push(number);
        let first = rung.len() == 1;
        drop(rung);
        if first {
            self.stream.wake();
        }
    }

    /// Which mailboxes have news, into an empty vector, so that two vectors serve for ever.
    pub(super) fn poll(&self, context: &mut Context<'_>, into: &mut Vec<u32>) -> Poll<()> {
        self.stream.register(context.waker());
        std::mem::swap(&mut *self.rung.lock(), into);
        if into.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }
}
