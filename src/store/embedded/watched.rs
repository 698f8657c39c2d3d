//! Which mailboxes are open at this relay.

use std::collections::HashMap;

use parking_lot::RwLock;
use sealpost_core::Address;

/// Counts those who watch each mailbox.
#[derive(Default)]
pub(super) struct Watched(RwLock<HashMap<Address, usize>>);

impl Watched {
    pub(super) fn add(&self, address: Address) {
        *self.0.write().entry(address).or_insert(0) += 1;
    }

    pub(super) fn remove(&self, address: &Address) {
        let mut watched = self.0.write();
        if let Some(count) = watched.get_mut(address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                watched.remove(address);
            }
        }
    }

    pub(super) fn contains(&self, address: &Address) -> bool {
        self.0.read().contains_key(address)
    }

    pub(super) fn all(&self) -> Vec<Address> {
        self.0.read().keys().copied().collect()
    }
}
