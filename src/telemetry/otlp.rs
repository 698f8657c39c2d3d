//! Traces and metrics to a collector, by OTLP over gRPC.
//!
//! Metrics are pushed on each full minute and say that minute as their time, so that the push itself tells nobody's time.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter, WithTonicConfig};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue as Attribute, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanData;
use thiserror::Error;
use tokio_util::task::AbortOnDropHandle;
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use super::metrics::{By, Counter, Families, Kind, Metrics, Reading, Sent, Signal};
use super::traces::{TraceConfig, Traces};
use super::warn_rarely;

/// Where traces and metrics are sent, and which.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpConfig {
    /// The collector, as in `http://collector:4317`; with `https` by the authorities that the system trusts.
    pub endpoint: String,
    /// What is traced.
    pub traces: TraceConfig,
    /// Whether metrics are pushed as well.
    pub metrics: bool,
}

/// What is wrong with an endpoint.
#[derive(Debug, Error)]
pub enum OtlpError {
    /// It is no URL.
    #[error("telemetry.otlp_endpoint is no URL such as http://collector:4317 or https://collector:4317")]
    Endpoint,
    /// The exporter does not like something of its environment.
    #[error("traces cannot be sent: {0} (does an environment variable OTEL_EXPORTER_OTLP_… say something wrong?)")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// A collector, sent to.
#[derive(Debug)]
pub struct Otlp {
    /// Takes spans.
    pub traces: Traces,
    /// Pushes metrics.
    _metrics: Option<AbortOnDropHandle<()>>,
}

/// What one push or one batch of spans may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pushes of many relays are spread over so long.
const SPREAD: Duration = Duration::from_secs(5);
const MINUTE: u64 = 60;

impl OtlpConfig {
    /// Whether the endpoint is one.
    ///
    /// # Errors
    /// Where it is not.
    pub fn check(&self) -> Result<(), OtlpError> {
        endpoint(&self.endpoint).map(drop)
    }
}

impl Otlp {
    /// Begins to send, within the runtime in which this is called. Nothing is connected to before there is something to say.
    ///
    /// # Errors
    /// Where the configuration, or a variable of OpenTelemetry in the environment, cannot be used.
    pub fn start(config: &OtlpConfig, metrics: &Arc<Metrics>) -> Result<Self, OtlpError> {
        let channel = endpoint(&config.endpoint)?.connect_lazy();
        let instance: [u8; 16] = rand::random();
        let resource = Resource::builder()
            .with_service_name("sealpost")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", format!("{:032x}", u128::from_be_bytes(instance))))
            .build();
        let exporter = SpanExporter::builder().with_tonic().with_channel(channel.clone()).build()?;
        let sent = metrics.relay.otlp.clone();
        let traces = Traces::new(config.traces.clone(), &resource, Counted { exporter, sent });
        let pushing = config
            .metrics
            .then(|| AbortOnDropHandle::new(tokio::spawn(push_every_minute(channel, resource, metrics.clone()))));
        Ok(Self { traces, _metrics: pushing })
    }
}

fn endpoint(url: &str) -> Result<Endpoint, OtlpError> {
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| OtlpError::Endpoint)?;
    let endpoint = endpoint.timeout(PATIENCE).connect_timeout(PATIENCE);
    match (endpoint.uri().scheme_str(), endpoint.uri().host()) {
        (Some("http"), Some(_)) => Ok(endpoint),
        (Some("https"), Some(_)) => {
            endpoint.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(|_| OtlpError::Endpoint)
        }
        _ => Err(OtlpError::Endpoint),
    }
}

/// An exporter whose batches are counted.
#[derive(Debug)]
struct Counted {
    exporter: SpanExporter,
    sent: By<(Signal, Sent), Counter>,
}

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let outcome = self.exporter.export(batch).await;
        count(&self.sent, Signal::Traces, outcome.is_ok());
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

fn count(sent: &By<(Signal, Sent), Counter>, signal: Signal, worked: bool) {
    sent.count((signal, if worked { Sent::Sent } else { Sent::Failed }));
    if !worked {
        let signal = signal.word();
        warn_rarely!("the collector of telemetry.otlp_endpoint does not take what it is sent", signal = signal);
    }
}

