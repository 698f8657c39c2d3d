//! What Sealpost's tests share: real Redis servers on free ports, alone, under Sentinel and as a Cluster, a collector of
//! telemetry, and patience with a limit.
//!
//! Every server is a process of its own with a directory of its own; both go when the value is dropped. Which program
//! it is says `SEALPOST_REDIS_SERVER`: `redis-server` (7.0 or later, the default) or `valkey-server`.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "it is used by tests only: a panic is a failed test"
)]

mod cluster_nodes;
mod collector;
mod patience;
mod redis_cluster;
mod redis_sentinel;
mod redis_server;
mod redis_settings;
mod resp;

pub use cluster_nodes::slot_of;
pub use collector::{Collector, text};
pub use patience::eventually;
pub use redis_cluster::{Migration, RedisCluster};
pub use redis_sentinel::RedisSentinel;
pub use redis_server::{Cut, RedisServer};
pub use redis_settings::{AppendOnly, RedisSettings, TlsFiles};
pub use resp::Reply;
