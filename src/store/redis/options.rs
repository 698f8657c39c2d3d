//! What a [`RedisStore`](super::RedisStore) is told.

use std::time::Duration;

use super::url::RedisUrl;
use crate::store::{Durability, QueueLimits};

/// Everything that a [`RedisStore`](super::RedisStore) is told.
#[derive(Clone)]
pub struct RedisOptions {
    /// Where Redis is.
    pub url: RedisUrl,
    /// A certificate authority (PEM) to trust in place of the system's, for TLS.
    pub ca_pem: Option<Vec<u8>>,
    /// The user of the Sentinels as whom they are asked; `None`: `default`.
    pub sentinel_user: Option<String>,
    /// The password of the Sentinels, if they have one.
    pub sentinel_password: Option<String>,
    /// What a mailbox may hold.
    pub limits: QueueLimits,
    /// What an accepted envelope survives; the servers' settings must keep it.
    pub durability: Durability,
    /// Only warn where the servers' settings do not keep it.
    pub only_warn: bool,
    /// Connections to each server for commands. Each mailbox has its own among them.
    pub connections: usize,
    /// The longest wait for a connection, or for an answer.
    pub timeout: Duration,
}

impl RedisOptions {
    /// With the defaults for everything but the place.
    pub fn new(url: RedisUrl) -> Self {
        Self {
            url,
            ca_pem: None,
            sentinel_user: None,
            sentinel_password: None,
            limits: QueueLimits::default(),
            durability: Durability::Memory,
            only_warn: false,
            connections: 2,
            timeout: Duration::from_secs(2),
        }
    }
}

impl std::fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisOptions(..)")
    }
}
