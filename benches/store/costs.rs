//! What things take of Redis: memory, CPU, disk. The tables of `docs/capacity.md`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sealpost::clock::Clock;
use sealpost::store::{Append, Grant, MailboxChange, NonceMark, Opening, Read, ReadRequest, Store};
use sealpost_core::{DeliveryKeyHash, Sequence, VoucherId};
use sealpost_testkit::{AppendOnly, RedisServer};
use serde_json::json;

use crate::arguments::Arguments;
use crate::measure::{Figure, Stopwatch, Taken};
use crate::scene::{
    Deaf, Messages, acknowledge, acknowledgement, address, aside, each, info, make, open, server, session, store,
    store_at, watch,
};
use crate::table::Table;

/// Redis's default, and smaller ones.
const NODE_BYTES: [&str; 3] = ["4096", "2048", "1024"];
/// Bytes of a card with post-quantum keys.
const CARD: usize = 1361;
/// Mailboxes of a row, as long as their content stays below [`CONTENT`].
const MAILBOXES: usize = 10_000;
const CONTENT: usize = 256 << 20;
/// Of a relay, unless it is told otherwise.
const CONNECTIONS: usize = 2;
/// Mailboxes whose operations are timed.
const TIMED: usize = 50_000;

pub(crate) async fn run(arguments: &Arguments) -> Vec<Table> {
    vec![
        memory().await,
        others().await,
        operations(arguments, TIMED).await,
        sizes(arguments).await,
        depth(arguments).await,
        disk().await,
        expired().await,
    ]
}

/// What is in a mailbox.
struct Content {
    name: &'static str,
    card: usize,
    opened: bool,
    messages: usize,
    size: usize,
}

const CONTENTS: [Content; 13] = [
    Content { name: "empty", card: 0, opened: false, messages: 0, size: 0 },
    Content { name: "opened once", card: 0, opened: true, messages: 0, size: 0 },
    Content { name: "with a card", card: CARD, opened: false, messages: 0, size: 0 },
    Content { name: "1 × 1 KiB", card: 0, opened: false, messages: 1, size: 1 << 10 },
    Content { name: "2 × 1 KiB", card: 0, opened: false, messages: 2, size: 1 << 10 },
    Content { name: "10 × 1 KiB", card: 0, opened: false, messages: 10, size: 1 << 10 },
    Content { name: "100 × 1 KiB", card: 0, opened: false, messages: 100, size: 1 << 10 },
    Content { name: "1,000 × 1 KiB", card: 0, opened: false, messages: 1000, size: 1 << 10 },
    Content { name: "1 × 2 KiB", card: 0, opened: false, messages: 1, size: 2 << 10 },
    Content { name: "10 × 2 KiB", card: 0, opened: false, messages: 10, size: 2 << 10 },
    Content { name: "1 × 4 KiB", card: 0, opened: false, messages: 1, size: 4 << 10 },
    Content { name: "1 × 16 KiB", card: 0, opened: false, messages: 1, size: 16 << 10 },
    Content { name: "10 × 16 KiB", card: 0, opened: false, messages: 10, size: 16 << 10 },
];

async fn memory() -> Table {
    let title = "Growth of Redis's used_memory by one mailbox, in bytes, by stream-node-max-bytes";
    let mut table = Table::new(title, &["mailbox", "mailboxes", "4096", "2048", "1024"]);
    let mut rows: Vec<_> = CONTENTS.iter().map(|content| vec![json!(content.name), json!(content.count())]).collect();
    for node_bytes in NODE_BYTES {
        for (content, row) in CONTENTS.iter().zip(&mut rows) {
            let server = server(AppendOnly::No, &[("stream-node-max-bytes", node_bytes)]).await;
            let store = store(&server, CONNECTIONS, Arc::new(Deaf)).await;
            let before = settled_memory(&server).await;
            content.fill(&store).await;
            let growth = settled_memory(&server).await as f64 - before as f64;
            row.push(json!((growth / content.count() as f64).round()));
        }
    }
    rows.into_iter().for_each(|row| table.row(row));
    table
}

impl Content {
    fn count(&self) -> usize {
        MAILBOXES.min(CONTENT / (self.messages * self.size).max(1))
    }

    async fn fill(&self, store: &Arc<dyn Store>) {
        make(store.as_ref(), self.count(), &Bytes::from(vec![1; self.card])).await;
        if self.opened {
            open(store.as_ref(), self.count()).await;
        }
        append(store, self.count(), self.messages, &Messages::of(self.size)).await;
    }
}

