//! The Redis store, over a real server that stores before it answers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sealpost::clock::Clock;
use sealpost::store::redis::{RedisOptions, RedisStore, RedisUrl};
use sealpost::store::{Durability, QueueLimits, SessionAcknowledgement, Store};
use sealpost::telemetry::Telemetry;
use sealpost_core::Address;
use sealpost_testkit::{AppendOnly, RedisServer, RedisSettings, eventually};

use crate::fixture::{Fixture, this_hour};
use crate::recording::Recording;
use crate::scene::{Scene, sequence, session};

/// On a server of its own.
pub(crate) struct OnServer {
    server: RedisServer,
    limits: QueueLimits,
    clock: Clock,
    recording: Arc<Recording>,
    store: Arc<RedisStore>,
}

/// Connects as a relay does.
pub(crate) async fn connect(
    url: &str,
    durability: Durability,
    limits: QueueLimits,
    clock: &Clock,
    recording: &Arc<Recording>,
) -> Arc<RedisStore> {
    let url = RedisUrl::parse(url).expect("a URL");
    let options = RedisOptions { limits, durability, timeout: Duration::from_secs(15), ..RedisOptions::new(url) };
    Arc::new(
        RedisStore::connect(options, clock.clone(), recording.clone(), Telemetry::default())
            .await
            .expect("it connects"),
    )
}

impl Fixture for OnServer {
    const ENDS_BY_CLOCK: bool = false;
    const HISTORIES: u32 = 24;

    async fn new(limits: QueueLimits) -> Self {
        let settings = RedisSettings { append_only: AppendOnly::Always, ..RedisSettings::default() };
        let server = RedisServer::spawn(settings).await;
        let (clock, recording) = (this_hour(), Arc::default());
        let store = connect(&server.url(), Durability::Fsync, limits, &clock, &recording).await;
        Self { server, limits, clock, recording, store }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn recording(&self) -> &Arc<Recording> {
        &self.recording
    }

    /// Another relay takes over: relays keep nothing.
    async fn restart(&mut self) {
        // The old one may go on to tell for a moment.
        self.recording = Arc::default();
        self.store = connect(&self.server.url(), Durability::Fsync, self.limits, &self.clock, &self.recording).await;
    }

    async fn crash(&mut self) {
        self.server.restart().await;
        self.restart().await;
    }

    async fn spoil(&mut self, address: Address) {
        let client = ::redis::Client::open(self.server.url()).expect("a URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("it connects");
        let mut keys: Vec<String> =
            ::redis::cmd("KEYS").arg("q:*").query_async(&mut connection).await.expect("the queues");
        let queue = keys.pop().expect("a queue");
        assert!(keys.is_empty(), "one mailbox has a queue");
        let mut spoiling = ::redis::pipe();
        spoiling.cmd("DEL").arg(&queue).cmd("XADD").arg(&queue).arg("0-1").arg("e").arg("rubbish");
        spoiling.exec_async(&mut connection).await.expect("it is spoiled");
        let _ = address;
    }
}

/// Calls that leave together, some with one envelope and some with several: an answer that fits none of them would end the
/// connection, and be made good by a retry.
#[tokio::test]
async fn what_is_joined_is_answered_at_the_first_try() {
    let scene = Scene::<OnServer>::new().await;
    let statistics = async || {
        let said = scene.fixture.server.command(&["INFO", "stats", "commandstats"]).await.expect("it answers").text();
        let number = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split([',', '\r']).next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        (number("total_connections_received:"), number("cmdstat_evalsha:calls="))
    };
    scene.send(100).await;
    // The one that asks is new each time.
    let before = statistics().await;
    let batches = (0..32).map(|number| (0..number % 3 + 1).map(|_| scene.message(100)).collect::<Vec<_>>());
    let store = scene.store();
    let answers = join_all(batches.map(|batch| store.append(batch))).await;
    let numbers: Vec<_> = answers.into_iter().flatten().map(|answer| answer.expect("it is queued").get()).collect();
    assert_eq!(numbers, (2..=numbers.len() as u64 + 1).collect::<Vec<_>>());
    let after = statistics().await;
    assert_eq!(after.0 - before.0, 1, "no connection ended");
    assert!(after.1 - before.1 < 32, "they were joined");
}

async fn queues(scene: &Scene<OnServer>) -> usize {
    scene.fixture.server.command(&["KEYS", "q:*"]).await.expect("it answers").items().len()
}

#[tokio::test]
async fn a_queue_whose_last_envelope_goes_is_off_the_server() {
    let scene = Scene::<OnServer>::new().await;
    assert_eq!(queues(&scene).await, 0);
    let first = scene.send(100).await;
    let second = scene.send(50).await;
    scene.acknowledge(&[(first, 100)]).await;
    assert_eq!(queues(&scene).await, 1);
    scene.acknowledge(&[(second, 50)]).await;
    assert_eq!(queues(&scene).await, 0);
    let third = scene.send(70).await;
    scene.open(1).await;
    let acknowledgement = SessionAcknowledgement {
        address: scene.address,
        session: session(1),
        up_to: sequence(third),
        sequences: Vec::new(),
    };
    scene.store().acknowledge_by_session(acknowledgement).await.expect("the store works");
    assert_eq!(queues(&scene).await, 0);
    assert_eq!(scene.queued().await, (0, 0));
    scene.send(30).await;
    assert_eq!(scene.queued().await, (1, 30), "what went before does not count");
}

/// Where there is no room, what has expired goes; if that is all, the queue begins anew.
#[tokio::test]
async fn a_queue_that_begins_anew_expires_too() {
    let limits = QueueLimits { max_bytes: 100_000, message_ttl_hours: 24, ..QueueLimits::default() };
    let scene = Scene::<OnServer>::with(limits).await;
    // As many as the first append of an hour drops, and one more.
    for _ in 0..65 {
        scene.send(10).await;
    }
    scene.send(65_536).await;
    scene.pass_hours(30);
    let first = scene.send(10).await;
    scene.acknowledge(&[(first, 10)]).await;
    assert_eq!(queues(&scene).await, 1, "one that has expired is left");
    scene.send(65_536).await;
    assert_eq!(scene.queued().await, (1, 65_536));
    let queue = scene.fixture.server.command(&["KEYS", "q:*"]).await.expect("it answers").items()[0].text();
    let seconds = scene.fixture.server.command(&["TTL", &queue]).await.expect("it answers").integer();
    assert!(seconds.expect("a number") > 0, "it expires");
}

/// With mailboxes that are watched, too.
#[tokio::test]
async fn a_store_that_is_let_go_of_leaves_no_connection() {
    let OnServer { server, store, .. } = OnServer::new(QueueLimits::default()).await;
    store.watch(Address::from_bytes([1; 32])).await.expect("it is watched");
    let clients = async || {
        let list = server.command(&["CLIENT", "LIST"]).await.expect("it answers").text();
        list.lines().filter(|line| line.contains("name=sealpost")).count()
    };
    assert!(clients().await > 0);
    drop(store);
    eventually("they are gone", Duration::from_secs(10), async || (clients().await == 0).then_some(())).await;
}
