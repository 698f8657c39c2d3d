//! What the relays keep envelopes in: a Redis alone, with replicas under Sentinel, or a Cluster.

use sealpost_testkit::{AppendOnly, RedisCluster, RedisSentinel, RedisServer, RedisSettings};

/// How Redis is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Topology {
    /// One server, which stores before it answers.
    Standalone,
    /// A primary and two replicas; what is accepted is at one of them.
    Sentinel,
    /// Three primaries with a replica each; what is accepted is at the replica.
    Cluster,
}

/// Redis, running. Indices of servers are those of the test kit.
pub(crate) enum Store {
    Standalone(RedisServer),
    Sentinel(RedisSentinel),
    Cluster(RedisCluster),
}

impl Topology {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Sentinel => "Sentinel",
            Self::Cluster => "Cluster",
        }
    }

    /// The relays' `--store-durability`.
    pub(crate) fn durability(self) -> &'static str {
        match self {
            Self::Standalone => "fsync",
            Self::Sentinel | Self::Cluster => "replicas:1",
        }
    }

    pub(crate) async fn spawn(self) -> Store {
        let keeping = |append_only| RedisSettings { append_only, ..RedisSettings::default() };
        match self {
            Self::Standalone => Store::Standalone(RedisServer::spawn(keeping(AppendOnly::Always)).await),
            Self::Sentinel => Store::Sentinel(RedisSentinel::spawn(keeping(AppendOnly::EverySec)).await),
            Self::Cluster => Store::Cluster(RedisCluster::spawn(keeping(AppendOnly::EverySec)).await),
        }
    }
}

impl Store {
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Standalone(server) => server.url(),
            Self::Sentinel(servers) => servers.url(),
            Self::Cluster(nodes) => nodes.url(),
        }
    }

    pub(crate) fn server(&self, index: usize) -> &RedisServer {
        match self {
            Self::Standalone(server) => server,
            Self::Sentinel(servers) => servers.server(index),
            Self::Cluster(nodes) => nodes.node(index),
        }
    }

    /// Those that are written to now.
    pub(crate) async fn primaries(&self) -> Vec<usize> {
        match self {
            Self::Standalone(_) => vec![0],
            Self::Sentinel(servers) => vec![servers.primary().await],
            Self::Cluster(nodes) => nodes.primaries().await,
        }
    }

    /// A server that copies this primary.
    pub(crate) async fn replica_of(&self, primary: usize) -> usize {
        match self {
            Self::Standalone(_) => panic!("a server that stands alone has no replica"),
            Self::Sentinel(_) => (primary + 1) % 3,
            Self::Cluster(nodes) => nodes.replica_of(primary).await,
        }
    }

    pub(crate) fn kill(&mut self, index: usize) {
        match self {
            Self::Standalone(server) => server.kill(),
            Self::Sentinel(servers) => servers.kill(index),
            Self::Cluster(nodes) => nodes.kill(index),
        }
    }

    pub(crate) async fn restart(&mut self, index: usize) {
        match self {
            Self::Standalone(server) => server.restart().await,
            Self::Sentinel(servers) => servers.restart(index).await,
            Self::Cluster(nodes) => nodes.restart(index).await,
        }
    }

    /// Waits until another server is in this primary's place, where one can be.
    pub(crate) async fn failed_over(&self, primary: usize) {
        match self {
            Self::Standalone(_) => {}
            Self::Sentinel(servers) => drop(servers.await_failover(primary).await),
            Self::Cluster(nodes) => drop(nodes.await_failover(primary).await),
        }
    }

    /// Waits until all servers are there, and agree.
    pub(crate) async fn whole(&self) {
        match self {
            Self::Standalone(_) => {}
            Self::Sentinel(servers) => servers.await_whole().await,
            Self::Cluster(nodes) => nodes.await_whole().await,
        }
    }
}
