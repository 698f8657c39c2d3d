//! Which mailboxes this relay listens to, and at which node.
//!
//! This is the one place where that is kept: a [`Listener`](super::listener::Listener) subscribes to what is assigned
//! to its node here, again after each loss of its connection; and when mailboxes move to another node, they are
//! assigned to that.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sealpost_core::Address;
use tokio::sync::oneshot;

use super::keys;
use super::listener::{Order, Then};
use super::node::NodeId;
use super::topology::View;
use crate::store::StoreError;

/// The mailboxes that are watched.
pub(super) struct Watched {
    /// Nodes know us: as long as we kept them they would never close their connections.
    view: OnceLock<Weak<ArcSwap<View>>>,
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<Address, Watch>>>,
}

struct Watch {
    /// How often.
    count: u32,
    /// Where; `None` where nobody serves it.
    node: Option<NodeId>,
}

const SHARDS: usize = 16;

impl Watched {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            view: OnceLock::new(),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        })
    }

    /// Assigns mailboxes by this view from now on.
    pub(super) fn follow(&self, view: &Arc<ArcSwap<View>>) {
        // There is one topology.
        let _ = self.view.set(Arc::downgrade(view));
    }

    /// Subscribes to a mailbox, from this call on; the future is ready when its node has confirmed it.
    pub(super) fn watch(&self, address: Address) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let (done, confirmed) = oneshot::channel();
        let nobody = StoreError::Unavailable("no Redis server serves the mailbox");
        let ordered = self.with(&address, |watched| {
            // The view is taken under the lock: a change comes before, and is seen, or after, and moves it.
            let view = self.view();
            let node = view.as_ref().and_then(|view| view.shard(|| keys::slot(&address))).map(|shard| &shard.node);
            let watch = watched.entry(address).or_insert(Watch { count: 0, node: None });
            watch.count += 1;
            let node = node?;
            let before = watch.node.replace(node.id);
            if watch.count > 1 && before != Some(node.id) {
                // It has moved, and who watches already is told here and not by `rebalance`.
                node.listener.order(Order::Subscribe(address, Then::Missed));
            }
            node.listener.order(Order::Subscribe(address, Then::Answer(done)));
            Some(())
        });
        async move {
            ordered.flatten().ok_or(nobody)?;
            confirmed.await.map_err(|_| StoreError::Unavailable("the wake path has ended"))?
        }
    }

    /// Takes one [`watch`](Watched::watch) back; the last one ends the subscription.
    pub(super) fn unwatch(&self, address: Address) {
        self.with(&address, |watched| {
            let Entry::Occupied(mut watch) = watched.entry(address) else { return };
            watch.get_mut().count -= 1;
            if watch.get().count > 0 {
                return;
            }
            let node = watch.remove().node;
            if let (Some(id), Some(view)) = (node, self.view())
                && let Some(node) = view.node(id)
            {
                node.listener.order(Order::Unsubscribe(address));
            }
        });
    }

    /// Whether a mailbox is assigned to this node.
    pub(super) fn is_at(&self, address: &Address, node: NodeId) -> bool {
        self.while_at(address, node, || ()).is_some()
    }

    /// Does something if a mailbox is assigned to this node; it is not assigned to another meanwhile.
    ///
    /// All that a node says of a mailbox comes through here. One that was replaced and has not noticed yet (it was
    /// silent for a while) does what still waited for it, and its numbers mean other envelopes by now.
    pub(super) fn while_at<T>(&self, address: &Address, node: NodeId, work: impl FnOnce() -> T) -> Option<T> {
        self.with(address, |watched| watched.get(address).filter(|watch| watch.node == Some(node)).map(|_| work()))?
    }

    /// All that are assigned to this node.
    pub(super) fn all_at(&self, node: NodeId) -> Vec<Address> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(shard.lock().iter().filter(|(_, watch)| watch.node == Some(node)).map(|(address, _)| *address));
        }
        all
    }

    /// Assigns every mailbox to who serves it now.
    pub(super) fn rebalance(&self, view: &View) {
        for shard in &self.shards {
            for (address, watch) in shard.lock().iter_mut() {
                let node = view.shard(|| keys::slot(address)).map(|shard| &shard.node);
                if watch.node == node.map(|node| node.id) {
                    continue;
                }
                if let Some(old) = watch.node.and_then(|id| view.node(id)) {
                    old.listener.order(Order::Unsubscribe(*address));
                }
                watch.node = node.map(|node| node.id);
                if let Some(node) = node {
                    node.listener.order(Order::Subscribe(*address, Then::Missed));
                }
            }
        }
    }

    fn view(&self) -> Option<Arc<View>> {
        Some(self.view.get()?.upgrade()?.load_full())
    }

    fn with<T>(&self, address: &Address, work: impl FnOnce(&mut HashMap<Address, Watch>) -> T) -> Option<T> {
        // Owners choose their addresses, so the shard depends on a secret of this process as well.
        let hash = self.hasher.hash_one(address);
        let shard = self.shards.get(usize::try_from(hash % SHARDS as u64).unwrap_or(0))?;
        Some(work(&mut shard.lock()))
    }
}
