//! Many open mailboxes on one store: what each takes, and what it means for live traffic that the wake path is lost and
//! all of them read again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sealpost::store::{Append, Envelope, Event, Opening, Read, ReadRequest, Store, Wakes};
use sealpost_core::{Address, Sequence};
use sealpost_testkit::{AppendOnly, RedisServer};
use serde_json::json;
use tokio::sync::mpsc;

use crate::arguments::Arguments;
use crate::bare::SIZE;
use crate::measure::{Stopwatch, micros, millis, resident, share};
use crate::scene::{Messages, PATIENCE, address, aside, info, make, number_of, open, server, session, store, watch};
use crate::table::Table;

/// Mailboxes with live traffic.
const BUSY: usize = 100;
/// Messages a second, over all of them.
const RATE: u64 = 1000;

pub(crate) async fn run(arguments: &Arguments) -> Vec<Table> {
    let count = arguments.mailboxes;
    let server = server(AppendOnly::No, &[]).await;
    let (owners, missed) = Owners::new(count);
    let store = store(&server, arguments.connections, owners.clone()).await;
    let mut growth = Growth::new(&server, count).await;

    growth.of("create", make(store.as_ref(), count, &Bytes::new())).await;
    growth.of("watch", watch(store.as_ref(), count)).await;
    let openings = growth.of("open", open(store.as_ref(), count)).await;
    tokio::spawn(read_what_was_missed(store.clone(), owners.clone(), openings, missed));

    let columns = ["phase", "sent", "p50 µs", "p99 µs", "longest ms", "until all read again ms", "Redis s", "client s"];
    let title = format!("Delivery of {RATE} messages/s to {BUSY} of {count} open mailboxes, from when each was due");
    let mut table = Table::new(title, &columns);
    let quiet = Duration::from_secs(2).max(arguments.round);
    let before = traffic(&store, &owners, &server, tokio::time::sleep(quiet)).await;
    before.into_row(&mut table, "before", None);
    for _ in 0..arguments.kill_rounds {
        let mut recovery = Duration::ZERO;
        let cut = async {
            recovery = cut(&server, store.as_ref(), &owners).await;
            // What was sent at the end of it belongs to it too.
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let during = traffic(&store, &owners, &server, cut).await;
        during.into_row(&mut table, "wake path cut", Some(recovery));
    }
    vec![growth.table, table]
}

/// Cuts the wake path; the time until every mailbox has heard so and has been read again.
async fn cut(server: &RedisServer, store: &dyn Store, owners: &Owners) -> Duration {
    owners.round.fetch_add(1, Ordering::SeqCst);
    owners.read_again.store(0, Ordering::SeqCst);
    let mut connection = aside(server).await;
    let began = Instant::now();
    let killed: u32 =
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query_async(&mut connection).await.expect("it answers");
    assert_eq!(killed, 1, "one connection listens");
    // A watch of a mailbox that was not watched succeeds only where the wake path is whole.
    let other = address(owners.mailboxes.len());
    let whole = async {
        while store.watch(other).await.is_err() {
            store.unwatch(other);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        store.unwatch(other);
        while owners.read_again.load(Ordering::SeqCst) < owners.mailboxes.len()
            || owners.reading.load(Ordering::SeqCst) > 0
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        began.elapsed()
    };
    tokio::time::timeout(PATIENCE, whole).await.expect("all are read in time")
}

/// What something took of the wall, of this process's memory and of the server's.
struct Growth<'a> {
    server: &'a RedisServer,
    count: usize,
    table: Table,
}

impl<'a> Growth<'a> {
    async fn new(server: &'a RedisServer, count: usize) -> Self {
        let columns = ["step", "seconds", "Redis µs", "client µs", "client bytes", "Redis bytes"];
        let table = Table::new(format!("{count} mailboxes, each step: for one mailbox"), &columns);
        Self { server, count, table }
    }

    async fn of<T>(&mut self, step: &str, work: impl Future<Output = T>) -> T {
        let before = (resident(std::process::id()), info(self.server, "used_memory").await);
        let stopwatch = Stopwatch::start(Some(self.server));
        let made = work.await;
        let taken = stopwatch.stop(self.count as u64);
        let after = (resident(std::process::id()), info(self.server, "used_memory").await);
        let each = |before: u64, after: u64| json!((after as f64 - before as f64) / self.count as f64);
        self.table.row(vec![
            json!(step),
            json!(taken.wall.as_secs_f64()),
            json!(taken.redis_micros()),
            json!(taken.client_micros()),
            each(before.0, after.0),
            each(before.1, after.1),
        ]);
        made
    }
}

/// What a relay would remember of each open mailbox, as far as the figures need it.
struct Owners {
    mailboxes: Vec<Mailbox>,
    busy: Vec<parking_lot::Mutex<u64>>,
    missed: mpsc::UnboundedSender<usize>,
    began: Instant,
    latencies: parking_lot::Mutex<Vec<Duration>>,
    /// How often the wake path was cut.
    round: AtomicU32,
    /// Mailboxes that have been read since.
    read_again: AtomicUsize,
    /// Reads that wait or are on their way.
    reading: AtomicUsize,
}

#[derive(Default)]
struct Mailbox {
    /// A read is waiting to begin.
    waits: AtomicBool,
    /// The round in which it was last read.
    read_in: AtomicU32,
}

impl Owners {
    fn new(count: usize) -> (Arc<Self>, mpsc::UnboundedReceiver<usize>) {
        let (missed, queue) = mpsc::unbounded_channel();
        let owners = Self {
            mailboxes: (0..count).map(|_| Mailbox::default()).collect(),
            busy: (0..BUSY).map(|_| parking_lot::Mutex::default()).collect(),
            missed,
            began: Instant::now(),
            latencies: parking_lot::Mutex::default(),
            round: AtomicU32::new(0),
            read_again: AtomicUsize::new(0),
            reading: AtomicUsize::new(0),
        };
        (Arc::new(owners), queue)
    }

    fn read_soon(&self, number: usize) {
        if let Some(mailbox) = self.mailboxes.get(number)
            && !mailbox.waits.swap(true, Ordering::SeqCst)
        {
            self.reading.fetch_add(1, Ordering::SeqCst);
            // Fails only where the reader has ended, with the benchmark.
            let _ = self.missed.send(number);
        }
    }

    /// Takes an envelope if it is the next; what was there already is passed over. False where one is missing.
    fn take(&self, number: usize, sequence: Sequence, envelope: &Envelope) -> bool {
        let Some(busy) = self.busy.get(number) else { return true };
        let mut last = busy.lock();
        if sequence.get() > *last + 1 {
            return false;
        }
        if sequence.get() == *last + 1 {
            *last += 1;
            let due = u64::from_be_bytes(envelope.bytes()[..8].try_into().expect("8 bytes"));
            self.latencies.lock().push(self.began.elapsed().saturating_sub(Duration::from_nanos(due)));
        }
        true
    }
}

impl Wakes for Owners {
    fn wake(&self, address: &Address, event: Event) {
        let number = number_of(address);
        match event {
            Event::Missed => self.read_soon(number),
            Event::Stored { sequence, envelope, .. } if !self.take(number, sequence, &envelope) => {
                self.read_soon(number);
            }
            _ => {}
        }
    }
}

/// As streams do: each reads for itself, all at once.
async fn read_what_was_missed(
    store: Arc<dyn Store>,
    owners: Arc<Owners>,
    openings: Vec<Opening>,
    mut missed: mpsc::UnboundedReceiver<usize>,
) {
    while let Some(number) = missed.recv().await {
        let (store, owners, epoch) = (store.clone(), owners.clone(), openings[number].epoch);
        tokio::spawn(async move {
            let mailbox = &owners.mailboxes[number];
            mailbox.waits.store(false, Ordering::SeqCst);
            let after = owners.busy.get(number).map_or(0, |last| *last.lock());
            let request = ReadRequest {
                address: address(number),
                session: session(number),
                epoch,
                after: Sequence::new(after).unwrap_or(Sequence::NONE),
                max_messages: 1000,
                max_bytes: 4 << 20,
            };
            match store.read(request).await.expect("the store works") {
                Read::Page(page) => {
                    for queued in page.entries {
                        assert!(owners.take(number, queued.sequence, &queued.entry.envelope), "a page has no gap");
                    }
                }
                Read::Ended | Read::Restarted => panic!("the session goes on"),
            }
            let round = owners.round.load(Ordering::SeqCst);
            if mailbox.read_in.swap(round, Ordering::SeqCst) != round {
                owners.read_again.fetch_add(1, Ordering::SeqCst);
            }
            owners.reading.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// What live traffic met with.
struct Met {
    sent: u64,
    sorted: Vec<Duration>,
    redis: Duration,
    client: Duration,
}

impl Met {
    fn into_row(self, table: &mut Table, phase: &str, recovery: Option<Duration>) {
        table.row(vec![
            json!(phase),
            json!(self.sent),
            micros(share(&self.sorted, 0.5)),
            micros(share(&self.sorted, 0.99)),
            millis(share(&self.sorted, 1.0)),
            recovery.map_or(json!(null), millis),
            json!(self.redis.as_secs_f64()),
            json!(self.client.as_secs_f64()),
        ]);
    }
}

/// Sends until `until` is over, and waits until all that was sent is delivered.
async fn traffic(
    store: &Arc<dyn Store>,
    owners: &Arc<Owners>,
    server: &RedisServer,
    until: impl Future<Output = ()>,
) -> Met {
    owners.latencies.lock().clear();
    let stopwatch = Stopwatch::start(Some(server));
    let sent = Arc::new(AtomicU64::new(0));
    let sender = tokio::spawn(send(store.clone(), owners.clone(), sent.clone()));
    until.await;
    sender.abort();
    let sent = sent.load(Ordering::SeqCst);
    let all = async {
        while (owners.latencies.lock().len() as u64) < sent {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("all that was sent is delivered");
    let taken = stopwatch.stop(sent);
    let mut sorted = std::mem::take(&mut *owners.latencies.lock());
    sorted.sort_unstable();
    Met { sent, sorted, redis: taken.redis, client: taken.client }
}

/// Messages at fixed times, whatever becomes of those before; each says when it was due.
async fn send(store: Arc<dyn Store>, owners: Arc<Owners>, sent: Arc<AtomicU64>) {
    let messages = Messages::of(SIZE);
    let mut clock = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
    loop {
        let due = clock.tick().await.into_std().saturating_duration_since(owners.began);
        let number = sent.load(Ordering::SeqCst) as usize % BUSY;
        let mut envelope = vec![0; SIZE];
        envelope[..8].copy_from_slice(&u64::try_from(due.as_nanos()).expect("a short time").to_be_bytes());
        let envelope = Envelope::from_checked(Bytes::from(envelope));
        let append = Append { envelope, ..messages.to(number) };
        let store = store.clone();
        sent.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            for outcome in store.append(vec![append]).await {
                outcome.expect("it is queued");
            }
        });
    }
}
