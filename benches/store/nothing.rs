//! A store that does nothing but tell: under it, the harness's own share of the client's time is seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sealpost::store::{
    Acknowledgement, Append, AppendError, CheckError, Creation, Description, Epoch, Event, Generation, Incarnation,
    Inspection, MailboxChange, NewMailbox, NonceMark, Opening, Page, Read, ReadRequest, SessionAcknowledgement,
    SessionId, SessionOutcome, Store, StoreError, StoreFuture, Usage, Wakes,
};
use sealpost_core::{Address, DeliveryKeyHash, Hour, Sequence, VoucherId};

pub(crate) struct Nothing {
    wakes: Arc<dyn Wakes>,
    sequences: AtomicU64,
}

impl Nothing {
    pub(crate) fn new(wakes: Arc<dyn Wakes>) -> Self {
        Self { wakes, sequences: AtomicU64::new(1) }
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Store for Nothing {
    fn create(&self, _: NewMailbox) -> StoreFuture<'_, Result<Creation, StoreError>> {
        ready(Ok(Creation::Created))
    }

    fn update(&self, _: Address, _: MailboxChange) -> StoreFuture<'_, Result<bool, StoreError>> {
        ready(Ok(true))
    }

    fn delete(&self, _: Address) -> StoreFuture<'_, Result<bool, StoreError>> {
        ready(Ok(true))
    }

    fn describe(&self, _: Address) -> StoreFuture<'_, Result<Option<Description>, StoreError>> {
        ready(Ok(None))
    }

    fn inspect(&self, _: Address, _: u32) -> StoreFuture<'_, Result<Option<Inspection>, StoreError>> {
        ready(Ok(None))
    }

    fn card(&self, _: Address, _: DeliveryKeyHash) -> StoreFuture<'_, Result<Option<Bytes>, StoreError>> {
        ready(Ok(None))
    }

    fn append(&self, batch: Vec<Append>) -> StoreFuture<'_, Vec<Result<Sequence, AppendError>>> {
        let results = batch.into_iter().map(|append| {
            let sequence = Sequence::new(self.sequences.fetch_add(1, Ordering::Relaxed)).unwrap_or(Sequence::FIRST);
            self.wakes.wake(&append.to, Event::Stored { sequence, envelope: append.envelope, journey: append.journey });
            Ok(sequence)
        });
        ready(results.collect())
    }

    fn watch(&self, _: Address) -> StoreFuture<'_, Result<(), StoreError>> {
        ready(Ok(()))
    }

    fn unwatch(&self, _: Address) {}

    fn open(&self, _: Address, _: SessionId) -> StoreFuture<'_, Result<Option<Opening>, StoreError>> {
        ready(Ok(Some(Opening {
            epoch: Epoch(0),
            incarnation: Incarnation([0; 8]),
            generation: Generation(1),
            last: Sequence::NONE,
            queued: 0,
        })))
    }

    fn read(&self, _: ReadRequest) -> StoreFuture<'_, Result<Read, StoreError>> {
        ready(Ok(Read::Page(Page { entries: Vec::new(), end: Some(Sequence::NONE) })))
    }

    fn acknowledge<'a>(&'a self, _: &'a [Acknowledgement]) -> StoreFuture<'a, Result<(), StoreError>> {
        ready(Ok(()))
    }

    fn acknowledge_by_session(&self, _: SessionAcknowledgement) -> StoreFuture<'_, Result<SessionOutcome, StoreError>> {
        ready(Ok(SessionOutcome::Acknowledged))
    }

    fn remember_nonce(&self, _: NonceMark) -> StoreFuture<'_, Result<bool, StoreError>> {
        ready(Ok(true))
    }

    fn redeem_voucher(&self, _: VoucherId, _: Hour, _: Address) -> StoreFuture<'_, Result<bool, StoreError>> {
        ready(Ok(true))
    }

    fn check(&self) -> StoreFuture<'_, Result<(), CheckError>> {
        ready(Ok(()))
    }

    fn usage(&self) -> StoreFuture<'_, Result<Usage, StoreError>> {
        ready(Ok(Usage { bytes: 0, limit: None }))
    }
}
