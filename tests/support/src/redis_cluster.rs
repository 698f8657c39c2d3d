//! A Redis Cluster of three primaries with a replica each.

use std::time::Duration;

use crate::cluster_nodes::{Node, SLOTS, parse};
use crate::redis_server::streams_to;
use crate::redis_settings::{Role, url_of};
use crate::{RedisServer, RedisSettings, Reply, eventually};

/// How long a failover, or a return to order, may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many primaries it begins with, and how many replicas.
const PRIMARIES: usize = 3;
/// How many keys are moved at once.
const BATCH: usize = 10;

/// Nodes that share the slots. An index names a node for good: 0 to 2 are the first primaries, 3 to 5 their replicas in
/// the same order, 6 and on were added. A replica takes its primary's place, and no other one's.
#[derive(Debug)]
pub struct RedisCluster {
    settings: RedisSettings,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    server: RedisServer,
    id: String,
    /// Primary and replica of the same slots have the same number.
    shard: usize,
    removed: bool,
}

/// Slots on their way from one node to another. Drop it to leave them half way.
#[derive(Debug)]
pub struct Migration {
    slots: Vec<u16>,
    from: usize,
    to: usize,
}

impl RedisCluster {
    /// Starts all with these settings, and waits until every node finds the cluster complete and well.
    ///
    /// Redis's default holds: while a slot has no owner, no node answers for any. The setting
    /// `cluster-require-full-coverage` changes that.
    ///
    /// # Panics
    /// When they do not start or do not find each other.
    pub async fn spawn(settings: RedisSettings) -> Self {
        // What the caller sets comes later in the file, and counts more. Nodes keep to their shards, so that a primary
        // whose last slot is taken away stays an empty primary.
        let mut with_cluster =
            RedisSettings::default().with("cluster-node-timeout", "1500").with("cluster-allow-replica-migration", "no");
        with_cluster.more.extend(settings.more);
        let settings = RedisSettings { more: with_cluster.more, ..settings };
        let mut cluster = Self { settings, members: Vec::new() };
        for index in 0..2 * PRIMARIES {
            cluster.spawn_node(index % PRIMARIES).await;
            // Different from the beginning, so that nodes need not find out who is newer.
            cluster.tell(index, &["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]).await;
        }
        let share = usize::from(SLOTS).div_ceil(PRIMARIES);
        for index in 0..PRIMARIES {
            let (first, end) = (share * index, usize::from(SLOTS).min(share * (index + 1)));
            cluster.tell(index, &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &(end - 1).to_string()]).await;
        }
        for index in 1..cluster.members.len() {
            cluster.meet(index).await;
        }
        cluster.await_acquaintance().await;
        for index in PRIMARIES..cluster.members.len() {
            let primary = cluster.members[index - PRIMARIES].id.clone();
            cluster.tell(index, &["CLUSTER", "REPLICATE", &primary]).await;
        }
        cluster.await_whole().await;
        cluster
    }

    /// All nodes, as a URL with their password.
    pub fn url(&self) -> String {
        let told = |index| format!("127.0.0.1:{}", self.node(index).ports().told());
        let nodes: Vec<_> = self.present().map(told).collect();
        format!("{}{}", url_of("+cluster", &self.settings), nodes.join(","))
    }

    /// A node.
    pub fn node(&self, index: usize) -> &RedisServer {
        &self.members[index].server
    }

    /// The primaries that own slots or could, as the nodes that run see it; waits until they agree.
    ///
    /// # Panics
    /// When they do not agree.
    pub async fn primaries(&self) -> Vec<usize> {
        let nodes = self.agreed().await;
        let primaries =
            nodes.iter().filter(|node| node.replica_of.is_none() && !(node.failed && node.slots.is_empty()));
        let mut primaries: Vec<_> = primaries.filter_map(|node| self.index_of(&node.id)).collect();
        primaries.sort_unstable();
        primaries
    }

    /// The node that owns a slot, as the nodes that run see it, even if it is dead; waits until they agree.
    ///
    /// # Panics
    /// When they do not agree, or none owns it.
    pub async fn owner_of(&self, slot: u16) -> usize {
        eventually("the nodes agree on the slot's owner", PATIENCE, async || {
            self.index_of(&self.view().await?.iter().find(|node| node.owns(slot))?.id)
        })
        .await
    }

    /// The slots of a node, as the nodes that run see it; waits until they agree.
    ///
    /// # Panics
    /// When they do not agree.
    pub async fn slots_of(&self, index: usize) -> Vec<u16> {
        let nodes = self.agreed().await;
        let node = nodes.into_iter().find(|node| node.id == self.members[index].id);
        node.into_iter().flat_map(|node| node.slots).flatten().collect()
    }

    /// A replica of this primary; waits until there is one.
    ///
    /// # Panics
    /// When there is none.
    pub async fn replica_of(&self, index: usize) -> usize {
        let primary = &self.members[index].id;
        eventually("the primary has a replica", PATIENCE, async || {
            let nodes = self.view().await?;
            let replica = nodes.iter().find(|node| node.replica_of.as_ref() == Some(primary))?;
            self.index_of(&replica.id)
        })
        .await
    }

    /// Kills a node as a loss of power would.
    pub fn kill(&mut self, index: usize) {
        self.members[index].server.kill();
    }

    /// Starts a node again, with what it has stored. It finds its place by itself: see [`Self::await_whole`].
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self, index: usize) {
        self.members[index].server.restart().await;
    }

