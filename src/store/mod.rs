//! Where mailboxes and their envelopes are kept.
//!
//! [`Store`] is the whole of what the relay asks of a database. Two stores keep it: [`redis`] for many relays and
//! [`embedded`] for one; `tests/conformance` holds both to the same promises. A store also tells every relay of what
//! happens to the mailboxes that are open there, through [`Wakes`].
//!
//! A store knows addresses, hashes of delivery keys, and opaque bytes; and of time only the hour.

mod entry;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod journey;
mod limits;
mod mailbox;
mod mark;
mod measured;
mod traffic;
mod wakes;

pub mod embedded;
pub mod redis;

use std::pin::Pin;

use bytes::Bytes;
use sealpost_core::{Address, DeliveryKeyHash, Hour, Sequence, VoucherId};

pub use entry::{Entry, Envelope, Urgency};
pub use error::{AppendError, CheckError, StoreError};
pub use journey::Journey;
pub use limits::{Durability, LARGEST_ENVELOPE, QueueLimits};
pub use mailbox::{Creation, Description, Grant, Inspection, Kept, MailboxChange, NewMailbox, QueuedEntry};
pub use mark::NonceMark;
pub use measured::Measured;
pub use traffic::{
    Acknowledgement, Append, Epoch, Generation, Incarnation, Opening, Page, Read, ReadRequest, SessionAcknowledgement,
    SessionId, SessionOutcome,
};
pub use wakes::{Event, Wakes};

/// A future of a [`Store`], boxed so that a store can be chosen at run time. The calls on the hot path take batches,
/// so the box is paid once a batch.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the relay asks of its database.
///
/// Every method may fail with [`StoreError`]; after that, what was asked may or may not have happened.
pub trait Store: Send + Sync + 'static {
    /// Makes a mailbox, unless there is one.
    fn create(&self, mailbox: NewMailbox) -> StoreFuture<'_, Result<Creation, StoreError>>;

    /// Changes a mailbox; false if there is none.
    fn update(&self, address: Address, change: MailboxChange) -> StoreFuture<'_, Result<bool, StoreError>>;

    /// Deletes a mailbox with all that it holds and says so to its stream; false, and said to nobody, if there was none.
    fn delete(&self, address: Address) -> StoreFuture<'_, Result<bool, StoreError>>;

    /// All that is held on a mailbox but its envelopes.
    fn describe(&self, address: Address) -> StoreFuture<'_, Result<Option<Description>, StoreError>>;

    /// All that is held on a mailbox, with its first `max_entries` envelopes: for the operator's `inspect`.
    fn inspect(&self, address: Address, max_entries: u32) -> StoreFuture<'_, Result<Option<Inspection>, StoreError>>;

    /// The mailbox's card (empty if it has none) for the holder of a delivery key; `None` for an unknown mailbox and
    /// for a wrong or ended key alike, at the same cost (P8).
    fn card(&self, address: Address, key: DeliveryKeyHash) -> StoreFuture<'_, Result<Option<Bytes>, StoreError>>;

    /// Queues envelopes and passes them on to whoever has the mailbox open, one result for each, in their order.
    ///
    /// An accepted envelope is stored as durably as the store is configured to (P1) and has a sequence that no other
    /// envelope of its mailbox had or will have; [`Sequence::NONE`] for an ephemeral one.
    /// Envelopes for one mailbox get their sequences in the batch's order (P3).
    /// A retry of what still waits gets its sequence again, in a full mailbox too, and nobody is told twice.
    fn append(&self, batch: Vec<Append>) -> StoreFuture<'_, Vec<Result<Sequence, AppendError>>>;

    /// Starts telling [`Wakes`] of this mailbox's events; it begins with the call, not with the first poll. Once the
    /// future is ready, no later event will be missed without [`Event::Missed`].
    ///
    /// Calls are counted: each must be followed by one [`unwatch`](Store::unwatch), also where it failed or its future
    /// was dropped.
    fn watch(&self, address: Address) -> StoreFuture<'_, Result<(), StoreError>>;

    /// Takes one [`watch`](Store::watch) back; the last one ends it, soon.
    fn unwatch(&self, address: Address);

    /// Makes `session` the mailbox's one session: raises the generation and tells all who watch (P5).
    /// `None` if there is no such mailbox. Watch first, so that nothing falls between.
    fn open(&self, address: Address, session: SessionId) -> StoreFuture<'_, Result<Option<Opening>, StoreError>>;

    /// The next envelopes of a mailbox, in order, as long as the session is still its session.
    /// Expired ones are left out for good.
    fn read(&self, request: ReadRequest) -> StoreFuture<'_, Result<Read, StoreError>>;

    /// Forgets envelopes. Repeating it does no harm.
    fn acknowledge<'a>(&'a self, batch: &'a [Acknowledgement]) -> StoreFuture<'a, Result<(), StoreError>>;

    /// Forgets envelopes for a session that may stream at another relay, and tells that relay.
    fn acknowledge_by_session(
        &self,
        acknowledgement: SessionAcknowledgement,
    ) -> StoreFuture<'_, Result<SessionOutcome, StoreError>>;

    /// Remembers that a proof was used; false if it had been before. Forgotten an hour or two after the mark's hour.
    fn remember_nonce(&self, mark: NonceMark) -> StoreFuture<'_, Result<bool, StoreError>>;

    /// Spends a voucher for a mailbox; false if it had been spent for another one. Spending it again for the same one
    /// is good, so that a client whose first answer was lost may try again.
    fn redeem_voucher(
        &self,
        voucher: VoucherId,
        expires: Hour,
        mailbox: Address,
    ) -> StoreFuture<'_, Result<bool, StoreError>>;

    /// Whether the store answers and the wake path works.
    fn check(&self) -> StoreFuture<'_, Result<(), CheckError>>;

    /// What it has used of what it may use.
    fn usage(&self) -> StoreFuture<'_, Result<Usage, StoreError>>;
}

/// What a store has used, of all its servers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory, or of the file.
    pub bytes: u64,
    /// As many as there may be; `None`: as the machine has.
    pub limit: Option<u64>,
}