/// So many messages for each mailbox. One after the other as in life, not a mailbox's all together.
async fn append(store: &Arc<dyn Store>, mailboxes: usize, messages: usize, of: &Messages) {
    for _ in 0..messages {
        each(mailboxes, async |number| send(store.as_ref(), of.to(number)).await).await;
    }
}

async fn send(store: &dyn Store, append: Append) {
    for outcome in store.append(vec![append]).await {
        outcome.expect("it is queued");
    }
}

/// `used_memory` once buffers of connections have shrunk: the least of some looks.
async fn settled_memory(server: &RedisServer) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..10 {
        least = least.min(info(server, "used_memory").await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    least
}

/// What there is one of for each delivery key, open mailbox, proof and voucher.
async fn others() -> Table {
    const COUNT: usize = 100_000;
    let mut table = Table::new("Growth of Redis's used_memory by one of 100,000, in bytes", &["what", "bytes"]);
    let server = server(AppendOnly::No, &[]).await;
    let store = store(&server, CONNECTIONS, Arc::new(Deaf)).await;
    let mut before = settled_memory(&server).await;
    let mut row = async |what: &str, count: usize| {
        let after = settled_memory(&server).await;
        table.row(vec![json!(what), json!(((after as f64 - before as f64) / count as f64).round())]);
        before = after;
    };
    watch(store.as_ref(), COUNT).await;
    row("subscription of an open mailbox", COUNT).await;
    let hour = Clock::system().now().hour();
    each(COUNT, async |_| store.remember_nonce(NonceMark { hour, hash: rand::random() }).await.expect("new")).await;
    row("nonce, all of one hour", COUNT).await;
    each(COUNT, async |number| {
        let id = VoucherId::from_bytes((number as u128).to_be_bytes());
        store.redeem_voucher(id, hour.saturating_add(24), address(number)).await.expect("not spent yet")
    })
    .await;
    row("spent voucher", COUNT).await;
    make(store.as_ref(), MAILBOXES, &Bytes::new()).await;
    row("mailbox with one delivery key", MAILBOXES).await;
    each(MAILBOXES, async |number| {
        let grant =
            |key: u8| Grant { key: DeliveryKeyHash::try_from([key; 32].as_slice()).expect("32 bytes"), expires: None };
        let change = MailboxChange { grants: Some((0..16).map(grant).collect()), card: None };
        store.update(address(number), change).await.expect("it is changed")
    })
    .await;
    row("fifteen delivery keys more", MAILBOXES).await;
    table
}

/// Each operation alone, on mailboxes in turn.
async fn operations(arguments: &Arguments, count: usize) -> Table {
    let mut rounds = Vec::new();
    for _ in 0..arguments.rounds {
        rounds.push(timed(count).await);
    }
    let title = format!("Redis's CPU for one operation of 1 KiB messages, best of {} rounds of {count}", rounds.len());
    let mut table = Table::new(title, &["operation", "µs", "worst", "a second on one core"]);
    for (place, (name, _)) in rounds[0].iter().enumerate() {
        let micros = Figure::of(rounds.iter().map(|round| round[place].1.redis_micros()));
        table.row(vec![json!(name), json!(micros.least), json!(micros.most), json!((1e6 / micros.least).round())]);
    }
    table
}

async fn timed(count: usize) -> Vec<(&'static str, Taken)> {
    let server = server(AppendOnly::No, &[]).await;
    let store = store(&server, CONNECTIONS, Arc::new(Deaf)).await;
    let messages = Messages::of(1024);
    let mut timed = Timed { server: &server, count, done: Vec::new() };
    let first = store.as_ref();

    timed.of("create", make(first, count, &Bytes::new())).await;
    let openings = timed.of("open", open(first, count)).await;
    timed.of("append, the queue being empty", append(&store, count, 1, &messages)).await;
    timed.of("append, one waiting", append(&store, count, 1, &messages)).await;
    timed
        .of(
            "append, retried, two looked through",
            each(count, async |number| {
                // Its id is new, so that all that waits is looked through.
                send(first, Append { retried: true, ..messages.to(number) }).await;
            }),
        )
        .await;
    timed.of("read of three", each(count, async |number| read(first, number, &openings, 0, 3).await)).await;
    timed.of("read of none", each(count, async |number| read(first, number, &openings, 3, 0).await)).await;
    timed.of("acknowledge one of three", forget(first, &openings, 1, 1024)).await;
    timed.of("acknowledge one of two", forget(first, &openings, 2, 1024)).await;
    timed.of("acknowledge the last", forget(first, &openings, 3, 1024)).await;
    timed.of("watch", watch(first, count)).await;
    timed.of("append and deliver, the queue being empty", append(&store, count, 1, &messages)).await;
    timed
        .of(
            "ephemeral, delivered",
            each(count, async |number| {
                send(first, Append { ephemeral: true, ..messages.to(number) }).await;
            }),
        )
        .await;
    timed.of("acknowledge the last, again", forget(first, &openings, 4, 1024)).await;
    let mut plain = aside(&server).await;
    let ping = async {
        for _ in 0..count / 500 {
            let mut pipeline = redis::Pipeline::with_capacity(500);
            for number in 0..500 {
                pipeline.cmd("GET").arg(number);
            }
            plain.send_packed_commands(&pipeline, 0, 500).await.expect("it answers");
        }
    };
    timed.of("for comparison: GET of nothing, pipelined", ping).await;
    timed.done
}

async fn read(store: &dyn Store, number: usize, openings: &[Opening], after: u64, expected: usize) {
    let request = ReadRequest {
        address: address(number),
        session: session(number),
        epoch: openings[number].epoch,
        after: Sequence::new(after).unwrap_or(Sequence::NONE),
        max_messages: 1000,
        max_bytes: 4 << 20,
    };
    match store.read(request).await.expect("the store works") {
        Read::Page(page) => assert_eq!(page.entries.len(), expected, "what waits"),
        Read::Ended | Read::Restarted => panic!("the session goes on"),
    }
}

async fn forget(store: &dyn Store, openings: &[Opening], sequence: u64, size: usize) {
    let sequence = Sequence::new(sequence).expect("a number");
    let all = openings.iter().enumerate();
    acknowledge(store, all.map(|(number, opening)| acknowledgement(number, opening, sequence, size)).collect()).await;
}

struct Timed<'a> {
    server: &'a RedisServer,
    count: usize,
    done: Vec<(&'static str, Taken)>,
}

impl Timed<'_> {
    async fn of<T>(&mut self, name: &'static str, work: impl Future<Output = T>) -> T {
        let stopwatch = Stopwatch::start(Some(self.server));
        let made = work.await;
        self.done.push((name, stopwatch.stop(self.count as u64)));
        made
    }
}

