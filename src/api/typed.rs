//! Gives a reason to the failures that the framework makes by itself (P12): an unknown method, a message that is too
//! long or no message at all.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::failure;

/// Puts [`TypedErrors`] around a service.
#[derive(Debug, Clone, Copy)]
pub struct TypedErrorsLayer;

/// A service whose every failure has a reason.
#[derive(Debug, Clone)]
pub struct TypedErrors<S>(S);

impl<S> Layer<S> for TypedErrorsLayer {
    type Service = TypedErrors<S>;

    fn layer(&self, service: S) -> Self::Service {
        TypedErrors(service)
    }
}

impl<S, B, R> Service<Request<B>> for TypedErrors<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let compressed = request.headers().get("grpc-encoding").is_some_and(|encoding| encoding != "identity");
        let response = self.0.call(request);
        Box::pin(async move {
            let mut response = response.await?;
            // A failure before the first message stands in the headers.
            if response.headers().get(Status::GRPC_STATUS).is_some_and(is_failure) {
                type_headers(&mut response, compressed);
            }
            Ok(response)
        })
    }
}

fn is_failure(status: &HeaderValue) -> bool {
    status.as_bytes() != b"0"
}

fn type_headers<R>(response: &mut Response<R>, compressed: bool) {
    if let Some(status) = Status::from_header_map(response.headers())
        && failure::is_untyped(&status)
    {
        let failure = match status.code() {
            // The framework calls that unimplemented too.
            Code::Unimplemented if compressed => failure::compressed(),
            _ => failure::of_framework(&status),
        };
        // Writing a status into headers fails only for a message that no header can hold, and ours are ASCII.
        let _ = failure.into_status().add_header(response.headers_mut());
    }
}
