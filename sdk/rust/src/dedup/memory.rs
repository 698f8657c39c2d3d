//! The last messages, in memory.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::{Mutex, PoisonError};

use super::{Dedup, MessageKey};

/// Remembers the last messages for as long as the process lives: a restart forgets, so that a message may be handled
/// twice then.
#[derive(Debug)]
pub struct MemoryDedup(Mutex<Ring>);

/// The last so many keys.
#[derive(Debug)]
pub(super) struct Ring {
    known: HashSet<MessageKey>,
    order: VecDeque<MessageKey>,
    capacity: usize,
}

/// As many as a mailbox holds by a relay's default, and more than may be on their way twice.
pub(super) const DEFAULT_CAPACITY: usize = 10_000;

impl MemoryDedup {
    /// Remembers the last `capacity` messages.
    pub fn new(capacity: usize) -> Self {
        Self(Mutex::new(Ring::new(capacity)))
    }
}

impl Default for MemoryDedup {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl Dedup for MemoryDedup {
    fn contains(&self, message: &MessageKey) -> io::Result<bool> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(message))
    }

    fn record(&self, message: &MessageKey) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(*message);
        Ok(())
    }
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self { known: HashSet::new(), order: VecDeque::new(), capacity: capacity.max(1) }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn contains(&self, key: &MessageKey) -> bool {
        self.known.contains(key)
    }

    /// `false` if it was known.
    pub(super) fn insert(&mut self, key: MessageKey) -> bool {
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Oldest first.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = &MessageKey> {
        self.order.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> MessageKey {
        MessageKey::from_bytes([number; MessageKey::LEN])
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let dedup = MemoryDedup::new(2);
        for number in [1, 2, 2, 3] {
            dedup.record(&key(number)).unwrap();
        }
        assert!(!dedup.contains(&key(1)).unwrap());
        assert!(dedup.contains(&key(2)).unwrap());
        assert!(dedup.contains(&key(3)).unwrap());
    }
}
