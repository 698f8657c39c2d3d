//! Relays of our own, as processes of the built binary, over one store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sealpost_client::{RelayHost, RelayOptions, Trust};
use tempfile::TempDir;

use super::authority::{Authority, Files};
use super::child::{Account, Server, free_port};
use super::handshake::Looker;
use super::program::version;
use super::system::System;
use super::{Kind, Watched, redis};
use crate::problem::{During as _, Problem};
use crate::report::Environment;
use crate::scenario::{Durability, Spawn, StoreKind};

/// An installation that is gone when this is dropped.
#[derive(Debug)]
pub struct Installation {
    relays: Vec<Relay>,
    redis: Option<System>,
    /// Where clients come by TLS.
    authority: Option<Authority>,
    version: String,
    configuration: String,
    // Below the servers: they end first.
    directory: TempDir,
}

#[derive(Debug)]
struct Relay {
    server: Server,
    port: u16,
    admin_port: u16,
    ready_file: PathBuf,
}

/// The relays' name: that of their certificates, for which proofs are made.
const NAME: &str = "localhost";
/// How long a relay may take to be ready: it waits for its store.
const PATIENCE: Duration = Duration::from_secs(30);

impl Installation {
    /// Starts it, and waits until all of it is ready.
    ///
    /// # Errors
    /// Where a server cannot be started, with what it said.
    pub async fn start(spawn: &Spawn, binary: &Path) -> Result<Self, Problem> {
        let directory = TempDir::with_prefix("sealpost-loadtest-").during("making a directory for temporary files")?;
        let redis = match spawn.store {
            StoreKind::Redis => Some(redis::start(spawn.durability).await?),
            StoreKind::Embedded => None,
        };
        let store = match &redis {
            Some(redis) => format!("redis://127.0.0.1:{}", redis.port),
            None => format!("embedded:{}", directory.path().join("store").display()),
        };
        let authority = spawn.tls.then(|| Authority::new(NAME, directory.path())).transpose()?;
        let mut relays: Vec<Relay> = Vec::new();
        for number in 1..=spawn.relays {
            let mut relay = Relay::start(number, spawn, &store, binary, directory.path())?;
            relay.ready().await?;
            relays.push(relay);
        }
        let configuration = arguments(spawn, "STORE", Path::new("DIRECTORY"), "PORT", "PORT").join(" ");
        let (_, version) = version(binary, "--version").await?;
        Ok(Self { relays, redis, authority, version, configuration, directory })
    }

    /// How to reach each relay.
    ///
    /// # Errors
    /// None that could be caused from outside.
    pub fn options(&self) -> Result<Vec<RelayOptions>, Problem> {
        let trust = self.authority.as_ref().map_or(Trust::Plaintext, |it| Trust::Authorities(it.pem().into_bytes()));
        let of = |relay: &Relay| {
            let host: RelayHost = format!("{NAME}:{}", relay.port).parse().during("naming the relay")?;
            Ok(RelayOptions::new(host).trust(trust.clone()).connect_to(relay.address()))
        };
        self.relays.iter().map(of).collect()
    }

    /// Where each relay is reached, as a URL.
    pub fn urls(&self) -> Vec<String> {
        let scheme = if self.authority.is_none() { "http" } else { "https" };
        self.relays.iter().map(|relay| format!("{scheme}://{NAME}:{}", relay.port)).collect()
    }

    /// Where each relay is reached, as an address of the network.
    pub fn addresses(&self) -> Vec<String> {
        self.relays.iter().map(Relay::address).collect()
    }

    /// Who issued the relays' certificate.
    ///
    /// # Errors
    /// Where clients do not come by TLS.
    pub fn authority(&self) -> Result<&Authority, Problem> {
        self.authority.as_ref().ok_or_else(|| Problem::new("the relays have no certificate"))
    }

    /// A client that looks at it.
    ///
    /// # Errors
    /// As [`authority`](Installation::authority).
    pub fn looker(&self) -> Result<Looker, Problem> {
        Looker::new(&self.authority()?.pem(), NAME)
    }

