//! Which node has which mailbox, kept true while nodes fail, move and join.
//!
//! One task asks, now and then and whenever something seems wrong, who serves what; it makes a [`View`] of the answer.
//! Callers take the view of the moment. What a relay has learnt of a mailbox holds as long as its epoch in the view
//! does not change.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use futures_util::future::join_all;
use parking_lot::Mutex;
use rand::RngExt;
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

use super::breaker::pause;
use super::discovery::{Discovery, Layout, within};
use super::listener::Home;
use super::node::{self, Node, NodeId, Shared};
use super::slots::SLOTS;
use super::startup::{self, ConnectError, Promise};
use super::wire::Endpoint;
use crate::store::Epoch;
use crate::telemetry::{Count, info, warn};

/// Who serves what, at one moment.
pub(super) struct View {
    shards: Vec<Shard>,
    /// For each slot its place among the shards; empty if one node serves all.
    slots: Vec<u16>,
    /// Primaries of the cluster that are about to get their first slot.
    joining: Vec<Arc<Node>>,
}

/// Mailboxes that are on one node, and in one epoch.
#[derive(Clone)]
pub(super) struct Shard {
    pub(super) node: Arc<Node>,
    /// Ends when the node may have gone back to older data.
    pub(super) epoch: Epoch,
}

/// No shard has it.
const NOBODY: u16 = u16::MAX;

impl View {
    fn nobody() -> Self {
        Self { shards: Vec::new(), slots: vec![NOBODY; usize::from(SLOTS)], joining: Vec::new() }
    }

    /// Who serves a slot; it is only worked out where it matters.
    pub(super) fn shard(&self, slot: impl FnOnce() -> u16) -> Option<&Shard> {
        match self.shards.as_slice() {
            [only] if self.slots.is_empty() => Some(only),
            shards => shards.get(usize::from(*self.slots.get(usize::from(slot()))?)),
        }
    }

    /// Every node that serves something, once.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        let first =
            |place: usize, node: &Arc<Node>| self.shards.iter().position(|it| it.node.id == node.id) == Some(place);
        self.shards.iter().enumerate().filter(move |(place, shard)| first(*place, &shard.node)).map(|(_, it)| &it.node)
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.all().find(|node| node.id == id)
    }

    pub(super) fn node_at(&self, at: &Endpoint) -> Option<&Arc<Node>> {
        self.all().find(|node| node.at == *at)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.shards.iter().map(|shard| &shard.node).chain(&self.joining)
    }

    /// Whether every slot is served.
    pub(super) fn is_whole(&self) -> bool {
        !self.slots.contains(&NOBODY) && !self.shards.is_empty()
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let shards = |view: &Self| view.shards.iter().map(|it| (it.node.id, it.epoch)).collect::<Vec<_>>();
        let joining = |view: &Self| view.joining.iter().map(|node| node.id).collect::<Vec<_>>();
        self.slots == other.slots && shards(self) == shards(other) && joining(self) == joining(other)
    }
}

/// Asks for a new look, because something seems wrong.
#[derive(Clone, Default)]
pub(super) struct Nudge(Arc<Looks>);

#[derive(Default)]
struct Looks {
    wanted: Notify,
    begun: AtomicU64,
    done: watch::Sender<u64>,
    /// Nodes that a node pointed to and that are not known.
    hints: Mutex<Vec<Endpoint>>,
}

/// Hints that are kept.
const HINTS: usize = 64;
/// The longest wait for a new look.
const LOOK: Duration = Duration::from_millis(250);

impl Nudge {
    /// Asks for one.
    pub(super) fn now(&self) {
        self.0.wanted.notify_one();
    }

    /// Says that there is a node here that is about to serve something.
    pub(super) fn hint(&self, at: &Endpoint) {
        let mut hints = self.0.hints.lock();
        if hints.len() < HINTS && !hints.contains(at) {
            hints.push(at.clone());
        }
    }

