//! Many open mailboxes on one relay, which is a process of its own: what each takes there and in Redis, and what it means
//! for live traffic that the wake path is lost and all of them are read again.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::RngExt as _;
use sealpost::store::{Grant, Incarnation, NewMailbox};
use sealpost_client::low_level::{Operation, Prover};
use sealpost_core::{DeliveryKey, IdentityKey};
use sealpost_proto::v1;
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_proto::v1::receive_request::Kind as Ask;
use sealpost_proto::v1::receive_response::Kind as Said;
use sealpost_testkit::{AppendOnly, RedisServer, eventually};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Channel, Endpoint};

use crate::arguments::Arguments;
use crate::bare::SIZE;
use crate::measure::{cpu_of, micros, millis, resident, share};
use crate::scene::{Deaf, PATIENCE, aside, each, info, server, store};
use crate::table::Table;

/// Mailboxes of one stream: as many as a relay allows by default.
const OF_A_STREAM: usize = 1000;
/// Streams of one connection.
const OF_A_CONNECTION: usize = 10;
/// Messages a second, over all streams; each to the first mailbox of one.
const RATE: u64 = 1000;
const NAME: &str = "relay.test";

pub(crate) async fn run(arguments: &Arguments) -> Vec<Table> {
    let count = arguments.mailboxes;
    let server = server(AppendOnly::No, &[]).await;
    let owners = make(&server, count).await;
    let relay = Relay::spawn(&server).await;
    let met = Arc::new(Met::default());

    let columns = ["mailboxes", "streams", "seconds", "relay bytes", "Redis bytes", "relay CPU µs", "Redis CPU µs"];
    let mut growth = Table::new("Opening, until all have caught up: for one mailbox", &columns);
    let before = State::of(&relay, &server).await;
    let owners: Vec<Arc<[Owner]>> = owners.chunks(OF_A_STREAM).map(Arc::from).collect();
    let mut channel = relay.channel();
    let mut streams = Vec::new();
    for (number, of_one) in owners.iter().enumerate() {
        if number % OF_A_CONNECTION == 0 {
            channel = relay.channel();
        }
        let stream = open(&channel, of_one.clone(), met.clone()).await;
        streams.push(stream);
    }
    for stream in &mut streams {
        let caught_up = stream.wait_for(|caught_up| *caught_up == OF_A_STREAM.min(count));
        tokio::time::timeout(PATIENCE, caught_up).await.expect("in time").expect("the stream goes on");
    }
    let after = State::of(&relay, &server).await;
    let one = |figure: f64| json!(figure / count as f64);
    growth.row(vec![
        json!(count),
        json!(owners.len()),
        json!((after.at - before.at).as_secs_f64()),
        one(after.resident as f64 - before.resident as f64),
        one(after.used as f64 - before.used as f64),
        one((after.relay - before.relay).as_secs_f64() * 1e6),
        one((after.redis - before.redis).as_secs_f64() * 1e6),
    ]);

    let columns = [
        "phase",
        "sent",
        "p50 µs",
        "p99 µs",
        "longest ms",
        "until all read again ms",
        "Redis CPU s",
        "relay CPU s",
        "relay MiB",
    ];
    let title = format!(
        "Send to delivery of {RATE} messages/s to {} of {count} open mailboxes, from when each was due",
        owners.len()
    );
    let mut table = Table::new(title, &columns);
    for round in 0..=arguments.kill_rounds {
        let before = State::of(&relay, &server).await;
        let sent = Arc::new(AtomicU64::new(0));
        let sender = tokio::spawn(send(relay.channel(), owners.clone(), met.clone(), sent.clone()));
        let recovery = if round == 0 {
            tokio::time::sleep(arguments.round).await;
            None
        } else {
            // As long before as after.
            tokio::time::sleep(Duration::from_millis(200)).await;
            let recovery = cut(&server, count as u64).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            Some(recovery)
        };
        sender.abort();
        let sent = sent.load(Ordering::SeqCst);
        let all = eventually("all that was sent is delivered", PATIENCE, async || {
            (met.latencies.lock().len() as u64 >= sent).then_some(())
        });
        all.await;
        let after = State::of(&relay, &server).await;
        let mut sorted = std::mem::take(&mut *met.latencies.lock());
        sorted.sort_unstable();
        table.row(vec![
            json!(if round == 0 { "before" } else { "wake path cut" }),
            json!(sent),
            micros(share(&sorted, 0.5)),
            micros(share(&sorted, 0.99)),
            millis(share(&sorted, 1.0)),
            recovery.map_or(json!(null), millis),
            json!((after.redis - before.redis).as_secs_f64()),
            json!((after.relay - before.relay).as_secs_f64()),
            json!(after.resident as f64 / f64::from(1 << 20)),
        ]);
    }
    vec![growth, table]
}

