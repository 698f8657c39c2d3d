//! Logs for people or programs, and traces over OTLP.

use std::io::IsTerminal;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use thiserror::Error;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// What is logged, how, and where traces go.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Levels, as in `info` or `info,sealpost::delivery=debug`.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
    /// Where traces go by OTLP over gRPC, as in `http://collector:4317`; `None`: nowhere.
    pub otlp_endpoint: Option<String>,
    /// The share of requests that is traced, 0 to 1.
    pub trace_ratio: f64,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// For programs: one JSON object a line.
    Json,
}

/// Of what peers do wrong the transport warns, in their words, and as often as they like; so it says less, unless it is named.
const QUIET: &str = "h2=error,hyper=error,rustls=error";

/// Why telemetry could not begin.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("telemetry.log is no filter such as \"info\" or \"info,sealpost::delivery=debug\": {0}")]
    Filter(tracing_subscriber::filter::ParseError),
    /// Traces cannot be sent there.
    #[error("telemetry.otlp_endpoint cannot be used: {0}")]
    Otlp(opentelemetry_otlp::ExporterBuildError),
    /// Somebody else logs in this process already.
    #[error("logging was begun twice")]
    Twice,
}

/// Logging, begun. When it is dropped, traces that wait are sent.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Begins to log, for the whole process.
    ///
    /// # Errors
    /// Where a setting cannot be used, or logging has begun already.
    pub fn begin(config: &LogConfig) -> Result<Self, TelemetryError> {
        let filter = EnvFilter::try_new(format!("{QUIET},{}", config.filter)).map_err(TelemetryError::Filter)?;
        let lines = match config.format {
            LogFormat::Human => {
                fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr).boxed()
            }
            LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
        };
        let traces = config.otlp_endpoint.as_deref().map(|at| provider(at, config.trace_ratio)).transpose()?;
        let spans = traces.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("sealpost"))
                // Spans of the transport would hold what it knows of peers.
                .with_filter(tracing_subscriber::filter::Targets::new().with_target("sealpost", LevelFilter::INFO))
        });
        tracing_subscriber::registry()
            .with(spans)
            .with(lines.with_filter(filter))
            .try_init()
            .map_err(|_| TelemetryError::Twice)?;
        Ok(Self { traces })
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = &self.traces {
            // At the end of the process there is nobody left to tell.
            let _ = traces.shutdown();
        }
    }
}

fn provider(endpoint: &str, ratio: f64) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter =
        SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().map_err(TelemetryError::Otlp)?;
    let resource = Resource::builder()
        .with_service_name("sealpost")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
        .with_resource(resource)
        .build())
}