async fn push_every_minute(channel: Channel, resource: Resource, metrics: Arc<Metrics>) {
    let mut client = MetricsServiceClient::new(channel);
    let began = now() / MINUTE * MINUTE;
    let headers = headers(&std::env::var("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default());
    loop {
        let minute = (now() / MINUTE + 1) * MINUTE;
        let wait = (UNIX_EPOCH + Duration::from_secs(minute)).duration_since(SystemTime::now());
        tokio::time::sleep(wait.unwrap_or_default()).await;
        let mut request = tonic::Request::new(request(&resource, metrics.families(), began, minute));
        *request.metadata_mut() = headers.clone();
        tokio::time::sleep(SPREAD.mul_f64(rand::random::<f64>())).await;
        let pushed = client.export(request).await;
        count(&metrics.relay.otlp, Signal::Metrics, pushed.is_ok());
    }
}

/// The time in seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// As in `api-key=secret,tenant=a`; what no header can hold is left out, as OpenTelemetry's own exporters do.
fn headers(text: &str) -> MetadataMap {
    let mut headers = MetadataMap::new();
    for (name, value) in text.split(',').filter_map(|pair| pair.split_once('=')) {
        if let (Ok(name), Ok(value)) = (name.trim().parse::<MetadataKey<_>>(), value.trim().parse::<MetadataValue<_>>())
        {
            headers.insert(name, value);
        }
    }
    headers
}

/// What all series show at `minute`, counted since `began`; both in seconds since 1970.
fn request(resource: &Resource, families: &Families, began: u64, minute: u64) -> ExportMetricsServiceRequest {
    let times = Times { began: began * 1_000_000_000, at: minute * 1_000_000_000 };
    let metrics = families.iter().filter_map(|family| {
        let series: Vec<_> = family.series().map(|(labels, reading)| (attributes(&labels), reading)).collect();
        (!series.is_empty()).then(|| Metric {
            name: family.name.to_owned(),
            description: family.help.to_owned(),
            unit: family.ucum().to_owned(),
            metadata: Vec::new(),
            data: Some(times.data(family.kind, series)),
        })
    });
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource.into()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: "sealpost".to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    ..InstrumentationScope::default()
                }),
                metrics: metrics.collect(),
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }],
    }
}

fn attributes(labels: &[(&'static str, &'static str)]) -> Vec<Attribute> {
    let text = |value: &str| AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    labels
        .iter()
        .map(|(name, value)| Attribute { key: (*name).to_owned(), value: Some(text(value)), ..Attribute::default() })
        .collect()
}

struct Times {
    began: u64,
    at: u64,
}

impl Times {
    fn data(&self, kind: Kind, series: Vec<(Vec<Attribute>, Reading)>) -> metric::Data {
        let temporality = i32::from(AggregationTemporality::Cumulative);
        match kind {
            Kind::Gauge => metric::Data::Gauge(Gauge { data_points: self.numbers(series) }),
            Kind::Counter => metric::Data::Sum(Sum {
                data_points: self.numbers(series),
                aggregation_temporality: temporality,
                is_monotonic: true,
            }),
            Kind::Histogram => metric::Data::Histogram(Histogram {
                data_points: series
                    .into_iter()
                    .filter_map(|(labels, reading)| self.histogram(labels, reading))
                    .collect(),
                aggregation_temporality: temporality,
            }),
        }
    }

    fn numbers(&self, series: Vec<(Vec<Attribute>, Reading)>) -> Vec<NumberDataPoint> {
        let value = |reading| match reading {
            Reading::Count(count) => Some(number_data_point::Value::AsInt(i64::try_from(count).unwrap_or(i64::MAX))),
            Reading::Amount(number) | Reading::Level(number) => Some(number_data_point::Value::AsDouble(number)),
            Reading::Histogram { .. } => None,
        };
        let point = |(attributes, reading)| NumberDataPoint {
            attributes,
            start_time_unix_nano: self.began,
            time_unix_nano: self.at,
            value: value(reading),
            ..NumberDataPoint::default()
        };
        series.into_iter().map(point).collect()
    }

