//! What a relay tells its operator, apart from clients: probes, gRPC health, its version and its metrics.
//!
//! | path | 200 | else |
//! |---|---|---|
//! | `/livez` | the process runs | |
//! | `/startupz` | the start is complete: the relay was fit for traffic once | 503 |
//! | `/readyz` | every condition of [`Readiness`] holds; a line for each, or JSON if that is asked for | 503 |
//! | `/version` | version, commit and compiler | |
//! | `/metrics` | OpenMetrics | |
//! | `/log` | what is logged (`GET`), or to be logged from now on (`PUT`) | 400 |
//!
//! `grpc.health.v1.Health` says of the whole relay (`""`) and of each service what `/readyz` does.

mod readiness;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use sealpost_proto::v1::{delivery_service_server, mailbox_service_server};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::telemetry::{Levels, Logs, Metrics, info};
pub use readiness::Readiness;
use readiness::{Condition, State};

/// The relay as a whole, and its services.
const NAMES: [&str; 3] = ["", delivery_service_server::SERVICE_NAME, mailbox_service_server::SERVICE_NAME];

/// The routes, and the task that keeps gRPC health true to `readiness` for as long as its handle is held.
pub async fn routes(
    readiness: &Readiness,
    metrics: Arc<Metrics>,
    logs: Option<Logs>,
) -> (Router, AbortOnDropHandle<()>) {
    let (reporter, health) = tonic_health::server::health_reporter();
    // Until somebody says otherwise the library takes it that all is well.
    let told = readiness.now();
    report(&reporter, told).await;
    let task = tokio::spawn(follow(reporter, told, readiness.changes()));
    let (startup, ready) = (readiness.clone(), readiness.clone());
    let router = tonic::service::Routes::new(health)
        .into_axum_router()
        .route("/livez", get(async || "alive\n"))
        .route("/startupz", get(async move || startupz(startup.now())))
        .route("/readyz", get(async move |headers: HeaderMap| readyz(ready.now(), wants_json(&headers))))
        .route("/version", get(async || ([(CONTENT_TYPE, JSON)], version().to_string())))
        .route("/metrics", get(async move || ([(CONTENT_TYPE, OPEN_METRICS)], metrics.encode())))
        .fallback(async || {
            (StatusCode::NOT_FOUND, "there are /livez, /startupz, /readyz, /version, /metrics and /log\n")
        });
    let router = match logs {
        Some(logs) => log_levels(router, logs),
        None => router,
    };
    (router, AbortOnDropHandle::new(task))
}

/// What is logged, and how that is changed: `curl -X PUT -d info,sealpost::delivery=debug …/log`.
fn log_levels(router: Router, logs: Logs) -> Router {
    let shown = logs.clone();
    let show = async move || format!("{}\n", shown.levels());
    let set = async move |text: String| match text.trim().parse::<Levels>() {
        Ok(levels) => {
            info!("other levels are logged from now on", levels = levels);
            logs.set_levels(levels);
            (StatusCode::OK, format!("{}\n", logs.levels()))
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("this {error}\n")),
    };
    router.route("/log", get(show).put(set).layer(DefaultBodyLimit::max(LONGEST_LEVELS)))
}

/// The answer to who asks faster than is granted.
pub fn too_many_requests(_: Duration) -> Response {
    StatusCode::TOO_MANY_REQUESTS.into_response()
}

const LONGEST_LEVELS: usize = 4096;
const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

async fn follow(reporter: HealthReporter, mut told: State, mut changes: watch::Receiver<State>) {
    loop {
        told = match changes.wait_for(|now| now.is_ready() != told.is_ready()).await {
            Ok(now) => *now,
            Err(_) => return,
        };
        report(&reporter, told).await;
    }
}

async fn report(reporter: &HealthReporter, state: State) {
    let status = if state.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing };
    for name in NAMES {
        reporter.set_service_status(name, status).await;
    }
}

fn startupz(state: State) -> impl IntoResponse + use<> {
    match state.has_started() {
        true => (StatusCode::OK, "started\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
    }
}

fn readyz(state: State, as_json: bool) -> impl IntoResponse + use<> {
    let status = if state.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let conditions = state.conditions();
    let (kind, body) = match as_json {
        true => {
            let conditions: Vec<Value> = conditions
                .iter()
                .map(
                    |Condition { name, holds }| json!({ "name": name, "holds": holds.is_ok(), "problem": holds.as_ref().err() }),
                )
                .collect();
            (JSON, json!({ "ready": state.is_ready(), "conditions": conditions }).to_string())
        }
        false => {
            let line = |Condition { name, holds }: &Condition| match holds {
                Ok(()) => format!("ok    {name}\n"),
                Err(problem) => format!("fail  {name}: {problem}\n"),
            };
            ("text/plain; charset=utf-8", conditions.iter().map(line).collect())
        }
    };
    (status, [(CONTENT_TYPE, kind)], body)
}

fn wants_json(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|accept| accept.contains(JSON)))
}

/// What this is a build of. Whoever builds it says in `SEALPOST_COMMIT` which commit it is.
fn version() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": option_env!("SEALPOST_COMMIT"),
        "rustc": env!("SEALPOST_RUSTC"),
    })
}
