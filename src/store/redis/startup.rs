//! What is checked of a Redis server before the relay promises anything.

use redis::{FromRedisValue, Value};
use thiserror::Error;

use super::node::Server;
use super::wire::{DialError, Link};
use crate::store::Durability;
use crate::telemetry::{Loggable, warn};

/// What a server's settings must keep.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promise {
    pub(super) durability: Durability,
    /// Only say so where they do not.
    pub(super) only_warn: bool,
}

impl Promise {
    /// Whether a server that is started anew has all that it accepted.
    pub(super) fn survives_a_restart(&self) -> bool {
        self.durability == Durability::Fsync
    }
}

/// Why a Redis installation will not do. Each says what to change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// It cannot be asked.
    #[error("the store is unavailable: {0}. {remedy}", remedy = remedy(*.0))]
    Unreachable(#[from] DialError),
    /// The certificate authority's file is none.
    #[error("store.ca holds no certificate in PEM form")]
    BadCa,
    /// It is too old.
    #[error(
        "the server at store.url is Redis {0}; Sealpost needs Redis 7.0 or Valkey 8.0, or later: update it, or name another"
    )]
    TooOld(String),
    /// It runs as a cluster.
    #[error(
        "the server at store.url is a node of a Redis Cluster; write redis+cluster:// (or rediss+cluster://) in place of \
         redis://"
    )]
    IsCluster,
    /// It does not run as a cluster.
    #[error(
        "store.url says redis+cluster://, but the server there does not run as a cluster; write redis:// (or rediss://), or \
         set cluster-enabled yes there"
    )]
    NotCluster,
    /// It is a Sentinel.
    #[error("the server at store.url is a Sentinel; write redis+sentinel://HOSTS/SERVICE (or rediss+sentinel://)")]
    IsSentinel,
    /// It is no Sentinel.
    #[error(
        "store.url says redis+sentinel://, but what listens there is no Sentinel; name the Sentinels (port 26379, mostly), \
         or write redis://"
    )]
    NotSentinel,
    /// Sentinels know no such service.
    #[error(
        "the Sentinels know no service of the name in store.url; it is what stands in their `sentinel monitor` line"
    )]
    UnknownService,
    /// Sentinels want a password, or permit the user too little.
    #[error(
        "the Sentinels refuse the relay; set store.sentinel_password_file to a file with their password, and \
         store.sentinel_user, unless it is the user default's"
    )]
    SentinelRefuses,
    /// It is a replica.
    #[error(
        "the server at store.url is a replica; name its primary, or the Sentinels that know it \
         (redis+sentinel://HOSTS/SERVICE)"
    )]
    Replica,
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
    /// Its settings cannot be asked for.
    #[error(
        "store.durability is \"fsync\", but the server does not say how it is set; permit this user config|get there, or set \
         store.durability_check = \"warn\" here if you know that it has appendfsync always"
    )]
    Unknowable,
    /// Too few replicas.
    #[error(
        "store.durability is \"replicas:{wanted}\", but a primary has {connected} replica(s) connected; connect more replicas \
         to it, or lower store.durability here"
    )]
    TooFewReplicas {
        /// As configured.
        wanted: u8,
        /// As the server says.
        connected: u32,
    },
}

impl Loggable for ConnectError {}

fn remedy(error: DialError) -> &'static str {
    match error {
        DialError::Unreachable => "Check the host and the port in store.url, and the network",
        DialError::Silent => {
            "Check the port in store.url, whether TLS is spoken there (rediss://) or not (redis://), and that the server is \
             not overloaded (store.timeout_ms)"
        }
        DialError::Untrusted => "Set store.ca to the PEM file of the authority that signed it",
        DialError::Certificate => "The host in store.url must be a name in the certificate, and the clocks right",
        DialError::NoTls => "Write redis:// in place of rediss:// in store.url, or name the server's TLS port",
        DialError::Password => "Check the user in store.url, and the password there or in store.password_file",
        DialError::Permission => {
            "Give the user in store.url the permissions of docs/operations.md; ACL LOG there names it"
        }
        DialError::NotReady => "Wait until it has loaded its data, or has failed over",
        DialError::Protocol => {
            "Check the host and the port in store.url: Redis 7.0 or Valkey 8.0, or later, must be there"
        }
    }
}

/// Checks a server's version and settings; the number of its replicas only at the `start`: later, the relay goes on with
/// fewer and accepts what enough of them have.
pub(super) async fn check(link: &Link, server: &Server, promise: &Promise, start: bool) -> Result<(), ConnectError> {
    if server.version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_none_or(|major| major < 7) {
        return Err(ConnectError::TooOld(server.version.clone()));
    }
    if server.limited && !matches!(server.policy.as_str(), "" | "noeviction") {
        return Err(ConnectError::Evicts(server.policy.clone()));
    }
    match durable(link, server, promise.durability, start).await {
        Err(error) if promise.only_warn && !matches!(error, ConnectError::Unreachable(_)) => {
            warn!("store.durability_check is \"warn\", so the relay goes on", error = error);
            Ok(())
        }
        checked => checked,
    }
}

async fn durable(link: &Link, server: &Server, durability: Durability, start: bool) -> Result<(), ConnectError> {
    match durability {
        Durability::Memory => Ok(()),
        Durability::Fsync => {
            let appendonly = setting(link, "appendonly").await?;
            let appendfsync = setting(link, "appendfsync").await?;
            if appendonly != "yes" || appendfsync != "always" {
                return Err(ConnectError::NotDurable { appendonly, appendfsync });
            }
            match setting(link, "no-appendfsync-on-rewrite").await?.as_str() {
                "yes" => Err(ConnectError::NotDurableOnRewrite),
                _ => Ok(()),
            }
        }
        Durability::Replicas(wanted) if start && server.replicas < u32::from(wanted) => {
            Err(ConnectError::TooFewReplicas { wanted, connected: server.replicas })
        }
        Durability::Replicas(_) => Ok(()),
    }
}

async fn setting(link: &Link, name: &str) -> Result<String, ConnectError> {
    set_to(link.ask(&["CONFIG", "GET", name]).await.map_err(DialError::from)?)
}

/// Reads the answer to `CONFIG GET` of one setting; nothing if the server knows none of the name.
pub(super) fn set_to(answer: Value) -> Result<String, ConnectError> {
    if let Value::ServerError(_) = &answer {
        return Err(ConnectError::Unknowable);
    }
    let found = Vec::<(String, String)>::from_redis_value(answer).map_err(|_| ConnectError::Unknowable)?;
    Ok(found.into_iter().next().map(|(_, value)| value).unwrap_or_default())
}