    fn histogram(&self, attributes: Vec<Attribute>, reading: Reading) -> Option<HistogramDataPoint> {
        let Reading::Histogram { sum, buckets } = reading else { return None };
        Some(HistogramDataPoint {
            attributes,
            start_time_unix_nano: self.began,
            time_unix_nano: self.at,
            count: buckets.iter().map(|(_, count)| count).sum(),
            sum: Some(sum),
            explicit_bounds: buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect(),
            bucket_counts: buckets.iter().map(|(_, count)| *count).collect(),
            ..HistogramDataPoint::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use sealpost_testkit::{Collector, text};

    use super::*;
    use crate::telemetry::{Outcome, Procedure};

    #[test]
    fn an_endpoint_is_a_url_of_http() {
        for good in ["http://collector:4317", "http://[::1]:4317", "https://collector.example.org:4317"] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in ["", "collector:4317", "ftp://collector", "http://", "/path", "http://a b"] {
            assert!(matches!(endpoint(bad), Err(OtlpError::Endpoint)), "{bad}");
        }
    }

    #[test]
    fn headers_are_read_as_opentelemetry_has_them() {
        let headers = headers("api-key=se=cret, tenant = a,,nonsense,b\u{e9}d=x");
        assert_eq!(headers.get("api-key").map(|value| value.as_bytes()), Some(&b"se=cret"[..]));
        assert_eq!(headers.get("tenant").map(|value| value.as_bytes()), Some(&b"a"[..]));
        assert_eq!(headers.len(), 2);
    }

    #[tokio::test]
    async fn a_collector_gets_what_is_counted_and_no_time_but_the_minute() {
        let metrics = Metrics::new();
        metrics.api.sends.add(Outcome::Full, 3);
        metrics.api.call_time.took(Procedure::Send, Duration::from_millis(2));
        metrics.relay.draining.set(1);
        let collector = Collector::start().await;
        let channel = endpoint(&collector.endpoint()).expect("it is one").connect_lazy();
        let resource = Resource::builder_empty().with_service_name("sealpost").build();
        let pushed = request(&resource, metrics.families(), 60, 120);
        MetricsServiceClient::new(channel).export(pushed).await.expect("it is taken");

        let all = collector.metrics();
        let resource = all[0].resource_metrics[0].resource.as_ref().expect("a resource");
        assert_eq!(text(&resource.attributes, "service.name").as_deref(), Some("sealpost"));
        let all = &all[0].resource_metrics[0].scope_metrics[0].metrics;
        let find = |name: &str| all.iter().find(|metric| metric.name == name).expect(name);
        let Some(metric::Data::Sum(sends)) = &find("sealpost_sends").data else { panic!("a sum") };
        assert!(sends.is_monotonic);
        let full = sends.data_points.iter().find(|point| text(&point.attributes, "outcome").as_deref() == Some("full"));
        let full = full.expect("it is there");
        assert_eq!(full.value, Some(number_data_point::Value::AsInt(3)));
        assert_eq!((full.start_time_unix_nano, full.time_unix_nano), (60_000_000_000, 120_000_000_000));
        let Some(metric::Data::Histogram(calls)) = &find("sealpost_call").data else { panic!("a histogram") };
        assert_eq!(find("sealpost_call").unit, "s");
        let send = &calls.data_points[0];
        assert_eq!((send.count, send.sum), (1, Some(0.002)));
        assert_eq!(send.bucket_counts.len(), send.explicit_bounds.len() + 1);
        let bucket = send.explicit_bounds.iter().position(|bound| *bound == 0.0025).expect("a bound");
        assert_eq!(send.bucket_counts[bucket], 1);
        let Some(metric::Data::Gauge(draining)) = &find("sealpost_draining").data else { panic!("a gauge") };
        assert_eq!(draining.data_points[0].value, Some(number_data_point::Value::AsDouble(1.0)));
        assert!(all.iter().all(|metric| metric.name != "sealpost_certificate_days_left"), "what is not known");
    }
}
