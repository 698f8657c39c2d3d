//! `sealpost-loadtest run`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use clap::Args;
use sealpost_client::{Audience, OptionsError, RelayOptions, Trust, Voucher};

use super::{Output, say};
use crate::live::Live;
use crate::machine::{environment, room_for_connections};
use crate::play::{Deployment, Scene, Target, play};
use crate::problem::{During as _, Problem};
use crate::report::{Environment, FORMAT, Report};
use crate::scenario::{Scenario, Span, Topology, read};
use crate::target::binary;
use crate::target::metrics::Endpoint;

/// Run a scenario, on servers that are started for it or on a deployment
#[derive(Debug, Args)]
pub(super) struct Run {
    /// A scenario's name (see `scenarios`), or a TOML file
    scenario: String,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    target: Where,
    #[command(flatten)]
    output: Output,
    /// Begin then, as at 2026-01-01T12:00:00Z: for several generators at once
    #[arg(long, value_name = "TIME")]
    start_at: Option<humantime::Timestamp>,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

/// What is changed of the scenario: the usual things by flags of their own, everything by --set.
#[derive(Debug, Args)]
#[command(next_help_heading = "The scenario")]
struct Changes {
    /// Messages a second (load.rate)
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// How long it is measured, as in 30s or 5m (load.steady)
    #[arg(long, value_name = "TIME")]
    steady: Option<Span>,
    /// How many mailboxes there are (owners.mailboxes)
    #[arg(long, value_name = "N")]
    mailboxes: Option<usize>,
    /// Bytes of an envelope (load.payload_bytes)
    #[arg(long, value_name = "BYTES")]
    payload: Option<usize>,
    /// Seal and open every message, as phones do (load.sealed)
    #[arg(long)]
    sealed: bool,
    /// All mailboxes over a few connections, instead of one for each owner (owners.topology)
    #[arg(long)]
    gateway: bool,
    /// How often the scenario is played, for the spread (repeats)
    #[arg(long, value_name = "N")]
    repeats: Option<u32>,
    /// Change any key of the scenario (see `show`), as in `spawn.durability=always`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What is tested")]
struct Where {
    /// Start Redis and relays for it, and stop them afterwards: the default
    #[arg(long, conflicts_with_all = ["relay", "metrics", "ca", "plaintext", "relay_name", "vouchers"])]
    spawn: bool,
    /// The relay's program [default: built by cargo in a checkout, else `sealpost` beside this program]
    #[arg(long, value_name = "FILE", conflicts_with = "relay")]
    relay_binary: Option<PathBuf>,
    /// How many relays are started (spawn.relays)
    #[arg(long, value_name = "N", conflicts_with = "relay")]
    relays: Option<usize>,
    /// A deployment to test instead, as https://host:port; several relays of one installation each with its own --relay
    #[arg(long, value_name = "URL")]
    relay: Vec<String>,
    /// Where a relay says what it uses, as http://host:8081/metrics; one for each relay
    #[arg(long, value_name = "URL", requires = "relay")]
    metrics: Vec<String>,
    /// The authority that signed the relays' certificates, a PEM file [default: those that the system knows]
    #[arg(long, value_name = "FILE", requires = "relay")]
    ca: Option<PathBuf>,
    /// With --relay http://…: go without TLS to other machines, too
    #[arg(long, requires = "relay")]
    plaintext: bool,
    /// The name that the relays know themselves by, if it is not the URL's
    #[arg(long, value_name = "NAME", requires = "relay")]
    relay_name: Option<Audience>,
    /// Vouchers for relays that ask for them, one a line, as `sealpost voucher issue` prints them
    #[arg(long, value_name = "FILE", requires = "relay")]
    vouchers: Option<PathBuf>,
}

impl Run {
    pub(super) fn run(self) -> Result<bool, Problem> {
        let (name, scenario) = read(&self.scenario, &self.changes.settings(self.target.relays))?;
        self.output.check()?;
        room_for_connections(connections(&scenario))?;
        let target = self.target.target()?;
        let wait = self.start_at.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
        let live = Arc::new(Live::new(self.quiet));
        let scene = Scene { name, scenario, target, live };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().during("starting tokio")?;
        let (started, played) = runtime.block_on(async {
            tokio::time::sleep(wait.unwrap_or_default()).await;
            let started = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
            let played = tokio::select! {
                played = play(&scene) => played,
                _ = tokio::signal::ctrl_c() => Err(Problem::new("interrupted: there is no report")),
            };
            (started, played)
        });
        scene.live.end();
        let mut report = played?;
        complete(&mut report, &scene, started)?;
        self.output.write(&report)?;
        self.output.tell(&report);
        if !self.output.is_printed() {
            self.output.files().for_each(|path| say(&format!("{} was written", path.display())));
        }
        Ok(report.passed())
    }
}

/// Adds what is the same for all of a run.
fn complete(report: &mut Report, scene: &Scene, started: String) -> Result<(), Problem> {
    let mut environment = environment();
    // Of ours, of the peers and of the floor: each is named for what it is of.
    let others = report.peers.iter_mut().chain(report.floor.as_deref_mut()).chain(&mut report.runs);
    let others: Vec<Environment> = others.filter_map(|report| report.environment.take()).collect();
    for of_servers in report.environment.take().into_iter().chain(others) {
        environment.versions.extend(of_servers.versions);
        environment.configurations.extend(of_servers.configurations);
    }
    let scenario = toml::to_string(&scene.scenario).during("writing TOML")?;
    environment.configurations.insert("scenario".to_owned(), scenario);
    report.format = Some(FORMAT);
    report.tool = Some(format!("sealpost-loadtest {}", env!("CARGO_PKG_VERSION")));
    report.commit = Some(environment.commit.clone());
    report.started = Some(started);
    report.environment = Some(environment);
    Ok(())
}

/// Of the generator; a relay that is started here has as many.
fn connections(scenario: &Scenario) -> usize {
    let owners = match scenario.owners.topology {
        Topology::Own => scenario.owners.mailboxes,
        Topology::Gateway => scenario.owners.connections,
    };
    owners + scenario.senders.connections
}

impl Changes {
    fn settings(&self, relays: Option<usize>) -> Vec<String> {
        let mut settings = Vec::new();
        let mut set = |key: &str, value: Option<String>| settings.extend(value.map(|value| format!("{key}={value}")));
        set("load.rate", self.rate.map(|rate| format!("{rate:?}")));
        set("load.steady", self.steady.map(|steady| format!("\"{steady}\"")));
        set("owners.mailboxes", self.mailboxes.map(|count| count.to_string()));
        set("load.payload_bytes", self.payload.map(|bytes| bytes.to_string()));
        set("load.sealed", self.sealed.then(|| "true".to_owned()));
        set("owners.topology", self.gateway.then(|| "\"gateway\"".to_owned()));
        set("repeats", self.repeats.map(|repeats| repeats.to_string()));
        set("spawn.relays", relays.map(|relays| relays.to_string()));
        settings.extend(self.settings.iter().cloned());
        settings
    }
}

impl Where {
    fn target(&self) -> Result<Target, Problem> {
        if self.relay.is_empty() {
            return Ok(Target::Spawn(binary::relay(self.relay_binary.as_deref())?));
        }
        let metrics: Result<Vec<Endpoint>, Problem> = self.metrics.iter().map(|url| Endpoint::new(url)).collect();
        let relays: Result<Vec<RelayOptions>, Problem> = self.relay.iter().map(|url| self.options(url)).collect();
        let vouchers = self.vouchers.as_deref().map(vouchers).transpose()?.unwrap_or_default();
        Ok(Target::Deployment(Deployment { relays: relays?, metrics: metrics?, vouchers }))
    }

