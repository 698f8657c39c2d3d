//! A collector of traces and metrics that speaks OTLP over gRPC, and keeps what it gets.

use std::net::SocketAddr;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status};

/// A collector at work, on a free port of this machine.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    got: Arc<Got>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Got {
    traces: Mutex<Vec<ExportTraceServiceRequest>>,
    metrics: Mutex<Vec<ExportMetricsServiceRequest>>,
}

impl Collector {
    /// Starts one.
    ///
    /// # Panics
    /// Where there is no port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it has one");
        let got = Arc::new(Got::default());
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::from_arc(got.clone()))
            .add_service(MetricsServiceServer::from_arc(got.clone()))
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener));
        let serving = tokio::spawn(async move {
            server.await.expect("it serves");
        });
        Self { address, got, _serving: AbortOnDropHandle::new(serving) }
    }

    /// Where it is, as `telemetry.otlp_endpoint` has it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans, each with the instance of the service that sent it.
    pub fn spans(&self) -> Vec<(String, Span)> {
        let requests = self.got.traces.lock();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        resources
            .flat_map(|of| {
                let resource = of.resource.as_ref().expect("a resource");
                let instance = text(&resource.attributes, "service.instance.id").expect("an instance");
                of.scope_spans.iter().flat_map(|scope| scope.spans.clone()).map(move |span| (instance.clone(), span))
            })
            .collect()
    }

    /// All pushes of metrics.
    pub fn metrics(&self) -> Vec<ExportMetricsServiceRequest> {
        self.got.metrics.lock().clone()
    }

    /// Everything, as it came.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for request in self.got.traces.lock().iter() {
            request.encode(&mut bytes).expect("there is room");
        }
        for request in self.got.metrics.lock().iter() {
            request.encode(&mut bytes).expect("there is room");
        }
        bytes
    }
}

/// An attribute that is a text.
pub fn text(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue], key: &str) -> Option<String> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    match attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

#[tonic::async_trait]
impl TraceService for Got {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.traces.lock().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Got {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.metrics.lock().push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