    /// Asks for one, and waits for it a little.
    pub(super) async fn refreshed(&self) {
        let next = self.0.begun.load(Ordering::Acquire) + 1;
        self.now();
        let mut done = self.0.done.subscribe();
        // The sender lives as long as we do; a look that takes longer is not waited for.
        let _ = tokio::time::timeout(LOOK, done.wait_for(|done| *done >= next)).await;
    }
}

/// Keeps a view.
pub(super) struct Topology {
    view: Arc<ArcSwap<View>>,
    _task: AbortOnDropHandle<()>,
}

/// How long anybody may take at a look, so that one that is silent does not hide what the others say; doubles with each
/// look that failed.
const PATIENCE: Duration = Duration::from_millis(250);
/// Between two looks that were asked for.
const REST: Duration = Duration::from_millis(20);

impl Topology {
    /// Takes a first look, at which every server must be fit for what is promised.
    pub(super) async fn start(
        discovery: Discovery,
        promise: Promise,
        shared: Arc<Shared>,
    ) -> Result<Self, ConnectError> {
        let view = Arc::new(ArcSwap::from_pointee(View::nobody()));
        shared.watched.follow(&view);
        let mut keeper = Keeper { discovery, promise, shared, view: view.clone(), next: Epoch::default() };
        keeper.look(None).await?;
        let task = AbortOnDropHandle::new(tokio::spawn(keeper.run()));
        Ok(Self { view, _task: task })
    }

    /// As it is now.
    pub(super) fn view(&self) -> Guard<Arc<View>> {
        self.view.load()
    }
}

struct Keeper {
    discovery: Discovery,
    promise: Promise,
    shared: Arc<Shared>,
    view: Arc<ArcSwap<View>>,
    /// The next epoch that begins.
    next: Epoch,
}

