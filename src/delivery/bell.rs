//! Tells a stream which of its mailboxes have news.

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Rung by inboxes, answered by the one stream that they belong to.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<Vec<u32>>,
    notify: Notify,
}

impl Bell {
    /// Mailbox `number` has news. Each is rung once until it is answered: the inbox sees to that.
    pub(super) fn ring(&self, number: u32) {
        self.rung.lock().push(number);
        self.notify.notify_one();
    }

    /// Waits until a mailbox has news. Losing the future loses nothing.
    pub(super) async fn rung(&self) {
        self.notify.notified().await;
    }

    /// Which mailboxes have news, into an empty vector, so that two vectors serve for ever.
    pub(super) fn answer(&self, into: &mut Vec<u32>) {
        std::mem::swap(&mut *self.rung.lock(), into);
    }
}
