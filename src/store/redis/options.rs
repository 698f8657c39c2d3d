//! How to reach a Redis server, and what is promised of it.

use std::time::Duration;

use crate::store::{Durability, QueueLimits};

/// Everything that a [`RedisStore`](super::RedisStore) is told.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/db]`, or `rediss://…` for TLS.
    pub url: RedisUrl,
    /// A certificate authority (PEM) to trust in place of the system's, for `rediss://`.
    pub ca_pem: Option<Vec<u8>>,
    /// What a mailbox may hold.
    pub limits: QueueLimits,
    /// What the server's settings must keep.
    pub durability: Durability,
    /// Connections for commands. Each mailbox has its own among them.
    pub connections: usize,
    /// The longest wait for a connection, or for one answer.
    pub timeout: Duration,
}

impl RedisOptions {
    /// With the defaults for everything but the server.
    pub fn new(url: RedisUrl) -> Self {
        Self {
            url,
            ca_pem: None,
            limits: QueueLimits::default(),
            durability: Durability::Memory,
            connections: 2,
            timeout: Duration::from_secs(2),
        }
    }
}

/// A server's URL. It may hold a password, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    url: String,
    password: Option<String>,
}

impl RedisUrl {
    /// Checks a URL.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it, without repeating it.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let scheme = url.split("://").next().unwrap_or_default();
        match scheme {
            "redis" | "rediss" => {}
            "redis+sentinel" | "rediss+sentinel" | "redis+cluster" | "rediss+cluster" => {
                return Err("Sentinel and Cluster are not supported by this version; use redis:// or rediss://");
            }
            _ => return Err("a Redis URL begins with redis:// or rediss://"),
        }
        redis::IntoConnectionInfo::into_connection_info(url)
            .map_err(|_| "it is no redis://[user:password@]host[:port][/database]")?;
        Ok(Self { url: url.to_owned(), password: None })
    }

    /// The same, with a password from elsewhere.
    ///
    /// # Errors
    /// Where the URL has a password already.
    pub fn with_password(self, password: &str) -> Result<Self, &'static str> {
        let info = redis::IntoConnectionInfo::into_connection_info(self.url.as_str())
            .map_err(|_| "it is no redis://[user:password@]host[:port][/database]")?;
        if info.redis_settings().password().is_some() {
            return Err("it holds a password, and store.password_file is set too; take one out");
        }
        Ok(Self { password: Some(password.to_owned()), ..self })
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.url
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisUrl(..)")
    }
}
