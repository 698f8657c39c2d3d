//! What Sealpost's tests share: real servers on free ports, and patience with a limit.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "it is used by tests only: a panic is a failed test"
)]

mod patience;
mod redis_server;

pub use patience::eventually;
pub use redis_server::{AppendOnly, RedisServer, RedisSettings};
