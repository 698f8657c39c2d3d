//! How a store tells a relay what happens to the mailboxes that are open there.

use sealpost_core::{Address, Sequence};

use super::{Envelope, Generation, Journey};

/// Hears a store's events. Called from the store's own reader, so it must neither wait nor take long; what it cannot
/// hold it may forget, as long as it then reads again.
pub trait Wakes: Send + Sync + 'static {
    /// Something happened to a mailbox. Events of one mailbox come in the order in which they happened.
    fn wake(&self, address: &Address, event: Event);
}

/// Something that happened to a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An envelope was queued.
    Stored {
        /// Its number.
        sequence: Sequence,
        /// Itself.
        envelope: Envelope,
        /// As it was when it was queued.
        journey: Journey,
    },
    /// An envelope passes by.
    Ephemeral {
        /// Itself.
        envelope: Envelope,
        /// As it was when it was sent.
        journey: Journey,
    },
    /// The mailbox was opened, perhaps by another relay: older generations end.
    Opened {
        /// Of the opening.
        generation: Generation,
    },
    /// Envelopes were acknowledged by session: their credit comes back.
    Acknowledged {
        /// All up to and with this one.
        up_to: Sequence,
        /// And these.
        sequences: Vec<Sequence>,
    },
    /// The mailbox was deleted.
    Deleted,
    /// The wake path was broken; it will be whole again, and say [`Missed`](Event::Missed). Until then, what is heard
    /// may follow a gap that does not show.
    Interrupted,
    /// The wake path was broken and is whole again: anything may have happened. Read again.
    Missed,
}
