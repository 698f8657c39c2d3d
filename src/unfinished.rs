//! What one connection may have of messages that have not come whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts bytes of unfinished messages. A connection's requests carry it as an extension.
#[derive(Debug)]
pub(crate) struct Unfinished {
    bytes: AtomicUsize,
    most: usize,
}

impl Unfinished {
    /// None yet, and never more than so many bytes.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), most })
    }

    /// Counts so many more; false, and nothing is counted, if those would be too many.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let more = |counted: usize| counted.checked_add(bytes).filter(|counted| *counted <= self.most);
        // It guards no other memory.
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// So many that were taken are no longer unfinished.
    pub(crate) fn give(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_counted_than_may_be() {
        let unfinished = Unfinished::new(10);
        assert!(unfinished.take(4));
        assert!(!unfinished.take(7));
        assert!(!unfinished.take(usize::MAX));
        assert!(unfinished.take(6));
        assert!(!unfinished.take(1));
        unfinished.give(4);
        assert!(unfinished.take(4));
    }
}
