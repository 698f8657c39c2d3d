//! A whole relay: store, hub, services and listeners put together, and taken apart politely.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::admin::{self, Readiness};
use crate::api::{self, ForBrowsers};
use crate::clock::Clock;
use crate::config::{CertificateSource, Config, DrainConfig, SecurityConfig, StoreConfig};
use crate::delivery::{Acknowledger, Drain, Hub, Services};
use crate::edge::{self, CertificateFiles, EdgeConfig, Listening, Reloader, Security, Tls, TlsError};
use crate::store::embedded::{EmbeddedStore, OpenError};
use crate::store::redis::{ConnectError, RedisStore};
use crate::store::{Measured, Store};
use crate::telemetry::{Logs, Metrics, Otlp, OtlpError, Telemetry, info, warn};

/// A relay at work. Dropping it cuts everything; [`drain`](Relay::drain) leaves politely.
pub struct Relay {
    clients: Listening,
    admin: Listening,
    services: Arc<Services>,
    acknowledger: JoinHandle<()>,
    readiness: Readiness,
    /// Keep readiness, health and certificates true.
    _watches: [AbortOnDropHandle<()>; 2],
    _reload: Option<AbortOnDropHandle<()>>,
    otlp: Option<Otlp>,
    drain: DrainConfig,
}

