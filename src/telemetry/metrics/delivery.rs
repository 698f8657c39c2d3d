//! From the store to owners.

use super::instruments::{Bounds, By, Counter, Figure, Gauge, Histogram};
use super::labels::label;
use super::registry::Registry;

/// Streams of owners.
#[derive(Debug)]
pub struct DeliveryMetrics {
    /// Receive and Subscribe streams.
    pub streams: Gauge,
    /// How they ended.
    pub stream_ends: By<StreamEnd, Counter>,
    /// Mailboxes that they have open.
    pub mailboxes: Gauge,
    /// Envelopes sent to owners.
    pub deliveries: By<Path, Counter>,
    /// From the acceptance of an envelope until it was sent to its owner.
    pub waiting: By<Path, Histogram>,
    /// Envelopes that owners acknowledged on their streams.
    pub acknowledgements: Counter,
    /// Envelopes that were sent and will be sent again.
    pub redeliveries: Counter,
    /// Times at which a mailbox had something to read and its stream no credit.
    pub credit_stalls: Counter,
    /// Times at which an inbox was full.
    pub inbox_overflows: Counter,
    /// Envelopes in inboxes.
    pub inbox_envelopes: Figure,
    /// Acknowledgements that wait to be written.
    pub acknowledgements_waiting: Figure,
    /// Acknowledgements that the store did not take.
    pub acknowledgements_given_up: Counter,
}

label! {
    /// By which way an envelope came to its owner.
    Path is "path" {
        /// It was published, and passed on at once.
        Pushed = "pushed",
        /// It was read from its queue.
        Read = "read",
        /// It was published, and is stored nowhere.
        Ephemeral = "ephemeral",
    }
}

label! {
    /// How a stream ended.
    StreamEnd is "reason" {
        /// The owner left, or its connection broke.
        Left = "left",
        /// A newer stream has the mailbox.
        Displaced = "displaced",
        /// The owner deleted the mailbox.
        Deleted = "deleted",
        /// The relay is leaving.
        Draining = "draining",
        /// It has lived long enough.
        Rebalance = "rebalance",
        /// Pings were not answered.
        PeerSilent = "peer_silent",
        /// The store was started anew.
        StoreRestarted = "store_restarted",
        /// The store failed.
        StoreFailed = "store_failed",
        /// The owner broke the rules of the contract.
        Refused = "refused",
    }
}

/// Under a second the way of an envelope whose owner is there; above, how long an owner was away. What is read from the
/// store is known to the hour only, and lies up to an hour too high.
const WAITING: Bounds = Bounds::Microseconds(&[
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    60_000_000,
    3_600_000_000,
    6 * 3_600_000_000,
    24 * 3_600_000_000,
    7 * 24 * 3_600_000_000,
]);

impl DeliveryMetrics {
    pub(super) fn new(all: &mut Registry) -> Self {
        Self {
            streams: all.gauge("sealpost_streams_open", "Receive and Subscribe streams that are open"),
            stream_ends: all.counters("sealpost_streams_closed", "Receive and Subscribe streams by why they ended"),
            mailboxes: all.gauge("sealpost_mailboxes_open", "Mailboxes that streams have open"),
            deliveries: all.counters("sealpost_deliveries", "Envelopes sent to owners, by the way they came"),
            waiting: all.histograms(
                "sealpost_envelope_waiting",
                "From the acceptance of an envelope until it was sent, by the way it came; to the hour where it was read",
                WAITING,
            ),
            acknowledgements: all.counter("sealpost_acknowledgements", "Envelopes that owners acknowledged"),
            redeliveries: all.counter(
                "sealpost_redeliveries",
                "Envelopes whose stream ended before they were acknowledged: they are sent again",
            ),
            credit_stalls: all.counter(
                "sealpost_credit_stalls",
                "Times at which there was something to send and the owner had granted no more",
            ),
            inbox_overflows: all.counter(
                "sealpost_inbox_overflows",
                "Times at which more came for a stream than it may hold, so that it reads from the store",
            ),
            inbox_envelopes: all.figure(
                "sealpost_inbox_envelopes",
                "Envelopes that were heard of and wait for their stream to take them",
                None,
            ),
            acknowledgements_waiting: all.figure(
                "sealpost_acknowledgements_waiting",
                "Acknowledgements, each of some envelopes, that wait to be written",
                None,
            ),
            acknowledgements_given_up: all.counter(
                "sealpost_acknowledgements_given_up",
                "Acknowledgements that the store did not take: their envelopes are sent again",
            ),
        }
    }
}
