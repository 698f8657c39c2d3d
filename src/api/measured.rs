//! One call, or one batch of a stream, from when it is there until its answer is: timed, and counted if it fails.

use std::time::Instant;

use sealpost_proto::status::Failure;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::delivery::Services;
use crate::telemetry::{Attribute, Procedure, Span, SpanName, TraceParent};

/// What a client says of the trace that it is in (W3C Trace Context).
pub(super) fn traceparent(metadata: &MetadataMap) -> Option<&str> {
    metadata.get("traceparent")?.to_str().ok()
}

/// One that has begun. Where it is dropped without an [`end`](Measured::end), its caller has gone.
pub(super) struct Measured<'a> {
    services: &'a Services,
    procedure: Procedure,
    began: Instant,
    span: Span<'a>,
    attributes: Option<Attribute>,
}

impl<'a> Measured<'a> {
    /// `traceparent` is what its client says is above it ([`traceparent`]).
    pub(super) fn begin(services: &'a Services, procedure: Procedure, traceparent: Option<&str>) -> Self {
        let span = services.traces.begin(traceparent);
        Self { services, procedure, began: Instant::now(), span, attributes: None }
    }

    /// It is of so many.
    pub(super) fn batch(&mut self, many: usize) {
        self.attributes = Some(Attribute::Batch(many));
    }

    /// What its parts are added to, if it is traced.
    pub(super) fn context(&self) -> Option<TraceParent> {
        self.span.context()
    }

    /// It is answered; a failure as the client gets it.
    pub(super) fn end<T>(self, outcome: Result<T, Failure>) -> Result<T, Status> {
        let metrics = &self.services.metrics.api;
        metrics.call_time.took(self.procedure, self.began.elapsed());
        let reason = outcome.as_ref().err().map(|failure| Attribute::Reason(failure.reason));
        self.span.end(SpanName::Call(self.procedure), self.attributes.into_iter().chain(reason));
        outcome.map_err(|failure| {
            metrics.failures.count((self.procedure, failure.reason));
            failure.into_status()
        })
    }
}
