//! How many bytes something may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts bytes that are held, up to a limit.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: AtomicUsize,
    most: usize,
}

/// What a connection's requests carry as an extension: the budget of its messages that have not come whole.
#[derive(Debug, Clone)]
pub(crate) struct Unfinished(pub(crate) Arc<Budget>);

impl Budget {
    /// None yet, and never more than so many bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), most }
    }

    /// Counts so many more; false, and nothing is counted, if those would be too many.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let more = |counted: usize| counted.checked_add(bytes).filter(|counted| *counted <= self.most);
        // It guards no other memory.
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// So many that were taken are held no longer.
    pub(crate) fn give(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_counted_than_may_be() {
        let budget = Budget::new(10);
        assert!(budget.take(4));
        assert!(!budget.take(7));
        assert!(!budget.take(usize::MAX));
        assert!(budget.take(6));
        assert!(!budget.take(1));
        budget.give(4);
        assert!(budget.take(4));
    }
}
