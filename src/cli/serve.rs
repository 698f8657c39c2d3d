//! `sealpost serve`: runs a relay.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::Failure;
use super::profile::{unwritable, write_atomically};
use super::runtime;
use crate::config::{CertificateSource, Config, SecurityConfig, Settings, StoreConfig};
use crate::server::Relay;
use crate::telemetry::{Logs, OfOperator, info, warn};

/// Run a relay until SIGTERM or Ctrl-C.
///
/// Without any settings it listens on 127.0.0.1:8443 with a development certificate and keeps envelopes in
/// ./sealpost-data. Settings come from flags, then the environment (SEALPOST_…), then --config, then defaults.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Once the relay is ready, write its addresses to this file as JSON: for programs that start it on free ports
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    #[command(flatten)]
    source: ConfigSource,
}

/// Where the configuration comes from.
#[derive(Debug, Args)]
pub(super) struct ConfigSource {
    /// A configuration file; sealpost.example.toml shows every setting
    #[arg(long, env = "SEALPOST_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl ConfigSource {
    /// Gathers and checks it.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        Ok(Config::load(self.config.as_deref(), &self.settings)?)
    }
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.source.load()?;
        let runtime = runtime()?;
        runtime.block_on(async {
            let logs = Logs::begin(&config.logs)?;
            serve(config, logs, self.ready_file.as_deref()).await
        })
    }
}

async fn serve(config: Config, logs: Logs, ready_file: Option<&Path>) -> Result<(), Failure> {
    let security = config.security.clone();
    let store = match &config.store {
        StoreConfig::Embedded { directory, .. } => format!("embedded in {}", directory.display()),
        StoreConfig::Redis(_) => "Redis".to_owned(),
    };
    // From here on: a process that is the first of its container does not end by a signal that it does not listen to.
    let mut stop = StopSignals::listen()?;
    let relay = tokio::select! {
        relay = Relay::start_logging(config, logs) => relay?,
        () = stop.next() => {
            info!("stopped before it had started");
            return Ok(());
        }
    };
    let (clients, admin) = (OfOperator(relay.address()), OfOperator(relay.admin_address()));
    info!("listening", clients = clients, admin = admin, store = OfOperator(store));
    match &security {
        SecurityConfig::Tls { certificates: CertificateSource::Development { directory }, .. } => {
            let ca = directory.join("ca.pem");
            info!("a development certificate is used: clients trust this authority", ca = OfOperator(ca.display()));
        }
        SecurityConfig::Plaintext => warn!("connections are not encrypted: keep this behind a proxy that does TLS"),
        SecurityConfig::Tls { .. } => {}
    }
    if let Some(file) = ready_file {
        write_ready(file, &relay, &security)?;
    }

    stop.next().await;
    tokio::select! {
        () = relay.drain() => Ok(()),
        () = stop.next() => Err(Failure::new("it was told twice to stop, and left at once")
            .remedy("streams were cut; nothing is lost: what was not acknowledged is delivered again")),
    }
}

fn write_ready(file: &Path, relay: &Relay, security: &SecurityConfig) -> Result<(), Failure> {
    let ca = match security {
        SecurityConfig::Tls { certificates: CertificateSource::Development { directory }, .. } => {
            std::path::absolute(directory.join("ca.pem")).ok()
        }
        SecurityConfig::Plaintext | SecurityConfig::Tls { .. } => None,
    };
    let ready = json!({
        "clients": relay.address(),
        "admin": relay.admin_address(),
        "ca": ca,
        "process": std::process::id(),
    });
    write_atomically(file, format!("{ready}\n").as_bytes(), 0o644).map_err(|error| unwritable(file, &error))
}

/// SIGTERM and Ctrl-C.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Hears them from now on.
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::new(format!("signals cannot be heard: {error}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for SIGTERM or Ctrl-C.
pub(super) async fn stop_signal() -> Result<(), Failure> {
    StopSignals::listen()?.next().await;
    Ok(())
}
