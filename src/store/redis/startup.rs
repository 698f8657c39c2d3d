//! What is checked of a Redis server before the relay promises anything.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, RedisError};
use thiserror::Error;

use super::lane::{classify, timed};
use crate::store::{Durability, StoreError};

/// Why a Redis server will not do. Each says what to change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// It cannot be asked.
    #[error("{0}. Check store.url, the network, and the user's password and permissions")]
    Unreachable(StoreError),
    /// The certificate authority's file is none.
    #[error("store.redis.ca holds no certificate in PEM form")]
    BadCa,
    /// It is too old.
    #[error("the server is Redis {0}; Sealpost needs Redis 7.0 or Valkey 8.0, or later")]
    TooOld(String),
    /// It runs as a cluster.
    #[error("the server is a node of a Redis Cluster, which this version does not support; use a standalone server")]
    Cluster,
    /// It throws away what it should keep.
    #[error(
        "the server's maxmemory-policy is {0}, which drops envelopes when memory is short (promise P6); \
         set it to noeviction"
    )]
    Evicts(String),
    /// It does not keep what the relay would promise, for as long as it rewrites its file.
    #[error(
        "store.durability is \"fsync\", but the server has no-appendfsync-on-rewrite yes, which suspends it for minutes; \
         set it to no there, or store.durability = \"memory\" here"
    )]
    NotDurableOnRewrite,
    /// It does not keep what the relay would promise.
    #[error(
        "store.durability is \"fsync\", but the server has appendonly {appendonly} and appendfsync {appendfsync}; \
         set appendonly yes and appendfsync always there, or store.durability = \"memory\" here"
    )]
    NotDurable {
        /// Its `appendonly`.
        appendonly: String,
        /// Its `appendfsync`.
        appendfsync: String,
    },
}

/// Asks the server who it is and how it is set.
pub(super) async fn check(client: &Client, durability: Durability, timeout: Duration) -> Result<(), ConnectError> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(timeout)).set_response_timeout(Some(timeout));
    let unreachable = |error: RedisError| ConnectError::Unreachable(classify(&error));
    let mut connection =
        timed(timeout, client.get_multiplexed_async_connection_with_config(&config)).await.map_err(unreachable)?;

    let info: String = timed(timeout, redis::cmd("INFO").query_async(&mut connection)).await.map_err(unreachable)?;
    let field = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default().trim().to_owned()
    };
    let version = field("redis_version");
    if version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_none_or(|major| major < 7) {
        return Err(ConnectError::TooOld(version));
    }
    if field("cluster_enabled") == "1" {
        return Err(ConnectError::Cluster);
    }
    let policy = field("maxmemory_policy");
    if !matches!(policy.as_str(), "" | "noeviction") && field("maxmemory") != "0" {
        return Err(ConnectError::Evicts(policy));
    }
    if durability == Durability::Fsync {
        let appendonly = setting(&mut connection, "appendonly", timeout).await.map_err(unreachable)?;
        let appendfsync = setting(&mut connection, "appendfsync", timeout).await.map_err(unreachable)?;
        if appendonly != "yes" || appendfsync != "always" {
            return Err(ConnectError::NotDurable { appendonly, appendfsync });
        }
        let suspended = setting(&mut connection, "no-appendfsync-on-rewrite", timeout).await.map_err(unreachable)?;
        if suspended == "yes" {
            return Err(ConnectError::NotDurableOnRewrite);
        }
    }
    Ok(())
}

async fn setting(connection: &mut MultiplexedConnection, name: &str, timeout: Duration) -> Result<String, RedisError> {
    let mut command = Cmd::new();
    command.arg("CONFIG").arg("GET").arg(name);
    let found: Vec<(String, String)> = timed(timeout, command.query_async(connection)).await?;
    Ok(found.into_iter().next().map(|(_, value)| value).unwrap_or_default())
}