    /// Where each says what it uses, as a URL.
    pub fn metrics(&self) -> Vec<String> {
        self.relays.iter().map(|relay| format!("http://127.0.0.1:{}/metrics", relay.admin_port)).collect()
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its processes.
    pub fn watched(&self) -> Vec<Watched> {
        let relays = self.relays.iter().map(|relay| (Kind::Relay, relay.server.account()));
        let store = self.redis.iter().map(|redis| (Kind::Store, redis.server.account()));
        relays.chain(store).map(|(kind, account): (Kind, Arc<Account>)| Watched { kind, account }).collect()
    }

    /// The store's server, if it has one of its own.
    pub fn redis(&mut self) -> Option<&mut System> {
        self.redis.as_mut()
    }

    /// Where the store's server listens, on 127.0.0.1.
    pub fn store_port(&self) -> Option<u16> {
        self.redis.as_ref().map(|redis| redis.port)
    }

    /// What a report says of its servers.
    pub fn environment(&self) -> Environment {
        let mut environment = Environment::default();
        environment.versions.insert("sealpost".to_owned(), self.version.clone());
        environment.configurations.insert("sealpost".to_owned(), self.configuration.clone());
        if let Some(about) = self.redis.as_ref().map(|redis| &redis.about) {
            environment.versions.insert(about.name.clone(), about.version.clone());
            environment.configurations.insert(about.name.clone(), about.configuration.clone());
        }
        environment
    }

    /// How many relays there are.
    pub fn relays(&self) -> usize {
        self.relays.len()
    }

    /// Asks a relay to leave, and waits until it has.
    ///
    /// # Errors
    /// Where it does not leave in time, or with a failure.
    pub async fn leave(&mut self, number: usize) -> Result<(), Problem> {
        let relay = self.relay(number)?;
        let status = relay.server.leave(PATIENCE).await?;
        match status.success() {
            true => Ok(()),
            false => Err(Problem::new(format!("{} left with {status}", relay.server.name()))),
        }
    }

    /// Starts a relay that left or was killed again, at the same port, and waits until it is ready.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn come_back(&mut self, number: usize) -> Result<(), Problem> {
        let relay = self.relay(number)?;
        // It is there if the relay is ready.
        let _ = std::fs::remove_file(&relay.ready_file);
        relay.server.start_again()?;
        relay.ready().await
    }

    /// A relay's process.
    ///
    /// # Errors
    /// Where there is no such relay.
    pub fn server(&mut self, number: usize) -> Result<&mut Server, Problem> {
        Ok(&mut self.relay(number)?.server)
    }

    fn relay(&mut self, number: usize) -> Result<&mut Relay, Problem> {
        self.relays.get_mut(number).ok_or_else(|| Problem::new(format!("there is no relay {}", number + 1)))
    }
}

impl Relay {
    fn start(number: usize, spawn: &Spawn, store: &str, binary: &Path, directory: &Path) -> Result<Self, Problem> {
        let (port, admin_port) = (free_port(), free_port());
        let ready_file = directory.join(format!("relay-{number}.ready"));
        let mut arguments = arguments(spawn, store, directory, &port.to_string(), &admin_port.to_string());
        arguments.extend(["--ready-file".to_owned(), ready_file.display().to_string()]);
        let server = Server::start(&format!("relay {number}"), binary, arguments, directory)?;
        Ok(Self { server, port, admin_port, ready_file })
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    async fn ready(&mut self) -> Result<(), Problem> {
        let file = self.ready_file.clone();
        self.server.until(PATIENCE, async || file.exists().then_some(())).await
    }
}

/// A relay's command line.
fn arguments(spawn: &Spawn, store: &str, directory: &Path, port: &str, admin_port: &str) -> Vec<String> {
    let tls = Files::of(directory);
    let (certificate, key) = (tls.certificate.display().to_string(), tls.key.display().to_string());
    let durability = match spawn.durability {
        Durability::Memory | Durability::Everysec => "memory",
        Durability::Always => "fsync",
    };
    let (address, admin) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{admin_port}"));
    let mut arguments: Vec<&str> = vec!["serve", "--relay-names", NAME, "--store-url", store];
    arguments.extend(["--listen-address", &address, "--listen-admin", &admin]);
    arguments.extend(["--store-durability", durability]);
    match spawn.tls {
        true => arguments.extend(["--tls-certificate", &certificate, "--tls-key", &key]),
        false => arguments.extend(["--tls-mode", "plaintext"]),
    }
    let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    for (name, value) in &spawn.relay_settings {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        arguments.extend([format!("--{name}"), value]);
    }
    arguments
}