/// What larger envelopes cost.
async fn sizes(arguments: &Arguments) -> Table {
    let title = "Redis's CPU by the size of an envelope, in µs";
    let mut table = Table::new(title, &["envelope", "append and deliver", "read of one", "acknowledge"]);
    for kib in [1, 2, 4, 16, 64] {
        let size = kib << 10;
        let count = (CONTENT / size).min(20_000);
        let mut rounds = Vec::new();
        for _ in 0..arguments.rounds {
            let server = server(AppendOnly::No, &[]).await;
            let store = store(&server, CONNECTIONS, Arc::new(Deaf)).await;
            make(store.as_ref(), count, &Bytes::new()).await;
            watch(store.as_ref(), count).await;
            let openings = open(store.as_ref(), count).await;
            let mut timed = Timed { server: &server, count, done: Vec::new() };
            timed.of("append", append(&store, count, 1, &Messages::of(size))).await;
            timed.of("read", each(count, async |number| read(store.as_ref(), number, &openings, 0, 1).await)).await;
            timed.of("acknowledge", forget(store.as_ref(), &openings, 1, size)).await;
            rounds.push(timed.done);
        }
        let least = |place: usize| Figure::of(rounds.iter().map(|round| round[place].1.redis_micros())).least;
        table.row(vec![json!(format!("{kib} KiB")), json!(least(0)), json!(least(1)), json!(least(2))]);
    }
    table
}

