//! Real relays over a real store, each a process of the built binary, with all that they could tell of switched on.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sealpost_core::Address;
use sealpost_testkit::{AppendOnly, Collector, RedisServer, RedisSettings, eventually};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::population::Population;
use crate::seized::Seized;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The name for which proofs are made.
pub(crate) const NAME: &str = "relay.test";

/// Where envelopes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// Two relays over one Redis, with AOF and RDB.
    Redis,
    /// One relay with a file.
    Embedded,
}

/// A store, its relays, and where they send telemetry.
pub(crate) struct Installation {
    directory: TempDir,
    redis: Option<RedisServer>,
    collector: Collector,
    relays: Vec<Relay>,
}

struct Relay {
    child: Child,
    clients: SocketAddr,
    admin: SocketAddr,
}

impl Installation {
    pub(crate) async fn start(kind: StoreKind) -> Self {
        let directory = TempDir::new().expect("a directory");
        let collector = Collector::start().await;
        let redis = match kind {
            StoreKind::Redis => {
                let settings = RedisSettings { append_only: AppendOnly::EverySec, ..RedisSettings::default() };
                Some(RedisServer::spawn(settings).await)
            }
            StoreKind::Embedded => None,
        };
        let store = redis.as_ref().map_or_else(|| "embedded:store".to_owned(), RedisServer::url);
        let mut relays = Vec::new();
        for number in 0..if redis.is_some() { 2 } else { 1 } {
            relays.push(Relay::start(directory.path(), number, &store, &collector).await);
        }
        Self { directory, redis, collector, relays }
    }

    /// Where clients connect, one relay after the other.
    pub(crate) fn relay(&self, number: usize) -> SocketAddr {
        self.relays[number % self.relays.len()].clients
    }

    /// Takes everything that an operator could hand over. The relays end first: what they still had in hand is written.
    pub(crate) async fn seize(&mut self, population: &Population) -> Seized {
        let mut seized = Seized::default();
        for (number, relay) in self.relays.iter().enumerate() {
            seized.take(format!("relay {number}: metrics"), relay.metrics().await.into_bytes());
        }
        for relay in &mut self.relays {
            relay.leave().await;
        }
        for number in 0..self.relays.len() {
            let log = std::fs::read(self.directory.path().join(format!("relay-{number}.log"))).expect("it logged");
            seized.take(format!("relay {number}: log"), log);
        }
        seized.take_telemetry(&self.collector);
        let owners = population.people.iter().filter(|person| person.has_mailbox).map(|person| person.device.address());
        match &self.redis {
            None => {
                seized.take_directory("store", &self.directory.path().join("store"));
                for owner in owners {
                    seized.take_mailbox("as inspect shows it", owner, self.inspect(owner));
                }
            }
            Some(redis) => {
                // A dump says in which second it was made: not in one in which somebody did something.
                eventually("that second is over", PATIENCE, async || population.is_over().then_some(())).await;
                redis.command(&["SAVE"]).await.expect("it saves");
                seized.take_directory("store", redis.directory());
                seized.take_keys(redis, owners).await;
            }
        }
        seized
    }

    /// What `sealpost inspect` shows of a mailbox of the embedded store.
    fn inspect(&self, owner: Address) -> Vec<u8> {
        let shown = Command::new(env!("CARGO_BIN_EXE_sealpost"))
            .args(["inspect", "--json", "--store", "embedded:store", &owner.to_text()])
            .env_clear()
            .current_dir(self.directory.path())
            .output()
            .expect("it runs");
        assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
        shown.stdout
    }
}

impl Relay {
    async fn start(directory: &Path, number: usize, store: &str, collector: &Collector) -> Self {
        let ready_file = directory.join(format!("ready-{number}.json"));
        let child = Command::new(env!("CARGO_BIN_EXE_sealpost"))
            .args(["serve", "--relay-names", NAME, "--listen", "127.0.0.1:0", "--listen-admin", "127.0.0.1:0"])
            .args(["--tls-mode", "plaintext", "--listen-proxy-protocol", "true", "--store", store])
            .args(["--log", "trace", "--telemetry-log-format", "json"])
            .args(["--telemetry-otlp-endpoint", &collector.endpoint(), "--telemetry-trace-ratio", "1"])
            .args(["--telemetry-otlp-metrics", "true", "--ready-file"])
            .arg(&ready_file)
            .env_clear()
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(directory.join(format!("relay-{number}.log"))).expect("a log"))
            .spawn()
            .expect("it starts");
        let ready = eventually("the relay is ready", PATIENCE, async || {
            serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(&ready_file).ok()?).ok()
        })
        .await;
        let address = |of: &str| ready[of].as_str().unwrap().parse().unwrap();
        Self { clients: address("clients"), admin: address("admin"), child }
    }

    async fn metrics(&self) -> String {
        let mut socket = TcpStream::connect(self.admin).await.expect("it listens");
        socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).await.unwrap();
        let (_, body) = text.split_once("\r\n\r\n").expect("a body");
        body.to_owned()
    }

    /// It leaves politely, and so has sent the last of its spans.
    async fn leave(&mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
        eventually("the relay has left", PATIENCE, async || self.child.try_wait().expect("it is ours")).await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // One that ended by itself is as dead.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
