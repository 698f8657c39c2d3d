//! A store whose every command is timed, and counted where it fails.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use sealpost_core::{Address, DeliveryKeyHash, Hour, Sequence, VoucherId};

use super::{
    Acknowledgement, Append, AppendError, CheckError, Creation, Description, Inspection, MailboxChange, NewMailbox,
    NonceMark, Opening, Read, ReadRequest, SessionAcknowledgement, SessionId, SessionOutcome, Store, StoreError,
    StoreFuture, Usage,
};
use crate::telemetry::{Attribute, Command, Fault, Metrics, Span, SpanName, Telemetry, TraceParent, Traces};

/// Another store, measured.
pub struct Measured {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    traces: Traces,
    /// When the store last said that it works.
    worked: Arc<Mutex<Option<Instant>>>,
    usage: Arc<Mutex<Option<Usage>>>,
}

impl Measured {
    /// Measures a store.
    pub fn new(store: Arc<dyn Store>, Telemetry { metrics, traces }: Telemetry) -> Self {
        let worked = Arc::new(Mutex::new(None::<Instant>));
        let last = worked.clone();
        metrics.store.wake_path_age.read_from(move || Some(last.lock().as_ref()?.elapsed().as_secs_f64()));
        let usage = Arc::new(Mutex::new(None::<Usage>));
        let (used, limit) = (usage.clone(), usage.clone());
        metrics.store.used_bytes.read_from(move || Some(used.lock().as_ref()?.bytes as f64));
        metrics.store.limit_bytes.read_from(move || Some(limit.lock().as_ref()?.limit? as f64));
        Self { store, metrics, traces, worked, usage }
    }

    async fn of<T, E: Failed>(&self, command: Command, asked: StoreFuture<'_, Result<T, E>>) -> Result<T, E> {
        let began = Instant::now();
        let answer = asked.await;
        self.metrics.store.command_time.took(command, began.elapsed());
        if let Some(error) = answer.as_ref().err().and_then(Failed::of_store) {
            self.failed(command, error);
        }
        answer
    }

    /// Begins a span below that of the first of these, and puts all that are of the same trace below it.
    fn below<'a>(&self, traced: impl Iterator<Item = &'a mut TraceParent>) -> Option<Span<'_>> {
        let mut span: Option<Span<'_>> = None;
        for parent in traced {
            let context = span.get_or_insert_with(|| self.traces.begin_below(parent)).context()?;
            if context.is_of_trace_of(parent) {
                *parent = context;
            }
        }
        span
    }

    fn failed(&self, command: Command, error: StoreError) {
        self.metrics.store.failures.count((
            command,
            match error {
                StoreError::TimedOut => Fault::TimedOut,
                StoreError::Unavailable(_) => Fault::Unavailable,
                StoreError::Corrupt(_) => Fault::Corrupt,
            },
        ));
    }
}

/// An answer that may be the store's failure.
trait Failed {
    fn of_store(&self) -> Option<StoreError>;
}

impl Failed for StoreError {
    fn of_store(&self) -> Option<StoreError> {
        Some(*self)
    }
}

impl Failed for CheckError {
    fn of_store(&self) -> Option<StoreError> {
        match self {
            Self::Store(error) | Self::WakePath(error) => Some(*error),
        }
    }
}

impl Store for Measured {
    fn create(&self, mailbox: NewMailbox) -> StoreFuture<'_, Result<Creation, StoreError>> {
        Box::pin(self.of(Command::Create, self.store.create(mailbox)))
    }

    fn update(&self, address: Address, change: MailboxChange) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.of(Command::Update, self.store.update(address, change)))
    }

    fn delete(&self, address: Address) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.of(Command::Delete, self.store.delete(address)))
    }

    fn describe(&self, address: Address) -> StoreFuture<'_, Result<Option<Description>, StoreError>> {
        Box::pin(self.of(Command::Describe, self.store.describe(address)))
    }

    fn inspect(&self, address: Address, max_entries: u32) -> StoreFuture<'_, Result<Option<Inspection>, StoreError>> {
        Box::pin(self.of(Command::Inspect, self.store.inspect(address, max_entries)))
    }

    fn card(&self, address: Address, key: DeliveryKeyHash) -> StoreFuture<'_, Result<Option<Bytes>, StoreError>> {
        Box::pin(self.of(Command::Card, self.store.card(address, key)))
    }

    fn append(&self, mut batch: Vec<Append>) -> StoreFuture<'_, Vec<Result<Sequence, AppendError>>> {
        Box::pin(async move {
            let began = Instant::now();
            let traced = batch.iter_mut().filter_map(|append| append.journey.trace.as_deref_mut());
            let span = self.below(traced);
            let many = batch.len();
            let answers = self.store.append(batch).await;
            if let Some(span) = span {
                let failed = answers.iter().any(|answer| matches!(answer, Err(AppendError::Store(_))));
                let error = failed.then_some(Attribute::Error("store"));
                span.end(SpanName::Append, [Attribute::Batch(many)].into_iter().chain(error));
            }
            self.metrics.store.command_time.took(Command::Append, began.elapsed());
            for answer in &answers {
                if let Err(AppendError::Store(error)) = answer {
                    self.failed(Command::Append, *error);
                }
            }
            answers
        })
    }

    fn watch(&self, address: Address) -> StoreFuture<'_, Result<(), StoreError>> {
        // It begins with the call.
        Box::pin(self.of(Command::Watch, self.store.watch(address)))
    }

    fn unwatch(&self, address: Address) {
        self.store.unwatch(address);
    }

    fn open(&self, address: Address, session: SessionId) -> StoreFuture<'_, Result<Option<Opening>, StoreError>> {
        Box::pin(self.of(Command::Open, self.store.open(address, session)))
    }

    fn read(&self, request: ReadRequest) -> StoreFuture<'_, Result<Read, StoreError>> {
        Box::pin(self.of(Command::Read, self.store.read(request)))
    }

    fn acknowledge<'a>(&'a self, batch: &'a [Acknowledgement]) -> StoreFuture<'a, Result<(), StoreError>> {
        Box::pin(self.of(Command::Acknowledge, self.store.acknowledge(batch)))
    }

    fn acknowledge_by_session(
        &self,
        acknowledgement: SessionAcknowledgement,
    ) -> StoreFuture<'_, Result<SessionOutcome, StoreError>> {
        Box::pin(self.of(Command::AcknowledgeBySession, self.store.acknowledge_by_session(acknowledgement)))
    }

    fn remember_nonce(&self, mark: NonceMark) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.of(Command::RememberNonce, self.store.remember_nonce(mark)))
    }

    fn redeem_voucher(
        &self,
        voucher: VoucherId,
        expires: Hour,
        mailbox: Address,
    ) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.of(Command::RedeemVoucher, self.store.redeem_voucher(voucher, expires, mailbox)))
    }

    fn check(&self) -> StoreFuture<'_, Result<(), CheckError>> {
        Box::pin(async move {
            let answer = self.of(Command::Check, self.store.check()).await;
            if answer.is_ok() {
                *self.worked.lock() = Some(Instant::now());
            }
            answer
        })
    }

    fn usage(&self) -> StoreFuture<'_, Result<Usage, StoreError>> {
        Box::pin(async move {
            let answer = self.of(Command::Usage, self.store.usage()).await;
            *self.usage.lock() = answer.ok();
            answer
        })
    }
}
