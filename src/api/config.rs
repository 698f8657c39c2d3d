//! What clients may ask for.

use std::time::Duration;

use sealpost_core::{Audience, SIZE_CLASSES};

use super::Admission;

/// The limits of what a client may ask for. Each is checked before anything is done.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The relay's names: a proof must be for one of them. The first is told to clients that used another.
    pub names: Vec<Audience>,
    /// How far a proof's time may be from the relay's clock, in seconds.
    pub proof_tolerance_secs: u64,
    /// Who may make mailboxes.
    pub admission: Admission,
    /// Sizes of envelopes, in bytes, rising.
    pub envelope_sizes: Vec<usize>,
    /// Longest message that is read at all, in bytes.
    pub max_message_bytes: usize,
    /// Most sends in one message of SendStream.
    pub max_batch: usize,
    /// Longest card, in bytes.
    pub max_card_bytes: usize,
    /// Most delivery keys of one mailbox.
    pub max_delivery_keys: usize,
    /// Most envelopes that an owner may have outstanding on one stream.
    pub max_outstanding_messages: u32,
    /// Most bytes that an owner may have outstanding on one stream.
    pub max_outstanding_bytes: u64,
    /// How long a stream may take to say what it wants to open.
    pub open_timeout: Duration,
    /// Calls at once that wait for the beginning of their answer. More are refused.
    pub max_calls: usize,
    /// How long the beginning of an answer may take, the request's arrival included.
    pub call_timeout: Duration,
    /// Whether gRPC reflection is served.
    pub reflection: bool,
}

impl ApiConfig {
    /// The defaults, for a relay of these names.
    pub fn new(names: Vec<Audience>) -> Self {
        Self {
            names,
            proof_tolerance_secs: 60,
            admission: Admission::Open,
            envelope_sizes: SIZE_CLASSES.to_vec(),
            max_message_bytes: 4 * 1024 * 1024,
            max_batch: 1024,
            max_card_bytes: 4096,
            max_delivery_keys: 16,
            max_outstanding_messages: 10_000,
            max_outstanding_bytes: 16 * 1024 * 1024,
            open_timeout: Duration::from_secs(10),
            max_calls: 10_000,
            call_timeout: Duration::from_secs(30),
            reflection: false,
        }
    }

    /// The largest envelope, in bytes.
    pub fn largest_envelope(&self) -> usize {
        self.envelope_sizes.last().copied().unwrap_or(0)
    }
}
