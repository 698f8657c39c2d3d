//! What the store is asked, and how it answers.

use prometheus_client::registry::Unit;

use super::instruments::{Bounds, By, Counter, Figure, Gauge, Histogram};
use super::labels::label;
use super::registry::Registry;

/// The store, seen from the relay.
#[derive(Debug)]
pub struct StoreMetrics {
    /// How long the store took, by what it was asked.
    pub command_time: By<Command, Histogram>,
    /// Where it failed.
    pub failures: By<(Command, Fault), Counter>,
    /// Commands that left for a Redis server together.
    pub batch: Histogram,
    /// From when they left until the last of them was answered.
    pub round_trip: Histogram,
    /// Connections made to Redis servers.
    pub connections_made: Counter,
    /// Redis servers that are not asked for now, because they did not answer.
    pub breakers_open: Gauge,
    /// Times at which the wake path broke.
    pub wake_path_breaks: Counter,
    /// Seconds since what was published was last seen to arrive.
    pub wake_path_age: Figure,
    /// What the store has used.
    pub used_bytes: Figure,
    /// What it may use.
    pub limit_bytes: Figure,
}

label! {
    /// What a store can be asked.
    #[allow(missing_docs)]
    Command is "command" {
        Create = "create",
        Update = "update",
        Delete = "delete",
        Describe = "describe",
        Inspect = "inspect",
        Card = "card",
        Append = "append",
        Watch = "watch",
        Open = "open",
        Read = "read",
        Acknowledge = "acknowledge",
        AcknowledgeBySession = "acknowledge_by_session",
        RememberNonce = "remember_nonce",
        RedeemVoucher = "redeem_voucher",
        Check = "check",
        Usage = "usage",
    }
}

label! {
    /// How a store failed.
    Fault is "error" {
        /// It did not answer in time.
        TimedOut = "timed_out",
        /// It cannot be reached, or refuses.
        Unavailable = "unavailable",
        /// It answered nonsense.
        Corrupt = "corrupt",
    }
}

const COMMAND_TIMES: Bounds = Bounds::Microseconds(&[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
]);
const BATCHES: Bounds = Bounds::Number(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);

impl StoreMetrics {
    pub(super) fn new(all: &mut Registry) -> Self {
        Self {
            command_time: all.histograms(
                "sealpost_store_command",
                "From asking the store until it has answered, by command; of batches, until all is answered",
                COMMAND_TIMES,
            ),
            failures: all
                .rare_counters("sealpost_store_failures", "Commands that the store failed, by command and error"),
            batch: all.histogram(
                "sealpost_redis_batch_commands",
                "Commands that left together for a Redis server",
                BATCHES,
            ),
            round_trip: all.histogram(
                "sealpost_redis_round_trip",
                "From sending commands to a Redis server until all of them were answered",
                COMMAND_TIMES,
            ),
            connections_made: all.counter("sealpost_redis_connections", "Connections made to Redis servers"),
            breakers_open: all.gauge(
                "sealpost_redis_breakers_open",
                "Redis servers that are tried only now and then, because they did not answer",
            ),
            wake_path_breaks: all
                .counter("sealpost_wake_path_breaks", "Times at which the connection to hear of envelopes by broke"),
            wake_path_age: all.figure(
                "sealpost_wake_path_age",
                "Since it was last seen that what is published in the store arrives here",
                Some(Unit::Seconds),
            ),
            used_bytes: all.figure(
                "sealpost_store_used",
                "What the store has used: memory of Redis, or file",
                Some(Unit::Bytes),
            ),
            limit_bytes: all.figure(
                "sealpost_store_limit",
                "What the store may use: maxmemory of Redis; not there where there is no limit",
                Some(Unit::Bytes),
            ),
        }
    }
}
