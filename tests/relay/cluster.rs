//! One or more relays over one store.

use std::net::SocketAddr;
use std::time::Duration;

use sealpost::config::{Config, DurabilitySetting, Settings};
use sealpost::server::{Relay, StartError};
use sealpost::store::embedded::OpenError;
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_testkit::{AppendOnly, RedisServer, RedisSettings, eventually};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// Longer than anything takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Relays over one store.
pub(crate) struct Cluster {
    relays: Vec<Option<Relay>>,
    settings: Settings,
    pub(crate) redis: Option<RedisServer>,
    _directory: TempDir,
}

impl Cluster {
    /// One relay with a store of its own.
    pub(crate) async fn embedded() -> Self {
        Self::embedded_with(|_| {}).await
    }

    /// The same, with some settings changed.
    pub(crate) async fn embedded_with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = TempDir::new().unwrap();
        let mut settings = settings(format!("embedded:{}", directory.path().join("store").display()));
        change(&mut settings);
        let mut cluster = Self { relays: Vec::new(), settings, redis: None, _directory: directory };
        cluster.add().await;
        cluster
    }

    /// Relays over a real Redis that stores before it answers.
    pub(crate) async fn redis(relays: usize) -> Self {
        Self::redis_with(relays, |_| {}).await
    }

    /// The same, with some settings changed.
    pub(crate) async fn redis_with(relays: usize, change: impl FnOnce(&mut Settings)) -> Self {
        let redis =
            RedisServer::spawn(RedisSettings { append_only: AppendOnly::Always, ..RedisSettings::default() }).await;
        let mut cluster = Self::over_with(redis.url(), DurabilitySetting::Fsync, relays, change).await;
        cluster.redis = Some(redis);
        cluster
    }

    /// Relays over a Redis of any kind that is there already.
    pub(crate) async fn over(url: String, durability: DurabilitySetting, relays: usize) -> Self {
        Self::over_with(url, durability, relays, |_| {}).await
    }

    /// The same, with some settings changed.
    pub(crate) async fn over_with(
        url: String,
        durability: DurabilitySetting,
        relays: usize,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = settings(url);
        settings.store.durability = Some(durability);
        change(&mut settings);
        let mut cluster = Self { relays: Vec::new(), settings, redis: None, _directory: TempDir::new().unwrap() };
        for _ in 0..relays {
            cluster.add().await;
        }
        cluster
    }

    /// One relay over a real Redis that stores nothing by itself.
    pub(crate) async fn redis_in_memory() -> Self {
        let redis = RedisServer::spawn(RedisSettings { append_only: AppendOnly::No, ..RedisSettings::default() }).await;
        let directory = TempDir::new().unwrap();
        let mut cluster =
            Self { relays: Vec::new(), settings: settings(redis.url()), redis: Some(redis), _directory: directory };
        cluster.add().await;
        cluster
    }

    /// One more relay; its number.
    pub(crate) async fn add(&mut self) -> usize {
        let config = Config::load(None, &self.settings).expect("the settings are good");
        let relay = eventually("the relay starts", PATIENCE, async || match Relay::start(config.clone()).await {
            Ok(relay) => Some(relay),
            // A killed relay's last task may still hold the file.
            Err(StartError::Embedded(OpenError::InUse { .. })) => None,
            Err(error) => panic!("{error}"),
        });
        self.relays.push(Some(relay.await));
        self.relays.len() - 1
    }

    /// A relay dies without a word.
    pub(crate) fn kill(&mut self, number: usize) {
        self.relays[number] = None;
    }

    /// Takes a relay out, for it to leave.
    pub(crate) fn take(&mut self, number: usize) -> Relay {
        self.relays[number].take().expect("it is there")
    }

    pub(crate) fn relay(&self, number: usize) -> &Relay {
        self.relays[number].as_ref().expect("it is there")
    }

    pub(crate) fn address(&self, number: usize) -> SocketAddr {
        self.relay(number).address()
    }

    /// A new connection to a relay.
    pub(crate) async fn channel(&self, number: usize) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address(number))).unwrap().connect().await.unwrap()
    }

    /// A client of the anonymous service, on a connection of its own.
    pub(crate) async fn senders(&self, number: usize) -> DeliveryServiceClient<Channel> {
        DeliveryServiceClient::new(self.channel(number).await)
    }

    /// A client of the owners' service, on a connection of its own.
    pub(crate) async fn owners(&self, number: usize) -> MailboxServiceClient<Channel> {
        MailboxServiceClient::new(self.channel(number).await)
    }
}

/// The settings of a relay for tests.
pub(crate) fn settings(store: String) -> Settings {
    let mut settings = Settings::default();
    settings.relay.names = Some(vec!["relay.test".to_owned()]);
    settings.listen.address = Some("127.0.0.1:0".to_owned());
    settings.listen.admin = Some("127.0.0.1:0".to_owned());
    settings.tls.mode = Some(sealpost::config::TlsMode::Plaintext);
    settings.store.url = Some(store);
    // A busy disk may hold an fsync up for seconds; a test that is about silence asks for less.
    settings.store.timeout_ms = Some(15_000);
    settings.drain.spread_ms = Some(50);
    settings.drain.deadline_ms = Some(5000);
    settings
}
