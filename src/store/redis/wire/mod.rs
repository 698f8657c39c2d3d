//! Our own connection to a Redis server: RESP3, made for many small commands of many callers at once.
//!
//! `command` writes commands straight into the buffer that goes out, `reply` reads what comes back, `link` is the
//! connection, `dial` makes one. Everything that the relay says to Redis goes over a [`Link`]; the `redis` crate
//! provides URLs, the type of a reply, and the reading of its rarer kinds
//! (docs/decisions/0016-own-redis-connection.md).

mod command;
mod dial;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod link;
mod reply;

pub(super) use command::{Arguments, Out, Outbox};
pub use dial::DialError;
pub(super) use dial::{Dialer, Endpoint, Greeting};
pub(super) use link::{Confirm, Fault, Hear, Link};