    /// Stops a node from doing anything, with its connections open.
    pub fn pause(&self, index: usize) {
        self.members[index].server.pause();
    }

    /// Lets a node go on.
    pub fn resume(&self, index: usize) {
        self.members[index].server.resume();
    }

    /// Waits until the other node of this one's shard owns its slots, and all that run know. Gives its index.
    ///
    /// # Panics
    /// When that does not come.
    pub async fn await_failover(&self, from: usize) -> usize {
        eventually("another node owns the slots", PATIENCE, async || {
            let nodes = self.view().await?;
            let owners = nodes.iter().filter(|node| node.replica_of.is_none() && !node.slots.is_empty());
            owners.filter_map(|node| self.index_of(&node.id)).find(|index| {
                *index != from && self.members[*index].shard == self.members[from].shard && self.node(*index).runs()
            })
        })
        .await
    }

    /// Waits until everything runs, all nodes find the cluster complete and agree on it, and all replicas follow.
    ///
    /// # Panics
    /// When that does not come, for example because a node was killed and not started again.
    pub async fn await_whole(&self) {
        eventually("everything runs and agrees", PATIENCE, async || self.whole().await).await;
    }

    /// Moves a slot with its keys to another primary, by Redis's protocol: clients may use it all the while.
    ///
    /// # Panics
    /// When a node refuses.
    pub async fn migrate_slot(&self, slot: u16, to: usize) {
        let migration = self.begin_migration(&[slot], to).await;
        self.finish_migration(migration).await;
    }

    /// Begins to move slots of one primary to another one: new keys are made there from now on.
    ///
    /// # Panics
    /// When the slots have different owners, or a node refuses.
    pub async fn begin_migration(&self, slots: &[u16], to: usize) -> Migration {
        let nodes = self.agreed().await;
        let owner =
            nodes.iter().find(|node| slots.iter().all(|slot| node.owns(*slot))).expect("one owner of all slots");
        let from = self.index_of(&owner.id).expect("a node of this cluster");
        self.set_slots(to, slots, &["IMPORTING", &self.members[from].id]).await;
        self.set_slots(from, slots, &["MIGRATING", &self.members[to].id]).await;
        Migration { slots: slots.to_vec(), from, to }
    }