    fn options(&self, url: &str) -> Result<RelayOptions, Problem> {
        let options = match RelayOptions::from_url(url) {
            Err(OptionsError::Plaintext) if self.plaintext => RelayOptions::plaintext(url),
            Err(OptionsError::Plaintext) => {
                return Err(Problem::usage(format!("{url} goes to another machine without TLS"))
                    .remedy("use https://, or say --plaintext if a mesh does the encryption"));
            }
            options => options,
        };
        let mut options = options.map_err(|error| Problem::usage(format!("--relay {url}: {error}")))?;
        if let Some(ca) = &self.ca {
            let shown = ca.display();
            let pem = std::fs::read(ca).map_err(|error| Problem::usage(format!("{shown} cannot be read: {error}")))?;
            options = options.trust(Trust::Authorities(pem));
        }
        Ok(match &self.relay_name {
            Some(name) => options.audience(name.clone()),
            None => options,
        })
    }
}

fn vouchers(path: &Path) -> Result<Vec<Voucher>, Problem> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| Problem::usage(format!("{shown} cannot be read: {error}")))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let of = |(number, line): (usize, &str)| {
        Voucher::from_text(line.trim())
            .map_err(|error| Problem::usage(format!("{shown}, line {}: {error}", number + 1)))
    };
    lines.map(of).collect()
}
