//! A server, a store on it, and mailboxes in that; and what an owner's stream would do with what it is told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use futures_util::stream::{FuturesUnordered, StreamExt};
use sealpost::clock::{Clock, UnixMillis};
use sealpost::store::redis::{RedisOptions, RedisStore, RedisUrl};
use sealpost::store::{
    Acknowledgement, Append, Durability, Envelope, Event, Grant, Incarnation, Journey, NewMailbox, Opening, SessionId,
    Store, Urgency, Wakes,
};
use sealpost::telemetry::Telemetry;
use sealpost_core::{Address, DeliveryKeyHash, MessageId, Sequence};
use sealpost_testkit::{AppendOnly, RedisServer, RedisSettings};
use tokio::sync::{mpsc, watch};

/// Calls on their way while mailboxes are made or opened.
const TOGETHER: usize = 512;
/// The longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that keeps this much. It never rewrites its file, so that each round pays the same.
pub(crate) async fn server(append_only: AppendOnly, more: &[(&str, &str)]) -> RedisServer {
    let steady = ("auto-aof-rewrite-percentage", "0");
    let more = more.iter().chain([&steady]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    RedisServer::spawn(RedisSettings { append_only, more: more.collect(), ..RedisSettings::default() }).await
}

pub(crate) async fn store(server: &RedisServer, connections: usize, wakes: Arc<dyn Wakes>) -> Arc<dyn Store> {
    store_at(server, connections, Clock::system(), wakes).await
}

pub(crate) async fn store_at(
    server: &RedisServer,
    connections: usize,
    clock: Clock,
    wakes: Arc<dyn Wakes>,
) -> Arc<dyn Store> {
    let url = RedisUrl::parse(&server.url()).expect("a URL");
    // A benchmark of a busy machine should show slowness, not failures.
    let options =
        RedisOptions { connections, durability: Durability::Memory, timeout: PATIENCE, ..RedisOptions::new(url) };
    Arc::new(RedisStore::connect(options, clock, wakes, Telemetry::default()).await.expect("the server will do"))
}

/// A connection of the benchmark's own.
pub(crate) async fn aside(server: &RedisServer) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(server.url()).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("it listens")
}

/// A number of `INFO`.
pub(crate) async fn info(server: &RedisServer, field: &str) -> u64 {
    let info: String = redis::cmd("INFO").query_async(&mut aside(server).await).await.expect("it answers");
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.expect("a field").trim().parse().expect("a number")
}

pub(crate) fn key() -> DeliveryKeyHash {
    DeliveryKeyHash::try_from([7; 32].as_slice()).expect("32 bytes")
}

/// The address of a mailbox by its number. Spread as real ones are, and with the number in it.
pub(crate) fn address(number: usize) -> Address {
    let number = u32::try_from(number).expect("not so many");
    let spread = number.wrapping_mul(2_654_435_761).to_be_bytes();
    let mut bytes = [0x5a; 32];
    bytes[..4].copy_from_slice(&spread);
    bytes[28..].copy_from_slice(&number.to_be_bytes());
    Address::from_bytes(bytes)
}

/// The number in an address.
pub(crate) fn number_of(address: &Address) -> usize {
    let [.., a, b, c, d] = *address.as_bytes();
    u32::from_be_bytes([a, b, c, d]) as usize
}

pub(crate) fn session(number: usize) -> SessionId {
    SessionId((number as u128).to_be_bytes())
}

/// Makes messages of one size, each with an id of its own.
pub(crate) struct Messages {
    envelope: Envelope,
    made: AtomicU64,
}

impl Messages {
    pub(crate) fn of(size: usize) -> Self {
        Self { envelope: Envelope::from_checked(Bytes::from(vec![0xa5; size])), made: AtomicU64::new(1) }
    }

    pub(crate) fn to(&self, mailbox: usize) -> Append {
        let id = u128::from(self.made.fetch_add(1, Ordering::Relaxed));
        Append {
            to: address(mailbox),
            key: key(),
            message_id: MessageId::from_bytes(id.to_be_bytes()),
            envelope: self.envelope.clone(),
            urgency: Urgency::Normal,
            ephemeral: false,
            retried: false,
            journey: Journey::begun_at(UnixMillis(0)),
        }
    }
}

/// Does something for each of so many mailboxes, many at a time.
pub(crate) async fn each<T>(count: usize, work: impl AsyncFn(usize) -> T) -> Vec<T> {
    stream::iter(0..count).map(|number| work(number)).buffered(TOGETHER).collect().await
}