/// Whether smaller nodes cost time: appending to and reading from long queues.
async fn depth(arguments: &Arguments) -> Table {
    const COUNT: usize = 100;
    const DEEP: usize = 1000;
    let title = format!("Redis's CPU for one message of 1 KiB, in queues of {DEEP}, in µs");
    let mut table = Table::new(title, &["stream-node-max-bytes", "append", "read, 100 at a time", "acknowledge"]);
    for node_bytes in NODE_BYTES {
        let mut rounds = Vec::new();
        for _ in 0..arguments.rounds {
            let server = server(AppendOnly::No, &[("stream-node-max-bytes", node_bytes)]).await;
            let store = store(&server, CONNECTIONS, Arc::new(Deaf)).await;
            make(store.as_ref(), COUNT, &Bytes::new()).await;
            let openings = open(store.as_ref(), COUNT).await;
            let mut timed = Timed { server: &server, count: COUNT * DEEP, done: Vec::new() };
            timed.of("append", append(&store, COUNT, DEEP, &Messages::of(1024))).await;
            timed.of("read", each(COUNT, async |number| deep_read(store.as_ref(), number, &openings).await)).await;
            timed
                .of("acknowledge", async {
                    for sequence in 1..=DEEP as u64 {
                        forget(store.as_ref(), &openings, sequence, 1024).await;
                    }
                })
                .await;
            rounds.push(timed.done);
        }
        let least = |place: usize| Figure::of(rounds.iter().map(|round| round[place].1.redis_micros())).least;
        table.row(vec![json!(node_bytes), json!(least(0)), json!(least(1)), json!(least(2))]);
    }
    table
}

async fn deep_read(store: &dyn Store, number: usize, openings: &[Opening]) {
    let mut after = Sequence::NONE;
    loop {
        let request = ReadRequest {
            address: address(number),
            session: session(number),
            epoch: openings[number].epoch,
            after,
            max_messages: 100,
            max_bytes: 4 << 20,
        };
        match store.read(request).await.expect("the store works") {
            Read::Page(page) => {
                after = page.entries.last().map_or(after, |queued| queued.sequence);
                if page.end.is_some() {
                    return;
                }
            }
            Read::Ended | Read::Restarted => panic!("the session goes on"),
        }
    }
}

async fn disk() -> Table {
    const COUNT: usize = 20_000;
    let mut table = Table::new("Growth of the append-only file by one, in bytes", &["what", "bytes"]);
    let server = server(AppendOnly::EverySec, &[]).await;
    let store = store(&server, CONNECTIONS, Arc::new(Deaf)).await;
    // Redis may hold back for two seconds what it writes, and counts it only then.
    let written = async || {
        tokio::time::sleep(Duration::from_secs(3)).await;
        info(&server, "aof_current_size").await
    };
    let mut before = written().await;
    make(store.as_ref(), COUNT, &Bytes::new()).await;
    let mut row = async |what: &str| {
        let after = written().await;
        table.row(vec![json!(what), json!(((after - before) as f64 / COUNT as f64).round())]);
        before = after;
    };
    row("create").await;
    let openings = open(store.as_ref(), COUNT).await;
    row("open").await;
    append(&store, COUNT, 1, &Messages::of(1024)).await;
    row("append 1 KiB, the queue being empty").await;
    append(&store, COUNT, 1, &Messages::of(1024)).await;
    row("append 1 KiB, one waiting").await;
    forget(store.as_ref(), &openings, 1, 1024).await;
    row("acknowledge one of two").await;
    forget(store.as_ref(), &openings, 2, 1024).await;
    row("acknowledge the last").await;
    table
}

/// One message a day of 1 KiB to a mailbox that nobody opens: what has expired should not add up.
async fn expired() -> Table {
    const COUNT: usize = 1000;
    const DAYS: usize = 120;
    let mut table = Table::new(
        "One message of 1 KiB a day that nobody fetches, expiring after 30 days",
        &["day", "waiting", "bytes of Redis's memory"],
    );
    let server = server(AppendOnly::No, &[]).await;
    let clock = Clock::standing_at(Clock::system().now());
    let store = store_at(&server, CONNECTIONS, clock.clone(), Arc::new(Deaf)).await;
    let before = settled_memory(&server).await;
    make(store.as_ref(), COUNT, &Bytes::new()).await;
    let mut plain = aside(&server).await;
    for day in 1..=DAYS {
        append(&store, COUNT, 1, &Messages::of(1024)).await;
        clock.advance(24 * 3600);
        if day % 30 == 0 {
            let keys: Vec<String> = redis::cmd("SCAN")
                .arg(&["0", "MATCH", "q:*", "COUNT", "1000000"])
                .query_async::<(u64, Vec<String>)>(&mut plain)
                .await
                .expect("it answers")
                .1;
            let waiting: u64 = redis::cmd("XLEN").arg(&keys[0]).query_async(&mut plain).await.expect("it answers");
            let bytes = (settled_memory(&server).await - before) as f64 / COUNT as f64;
            table.row(vec![json!(day), json!(waiting), json!(bytes.round())]);
        }
    }
    table
}