    /// Moves at most this many keys of a migration, and says how many it were: fewer only if there are no more.
    ///
    /// # Panics
    /// When a node refuses.
    pub async fn move_keys(&self, migration: &Migration, at_most: usize) -> usize {
        let source = self.node(migration.from);
        let port = self.node(migration.to).ports().told().to_string();
        let mut order = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "10000"];
        if let Some(password) = &self.settings.password {
            order.extend(["AUTH", password]);
        }
        order.push("KEYS");
        let mut moved = 0;
        for slot in &migration.slots {
            while moved < at_most {
                let wanted = BATCH.min(at_most - moved).to_string();
                let keys = source.command(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), &wanted]).await;
                let keys = keys.expect("the keys of a slot");
                let keys: Vec<&[u8]> = keys.items().iter().filter_map(Reply::bytes).collect();
                if keys.is_empty() {
                    break;
                }
                let words: Vec<&[u8]> = order.iter().map(|word| word.as_bytes()).chain(keys.iter().copied()).collect();
                source.command(&words).await.expect("keys are moved");
                moved += keys.len();
            }
        }
        moved
    }

    /// Moves the keys that are left, makes the new owner known, and waits until all nodes that run know it.
    ///
    /// # Panics
    /// When a node refuses.
    pub async fn finish_migration(&self, migration: Migration) {
        self.move_keys(&migration, usize::MAX).await;
        let Migration { slots, from, to } = migration;
        let owner = self.members[to].id.as_str();
        // The new owner first, so that the slots are never without one.
        self.set_slots(to, &slots, &["NODE", owner]).await;
        self.set_slots(from, &slots, &["NODE", owner]).await;
        for other in self.primaries().await.into_iter().filter(|index| ![from, to].contains(index)) {
            if self.node(other).runs() {
                self.set_slots(other, &slots, &["NODE", owner]).await;
            }
        }
        eventually("all nodes know the new owner", PATIENCE, async || {
            let nodes = self.view().await?;
            let owner = nodes.iter().find(|node| node.id == *owner)?;
            slots.iter().all(|slot| owner.owns(*slot)).then_some(())
        })
        .await;
    }

    /// Lets an empty primary join, and gives its index.
    ///
    /// # Panics
    /// When it does not start or the others do not accept it.
    pub async fn add_node(&mut self) -> usize {
        let index = self.members.len();
        self.spawn_node(index).await;
        self.meet(index).await;
        self.await_acquaintance().await;
        eventually("the new node answers for slots", PATIENCE, async || self.finds_it_well(index).await).await;
        index
    }

    /// Moves a node's slots to another primary, lets all others forget it, and ends it. A primary's replica has to be
    /// removed before. Thousands of slots take Redis seconds, and Valkey most of a minute.
    ///
    /// # Panics
    /// When a node refuses, or there is no other primary.
    pub async fn remove_node(&mut self, index: usize) {
        let slots = self.slots_of(index).await;
        if !slots.is_empty() {
            let primaries = self.primaries().await;
            let to = primaries.into_iter().find(|to| *to != index && self.node(*to).runs()).expect("another primary");
            // Nodes write down all slots that are on their way at each step.
            for slots in slots.chunks(100) {
                let migration = self.begin_migration(slots, to).await;
                self.finish_migration(migration).await;
            }
        }
        self.members[index].removed = true;
        let id = self.members[index].id.as_str();
        for other in self.present().filter(|other| self.node(*other).runs()) {
            match self.node(other).command(&["CLUSTER", "FORGET", id]).await {
                Ok(_) => {}
                // Nodes of Valkey tell each other.
                Err(error) if error.to_string().contains("Unknown node") => {}
                Err(error) => panic!("node {other} does not forget node {index}: {error}"),
            }
        }
        self.kill(index);
    }

    async fn spawn_node(&mut self, shard: usize) {
        let server = RedisServer::spawn_as(Role::Cluster, self.settings.clone()).await;
        let id = server.command(&["CLUSTER", "MYID"]).await.expect("the node has an id").text();
        self.members.push(Member { server, id, shard, removed: false });
    }

    /// Makes a node known to one that is there; that one tells the others.
    async fn meet(&self, index: usize) {
        let host = self.present().find(|host| *host != index && self.node(*host).runs()).expect("a node to meet");
        let ports = self.node(index).ports();
        let (port, bus) = (ports.told().to_string(), ports.bus.expect("a node of a cluster").to_string());
        self.tell(host, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
    }

    /// Waits until all that run know all.
    async fn await_acquaintance(&self) {
        eventually("all nodes know each other", PATIENCE, async || {
            let nodes = self.view().await?;
            (nodes.len() == self.present().count() && nodes.iter().all(|node| node.well)).then_some(())
        })
        .await;
    }

    async fn tell(&self, index: usize, words: &[&str]) {
        let told = self.node(index).command(words).await;
        told.unwrap_or_else(|error| panic!("node {index} refuses {words:?}: {error}"));
    }

    async fn set_slots(&self, index: usize, slots: &[u16], state: &[&str]) {
        let order = |slot: &u16| {
            let slot = slot.to_string();
            [&["CLUSTER", "SETSLOT", &slot], state].concat().into_iter().map(str::to_owned).collect()
        };
        let orders: Vec<_> = slots.iter().map(order).collect();
        let told = self.node(index).pipeline(&orders).await;
        told.unwrap_or_else(|error| panic!("node {index} refuses {state:?}: {error}"));
    }

    /// Those that were not removed.
    fn present(&self) -> impl Iterator<Item = usize> {
        self.members.iter().enumerate().filter(|(_, member)| !member.removed).map(|(index, _)| index)
    }

    fn index_of(&self, id: &str) -> Option<usize> {
        self.members.iter().position(|member| member.id == id)
    }

    async fn agreed(&self) -> Vec<Node> {
        eventually("the nodes agree", PATIENCE, async || self.view().await).await
    }

    /// What all nodes that run say alike, as one of them says it.
    async fn view(&self) -> Option<Vec<Node>> {
        let mut view: Option<Vec<Node>> = None;
        for index in self.present().filter(|index| self.node(*index).runs()) {
            let seen = parse(&self.node(index).command(&["CLUSTER", "NODES"]).await.ok()?.text())?;
            if let Some(view) = &view {
                view.iter().map(Node::place).eq(seen.iter().map(Node::place)).then_some(())?;
            }
            view = Some(seen);
        }
        view
    }

    /// Whether a node finds the cluster complete, and so answers.
    async fn finds_it_well(&self, index: usize) -> Option<()> {
        let info = self.node(index).command(&["CLUSTER", "INFO"]).await.ok()?.text();
        info.contains("cluster_state:ok").then_some(())
    }

    async fn whole(&self) -> Option<()> {
        let nodes = self.view().await?;
        (nodes.len() == self.present().count()).then_some(())?;
        for index in self.present() {
            let server = Some(self.node(index)).filter(|server| server.runs())?;
            self.finds_it_well(index).await?;
            let seen = parse(&server.command(&["CLUSTER", "NODES"]).await.ok()?.text())?;
            seen.iter().all(|node| node.well).then_some(())?;
            let node = nodes.iter().find(|node| node.id == self.members[index].id)?;
            let role = server.command(&["ROLE"]).await.ok()?;
            match &node.replica_of {
                None => {
                    let replicas = nodes.iter().filter(|other| other.replica_of.as_ref() == Some(&node.id)).count();
                    let shard = self.members[index].shard;
                    let expected = self.present().filter(|other| self.members[*other].shard == shard).count() - 1;
                    (replicas == expected && streams_to(&role) == Some(replicas)).then_some(())?;
                }
                Some(primary) => {
                    let port = self.node(self.index_of(primary)?).ports().told();
                    let follows = role.items().get(2)?.integer() == Some(port.into());
                    (follows && role.items().get(3)?.text() == "connected").then_some(())?;
                }
            }
        }
        Some(())
    }
}
