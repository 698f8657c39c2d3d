//! Ever more callers with one append each at a time, to mailboxes that nobody watches; and a bare round trip beside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::RngExt as _;
use sealpost::store::{Acknowledgement, Opening, Store};
use sealpost_testkit::RedisServer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::arguments::{Arguments, name};
use crate::bare::{Floor, SIZE, STREAMS};
use crate::measure::{Stopwatch, Taken, micros, share};
use crate::scene::{Deaf, Messages, acknowledge, acknowledgement, aside, make, open, server, store};
use crate::table::Table;

const STEPS: [usize; 13] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];
const MAILBOXES: usize = STREAMS as usize;

/// What one step gave.
struct Step {
    taken: Taken,
    sorted: Vec<Duration>,
}

impl Step {
    fn new(taken: Taken, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { taken, sorted: times }
    }

    fn median(&self) -> Duration {
        share(&self.sorted, 0.5)
    }
}

pub(crate) async fn run(arguments: &Arguments) -> Vec<Table> {
    let columns =
        ["durability", "client", "callers", "appends/s", "p50 µs", "worst p50", "p99 µs", "Redis µs", "client µs"];
    let title = format!("Appends of 1 KiB, one at a time for each caller; the best of {} rounds", arguments.rounds);
    let mut table = Table::new(title, &columns);
    let mut summary = Table::new("One caller", &["durability", "figure", "value"]);
    for durability in arguments.durabilities.iter().copied() {
        let (for_bare, for_store) = (server(durability, &[]).await, server(durability, &[]).await);
        let climber = Climber::new(&for_store, arguments.connections).await;
        let mut floor = Floor::new();
        let mut blocking = Vec::new();
        let mut plain = Vec::new();
        let mut steps = STEPS.map(|_| Vec::new());
        for _ in 0..arguments.rounds {
            let length = arguments.round / 3;
            blocking.push(bare(&mut floor, &for_bare, length));
            plain.push(on_the_runtime(&for_bare, length).await);
            for (callers, rounds) in STEPS.iter().zip(&mut steps) {
                rounds.push(climber.step(&for_store, *callers, length).await);
            }
            let _: () = redis::cmd("FLUSHALL").query_async(&mut aside(&for_bare).await).await.expect("it answers");
        }
        let rows = [("bare XADD, blocking", 1, &blocking), ("bare XADD, tokio", 1, &plain)];
        let ours = STEPS.iter().zip(&steps).map(|(callers, rounds)| ("store", *callers, rounds));
        for (client, callers, rounds) in rows.into_iter().chain(ours) {
            table.row(cells(name(durability), client, callers, rounds));
        }
        let median = |rounds: &[Step]| rounds.iter().map(Step::median).min().expect("a round").as_secs_f64();
        for (figure, of) in [("median / blocking bare median", &blocking), ("median / tokio bare median", &plain)] {
            let ratio = median(&steps[0]) / median(of);
            summary.row(vec![json!(name(durability)), json!(figure), Value::from(ratio)]);
        }
    }
    vec![table, summary]
}

fn cells(durability: &str, client: &str, callers: usize, rounds: &[Step]) -> Vec<Value> {
    let best = rounds.iter().min_by_key(|step| step.median()).expect("a round");
    let worst = rounds.iter().map(Step::median).max().expect("a round");
    let rate = rounds.iter().map(|step| step.taken.rate()).fold(0.0, f64::max);
    let least = |figure: fn(&Taken) -> f64| rounds.iter().map(|step| figure(&step.taken)).fold(f64::INFINITY, f64::min);
    vec![
        json!(durability),
        json!(client),
        json!(callers),
        json!(rate),
        micros(best.median()),
        micros(worst),
        micros(share(&best.sorted, 0.99)),
        json!(least(Taken::redis_micros)),
        json!(least(Taken::client_micros)),
    ]
}

fn bare(floor: &mut Floor, server: &RedisServer, length: Duration) -> Step {
    let watch = Stopwatch::start(Some(server));
    let times = tokio::task::block_in_place(|| floor.round_trips(server, length));
    Step::new(watch.stop(times.len() as u64), times)
}

/// The same round trip from a task, as everything in a relay is: the runtime's share is no choice of the store's.
async fn on_the_runtime(server: &RedisServer, length: Duration) -> Step {
    let port = server.port();
    let address = ("127.0.0.1", port);
    let watch = Stopwatch::start(Some(server));
    let task = tokio::spawn(async move {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        let mut request = b"*5\r\n$4\r\nXADD\r\n$47\r\n".to_vec();
        let key = request.len();
        request.extend(format!("q:{{{:x>43}}}\r\n$1\r\n*\r\n$1\r\ne\r\n$1024\r\n", 0).bytes());
        request.extend([0; SIZE]);
        request.extend(b"\r\n");
        let mut answer = [0; 128];
        let (end, mut times) = (Instant::now() + length, Vec::new());
        while Instant::now() < end {
            let began = Instant::now();
            let name = format!("{:0>10}", rand::rng().random_range(0..STREAMS));
            request[key + 3..key + 13].copy_from_slice(name.as_bytes());
            stream.write_all(&request).await.expect("it takes all");
            let length = stream.read(&mut answer).await.expect("it answers");
            assert!(answer[..length].starts_with(b"$") && answer[..length].ends_with(b"\r\n"), "an id");
            times.push(began.elapsed());
        }
        times
    });
    let times = task.await.expect("it ends");
    Step::new(watch.stop(times.len() as u64), times)
}

struct Climber {
    store: Arc<dyn Store>,
    openings: Arc<Vec<Opening>>,
    messages: Arc<Messages>,
}

impl Climber {
    async fn new(server: &RedisServer, connections: usize) -> Self {
        let store = store(server, connections, Arc::new(Deaf)).await;
        make(store.as_ref(), MAILBOXES, &Bytes::new()).await;
        let openings = Arc::new(open(store.as_ref(), MAILBOXES).await);
        Self { store, openings, messages: Arc::new(Messages::of(SIZE)) }
    }

    async fn step(&self, server: &RedisServer, callers: usize, length: Duration) -> Step {
        let watch = Stopwatch::start(Some(server));
        let end = Instant::now() + length;
        let running: Vec<_> = (0..callers).map(|_| tokio::spawn(self.caller(end))).collect();
        let (mut times, mut queued) = (Vec::new(), Vec::new());
        for caller in running {
            let (of_caller, acknowledgements) = caller.await.expect("it ends");
            times.extend(of_caller);
            queued.extend(acknowledgements);
        }
        let taken = watch.stop(times.len() as u64);
        acknowledge(self.store.as_ref(), queued).await;
        Step::new(taken, times)
    }

    fn caller(&self, end: Instant) -> impl Future<Output = (Vec<Duration>, Vec<Acknowledgement>)> + Send + use<> {
        let (store, openings, messages) = (self.store.clone(), self.openings.clone(), self.messages.clone());
        async move {
            let (mut times, mut queued) = (Vec::new(), Vec::new());
            while Instant::now() < end {
                let began = Instant::now();
                let mailbox = rand::rng().random_range(0..MAILBOXES);
                for outcome in store.append(vec![messages.to(mailbox)]).await {
                    let sequence = outcome.expect("it is queued");
                    queued.push(acknowledgement(mailbox, &openings[mailbox], sequence, SIZE));
                }
                times.push(began.elapsed());
            }
            (times, queued)
        }
    }
}
