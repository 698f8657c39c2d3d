//! Who has which mailbox open at this relay.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::Arc;

use parking_lot::Mutex;
use sealpost_core::Address;

use super::inbox::Inbox;
use crate::store::{Event, Wakes};

/// Hands a store's events to the inboxes of open mailboxes.
///
/// A mailbox has more than one inbox only while a newer stream is pushing an older one out.
#[derive(Debug)]
pub struct Hub {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<Address, Vec<Arc<Inbox>>>>>,
}

/// Enough that two busy mailboxes rarely share a lock.
const SHARDS: usize = 64;

impl Hub {
    /// With no mailbox open.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() })
    }

    /// Begins to fill an inbox, until the registration is dropped.
    pub(super) fn register(self: &Arc<Self>, address: Address, inbox: Arc<Inbox>) -> Registration {
        self.with_shard(&address, |shard| {
            shard.entry(address).or_insert_with(|| Vec::with_capacity(1)).push(inbox.clone());
        });
        Registration { hub: self.clone(), address, inbox }
    }

    /// Envelopes that were heard of and wait for their streams.
    pub fn waiting(&self) -> usize {
        let of = |shard: &Mutex<HashMap<Address, Vec<Arc<Inbox>>>>| -> usize {
            shard.lock().values().flatten().map(|inbox| inbox.holds()).sum()
        };
        self.shards.iter().map(of).sum()
    }

    fn with_shard<T>(
        &self,
        address: &Address,
        work: impl FnOnce(&mut HashMap<Address, Vec<Arc<Inbox>>>) -> T,
    ) -> Option<T> {
        // Owners choose their addresses, so the shard depends on a secret of this process as well.
        let hash = self.hasher.hash_one(address);
        let shard = self.shards.get(usize::try_from(hash % SHARDS as u64).unwrap_or(0))?;
        Some(work(&mut shard.lock()))
    }
}

impl Wakes for Hub {
    fn wake(&self, address: &Address, event: Event) {
        self.with_shard(address, |shard| {
            if let Some((last, others)) = shard.get(address).and_then(|inboxes| inboxes.split_last()) {
                for inbox in others {
                    inbox.put(event.clone());
                }
                last.put(event);
            }
        });
    }
}

/// An inbox that is being filled.
#[derive(Debug)]
pub(super) struct Registration {
    hub: Arc<Hub>,
    address: Address,
    inbox: Arc<Inbox>,
}

impl Registration {
    /// The inbox.
    pub(super) fn inbox(&self) -> &Inbox {
        &self.inbox
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hub.with_shard(&self.address, |shard| {
            if let Entry::Occupied(mut inboxes) = shard.entry(self.address) {
                inboxes.get_mut().retain(|inbox| !Arc::ptr_eq(inbox, &self.inbox));
                if inboxes.get().is_empty() {
                    inboxes.remove();
                }
            }
        });
    }
}
