//! What only this store promises: how it opens, fails, recovers and sweeps.

mod failing;
mod faulty;
mod opening;
mod sweeping;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use sealpost_core::{Address, DeliveryKeyHash, MessageId, UnixTime};
use sealpost_testkit::eventually;

use super::medium::Medium;
use super::{EmbeddedOptions, EmbeddedStore};
use crate::clock::Clock;
use crate::store::{
    Append, AppendError, Durability, Envelope, Event, Grant, Journey, NewMailbox, QueueLimits, Store, StoreError,
    Urgency, Wakes,
};

const ADDRESS: Address = Address::from_bytes([1; 32]);
const NOON: UnixTime = UnixTime(1_800_000_000);
const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps everything that is told.
#[derive(Default)]
struct Told(Mutex<Vec<(Address, Event)>>);

impl Wakes for Told {
    fn wake(&self, address: &Address, event: Event) {
        self.0.lock().push((*address, event));
    }
}

fn options(durability: Durability) -> EmbeddedOptions {
    EmbeddedOptions { limits: QueueLimits::default(), durability }
}

fn on(medium: impl Medium + 'static, durability: Durability, clock: &Clock, told: &Arc<Told>) -> EmbeddedStore {
    EmbeddedStore::start(Arc::new(medium), options(durability), clock.clone(), told.clone()).expect("it opens")
}

fn key() -> DeliveryKeyHash {
    DeliveryKeyHash::try_from([2; 32].as_slice()).expect("32 bytes")
}

async fn make(store: &EmbeddedStore, address: Address) -> Result<(), StoreError> {
    let grants = vec![Grant { key: key(), expires: None }];
    store
        .create(NewMailbox { address, incarnation: crate::store::Incarnation([1; 8]), grants, card: Bytes::new() })
        .await
        .map(drop)
}

/// Queues an envelope that nobody sent before.
async fn send(store: &EmbeddedStore, to: Address) -> Result<u64, AppendError> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let number = u128::from(MADE.fetch_add(1, Ordering::Relaxed));
    let append = Append {
        to,
        key: key(),
        message_id: MessageId::from_bytes(number.to_be_bytes()),
        envelope: Envelope::from_checked(vec![7; 1024].into()),
        urgency: Urgency::Normal,
        ephemeral: false,
        retried: false,
        journey: Journey::begun_at(NOON.into()),
    };
    store.append(vec![append]).await.remove(0).map(|sequence| sequence.get())
}
