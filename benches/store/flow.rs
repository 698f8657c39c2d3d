//! Messages, from the sender's call to their being forgotten: the store beside a bare client of the same server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::RngExt as _;
use sealpost::store::Store;
use sealpost_testkit::{AppendOnly, RedisServer};
use serde_json::{Value, json};

use crate::arguments::{Arguments, name};
use crate::bare::{Floor, SIZE, STREAMS};
use crate::measure::{COLUMNS, Figure, Stopwatch, Taken, cells};
use crate::nothing::Nothing;
use crate::scene::{Messages, Owners, make, open, server, store, watch};
use crate::table::Table;

/// Messages on their way at once, of the bare client and of the redis crate.
const DEPTHS: [usize; 6] = [1, 4, 16, 64, 256, 1024];
const DEPTHS_OF_THE_CRATE: [usize; 2] = [64, 1024];
const MAILBOXES: usize = STREAMS as usize;

pub(crate) async fn run(arguments: &Arguments) -> Vec<Table> {
    let mut columns = vec!["durability", "client", "at once"];
    columns.extend(COLUMNS);
    let title = format!(
        "One message of 1 KiB: stored, delivered, forgotten, over {MAILBOXES} streams or mailboxes; \
         the best of {} rounds of {:?}, and the worst",
        arguments.rounds, arguments.round
    );
    let mut table = Table::new(title, &columns);
    let mut summary = Table::new("The store beside the best of the bare client", &["durability", "figure", "value"]);
    for durability in arguments.durabilities.iter().copied() {
        of_one_durability(arguments, durability, &mut table, &mut summary).await;
    }
    vec![table, summary]
}

async fn of_one_durability(arguments: &Arguments, durability: AppendOnly, table: &mut Table, summary: &mut Table) {
    // Each on a server of its own: what one leaves behind is not paid for by the other.
    let (for_bare, for_store) = (server(durability, &[]).await, server(durability, &[]).await);
    let mut floor = Floor::new();
    let through = Through::redis(&for_store, arguments.connections).await;
    let alone = Through::nothing().await;

    let mut bare = DEPTHS.map(|_| Vec::new());
    let mut of_the_crate = DEPTHS_OF_THE_CRATE.map(|_| Vec::new());
    let (mut of_the_store, mut of_the_harness) = (Vec::new(), Vec::new());
    // The first, short round is for warming up.
    for round in 0..=arguments.rounds {
        let length = if round == 0 { Duration::from_millis(500) } else { arguments.round };
        for (depth, taken) in DEPTHS.iter().zip(&mut bare) {
            taken.push(tokio::task::block_in_place(|| floor.messages(&for_bare, *depth, length)));
        }
        for (depth, taken) in DEPTHS_OF_THE_CRATE.iter().zip(&mut of_the_crate) {
            taken.push(floor.by_the_crate(&for_bare, *depth, length).await);
        }
        of_the_store.push(through.messages(Some(&for_store), arguments.callers, length).await);
        // It is quick, and what it has not acknowledged it holds.
        of_the_harness.push(alone.messages(None, arguments.callers, length / 6).await);
    }

    let all_bare = DEPTHS.iter().zip(&bare).map(|(depth, taken)| ("bare", *depth, taken));
    let all_crate = DEPTHS_OF_THE_CRATE.iter().zip(&of_the_crate).map(|(depth, taken)| ("redis crate", *depth, taken));
    let ours = [("store", arguments.callers, &of_the_store), ("harness alone", arguments.callers, &of_the_harness)];
    for (client, at_once, taken) in all_bare.chain(all_crate).chain(ours) {
        let mut row = vec![json!(name(durability)), json!(client), json!(at_once)];
        row.extend(cells(&taken[1..]));
        table.row(row);
    }

    let fastest = Figure::of(bare.iter().flat_map(|taken| taken[1..].iter().map(Taken::rate))).most;
    let best = |figure: fn(&Taken) -> f64, taken: &[Taken]| Figure::of(taken[1..].iter().map(figure)).least;
    let rate = Figure::of(of_the_store[1..].iter().map(Taken::rate)).most;
    let own = best(Taken::client_micros, &of_the_harness);
    for (figure, value) in [
        ("rate of the store / best bare rate", rate / fastest),
        ("client µs a message", best(Taken::client_micros, &of_the_store)),
        ("of these, the harness", own),
        ("Redis µs a message", best(Taken::redis_micros, &of_the_store)),
    ] {
        summary.row(vec![json!(name(durability)), json!(figure), Value::from(value)]);
    }
}

/// A store whose mailboxes are all open.
pub(crate) struct Through {
    store: Arc<dyn Store>,
    owners: Arc<Owners>,
    messages: Arc<Messages>,
}

impl Through {
    pub(crate) async fn redis(server: &RedisServer, connections: usize) -> Self {
        let owners = Owners::new();
        let store = store(server, connections, owners.clone()).await;
        Self::of(store, owners).await
    }

    async fn nothing() -> Self {
        let owners = Owners::new();
        Self::of(Arc::new(Nothing::new(owners.clone())), owners).await
    }

    async fn of(store: Arc<dyn Store>, owners: Arc<Owners>) -> Self {
        make(store.as_ref(), MAILBOXES, &Bytes::new()).await;
        watch(store.as_ref(), MAILBOXES).await;
        let openings = open(store.as_ref(), MAILBOXES).await;
        owners.come(store.clone(), openings);
        Self { store, owners, messages: Arc::new(Messages::of(SIZE)) }
    }

    /// Callers with one message each at a time, for a while, and until all are forgotten.
    pub(crate) async fn messages(&self, server: Option<&RedisServer>, callers: usize, length: Duration) -> Taken {
        let before = self.owners.acknowledged();
        let watch = Stopwatch::start(server);
        let end = Instant::now() + length;
        let running: Vec<_> = (0..callers)
            .map(|_| {
                let (store, messages) = (self.store.clone(), self.messages.clone());
                tokio::spawn(async move {
                    let mut sent = 0;
                    while Instant::now() < end {
                        let mailbox = rand::rng().random_range(0..MAILBOXES);
                        for outcome in store.append(vec![messages.to(mailbox)]).await {
                            outcome.expect("it is queued");
                        }
                        sent += 1;
                        // A store that never waits must not keep the others out.
                        tokio::task::coop::consume_budget().await;
                    }
                    sent
                })
            })
            .collect();
        let mut sent = 0;
        for caller in running {
            sent += caller.await.expect("it ends");
        }
        self.owners.until(before + sent).await;
        watch.stop(sent)
    }
}