/// Cuts the wake path; the time until the relay has read every mailbox again. It reads a mailbox by one `XRANGE`.
async fn cut(server: &RedisServer, mailboxes: u64) -> Duration {
    let mut connection = aside(server).await;
    let before = reads(&mut connection).await;
    let began = Instant::now();
    let killed: u32 =
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query_async(&mut connection).await.expect("it answers");
    assert_eq!(killed, 1, "one connection listens");
    let mut clock = tokio::time::interval(Duration::from_millis(5));
    let all = async {
        while reads(&mut connection).await < before + mailboxes {
            clock.tick().await;
        }
        began.elapsed()
    };
    tokio::time::timeout(PATIENCE, all).await.expect("all are read in time")
}

async fn reads(connection: &mut redis::aio::MultiplexedConnection) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(connection).await.expect("it answers");
    let calls = info.lines().find_map(|line| line.strip_prefix("cmdstat_xrange:calls="));
    calls.map_or(0, |line| line.split(',').next().expect("a number").parse().expect("a number"))
}

/// Somebody with a mailbox.
#[derive(Clone)]
struct Owner {
    identity: Arc<IdentityKey>,
    key: Arc<DeliveryKey>,
}

/// Mailboxes, straight in the store.
async fn make(server: &RedisServer, count: usize) -> Vec<Owner> {
    let owners: Vec<Owner> = (0..count)
        .map(|_| Owner {
            identity: Arc::new(IdentityKey::generate(&mut rand::rng())),
            key: Arc::new(DeliveryKey::generate(&mut rand::rng())),
        })
        .collect();
    let store = store(server, 2, Arc::new(Deaf)).await;
    each(count, async |number| {
        let address = owners[number].identity.address();
        let grants = vec![Grant { key: owners[number].key.hash(&address), expires: None }];
        let incarnation = Incarnation((number as u64).to_be_bytes());
        let mailbox = NewMailbox { address, incarnation, grants, card: Bytes::new() };
        store.create(mailbox).await.expect("it is made")
    })
    .await;
    owners
}

/// When messages arrived, counted from when they were due.
struct Met {
    began: Instant,
    latencies: parking_lot::Mutex<Vec<Duration>>,
}

impl Default for Met {
    fn default() -> Self {
        Self { began: Instant::now(), latencies: parking_lot::Mutex::default() }
    }
}

