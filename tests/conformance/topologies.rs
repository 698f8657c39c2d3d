//! The Redis store over Sentinel and over a Cluster. Starting one takes seconds, so all cases take turns on one.

use std::panic::catch_unwind;
use std::sync::Arc;

use parking_lot::Mutex;
use sealpost::clock::Clock;
use sealpost::store::redis::RedisStore;
use sealpost::store::{Durability, QueueLimits, Store};
use sealpost_core::Address;
use sealpost_testkit::{AppendOnly, RedisCluster, RedisSentinel, RedisServer, RedisSettings};
use tokio::runtime::{Builder, Runtime};

use crate::fixture::{Fixture, this_hour};
use crate::recording::Recording;
use crate::redis::connect;

/// Several servers that are one store.
pub(crate) trait Topology: Send + Sized + 'static {
    /// What is promised over it.
    const DURABILITY: Durability;

    /// Starts it, with servers that store before they answer.
    async fn spawn() -> Self;

    fn url(&self) -> String;

    /// The servers that clients write to.
    async fn primaries(&self) -> Vec<&RedisServer>;

    /// Kills those and starts them again, before anybody takes their place.
    async fn crash(&mut self);

    /// The one, while no case has it.
    fn idle() -> &'static Mutex<Option<Self>>;
}

fn settings() -> RedisSettings {
    RedisSettings { append_only: AppendOnly::Always, ..RedisSettings::default() }
}

impl Topology for RedisSentinel {
    const DURABILITY: Durability = Durability::Replicas(1);

    async fn spawn() -> Self {
        Self::spawn(settings().with("save", "")).await
    }

    fn url(&self) -> String {
        Self::url(self)
    }

    async fn primaries(&self) -> Vec<&RedisServer> {
        vec![self.server(self.primary().await)]
    }

    async fn crash(&mut self) {
        let primary = self.primary().await;
        self.restart(primary).await;
        self.await_whole().await;
    }

    fn idle() -> &'static Mutex<Option<Self>> {
        static IDLE: Mutex<Option<RedisSentinel>> = Mutex::new(None);
        &IDLE
    }
}

impl Topology for RedisCluster {
    const DURABILITY: Durability = Durability::Fsync;

    async fn spawn() -> Self {
        Self::spawn(settings()).await
    }

    fn url(&self) -> String {
        Self::url(self)
    }

    async fn primaries(&self) -> Vec<&RedisServer> {
        self.primaries().await.into_iter().map(|index| self.node(index)).collect()
    }

    async fn crash(&mut self) {
        for primary in self.primaries().await {
            self.restart(primary).await;
        }
        self.await_whole().await;
    }

    fn idle() -> &'static Mutex<Option<Self>> {
        static IDLE: Mutex<Option<RedisCluster>> = Mutex::new(None);
        &IDLE
    }
}

/// A store over a topology that is this case's for as long as it runs.
pub(crate) struct Over<T: Topology> {
    topology: Option<T>,
    limits: QueueLimits,
    clock: Clock,
    recording: Arc<Recording>,
    store: Arc<RedisStore>,
}

impl<T: Topology> Over<T> {
    fn topology(&mut self) -> &mut T {
        self.topology.as_mut().expect("it is there until the end")
    }
}

impl<T: Topology> Drop for Over<T> {
    fn drop(&mut self) {
        *T::idle().lock() = self.topology.take();
    }
}

impl<T: Topology> Fixture for Over<T> {
    const ENDS_BY_CLOCK: bool = false;
    const HISTORIES: u32 = 12;

    async fn new(limits: QueueLimits) -> Self {
        let topology = T::idle().lock().take().expect("one case at a time");
        for primary in topology.primaries().await {
            primary.command(&["FLUSHALL"]).await.expect("it is emptied");
        }
        let (clock, recording) = (this_hour(), Arc::default());
        let store = connect(&topology.url(), T::DURABILITY, limits, &clock, &recording).await;
        Self { topology: Some(topology), limits, clock, recording, store }
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

    async fn restart(&mut self) {
        // The old one may go on to tell for a moment.
        self.recording = Arc::default();
        let topology = self.topology.as_ref().expect("it is there until the end");
        self.store = connect(&topology.url(), T::DURABILITY, self.limits, &self.clock, &self.recording).await;
    }

    async fn crash(&mut self) {
        self.topology().crash().await;
        self.restart().await;
    }

    async fn spoil(&mut self, _address: Address) {
        let mut spoiled = 0;
        for primary in self.topology().primaries().await {
            let queues = primary.command(&["KEYS", "q:*"]).await.expect("the queues");
            for queue in queues.items() {
                let queue = queue.text();
                primary.command(&["DEL", &queue]).await.expect("it goes");
                primary.command(&["XADD", &queue, "0-1", "e", "rubbish"]).await.expect("it is spoiled");
                spoiled += 1;
            }
        }
        assert_eq!(spoiled, 1, "one mailbox has a queue");
    }
}

/// A case by its name.
pub(crate) type Case = (&'static str, fn(&Runtime));

/// Runs cases one after the other on one topology, then the model; all of them, whatever fails.
pub(crate) fn all<T: Topology>(cases: &[Case]) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    *T::idle().lock() = Some(runtime.block_on(T::spawn()));
    let mut failed = Vec::new();
    for (name, case) in cases {
        println!("{name}");
        if catch_unwind(|| case(&runtime)).is_err() {
            failed.push(*name);
        }
    }
    if catch_unwind(crate::model::agrees::<Over<T>>).is_err() {
        failed.push("agrees_with_the_model");
    }
    drop(T::idle().lock().take());
    assert!(failed.is_empty(), "{} of {} failed: {failed:?}", failed.len(), cases.len() + 1);
}
