//! How much a mailbox may hold, how long, and what "stored" means.

/// The largest envelope that any installation can carry, in bytes.
pub const LARGEST_ENVELOPE: usize = 1024 * 1024;

/// The same for every mailbox of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Most envelopes that wait in one mailbox.
    pub max_messages: u64,
    /// Most bytes of envelopes that wait in one mailbox.
    pub max_bytes: u64,
    /// An envelope expires this many hours after the hour in which it was accepted.
    pub message_ttl_hours: u32,
    /// A mailbox is reclaimed this many hours after its owner was last seen.
    pub idle_ttl_hours: u32,
    /// How many of the last queued envelopes are searched for the same message id when a send is a retry.
    pub retry_window: u32,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            max_messages: 10_000,
            max_bytes: 64 * 1024 * 1024,
            message_ttl_hours: 30 * 24,
            idle_ttl_hours: 365 * 24,
            retry_window: 64,
        }
    }
}

/// What has happened to an envelope when it is accepted (P1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is in the store's memory: lost if the store's machine or process dies.
    Memory,
    /// It is on the store's disk (Redis: `appendfsync always`; embedded: group commit).
    Fsync,
    /// So many replicas have it too (Redis: `WAIT`), if not on their disks. Every fail-over counts as a loss of what was
    /// not accepted.
    Replicas(u8),
}
