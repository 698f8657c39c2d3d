//! One call, or one batch of a stream, from when it is there until its answer is: timed, and counted if it fails.

use std::time::Instant;

use sealpost_proto::status::Failure;
use tonic::Status;

use crate::delivery::Services;
use crate::telemetry::Procedure;

/// One that has begun. Where it is dropped without an [`end`](Measured::end), its caller has gone.
pub(super) struct Measured<'a> {
    services: &'a Services,
    procedure: Procedure,
    began: Instant,
}

impl<'a> Measured<'a> {
    pub(super) fn begin(services: &'a Services, procedure: Procedure) -> Self {
        Self { services, procedure, began: Instant::now() }
    }

    /// It is answered; a failure as the client gets it.
    pub(super) fn end<T>(self, outcome: Result<T, Failure>) -> Result<T, Status> {
        let metrics = &self.services.metrics.api;
        metrics.call_time.took(self.procedure, self.began.elapsed());
        outcome.map_err(|failure| {
            metrics.failures.count((self.procedure, failure.reason));
            failure.into_status()
        })
    }
}