impl Keeper {
    async fn run(mut self) {
        let mut failures: u32 = 0;
        loop {
            let idle = match failures {
                0 => self.discovery.interval().mul_f64(rand::rng().random_range(0.8..1.2)),
                failures => pause(failures),
            };
            // Its end, or a nudge: both are a reason to look.
            let _ = tokio::time::timeout(idle, self.shared.nudge.0.wanted.notified()).await;
            let look = self.shared.nudge.0.begun.fetch_add(1, Ordering::AcqRel) + 1;
            match self.look(Some(PATIENCE * 2u32.saturating_pow(failures.min(6)))).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    if failures == 0 {
                        warn!("it cannot be seen who serves what in Redis; looking again", error = error);
                    }
                    failures += 1;
                }
            }
            self.shared.nudge.0.done.send_replace(look);
            tokio::time::sleep(REST).await;
        }
    }

    /// Finds out who serves what. Nobody is waited for longer than `patience`; at the first look there is no such limit,
    /// and everybody must be there.
    async fn look(&mut self, patience: Option<Duration>) -> Result<(), ConnectError> {
        let first = patience.is_none();
        let patience = patience.unwrap_or(Duration::MAX);
        let old = self.view.load_full();
        let layout = self.discovery.discover(&self.shared, &old, patience).await?;
        let met = layout
            .nodes
            .iter()
            .enumerate()
            .map(|(place, at)| within(patience, self.meet(at, layout.home_of(place), &old)));
        let found = join_all(met).await;
        let mut nodes = Vec::with_capacity(found.len());
        let mut failed = None;
        for outcome in found {
            match outcome {
                Ok(node) => nodes.push(Some(node)),
                Err(error) if first => return Err(error),
                Err(error) => {
                    failed = Some(error);
                    nodes.push(None);
                }
            }
        }
        let mut new = self.merge(&old, &layout, &nodes);
        new.joining = self.joining(&old, &new).await;
        if !new.says_the_same(&old) {
            if !first {
                let nodes = Count(new.nodes().count() as u64);
                info!("another Redis server serves some or all mailboxes now", nodes = nodes);
            }
            let new = Arc::new(new);
            self.view.store(new.clone());
            self.shared.watched.rebalance(&new);
        }
        failed.map_or(Ok(()), Err)
    }

    /// The node that is there: the known one if it is still the same, else a new one.
    async fn meet(&self, at: &Endpoint, home: Home, old: &View) -> Result<Arc<Node>, ConnectError> {
        let known = old.node_at(at);
        if let Some(node) = known
            && node.call(0, false, 16, None, |out| out.words(&["PING"])).await.is_ok()
        {
            return Ok(node.clone());
        }
        let (link, greeting) = self.shared.dialer.dial(at, None, None).await?;
        let server = node::identify(&link, greeting).await?;
        self.discovery.suits(&server)?;
        startup::check(&link, &server, &self.promise, known.is_none() && old.shards.is_empty()).await?;
        match known {
            Some(node) if node.run() == server.run => Ok(node.clone()),
            _ => Ok(Node::new(at.clone(), &server, home, self.shared.clone())),
        }
    }

    /// Nodes of which was hinted, or that had no slot yet at the last look.
    async fn joining(&self, old: &View, new: &View) -> Vec<Arc<Node>> {
        let mut hints = std::mem::take(&mut *self.shared.nudge.0.hints.lock());
        hints.extend(old.joining.iter().map(|node| node.at.clone()));
        hints.retain(|at| new.node_at(at).is_none());
        hints.dedup();
        hints.truncate(HINTS);
        let met = hints.iter().map(|at| within(PATIENCE, self.meet(at, Home::Nothing, old)));
        join_all(met).await.into_iter().flatten().collect()
    }

    fn merge(&mut self, old: &View, layout: &Layout, nodes: &[Option<Arc<Node>>]) -> View {
        let fresh = self.next;
        let mut shards: Vec<Shard> = Vec::new();
        let mut places = HashMap::new();
        let mut place = |shard: Shard| {
            *places.entry((shard.node.id, shard.epoch)).or_insert_with(|| {
                shards.push(shard);
                u16::try_from(shards.len() - 1).unwrap_or(NOBODY)
            })
        };
        let next = |before: Option<&Shard>, node: Option<&Arc<Node>>| match (before, node) {
            // Nobody new to be seen: who had it before may come back.
            (before, None) => before.cloned(),
            (None, Some(node)) => Some(Shard { node: node.clone(), epoch: fresh }),
            (Some(before), Some(node)) => {
                let epoch = if self.keeps_what_it_had(old, before, node) { before.epoch } else { fresh };
                Some(Shard { node: node.clone(), epoch })
            }
        };
        let mut slots = Vec::new();
        match &layout.slots {
            None => {
                if let Some(shard) = next(old.shard(|| 0), nodes.first().and_then(Option::as_ref)) {
                    place(shard);
                }
            }
            Some(by_slot) => {
                slots.reserve_exact(usize::from(SLOTS));
                // Neighbours are mostly alike.
                let mut last = None;
                for (slot, owner) in (0..SLOTS).zip(by_slot) {
                    let before = old.shard(|| slot);
                    let key = (before.map(|shard| (shard.node.id, shard.epoch)), *owner);
                    let number = match last {
                        Some((known, number)) if known == key => number,
                        _ => {
                            let node = owner.and_then(|owner| nodes.get(usize::from(owner))?.as_ref());
                            match next(before, node) {
                                // Nobody serves it, says the cluster.
                                _ if owner.is_none() => NOBODY,
                                Some(shard) => {
                                    shard.node.serves(slot);
                                    place(shard)
                                }
                                None => NOBODY,
                            }
                        }
                    };
                    last = Some((key, number));
                    slots.push(number);
                }
            }
        }
        if shards.iter().any(|shard| shard.epoch == fresh) {
            self.next = Epoch(fresh.0 + 1);
        }
        View { shards, slots, joining: Vec::new() }
    }

    /// Whether mailboxes that were at `before` and are at `node` now are as they were.
    fn keeps_what_it_had(&self, old: &View, before: &Shard, node: &Arc<Node>) -> bool {
        before.node.id == node.id
            // Moved to another primary, slot by slot, and nothing was lost. A replica that became a primary is none that
            // was known as one.
            || old.node(node.id).is_some()
            // The one server was started anew, and had everything on its disk.
            || self.discovery.is_one_server() && self.promise.survives_a_restart()
    }
}
