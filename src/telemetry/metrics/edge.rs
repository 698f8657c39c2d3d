//! What faces the network.

use super::instruments::{Bounds, By, Counter, Figure, Gauge, Histogram};
use super::labels::label;
use super::registry::Registry;

/// Connections, handshakes, certificates.
#[derive(Debug)]
pub struct EdgeMetrics {
    /// Client connections.
    pub connections: Gauge,
    /// How they ended.
    pub connection_ends: By<ConnectionEnd, Counter>,
    /// How they began.
    pub greetings: By<Greeting, Counter>,
    /// How long that took, where it came to a good end.
    pub greeting_time: Histogram,
    /// By which group their keys were agreed upon.
    pub key_exchanges: By<KeyExchange, Counter>,
    /// Whether TLS sessions were new.
    pub sessions: By<Session, Counter>,
    /// Times at which no connection could be accepted.
    pub accept_failures: Counter,
    /// What was refused because a limit was reached.
    pub shed: By<Limit, Counter>,
    /// Changed files of certificates.
    pub certificate_reloads: By<Reload, Counter>,
    /// Full days until the first certificate ends.
    pub certificate_days_left: Figure,
    /// Changed files of ticket keys.
    pub ticket_key_reloads: By<Reload, Counter>,
}

label! {
    /// How a connection began.
    Greeting is "outcome" {
        /// Its handshake is done.
        Done = "done",
        /// Its handshake, or its PROXY header, was wrong.
        Failed = "failed",
        /// It took too long.
        TookTooLong = "took_too_long",
        /// It gave way to others.
        GaveWay = "gave_way",
        /// The relay left.
        Left = "left",
        /// Its peer has all the connections that it may have.
        TooManyOfPeer = "too_many_of_peer",
    }
}

label! {
    /// How a connection ended.
    ConnectionEnd is "reason" {
        /// As HTTP has it: one side closed it, and nothing was left to be said.
        Finished = "finished",
        /// It broke, or broke the rules of HTTP.
        Broken = "broken",
        /// There was no request on it in time.
        NoRequest = "no_request",
        /// It was still there at the relay's deadline.
        Cut = "cut",
    }
}

label! {
    /// The group of a key exchange.
    KeyExchange is "group" {
        /// Hybrid, safe from quantum computers.
        X25519MlKem768 = "X25519MLKEM768",
        /// An elliptic curve.
        X25519 = "X25519",
        /// An elliptic curve.
        Secp256r1 = "secp256r1",
        /// An elliptic curve.
        Secp384r1 = "secp384r1",
        /// Another one, or none.
        Other = "other",
    }
}

label! {
    /// Whether a TLS session was new.
    Session is "kind" {
        /// It was.
        Full = "full",
        /// It was, and the client had to be asked for another key share first.
        Retried = "retried",
        /// A ticket of an earlier one was shown.
        Resumed = "resumed",
    }
}

label! {
    /// A limit by which something was refused.
    Limit is "limit" {
        /// Connections of one peer.
        ConnectionsPerPeer = "connections_per_peer",
        /// Handshakes at once.
        Handshakes = "handshakes",
        /// Requests of one connection in a second.
        RequestsPerSecond = "requests_per_second",
        /// Calls at once.
        Calls = "calls",
        /// Bytes of unfinished messages of one connection.
        UnfinishedBytes = "unfinished_bytes",
    }
}

label! {
    /// What became of a file that changed.
    Reload is "outcome" {
        /// It is in use.
        Loaded = "loaded",
        /// It cannot be used: what was in use before still is.
        Refused = "refused",
    }
}

/// A handshake is a part of a millisecond of work, and two round trips.
const GREETING_TIMES: Bounds =
    Bounds::Microseconds(&[1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000]);

impl EdgeMetrics {
    pub(super) fn new(all: &mut Registry) -> Self {
        Self {
            connections: all.gauge("sealpost_connections_open", "Client connections that are open"),
            connection_ends: all.counters("sealpost_connections_closed", "Client connections by how they ended"),
            greetings: all.counters("sealpost_handshakes", "Client connections by how they began"),
            greeting_time: all.histogram(
                "sealpost_handshake",
                "From accepting a connection until its handshake was done",
                GREETING_TIMES,
            ),
            key_exchanges: all.counters("sealpost_tls_key_exchanges", "TLS handshakes by the group of their keys"),
            sessions: all.counters("sealpost_tls_sessions", "TLS handshakes by whether a session was resumed"),
            accept_failures: all.counter(
                "sealpost_accept_failures",
                "Times at which no connection could be accepted, for want of file descriptors mostly",
            ),
            shed: all.counters("sealpost_shed", "What was refused because a limit was reached, by limit"),
            certificate_reloads: all
                .counters("sealpost_certificate_reloads", "Files of certificates that changed, by outcome"),
            certificate_days_left: all.figure(
                "sealpost_certificate_days_left",
                "Full days until the first of the relay's certificates ends",
                None,
            ),
            ticket_key_reloads: all
                .counters("sealpost_ticket_key_reloads", "Files of ticket keys that changed, by outcome"),
        }
    }
}
