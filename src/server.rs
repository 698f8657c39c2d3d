//! A whole relay: store, hub, services and listeners put together, and taken apart politely.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tracing::{info, warn};

use crate::api;
use crate::clock::Clock;
use crate::config::{Config, DrainConfig, SecurityConfig, StoreConfig};
use crate::delivery::{Acknowledger, Drain, Hub, Services};
use crate::edge::{self, EdgeConfig, Listening, Security, TlsError};
use crate::store::Store;
use crate::store::embedded::{EmbeddedStore, OpenError};
use crate::store::redis::{ConnectError, RedisStore};
use crate::telemetry::Metrics;

/// A relay at work. Dropping it cuts everything; [`drain`](Relay::drain) leaves politely.
pub struct Relay {
    clients: Listening,
    admin: Listening,
    services: Arc<Services>,
    acknowledger: JoinHandle<()>,
    health: HealthReporter,
    watch: AbortOnDropHandle<()>,
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
    /// Redis will not do.
    #[error(transparent)]
    Redis(#[from] ConnectError),
}

/// The store is asked this often whether it works.
const CHECK_EVERY: Duration = Duration::from_secs(2);

impl Relay {
    /// Starts a relay.
    ///
    /// # Errors
    /// Where a part of it cannot start; then nothing runs.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let clock = Clock::system();
        let hub = Hub::new();
        let store = open_store(&config.store, clock.clone(), hub.clone()).await?;
        Self::start_with(config, store, hub, clock).await
    }

    /// Starts a relay over a store that is open already and tells `hub`.
    ///
    /// # Errors
    /// Where a part of it cannot start; then nothing runs.
    pub async fn start_with(
        config: Config,
        store: Arc<dyn Store>,
        hub: Arc<Hub>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        // The ports first: a relay that finds them taken must not touch the files of the one that has them.
        let clients = bind("listen.address", config.listen).await?;
        let admin = bind("listen.admin", config.admin).await?;
        let security = security(&config.security)?;

        let metrics = Arc::new(Metrics::new());
        let (acknowledger, acknowledging) = Acknowledger::start(store.clone());
        let services = Arc::new(Services {
            store,
            hub,
            acknowledger,
            drain: Drain::new(config.drain.spread),
            metrics: metrics.clone(),
            config: config.feed,
        });
        let routes = api::routes(config.api, services.clone(), clock);
        let (health, admin_routes) = admin_routes(metrics.clone());
        let listening = |setting, address| move |error| StartError::Bind { setting, address, error };
        let clients = edge::listen(clients, config.edge, security, routes, api::too_many_requests, metrics)
            .map_err(listening("listen.address", config.listen))?;
        let admin_edge = EdgeConfig { max_connections: 64, http1: true, max_life: None, ..EdgeConfig::default() };
        let refuse = |_| StatusCode::TOO_MANY_REQUESTS.into_response();
        let admin =
            edge::listen(admin, admin_edge, Security::Plaintext, admin_routes, refuse, Arc::new(Metrics::new()))
                .map_err(listening("listen.admin", config.admin))?;
        let watch = AbortOnDropHandle::new(tokio::spawn(watch(services.clone(), health.clone())));
        Ok(Self { clients, admin, services, acknowledger: acknowledging, health, watch, drain: config.drain })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.clients.address()
    }

    /// Where health and metrics are.
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

    /// Leaves (P11): not ready any more, streams end with a reason and a time to come back, sends that are in flight are
    /// answered, acknowledgements are written, and what is left at the deadline is cut.
    pub async fn drain(self) {
        let deadline = tokio::time::Instant::now() + self.drain.deadline;
        info!("leaving: streams end, and sends in flight are finished");
        drop(self.watch);
        self.health.set_service_status("", ServingStatus::NotServing).await;
        self.services.drain.begin();
        self.clients.stop();
        let cut = self.clients.finished(deadline).await;
        if cut > 0 {
            warn!("connections were still open at the deadline and were cut");
        }
        self.admin.stop();
        self.admin.finished(deadline).await;
        // With the last stream gone, this is the last handle on the acknowledgements; what is queued is written.
        drop(self.services);
        if tokio::time::timeout_at(deadline, self.acknowledger).await.is_err() {
            warn!("the store did not take the last acknowledgements; their envelopes will be delivered again");
        }
        info!("left");
    }
}

/// Opens the store that a configuration names, outside a relay too.
///
/// # Errors
/// Where it does not open.
pub async fn open_store(config: &StoreConfig, clock: Clock, hub: Arc<Hub>) -> Result<Arc<dyn Store>, StartError> {
    Ok(match config {
        StoreConfig::Embedded { directory, options } => Arc::new(EmbeddedStore::open(directory, *options, clock, hub)?),
        StoreConfig::Redis(options) => Arc::new(RedisStore::connect(options.as_ref().clone(), clock, hub).await?),
    })
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Bind { setting, address, error })
}

fn security(config: &SecurityConfig) -> Result<Security, StartError> {
    Ok(match config {
        SecurityConfig::Plaintext => Security::Plaintext,
        SecurityConfig::Files { certificate, key } => Security::from_files(certificate, key)?,
        SecurityConfig::Development { directory, names } => {
            let files = edge::development_certificate(directory, names).map_err(StartError::Certificate)?;
            Security::from_files(&files.certificate, &files.key)?
        }
    })
}

fn admin_routes(metrics: Arc<Metrics>) -> (HealthReporter, axum::Router) {
    let (health, service) = tonic_health::server::health_reporter();
    let text = [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    let routes = tonic::service::Routes::new(service)
        .into_axum_router()
        .route("/metrics", get(move || async move { (text, metrics.encode()) }));
    (health, routes)
}

/// Keeps health true to the store.
async fn watch(services: Arc<Services>, health: HealthReporter) {
    let mut healthy = None;
    loop {
        let answer = services.store.check().await;
        if healthy != Some(answer.is_ok()) {
            let first = healthy.is_none();
            healthy = Some(answer.is_ok());
            let status = match &answer {
                Ok(()) => ServingStatus::Serving,
                Err(_) => ServingStatus::NotServing,
            };
            health.set_service_status("", status).await;
            match answer {
                Ok(()) if first => {}
                Ok(()) => info!("the store answers again: ready"),
                Err(error) => warn!(%error, "not ready"),
            }
        }
        tokio::time::sleep(CHECK_EVERY).await;
    }
}
