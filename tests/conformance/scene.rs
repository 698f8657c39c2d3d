//! A store with a mailbox in it, and short words for what is done with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sealpost::store::{
    Acknowledgement, Append, AppendError, Creation, Description, Envelope, Epoch, Event, Grant, Incarnation, Journey,
    NewMailbox, Opening, Page, QueueLimits, Read, ReadRequest, SessionId, Store, Urgency,
};
use sealpost::telemetry::TraceParent;
use sealpost_core::{Address, DeliveryKeyHash, Hour, MessageId, Sequence};

use crate::fixture::Fixture;
use crate::recording::Recording;

/// The incarnation of every mailbox, except where a test is about it.
pub(crate) const FIRST: Incarnation = Incarnation([1; 8]);

/// A store with one mailbox in it.
pub(crate) struct Scene<F> {
    pub(crate) fixture: F,
    pub(crate) address: Address,
    pub(crate) key: DeliveryKeyHash,
    pub(crate) made: AtomicU64,
}

impl<F: Fixture> Scene<F> {
    pub(crate) async fn new() -> Self {
        Self::with(QueueLimits::default()).await
    }

    pub(crate) async fn with(limits: QueueLimits) -> Self {
        let scene = Self { fixture: F::new(limits).await, address: address(1), key: key(1), made: AtomicU64::new(0) };
        scene.make(scene.address, scene.key).await;
        scene
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.fixture.store()
    }

    pub(crate) fn recording(&self) -> Arc<Recording> {
        self.fixture.recording().clone()
    }

    pub(crate) fn hour(&self) -> Hour {
        self.fixture.clock().now().hour()
    }

    pub(crate) fn pass_hours(&self, hours: u64) {
        self.fixture.clock().advance(hours * 3600);
    }

    /// Makes a mailbox with one key that does not end.
    pub(crate) async fn make(&self, address: Address, key: DeliveryKeyHash) {
        let grants = vec![Grant { key, expires: None }];
        let made = self.store().create(NewMailbox { address, incarnation: FIRST, grants, card: Bytes::new() }).await;
        assert_eq!(made, Ok(Creation::Created));
    }

    /// A message of this size that nobody sent before.
    pub(crate) fn message(&self, size: usize) -> Append {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Append {
            to: self.address,
            key: self.key,
            message_id: message_id(number),
            envelope: envelope(number, size),
            urgency: Urgency::Normal,
            ephemeral: false,
            retried: false,
            journey: journey(number),
        }
    }

    pub(crate) async fn try_send(&self, append: Append) -> Result<Sequence, AppendError> {
        let mut results = self.store().append(vec![append]).await;
        assert_eq!(results.len(), 1);
        results.remove(0)
    }

    /// Queues a new message, and gives its number.
    pub(crate) async fn send(&self, size: usize) -> u64 {
        self.try_send(self.message(size)).await.expect("it is accepted").get()
    }

    pub(crate) async fn open(&self, number: u8) -> Opening {
        self.store().open(self.address, session(number)).await.expect("the store works").expect("there is a mailbox")
    }

    pub(crate) async fn try_read(&self, number: u8, after: u64, max_messages: u32, max_bytes: u64) -> Read {
        let request = ReadRequest {
            address: self.address,
            session: session(number),
            epoch: Epoch(0),
            after: sequence(after),
            max_messages,
            max_bytes,
        };
        self.store().read(request).await.expect("the store works")
    }

    pub(crate) async fn page(&self, number: u8, after: u64, max_messages: u32, max_bytes: u64) -> Page {
        match self.try_read(number, after, max_messages, max_bytes).await {
            Read::Page(page) => page,
            Read::Ended | Read::Restarted => panic!("the session goes on"),
        }
    }

    /// The numbers of all that waits, and that the page says that these are all.
    pub(crate) async fn waiting(&self, number: u8) -> Vec<u64> {
        let page = self.page(number, 0, u32::MAX, u64::MAX).await;
        assert!(page.end.is_some(), "without limits, a page holds all");
        numbers(&page)
    }

    pub(crate) async fn acknowledge(&self, entries: &[(u64, u32)]) {
        let entries = entries.iter().map(|(number, size)| (sequence(*number), *size)).collect();
        self.store()
            .acknowledge(&[Acknowledgement { address: self.address, epoch: Epoch(0), incarnation: FIRST, entries }])
            .await
            .expect("the store works");
    }

    pub(crate) async fn describe(&self) -> Description {
        self.store().describe(self.address).await.expect("the store works").expect("there is a mailbox")
    }

    /// How many wait, and their bytes.
    pub(crate) async fn queued(&self) -> (u64, u64) {
        let description = self.describe().await;
        (description.queued_messages, description.queued_bytes)
    }

    pub(crate) async fn watch(&self) {
        self.store().watch(self.address).await.expect("the store works");
    }

    /// Everything told of the mailbox up to now: an ephemeral envelope is sent after it, as the end.
    pub(crate) async fn told(&self) -> Vec<Event> {
        let end = Append { ephemeral: true, ..self.message(20) };
        let envelope = end.envelope.clone();
        assert_eq!(self.try_send(end).await, Ok(Sequence::NONE));
        let recording = self.recording();
        let mut told = Vec::new();
        loop {
            match recording.next(&self.address).await {
                Event::Ephemeral { envelope: last, .. } if last == envelope => return told,
                event => told.push(event),
            }
        }
    }
}

pub(crate) fn address(number: u8) -> Address {
    Address::from_bytes([number; 32])
}

pub(crate) fn key(number: u8) -> DeliveryKeyHash {
    DeliveryKeyHash::try_from([number; 32].as_slice()).expect("32 bytes")
}

pub(crate) fn session(number: u8) -> SessionId {
    SessionId([number; 16])
}

pub(crate) fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap_or(Sequence::NONE)
}

pub(crate) fn message_id(number: u64) -> MessageId {
    MessageId::from_bytes(u128::from(number).to_be_bytes())
}

/// Every other one is traced.
pub(crate) fn journey(number: u64) -> Journey {
    let mut bytes = number.to_be_bytes().to_vec();
    if number % 2 == 1 {
        bytes.resize(8 + TraceParent::LEN, 7);
    }
    Journey::decode(&bytes).expect("it is one")
}

/// An envelope of this size, at least 8, like no other.
pub(crate) fn envelope(number: u64, size: usize) -> Envelope {
    let mut bytes = vec![0xE5; size];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Envelope::from_checked(bytes.into())
}

pub(crate) fn numbers(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.sequence.get()).collect()
}