pub(crate) async fn make(store: &dyn Store, count: usize, card: &Bytes) {
    each(count, async |number| {
        let grants = vec![Grant { key: key(), expires: None }];
        let incarnation = Incarnation((number as u64).to_be_bytes());
        let mailbox = NewMailbox { address: address(number), incarnation, grants, card: card.clone() };
        store.create(mailbox).await.expect("it is made")
    })
    .await;
}

pub(crate) async fn watch(store: &dyn Store, count: usize) {
    each(count, async |number| store.watch(address(number)).await.expect("it is watched")).await;
}

pub(crate) async fn open(store: &dyn Store, count: usize) -> Vec<Opening> {
    each(count, async |number| {
        let opening = store.open(address(number), session(number)).await;
        opening.expect("it is opened").expect("there is one")
    })
    .await
}

pub(crate) fn acknowledgement(mailbox: usize, opening: &Opening, sequence: Sequence, size: usize) -> Acknowledgement {
    Acknowledgement {
        address: address(mailbox),
        epoch: opening.epoch,
        incarnation: opening.incarnation,
        entries: vec![(sequence, u32::try_from(size).expect("a small one"))],
    }
}

/// Forgets envelopes, in batches as `delivery/acknowledger.rs` makes them.
pub(crate) async fn acknowledge(store: &dyn Store, all: Vec<Acknowledgement>) {
    for batch in all.chunks(ACKNOWLEDGED_TOGETHER) {
        store.acknowledge(batch).await.expect("they are forgotten");
    }
}

/// As there.
const ACKNOWLEDGED_TOGETHER: usize = 512;
const WRITES: usize = 4;

/// Hears of envelopes as owners' streams would, and acknowledges each at once.
pub(crate) struct Owners {
    openings: OnceLock<Vec<Opening>>,
    delivered: mpsc::UnboundedSender<Acknowledgement>,
    queue: parking_lot::Mutex<Option<mpsc::UnboundedReceiver<Acknowledgement>>>,
    acknowledged: watch::Sender<u64>,
}

impl Owners {
    pub(crate) fn new() -> Arc<Self> {
        let (delivered, queue) = mpsc::unbounded_channel();
        Arc::new(Self {
            openings: OnceLock::new(),
            delivered,
            queue: parking_lot::Mutex::new(Some(queue)),
            acknowledged: watch::Sender::new(0),
        })
    }

    /// From here on, what is delivered is acknowledged.
    pub(crate) fn come(self: &Arc<Self>, store: Arc<dyn Store>, openings: Vec<Opening>) {
        self.openings.set(openings).expect("they come once");
        let mut queue = self.queue.lock().take().expect("they come once");
        let acknowledged = self.acknowledged.clone();
        tokio::spawn(async move {
            let forget = async |batch: Vec<Acknowledgement>| {
                store.acknowledge(&batch).await.expect("they are forgotten");
                acknowledged.send_modify(|so_far| *so_far += batch.len() as u64);
            };
            let mut writes = FuturesUnordered::new();
            let mut batch = Vec::with_capacity(ACKNOWLEDGED_TOGETHER);
            loop {
                tokio::select! {
                    Some(()) = writes.next() => {}
                    taken = queue.recv_many(&mut batch, ACKNOWLEDGED_TOGETHER), if writes.len() < WRITES => {
                        if taken == 0 {
                            return;
                        }
                        let full = std::mem::replace(&mut batch, Vec::with_capacity(ACKNOWLEDGED_TOGETHER));
                        writes.push(forget(full));
                    }
                }
            }
        });
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        *self.acknowledged.borrow()
    }

    /// Waits until so many have been acknowledged in all.
    pub(crate) async fn until(&self, count: u64) {
        let mut so_far = self.acknowledged.subscribe();
        let all = so_far.wait_for(|so_far| *so_far >= count);
        tokio::time::timeout(PATIENCE, all).await.expect("all arrive in time").expect("the sender lives");
    }
}

impl Wakes for Owners {
    fn wake(&self, address: &Address, event: Event) {
        let Event::Stored { sequence, envelope, .. } = event else { return };
        let mailbox = number_of(address);
        if let Some(opening) = self.openings.get().and_then(|openings| openings.get(mailbox)) {
            drop(self.delivered.send(acknowledgement(mailbox, opening, sequence, envelope.size())));
        }
    }
}

/// Hears nothing.
pub(crate) struct Deaf;

impl Wakes for Deaf {
    fn wake(&self, _address: &Address, _event: Event) {}
}
