//! What clients ask for, and what they are told.

use sealpost_proto::Reason;

use super::instruments::{Bounds, By, Counter, Histogram};
use super::labels::label;
use super::registry::Registry;

/// Calls and sends.
#[derive(Debug)]
pub struct ApiMetrics {
    /// Envelopes asked to be queued, by what became of them.
    pub sends: By<Outcome, Counter>,
    /// Those that were stored.
    pub stored: Counter,
    /// Their bytes.
    pub stored_bytes: Counter,
    /// From when a call, or a batch of a stream, was there until its answer was.
    pub call_time: By<Procedure, Histogram>,
    /// Failed calls and streams.
    pub failures: By<(Procedure, Reason), Counter>,
}

label! {
    /// What became of a send.
    Outcome is "outcome" {
        /// It was queued, or handed on.
        Accepted = "accepted",
        /// Its fields were wrong.
        Invalid = "invalid",
        /// No such mailbox, or not its key.
        Refused = "refused",
        /// The mailbox was full.
        Full = "full",
        /// The store failed.
        Unavailable = "unavailable",
    }
}

label! {
    /// A procedure of the contract.
    #[allow(missing_docs)]
    Procedure is "procedure" {
        Send = "Send",
        SendStream = "SendStream",
        FetchCard = "FetchCard",
        CreateMailbox = "CreateMailbox",
        UpdateMailbox = "UpdateMailbox",
        DeleteMailbox = "DeleteMailbox",
        DescribeMailbox = "DescribeMailbox",
        Receive = "Receive",
        Subscribe = "Subscribe",
        Acknowledge = "Acknowledge",
    }
}

impl Procedure {
    /// The service that it is of, with its package.
    pub fn service(self) -> &'static str {
        match self {
            Self::Send | Self::SendStream | Self::FetchCard => "sealpost.v1.DeliveryService",
            _ => "sealpost.v1.MailboxService",
        }
    }
}

const CALL_TIMES: Bounds = Bounds::Microseconds(&[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
]);

impl ApiMetrics {
    pub(super) fn new(all: &mut Registry) -> Self {
        Self {
            sends: all.counters("sealpost_sends", "Envelopes that senders asked to be queued, by outcome"),
            stored: all.counter("sealpost_envelopes_stored", "Envelopes that were stored"),
            stored_bytes: all.counter("sealpost_envelope_bytes_stored", "Bytes of envelopes that were stored, all together"),
            call_time: all.histograms(
                "sealpost_call",
                "From when a call was there until it was answered; of SendStream each batch, of streams of owners the opening",
                CALL_TIMES,
            ),
            failures: all.rare_counters("sealpost_failures", "Failed calls and streams by procedure and reason"),
        }
    }
}
