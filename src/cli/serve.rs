//! `sealpost serve`: runs a relay.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::output::Failure;
use super::profile::{unwritable, write_atomically};
use super::runtime;
use crate::config::{Config, SecurityConfig, Settings, StoreConfig};
use crate::server::Relay;
use crate::telemetry::Telemetry;

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
            // OTLP needs the runtime.
            let _telemetry = Telemetry::begin(&config.logs)?;
            serve(config, self.ready_file.as_deref()).await
        })
    }
}

async fn serve(config: Config, ready_file: Option<&Path>) -> Result<(), Failure> {
    let security = config.security.clone();
    let store = match &config.store {
        StoreConfig::Embedded { directory, .. } => format!("embedded in {}", directory.display()),
        StoreConfig::Redis(_) => "Redis".to_owned(),
    };
    let relay = Relay::start(config).await?;
    info!(clients = %relay.address(), admin = %relay.admin_address(), store, "listening");
    match &security {
        SecurityConfig::Development { directory, .. } => {
            info!(ca = %directory.join("ca.pem").display(), "a development certificate is used: clients trust this authority");
        }
        SecurityConfig::Plaintext => warn!("connections are not encrypted: keep this behind a proxy that does TLS"),
        SecurityConfig::Files { .. } => {}
    }
    if let Some(file) = ready_file {
        write_ready(file, &relay, &security)?;
    }

    stop_signal().await?;
    tokio::select! {
        () = relay.drain() => {}
        second = stop_signal() => {
            second?;
            warn!("a second signal: leaving at once");
        }
    }
    Ok(())
}

fn write_ready(file: &Path, relay: &Relay, security: &SecurityConfig) -> Result<(), Failure> {
    let ca = match security {
        SecurityConfig::Development { directory, .. } => std::path::absolute(directory.join("ca.pem")).ok(),
        SecurityConfig::Plaintext | SecurityConfig::Files { .. } => None,
    };
    let ready = json!({
        "clients": relay.address(),
        "admin": relay.admin_address(),
        "ca": ca,
        "process": std::process::id(),
    });
    write_atomically(file, format!("{ready}\n").as_bytes(), 0o644).map_err(|error| unwritable(file, &error))
}

/// Waits for SIGTERM or Ctrl-C.
pub(super) async fn stop_signal() -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::new(format!("signals cannot be heard: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