/// Why a relay does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened at.
    #[error("{setting} {address} cannot be listened at: {error}. Is another program there? Choose another port")]
    Bind {
        /// Which setting.
        setting: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// TLS cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The development certificate cannot be kept.
    #[error("the development certificate cannot be kept in tls.directory: {0}")]
    Certificate(io::Error),
    /// The embedded store does not open.
    #[error(transparent)]
    Embedded(#[from] OpenError),
    /// Nothing can be sent to the collector.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// Redis will not do.
    #[error(transparent)]
    Redis(#[from] ConnectError),
}

/// Acknowledgements that are still to be written when the last stream has ended get at least so long.
const FLUSH: Duration = Duration::from_secs(2);
/// Nobody waits longer for whoever watches the health of a relay that has left.
const FAREWELL: Duration = Duration::from_millis(500);

impl Relay {
    /// Starts a relay. The admin listener works first, and says that the start is not complete.
    ///
    /// # Errors
    /// Where a part of it cannot start; then nothing runs.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, None).await
    }

    /// The same in a process that logs; what is logged can be changed over the admin listener.
    ///
    /// # Errors
    /// As [`start`](Relay::start).
    pub async fn start_logging(config: Config, logs: Logs) -> Result<Self, StartError> {
        Self::start_with(config, Some(logs)).await
    }

    async fn start_with(config: Config, logs: Option<Logs>) -> Result<Self, StartError> {
        // The ports first: a relay that finds them taken must not touch the files of the one that has them.
        let clients = bind("listen.address", config.listen)?;
        let admin = bind("listen.admin", config.admin)?;
        let listening = |setting, address| move |error| StartError::Bind { setting, address, error };
        let clock = Clock::system();
        let (client_security, admin_security, reloader) = security(&config.security, &clock)?;

        let metrics = Arc::new(Metrics::new());
        let otlp = config.otlp.as_ref().map(|otlp| Otlp::start(otlp, &metrics)).transpose()?;
        let traces = otlp.as_ref().map(|otlp| otlp.traces.clone()).unwrap_or_default();
        let telemetry = Telemetry { metrics: metrics.clone(), traces };
        let readiness = Readiness::new();
        let (admin_routes, health) = admin::routes(&readiness, metrics.clone(), logs).await;
        let admin_edge = EdgeConfig { max_connections: 64, http1: true, max_life: None, ..EdgeConfig::default() };
        let no_metrics = Arc::new(Metrics::new());
        let refuse = admin::too_many_requests;
        let admin = edge::listen(admin, admin_edge, admin_security, admin_routes, refuse, no_metrics)
            .map_err(listening("listen.admin", config.admin))?;

        let hub = Hub::new();
        let store = open_store(&config.store, clock.clone(), hub.clone(), telemetry.clone()).await?;
        let (fit, waiting) = (readiness.clone(), hub.clone());
        metrics.relay.ready.read_from(move || Some(f64::from(u8::from(fit.is_ready()))));
        metrics.delivery.inbox_envelopes.read_from(move || Some(waiting.waiting() as f64));
        let checks = AbortOnDropHandle::new(tokio::spawn(readiness.clone().follow(store.clone())));
        let (acknowledger, acknowledging) = Acknowledger::start(store.clone(), metrics.clone());
        let services = Arc::new(Services {
            store,
            hub,
            acknowledger,
            drain: Drain::new(config.drain.spread),
            metrics: metrics.clone(),
            traces: telemetry.traces,
            clock,
            config: config.feed,
        });
        let routes = api::routes(config.api, services.clone());
        let refuse = api::too_many_requests;
        let clients = if config.origins.is_empty() {
            edge::listen(clients, config.edge, client_security, routes, refuse, metrics.clone())
        } else {
            edge::listen(
                clients,
                config.edge,
                client_security,
                ForBrowsers::new(routes, config.origins),
                refuse,
                metrics.clone(),
            )
        }
        .map_err(listening("listen.address", config.listen))?;
        let reload = reloader.map(|reloader| AbortOnDropHandle::new(tokio::spawn(reloader.run(metrics))));
        Ok(Self {
            clients,
            admin,
            services,
            acknowledger: acknowledging,
            readiness,
            _watches: [checks, health],
            _reload: reload,
            otlp,
            drain: config.drain,
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.clients.address()
    }

    /// Where probes, health and metrics are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// The store, for the operator.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.services.store
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.services.metrics
    }

    /// Leaves (P11): not ready from now on, but serving until that was noticed; then streams end with a reason and a time
    /// to come back, sends that are in flight are answered, what is left at the deadline is cut, and acknowledgements are
    /// written.
    pub async fn drain(self) {
        self.readiness.leave();
        self.services.metrics.relay.draining.set(1);
        if !self.drain.notice.is_zero() {
            info!("leaving soon: not ready any more, and serving until that was noticed");
            tokio::time::sleep(self.drain.notice).await;
        }
        let deadline = Instant::now() + self.drain.deadline;
        info!("leaving: streams end, and sends in flight are finished");
        self.services.drain.begin();
        self.clients.stop();
        let cut = self.clients.finished(deadline).await;
        if cut > 0 {
            warn!("connections were still open at the deadline and were cut");
        }
        // With the last stream gone, this is the last handle on the acknowledgements; what is queued is written.
        drop(self.services);
        let written = tokio::time::timeout_at(deadline.max(Instant::now() + FLUSH), self.acknowledger);
        if written.await.is_err() {
            warn!("the store did not take the last acknowledgements; their envelopes will be delivered again");
        }
        if let Some(otlp) = self.otlp {
            // It blocks until the collector has the last spans, or does not take them.
            let _ = tokio::task::spawn_blocking(move || otlp.traces.finish()).await;
        }
        self.admin.stop();
        self.admin.finished(Instant::now() + FAREWELL).await;
        info!("left");
    }
}

/// Opens the store that a configuration names, outside a relay too.
///
/// # Errors
/// Where it does not open.
pub async fn open_store(
    config: &StoreConfig,
    clock: Clock,
    hub: Arc<Hub>,
    telemetry: Telemetry,
) -> Result<Arc<dyn Store>, StartError> {
    let store: Arc<dyn Store> = match config {
        StoreConfig::Embedded { directory, options } => Arc::new(EmbeddedStore::open(directory, *options, clock, hub)?),
        StoreConfig::Redis(options) => {
            Arc::new(RedisStore::connect(options.as_ref().clone(), clock, hub, telemetry.clone()).await?)
        }
    };
    Ok(Arc::new(Measured::new(store, telemetry)))
}

/// How many connections may wait in the kernel until they are accepted, where `net.core.somaxconn` lets so many: everybody
/// comes back at once after a cut. The library's 128 would have the others try again after a second, then after three.
const BACKLOG: u32 = 4096;

fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A relay that is started again need not wait for the last one's connections to be forgotten.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| StartError::Bind { setting, address, error })
}

/// What protects clients and the admin listener, and what keeps it up to date.
fn security(config: &SecurityConfig, clock: &Clock) -> Result<(Security, Security, Option<Reloader>), StartError> {
    let SecurityConfig::Tls { certificates, tls } = config else {
        return Ok((Security::Plaintext, Security::Plaintext, None));
    };
    let files = match certificates {
        CertificateSource::Files(files) => files.clone(),
        CertificateSource::Development { directory } => {
            let made = edge::development_certificate(directory, &tls.names).map_err(StartError::Certificate)?;
            vec![CertificateFiles { certificate: made.certificate, key: made.key }]
        }
    };
    let tls = Tls::load(files, tls.clone(), clock.clone())?;
    Ok((tls.clients, tls.admin, Some(tls.reloader)))
}