/// Opens a stream that acknowledges what comes; gives how many of its mailboxes have caught up.
async fn open(channel: &Channel, owners: Arc<[Owner]>, met: Arc<Met>) -> watch::Receiver<usize> {
    let (asks, asked) = mpsc::unbounded_channel();
    let proofs = owners.iter().map(proof).collect();
    let open = v1::Open { proofs, max_outstanding_messages: 1000, max_outstanding_bytes: 4 << 20 };
    let say = move |kind| asks.send(v1::ReceiveRequest { kind: Some(kind) }).expect("the stream goes on");
    say(Ask::Open(open));
    let mut client = MailboxServiceClient::new(channel.clone());
    let responses = client.receive(UnboundedReceiverStream::new(asked)).await.expect("it opens");
    let mut responses = responses.into_inner();
    let (caught_up, count) = watch::channel(0);
    tokio::spawn(async move {
        // The benchmark ends the relay.
        while let Ok(Some(message)) = responses.message().await {
            match message.kind.expect("a known kind") {
                Said::Deliveries(deliveries) => {
                    for delivery in deliveries.deliveries {
                        let due = u64::from_be_bytes(delivery.envelope[..8].try_into().expect("8 bytes"));
                        let late = met.began.elapsed().saturating_sub(Duration::from_nanos(due));
                        met.latencies.lock().push(late);
                        let (mailbox, up_to) = (delivery.mailbox, delivery.sequence);
                        say(Ask::Ack(v1::Ack { mailbox, up_to, sequences: Vec::new() }));
                    }
                }
                Said::CaughtUp(_) => caught_up.send_modify(|count| *count += 1),
                Said::Ping(ping) => say(Ask::Pong(v1::Pong { number: ping.number })),
                Said::Opened(_) => {}
                other => panic!("not expected: {other:?}"),
            }
        }
    });
    count
}

fn proof(owner: &Owner) -> v1::Proof {
    Prover::new(NAME.parse().expect("a name")).prove(&owner.identity, Operation::OpenMailbox)
}

/// Messages at fixed times, whatever becomes of those before; each says when it was due.
async fn send(channel: Channel, streams: Vec<Arc<[Owner]>>, met: Arc<Met>, sent: Arc<AtomicU64>) {
    let next = AtomicUsize::new(0);
    let mut clock = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
    loop {
        let due = clock.tick().await.into_std().saturating_duration_since(met.began);
        let [to, ..] = &*streams[next.fetch_add(1, Ordering::Relaxed) % streams.len()] else { continue };
        let mut envelope = vec![0; SIZE];
        envelope[..8].copy_from_slice(&u64::try_from(due.as_nanos()).expect("a short time").to_be_bytes());
        let request = v1::SendRequest {
            to: to.identity.address().as_bytes().to_vec().into(),
            delivery_key: to.key.as_bytes().to_vec().into(),
            message_id: rand::rng().random::<[u8; 16]>().to_vec().into(),
            envelope: envelope.into(),
            ..Default::default()
        };
        let mut client = DeliveryServiceClient::new(channel.clone());
        sent.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move { client.send(request).await.expect("it is accepted") });
    }
}

/// What was used up to a moment.
struct State {
    at: Instant,
    resident: u64,
    used: u64,
    relay: Duration,
    redis: Duration,
}

impl State {
    async fn of(relay: &Relay, server: &RedisServer) -> Self {
        Self {
            at: Instant::now(),
            resident: resident(relay.child.id()),
            used: info(server, "used_memory").await,
            relay: cpu_of(relay.child.id()),
            redis: cpu_of(server.process_id().expect("it runs")),
        }
    }
}

/// The built relay, as a process. It is killed when this is dropped.
struct Relay {
    child: Child,
    address: String,
    _directory: tempfile::TempDir,
}

impl Relay {
    async fn spawn(server: &RedisServer) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let ready = directory.path().join("ready");
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        command.args(["serve", "--tls-mode", "plaintext", "--relay-names", NAME, "--store-url", &server.url()]);
        command.args(["--listen-address", "127.0.0.1:0", "--listen-admin", "127.0.0.1:0", "--log", "warn"]);
        command.arg("--ready-file").arg(&ready).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("it starts");
        let address = eventually("the relay is ready", PATIENCE, async || clients(&ready)).await;
        Self { child, address, _directory: directory }
    }

    fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).expect("an address").connect_lazy()
    }
}

fn clients(ready: &Path) -> Option<String> {
    let ready: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(ready).ok()?).ok()?;
    Some(ready["clients"].as_str().expect("an address").to_owned())
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
